"""Layer: command line.  Facts about this machine and installation, for `info` and for results.

Everything is a value that JSON has, so that a file of results can say where it comes from.
"""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import os
import platform
import sys
from pathlib import Path
from typing import Any

import fastproc
from fastproc import config
from fastproc.kernels import dispatch
from fastproc.pool._dispatcher import HAS_FUTEX

#: Packages whose versions belong to a result.
RIVALS = (
    "numpy",
    "scipy",
    "bottleneck",
    "numbagg",
    "pandas",
    "fast-histogram",
    "numexpr",
    "scikit-learn",
)


def facts() -> dict[str, Any]:
    """Return what is known of this machine and this process."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cpu": _cpu_model(),
        "cpu_level": dispatch.level,
        "cpu_levels_available": dispatch.available_levels(),
        "cores": os.cpu_count(),
        "cores_by_affinity": _cores_by_affinity(),
        "cores_allowed": config.allowed_cpus(),
        "default_workers": config.default_workers(),
        # Asked for without a default, since to ask for the default would fix it.
        "start_method": multiprocessing.get_start_method(allow_none=True)
        or multiprocessing.get_all_start_methods()[0],
        "memory_bytes": _memory_bytes(),
        "memory_limit_bytes": config.memory_limit(),
        "segments": _segment_backend(),
        "transport": config.transport() or ("futex" if HAS_FUTEX else "portable"),
        "segment_cache_bytes": config.segment_cache_bytes(),
        "environment": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith("FASTPROC")
        },
    }


def versions() -> dict[str, str]:
    """Return the versions of fastproc, Python and those rivals that are installed."""
    found = {"fastproc": fastproc.__version__, "python": _python()}
    for name in RIVALS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a rival that is not here is not timed either
    return found


def _python() -> str:
    version = f"{platform.python_implementation()} {platform.python_version()}"
    has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()  # Python 3.13
    return version if has_gil else f"{version}, without a GIL"


def _cpu_model() -> str | None:
    """Return the CPU's name, or None where the system does not tell."""
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or None


def _cores_by_affinity() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _memory_bytes() -> int | None:
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _segment_backend() -> str:
    default = "memfd" if hasattr(os, "memfd_create") else "portable"
    return config.segment_backend() or default
