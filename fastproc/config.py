"""Layer: base.  Every environment variable and every default, in one place.

Nothing here imports another part of fastproc.  Each environment variable is read by one
function of this module, so that a bad value is reported once, in one style, as ConfigError.
"""

from __future__ import annotations

import functools
import os

from fastproc.errors import ConfigError

KIB = 1024
MIB = 1024 * KIB

#: Bytes of dropped shared segments that a process keeps, ready for the next array.  A fresh page
#: costs ten times a copy (page faults), so a recycled segment is worth its memory.
SEGMENT_CACHE_BYTES = 256 * MIB

_in_pool_worker = False


def enter_pool_worker() -> None:
    """Say that this process is a pool's worker, where kernels by default use one thread."""
    global _in_pool_worker
    _in_pool_worker = True


def in_pool_worker() -> bool:
    """Tell whether this process is a worker of a pool."""
    return _in_pool_worker


def cpu_level() -> str | None:
    """Return the CPU level asked for by ``FASTPROC_CPU_LEVEL``, or None to take the best."""
    return os.environ.get("FASTPROC_CPU_LEVEL") or None


def segment_backend() -> str | None:
    """Return the kind of shared memory asked for by ``FASTPROC_SEGMENTS``, or None."""
    name = os.environ.get("FASTPROC_SEGMENTS") or None
    if name not in (None, "memfd", "portable"):
        raise ConfigError(f"FASTPROC_SEGMENTS is {name!r}; it must be 'memfd' or 'portable'")
    return name


def transport() -> str | None:
    """Return how processes wake one another, by ``FASTPROC_TRANSPORT``, or None for the best."""
    name = os.environ.get("FASTPROC_TRANSPORT") or None
    if name not in (None, "futex", "portable"):
        raise ConfigError(f"FASTPROC_TRANSPORT is {name!r}; it must be 'futex' or 'portable'")
    return name


def segment_cache_bytes() -> int:
    """Return how many bytes of dropped segments to keep for reuse (``FASTPROC_SEGMENT_CACHE``)."""
    return _whole_number("FASTPROC_SEGMENT_CACHE", SEGMENT_CACHE_BYTES, least=0)


def default_workers() -> int:
    """Return how many threads ``workers=None`` means here.

    One inside a pool's worker, since the pool already keeps the cores busy; else
    ``FASTPROC_WORKERS``; else the cores this process may use.
    """
    if _in_pool_worker:
        return 1
    return _whole_number("FASTPROC_WORKERS", 0, least=1) or allowed_cpus()


def allowed_cpus() -> int:
    """Return how many cores this process may use: its affinity, limited by its cgroup's quota."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        cores = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = _cgroup_cpu_quota()
    return cores if quota is None else max(1, min(cores, int(quota + 0.5)))


def memory_limit() -> int | None:
    """Return this process's memory limit in bytes by its cgroup, or None if there is none."""
    limits = []
    for folder in _cgroup_folders("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(os.path.join(folder, name))
            # cgroup v1 says "no limit" with a number near 2**63.
            if text and text.strip().isdigit() and int(text) < 1 << 60:
                limits.append(int(text))
    return min(limits, default=None)


@functools.cache
def _cgroup_cpu_quota() -> float | None:
    """Return the tightest CPU quota, in cores, of this process's cgroup and those above it.

    Read once per process: it is asked for at every call of a kernel on a large array, and reading
    the files takes as long as adding up 100,000 numbers.
    """
    quotas = []
    for folder in _cgroup_folders("cpu"):
        version_2 = (_read(os.path.join(folder, "cpu.max")) or "").split()
        if len(version_2) == 2 and version_2[0] != "max":
            quotas.append(int(version_2[0]) / int(version_2[1]))
        quota = _read(os.path.join(folder, "cpu.cfs_quota_us"))
        period = _read(os.path.join(folder, "cpu.cfs_period_us"))
        if quota and period and int(quota) > 0:
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _cgroup_folders(controller: str) -> list[str]:
    """Return the folders of this process's cgroup for `controller`, its own first, then above."""
    folders = []
    for line in (_read("/proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2: one tree for all controllers
            root = "/sys/fs/cgroup"
        elif controller in controllers.split(","):
            root = f"/sys/fs/cgroup/{controllers}"
        else:
            continue
        parts = [part for part in path.split("/") if part]
        folders += [os.path.join(root, *parts[:depth]) for depth in range(len(parts), -1, -1)]
    return folders


def _read(path: str) -> str | None:
    """Return a small file's text, or None where there is no such file to read."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return None


def _whole_number(variable: str, default: int, least: int) -> int:
    """Return the environment `variable` as a whole number of at least `least`."""
    text = os.environ.get(variable)
    if not text:
        return default
    if not text.strip().isdecimal() or int(text) < least:
        raise ConfigError(f"{variable} is {text!r}; it must be a whole number of at least {least}")
    return int(text)
