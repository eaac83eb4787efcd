"""Layer: tests of pools.  What others see of a pool in its memory, without its help."""

import functools
import mmap
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import fastproc as fp
from fastproc.pool import _monitor, monitor

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc")


def identity(x):
    return x


def asleep():
    time.sleep(1000)


def until(is_so):
    """Wait for what another process is about to do."""
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture(scope="module")
def pool():
    with fp.Pool(2, context="spawn") as processes:
        yield processes


def look(pool):
    (found,) = [
        view
        for view in monitor.pools_of(os.getpid())
        if {worker.pid for worker in view.workers()} == {row.pid for row in pool.stats()}
    ]
    return found


def test_counts_are_those_of_the_pool(pool):
    pool.map(identity, range(1000), 1)
    view = look(pool)
    assert (view.processes, view.pid) == (2, os.getpid())
    until(lambda: not any(worker.since for worker in view.workers()))
    for worker, row in zip(view.workers(), pool.stats(), strict=True):
        assert (worker.pid, worker.tasks, worker.restarts) == (row.pid, row.tasks, row.restarts)
        assert worker.busy / 1e9 == pytest.approx(row.busy)
        assert worker.is_ready


def test_what_is_no_pool_is_not_mapped(pool, monkeypatch, tmp_path):
    mapped = []
    mapping = mmap.mmap
    monkeypatch.setattr(mmap, "mmap", lambda *args, **kw: mapped.append(1) or mapping(*args, **kw))
    with open(tmp_path / "temporary", "w+b") as file:
        (tmp_path / "temporary").unlink()
        file.write(bytes(10_000))
        file.flush()
        pools = monitor.pools_of(os.getpid())
        assert len(pools) == len(mapped) > 0


def make_long_name():
    name = "ä" * 200
    scope = {}
    exec(f"def {name}(): return 1", scope)
    return scope[name]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (os.getpid, "getpid"),
        (functools.partial(os.getpid), "getpid"),
        (lambda: 1, "<lambda>"),
        (make_long_name(), "ä" * 60),
    ],
)
def test_the_function_is_named(function, name):
    with fp.Pool(1, context="fork") as single:
        single.apply(function)
        (worker,) = look(single).workers()
        assert worker.function == name


def test_a_task_is_seen_while_it_runs():
    with fp.Pool(1, context="fork") as single:
        view = look(single)
        before = monitor.now()
        single.apply_async(asleep)
        until(lambda: view.workers()[0].since)
        (worker,) = view.workers()
        assert worker.function == "asleep"
        assert worker.tasks == 0
        assert before <= worker.since <= monitor.now()


class Stuck:
    def __reduce__(self):
        return time.sleep, (1000,)


def test_a_task_whose_arguments_are_being_read_has_its_function_name():
    with fp.Pool(1, context="fork") as single:
        single.apply(identity, (1,))
        view = look(single)
        single.apply_async(repr, (Stuck(),))
        until(lambda: view.workers()[0].since)
        assert view.workers()[0].function == "repr"


def test_arguments_that_cannot_be_read_end_the_task():
    with fp.Pool(1, context="fork") as single:
        with pytest.raises(Exception, match="no more"):
            single.apply(repr, (Unreadable(),))
        until(lambda: look(single).workers()[0].tasks > 0)
        assert look(single).workers()[0].since == 0


class Unreadable:
    def __reduce__(self):
        return refuse, ()


def refuse():
    raise ValueError("no more")


def test_a_worker_that_was_replaced():
    with fp.Pool(1, context="fork") as single:
        view = look(single)
        (first,) = view.workers()
        os.kill(first.pid, signal.SIGKILL)
        single.apply(identity, (1,))
        (second,) = view.workers()
        assert second.restarts == 1
        assert second.pid != first.pid
        assert second.born > first.born


def test_a_pool_that_has_ended_is_found_no_more():
    with fp.Pool(1, context="fork") as single:
        made = look(single).made
    assert made not in [view.made for view in monitor.pools_of(os.getpid())]
    assert single.stats() == []  # it is there still, and its memory may be


def test_names_are_whole_while_they_change(pool):
    """Two names of which no part is the other's, written as quickly as a worker can."""
    names = ["a" * 110, "b" * 110]
    functions = []
    for name in names:
        scope = {}
        exec(f"def {name}(x): return x", scope)
        functions.append(scope[name])
    view = look(pool)
    seen = set()
    is_over = threading.Event()

    def read():
        while not is_over.is_set():
            seen.update(worker.function for worker in view.workers())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(2):
        results = [pool.apply_async(functions[i % 2], (i,)) for i in range(20)]
        assert [result.get() for result in results] == list(range(20))
    is_over.set()
    reader.join()
    assert seen - {"", "identity"} <= set(names)
    assert set(names) <= seen


PROGRAM = """
import sys
import fastproc as fp

if __name__ == "__main__":
    kept = fp.share([1.0])
    with fp.Pool(2, context=sys.argv[1]) as pool:
        pool.map(abs, range(100), 1)
        print(pool.stats()[0].pid, flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize("segments", ["memfd", "portable"])
def test_a_program_that_is_stopped(segments, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    program = subprocess.Popen(
        [sys.executable, script, "fork"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "FASTPROC_SEGMENTS": segments},
    )
    try:
        worker = int(program.stdout.readline())
        os.kill(program.pid, signal.SIGSTOP)
        (view,) = monitor.pools_of(program.pid)
        assert sum(each.tasks for each in view.workers()) == 100
        assert worker in [each.pid for each in view.workers()]
        # A fork has all that its parent had open, and it is not its own.
        assert monitor.pools_of(worker) == []
        os.kill(program.pid, signal.SIGCONT)
    finally:
        program.communicate()
    with pytest.raises(ProcessLookupError, match=f"there is no process {program.pid}"):
        monitor.pools_of(program.pid)


def test_a_process_of_somebody_else(monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(PermissionError, match="process 1 may be looked into by its own user only"):
        monitor.pools_of(1)


def memory_with(layout, n_slots, nbytes):
    """Return a descriptor of memory that begins like a pool's."""
    page = bytearray(nbytes)
    page[8:16] = int.from_bytes(b"fastpool", "little").to_bytes(8, sys.byteorder)
    page[16:20] = layout.to_bytes(4, sys.byteorder)
    page[20:24] = n_slots.to_bytes(4, sys.byteorder)
    page[24:32] = os.getpid().to_bytes(8, sys.byteorder)
    fd = os.memfd_create("fastproc")
    os.write(fd, page)
    return fd


needs_memfd = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no memfd")


@needs_memfd
def test_a_pool_of_another_version_is_refused():
    fd = memory_with(_monitor.LAYOUT_HERE + 7, 1, 4096)
    try:
        with pytest.raises(monitor.ForeignLayoutError, match=r"layout 8 of its pools; this one"):
            monitor.pools_of(os.getpid())
    finally:
        os.close(fd)


@needs_memfd
@pytest.mark.parametrize(("n_slots", "nbytes"), [(1, 4096), (2**31 - 1, 8192), (0, 64)])
def test_memory_that_is_too_small_for_what_it_says_is_no_pool(n_slots, nbytes):
    fd = memory_with(_monitor.LAYOUT_HERE, n_slots, nbytes)
    try:
        assert 0 not in [view.made for view in monitor.pools_of(os.getpid())]
    finally:
        os.close(fd)


def test_slots_that_are_not_there():
    with pytest.raises(ValueError, match="there are no 3 slots in a memory of 4096 bytes"):
        _monitor.workers_in(bytes(4096), 3)
