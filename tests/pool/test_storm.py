"""Layer: tests.  A storm of signals on a pool at work: every result comes once, or its death does.

A short storm runs with the tests.  For a long one:

    FASTPROC_STORM=600 pytest tests/pool/test_storm.py -s      # seconds
"""

import faulthandler
import multiprocessing
import os
import random
import signal
import sys
import threading
import time

import numpy as np
import pytest

import fastproc as fp
from fastproc.errors import SegmentGoneError, WorkerDied

METHODS = multiprocessing.get_all_start_methods()
SECONDS = float(os.environ.get("FASTPROC_STORM", "0")) or 2.5 * len(METHODS)
WATCHDOG_SECONDS = 60


def cube(x):
    return x**3


def busy(x):
    end = time.perf_counter() + x % 7 * 0.0002
    while time.perf_counter() < end:
        pass
    return x


def mark(marks, number):
    marks[number] += 1  # each task has a byte of its own
    return number


def doubled(array):
    return array * 2


def shared(n):
    return fp.share(np.full(n, n))


class Storm(threading.Thread):
    """Sends signals to random workers at random moments."""

    def __init__(self, pool, random_, pause):
        super().__init__()
        self.pool, self.random, self.pause = pool, random_, pause
        self.over = threading.Event()
        self.kills = 0

    def run(self):
        while not self.over.wait(self.random.expovariate(1 / self.pause)):
            processes = list(self.pool._manager.processes.values())
            if not processes:
                continue
            try:
                pid = self.random.choice(processes).pid
                kind = self.random.random()
                if kind < 0.2:
                    os.kill(pid, signal.SIGSTOP)
                    time.sleep(self.random.uniform(0, 0.003))
                    os.kill(pid, signal.SIGCONT)
                else:
                    os.kill(pid, signal.SIGSEGV if kind < 0.3 else signal.SIGKILL)
                    self.kills += 1
            except (ProcessLookupError, ValueError):
                pass  # it ended meanwhile


def outcome(get, *others):
    try:
        return get()
    except (WorkerDied, *others) as error:
        return error


def run_round(pool, random_, counts):
    """Do one of everything, and check each result."""
    n = random_.randrange(1, 200)
    kind = random_.randrange(8)
    if kind == 0:
        results = [pool.apply_async(busy, (x,)) for x in range(n)]
        values = [outcome(result.get) for result in results]
    elif kind == 1:
        values = outcome(lambda: pool.map(cube, range(n), random_.choice([1, 5, None])))
        assert isinstance(values, WorkerDied) or values == [x**3 for x in range(n)]
        values = [values] if isinstance(values, WorkerDied) else range(n)
    elif kind == 2:
        results = pool.imap(busy, iter(range(n)))
        values = [outcome(results.__next__) for _ in range(n)]
        assert next(results, None) is None
    elif kind == 3:
        results = pool.imap_unordered(busy, range(n))
        values = [outcome(results.__next__) for _ in range(n)]
        good = sorted(value for value in values if not isinstance(value, WorkerDied))
        assert len(set(good)) == len(good)
        values = []
        assert next(results, None) is None
    elif kind == 4:
        marks = fp.shared_zeros((n,), np.uint8)
        results = [pool.apply_async(mark, (marks, number)) for number in range(n)]
        values = [outcome(result.get) for result in results]
        assert (marks <= 1).all(), "a task ran twice"
        assert all(marks[number] for number, value in enumerate(values) if value == number), (
            "a result without its task"
        )
    elif kind == 5:
        array = np.arange(random_.randrange(200_000), dtype=float)
        values = outcome(lambda: pool.apply(doubled, (array,)))
        if not isinstance(values, WorkerDied):
            assert (values == array * 2).all()
        values = [0 if not isinstance(values, WorkerDied) else values]
    elif kind == 6:
        called = threading.Event()
        pool.map_async(
            busy, range(n), callback=lambda _: called.set(), error_callback=lambda _: called.set()
        )
        assert called.wait(WATCHDOG_SECONDS)
        values = []
    else:
        # Memory that only a worker has had goes with it.
        values = outcome(lambda: [a.sum() for a in pool.map(shared, [5, 6, 7])], SegmentGoneError)
        assert isinstance(values, Exception) or values == [25, 36, 49]
        values = []
    for number, value in enumerate(values):
        if isinstance(value, WorkerDied):
            counts["died"] += 1
        else:
            assert value == number
            counts["done"] += 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("method", METHODS)
def test_storm(method):
    seed = int(os.environ.get("FASTPROC_SEED", time.time_ns() % 10**9))
    print(f"FASTPROC_SEED={seed}")
    random_ = random.Random(seed)
    others = set(multiprocessing.active_children())
    descriptors = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    counts = {"done": 0, "died": 0, "rounds": 0}
    end = time.monotonic() + SECONDS / len(METHODS)
    pool = fp.Pool(3, context=method)
    # Spawned workers take a while to start, and few would live to see a task.
    storm = Storm(pool, random.Random(seed + 1), 0.01 if method == "fork" else 0.2)
    storm.start()
    try:
        while time.monotonic() < end:
            faulthandler.dump_traceback_later(WATCHDOG_SECONDS, exit=True)
            run_round(pool, random_, counts)
            counts["rounds"] += 1
    finally:
        faulthandler.cancel_dump_traceback_later()
        storm.over.set()
        storm.join()
    assert pool.map(cube, range(100)) == [x**3 for x in range(100)]
    pool.close()
    pool.join()
    print(method, counts, "kills", storm.kills)
    assert set(multiprocessing.active_children()) <= others
    if sys.platform == "linux":
        # Segments that are kept for later have descriptors, too; each is bounded.
        assert len(os.listdir("/proc/self/fd")) <= descriptors + 70
