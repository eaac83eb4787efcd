"""Layer: tests of the pool.  Nobody else gets in: another user tries.

What is read comes from memory, pipes and sockets; whoever cannot write to any of them cannot have
anything unpickled.
"""

import json
import os
import socket
import stat
import sys

import numpy as np
import pytest

from fastproc import share
from fastproc.pool import Pool

NOBODY = 65534

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def descriptors(pid):
    """Return which files a process has open, by descriptor."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue  # the listing's own
    return found


def segments(pid):
    return [fd for fd, name in descriptors(pid).items() if "fastproc" in name]


def listening_sockets():
    """Return the paths of all Unix sockets of this machine that have one."""
    with open("/proc/net/unix") as file:
        return {line.split()[7] for line in file.readlines()[1:] if len(line.split()) > 7}


def as_nobody(attempts):
    """Have another user make attempts; return what each came to."""
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(send, json.dumps([attempt(*args) for attempt, *args in attempts]).encode())
        finally:
            os._exit(0)
    os.close(send)
    with open(receive) as file:
        text = file.read()
    os.waitpid(child, 0)
    return json.loads(text)


def try_open(path):
    try:
        os.close(os.open(path, os.O_RDWR))
    except OSError as error:
        return type(error).__name__
    return "opened"


def try_connect(path):
    try:
        socket.socket(socket.AF_UNIX).connect("\0" + path[1:] if path[0] == "@" else path)
    except OSError as error:
        return type(error).__name__
    return "connected"


@pytest.fixture(params=["memfd", "portable"])
def backend(request, monkeypatch):
    monkeypatch.setenv("FASTPROC_SEGMENTS", request.param)
    return request.param


@pytest.mark.parametrize("transport", ["futex", "portable"])
def test_memory_is_its_users_alone(backend, transport, monkeypatch):
    monkeypatch.setenv("FASTPROC_TRANSPORT", transport)
    array = share(np.arange(10.0))
    with Pool(1) as pool:
        assert pool.apply(np.sum, (array,)) == 45
        for pid in (os.getpid(), pool.stats()[0].pid):
            found = segments(pid)
            assert found
            for fd in found:
                status = os.stat(f"/proc/{pid}/fd/{fd}")
                assert status.st_uid == os.getuid()
                assert stat.S_IMODE(status.st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="becomes another user")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_another_user_gets_in_nowhere(backend, method):
    before = listening_sockets()
    names = set(os.listdir("/dev/shm"))
    array = share(np.ones(1000))
    with Pool(1, context=method) as pool:
        # Large both ways, so that parcels are on their way and in use.
        assert pool.apply(np.add, (array, np.ones(1000))).sum() == 2000
        kept = pool.apply(np.ones, (100_000,))
        attempts = []
        for pid in (os.getpid(), pool.stats()[0].pid):
            attempts += [(try_open, f"/proc/{pid}/fd/{fd}") for fd in descriptors(pid)]
            attempts.append((try_open, f"/proc/{pid}/mem"))
        attempts += [(try_connect, path) for path in listening_sockets() - before]
        outcomes = as_nobody(attempts)
        assert len(outcomes) == len(attempts) > 10
        assert set(outcomes) == {"PermissionError"}
        assert set(os.listdir("/dev/shm")) == names
    assert kept.sum() == 100_000
