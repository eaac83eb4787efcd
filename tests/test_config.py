"""Layer: tests.  Environment variables, cores and memory limits."""

import os

import pytest

import fastproc as fp
from fastproc import config


@pytest.fixture
def files(monkeypatch):
    """Replace the system's files by these."""
    contents = {}
    monkeypatch.setattr(config, "_read", contents.get)
    config._cgroup_cpu_quota.cache_clear()
    yield contents
    config._cgroup_cpu_quota.cache_clear()


@pytest.fixture
def cores(monkeypatch):
    """Say that this process may use eight cores."""
    if hasattr(os, "process_cpu_count"):
        monkeypatch.setattr(os, "process_cpu_count", lambda: 8)
    else:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


def test_affinity_alone(files, cores):
    assert config.allowed_cpus() == 8


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1)],
)
def test_quota_of_cgroup_version_2(files, cores, quota, expected):
    files["/proc/self/cgroup"] = "0::/user/job\n"
    files["/sys/fs/cgroup/user/cpu.max"] = quota
    assert config.allowed_cpus() == expected


def test_quota_of_cgroup_version_1(files, cores):
    files["/proc/self/cgroup"] = "5:memory:/job\n4:cpu,cpuacct:/job\n"
    files["/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us"] = "300000\n"
    files["/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us"] = "100000\n"
    assert config.allowed_cpus() == 3
    files["/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us"] = "-1\n"
    config._cgroup_cpu_quota.cache_clear()
    assert config.allowed_cpus() == 8


def test_memory_limit_is_the_tightest(files):
    assert config.memory_limit() is None
    files["/proc/self/cgroup"] = "0::/user/job\n"
    files["/sys/fs/cgroup/user/job/memory.max"] = "max\n"
    assert config.memory_limit() is None
    files["/sys/fs/cgroup/user/memory.max"] = "4096000\n"
    files["/sys/fs/cgroup/memory.max"] = "8192000\n"
    assert config.memory_limit() == 4096000


def test_workers_by_the_environment(monkeypatch):
    monkeypatch.setenv("FASTPROC_WORKERS", "3")
    assert config.default_workers() == 3
    monkeypatch.setenv("FASTPROC_WORKERS", "")
    assert config.default_workers() == config.allowed_cpus()


@pytest.mark.parametrize(
    ("variable", "read", "text"),
    [
        ("FASTPROC_WORKERS", config.default_workers, "0"),
        ("FASTPROC_SEGMENT_CACHE", config.segment_cache_bytes, "-1"),
        ("FASTPROC_SEGMENT_CACHE", config.segment_cache_bytes, "1M"),
        ("FASTPROC_SEGMENTS", config.segment_backend, "posix"),
        ("FASTPROC_TRANSPORT", config.transport, "pipes"),
    ],
)
def test_bad_values_are_named(variable, read, text, monkeypatch):
    monkeypatch.setenv(variable, text)
    with pytest.raises(fp.ConfigError, match=f"{variable} is '{text}'; it must be"):
        read()
