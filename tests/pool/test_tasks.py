"""Layer: tests.  What can be asked of a task: time, tries, an end; and what a pool tells."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import CancelledError

import numpy as np
import pytest

from fastproc.errors import TaskTimeout, WorkerDied
from fastproc.pool import Pool
from fastproc.shm.array import shared_zeros


def cube(x):
    return x**3


def sleep_and_count(seconds, counts, index):
    counts[index] += 1
    time.sleep(seconds)
    return index


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return seconds


def die_until(number, counts, index):
    counts[index] += 1
    if counts[index] < number:
        os.kill(os.getpid(), signal.SIGKILL)
    return int(counts[index])


def test_a_task_that_runs_for_too_long(pool):
    pool.apply(cube, (1,))
    begun = time.monotonic()
    with pytest.raises(TaskTimeout, match=r"the task ran for more than 0\.2 s") as caught:
        pool.apply(time.sleep, (30,), timeout=0.2)
    assert time.monotonic() - begun < 5
    assert isinstance(caught.value, TimeoutError)
    assert pool.map(cube, range(10)) == [x**3 for x in range(10)]


def test_what_becomes_of_workers_is_logged(caplog):
    caplog.set_level("INFO", "fastproc")
    with Pool(1, context="fork", maxtasksperchild=3) as single:
        killed = single.apply(os.getpid)
        with pytest.raises(WorkerDied):
            single.apply(os.kill, (killed, signal.SIGKILL))
        slow = single.apply(os.getpid)
        with pytest.raises(TaskTimeout):
            single.apply(time.sleep, (30,), timeout=0.1)
        retired, *_ = [single.apply(os.getpid) for _ in range(4)]
    assert [(record.name, record.levelname, record.message) for record in caplog.records] == [
        ("fastproc", level, f"worker {pid} {how}; another takes its place")
        for level, pid, how in (
            ("WARNING", killed, "was killed by SIGKILL"),
            ("INFO", slow, "was killed by SIGKILL"),
            ("INFO", retired, "exited with status 0"),
        )
    ]


def test_a_system_that_refuses_a_worker_for_a_while(caplog, monkeypatch):
    with Pool(1, context="fork") as single:
        start, refusals = single._manager._start, [OSError(11, "no process"), OSError(11, "none")]

        def start_at_last(slot):
            if refusals:
                raise refusals.pop(0)
            start(slot)

        monkeypatch.setattr(single._manager, "_start", start_at_last)
        with pytest.raises(WorkerDied):
            single.apply(os.abort)
        assert single.apply(abs, (-3,)) == 3
    assert [record.message for record in caplog.records][1:] == [
        "a worker cannot be started: [Errno 11] no process; tried again"
    ]


def test_only_that_task_fails(pool):
    results = pool.imap(spin, [0.001, 30, 0.002, 0.003], timeout=0.3)
    assert next(results) == 0.001
    with pytest.raises(TaskTimeout):
        next(results)
    assert list(results) == [0.002, 0.003]
    assert pool.map(spin, [0.001] * 300, timeout=1) == [0.001] * 300


def test_no_task_runs_twice_for_another_s_timeout(pool):
    """Tasks of just about the time that they have: some end in time and some are killed."""
    counts = shared_zeros(16, np.uint8)
    results = [
        pool.apply_async(sleep_and_count, (0.018 + 0.0005 * i, counts, i), timeout=0.02)
        for i in range(16)
    ]
    outcomes = []
    for result in results:
        try:
            outcomes.append(result.get(30))
        except TaskTimeout:
            outcomes.append(None)
    assert all(outcome in (None, i) for i, outcome in enumerate(outcomes))
    # The time that a task may take includes the reading of its arguments.
    assert all(counts[i] == 1 or outcome is None for i, outcome in enumerate(outcomes))
    assert (counts <= 1).all()


def test_retries(pool):
    counts = shared_zeros(5, np.uint8)
    assert pool.apply(die_until, (3, counts, 0), retries=2) == 3
    with pytest.raises(WorkerDied):
        pool.apply(die_until, (4, counts, 1), retries=2)
    assert counts[1] == 3
    tasks = [(2, counts, i) for i in (2, 3, 4)]
    assert pool.starmap(die_until, tasks, retries=1) == [2, 2, 2]
    with pytest.raises(TaskTimeout):
        pool.apply(time.sleep, (30,), timeout=0.05, retries=2)


def test_cancelling_a_running_task(pool):
    called = threading.Event()
    result = pool.apply_async(time.sleep, (60,), error_callback=lambda error: called.set())
    other = pool.apply_async(spin, (0.05,))
    time.sleep(0.1)
    assert result.cancel()
    assert not result.cancel()
    with pytest.raises(CancelledError):
        result.get(10)
    assert called.wait(10)
    assert not result.successful()
    assert other.get(10) == 0.05
    assert not other.cancel()
    assert pool.map(cube, range(5)) == [0, 1, 8, 27, 64]


def test_cancelling_what_waits():
    with Pool(1) as pool:
        first = pool.apply_async(spin, (0.2,))
        others = [pool.apply_async(cube, (x,)) for x in range(10)]
        many = pool.map_async(spin, [0.01] * 1000, chunksize=1)
        assert all(other.cancel() for other in others[::2])
        assert many.cancel()
        assert first.get(10) == 0.2
        assert [other.get(10) for other in others[1::2]] == [1, 27, 125, 343, 729]
        for other in [*others[::2], many]:
            with pytest.raises(CancelledError):
                other.get(10)


def grow(n):
    global _kept
    _kept = bytearray(n)
    time.sleep(0.02)
    return os.getpid()


@pytest.mark.skipif(sys.platform != "linux", reason="workers look into /proc")
def test_workers_that_grow_are_replaced():
    # Not forked: a child of a process that has grown is large from the start.
    with Pool(1, max_memory=400 << 20, context="spawn") as pool:
        small = {pool.apply(grow, (1000,)) for _ in range(3)}
        assert len(small) == 1
        large = pool.apply(grow, (600 << 20,))
        assert large in small
        assert pool.apply(grow, (1000,)) not in small


def test_progress(pool, capsys):
    pytest.importorskip("tqdm")
    assert pool.map(cube, range(100), progress=True) == [x**3 for x in range(100)]
    assert "100/100" in capsys.readouterr().err
    assert list(pool.imap(cube, range(10), progress=True)) == [x**3 for x in range(10)]
    assert "10/10" in capsys.readouterr().err
    assert sorted(pool.imap_unordered(cube, iter(range(10)), progress=True))[-1] == 729
    assert "10it" in capsys.readouterr().err
    with pytest.raises(TypeError):
        pool.map(cube, ["a"], progress=True)


def test_stats():
    with Pool(2) as pool:
        pool.map(spin, [0.01] * 20, chunksize=1)
        workers = pool.stats()
        assert len({worker.pid for worker in workers}) == 2
        assert sum(worker.tasks for worker in workers) == 20
        assert 0.2 <= sum(worker.busy for worker in workers) < 2
        assert all(worker.idle >= 0 for worker in workers)
        assert all(0 < worker.start_up < 20 for worker in workers)
        assert all(worker.bytes_in > 0 and worker.bytes_out > 0 for worker in workers)
        with pytest.raises(WorkerDied):
            pool.apply(lambda: os._exit(1))
        pool.apply(cube, (1,))
        assert sum(worker.restarts for worker in pool.stats()) <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "timeout must be a positive number of seconds, not 0"),
        ({"timeout": float("nan")}, "timeout must be a positive number of seconds, not nan"),
        ({"retries": -1}, "retries must be 0 or more, not -1"),
        ({"chunksize": 0}, r"Chunksize must be 1\+, not 0"),
    ],
)
def test_bad_options(pool, options, message):
    with pytest.raises(ValueError, match=message):
        pool.map(cube, [1], **options)


def test_bad_pools():
    with pytest.raises(ValueError, match="max_memory must be at least 1 byte, not 0"):
        Pool(1, max_memory=0)
    with pytest.raises(ValueError, match="maxtasksperchild must be a positive int or None, not 0"):
        Pool(1, maxtasksperchild=0)
