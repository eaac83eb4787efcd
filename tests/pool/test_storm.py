"""Layer: tests.  A storm of signals on a pool at work: every result comes once, or its death does.

Workers are killed, stopped, continued and made to crash at random moments, and some tasks end their
worker themselves, while every method of the pool is called in random order.  Each task counts its
runs in shared memory.  A short storm runs with the tests.  For a long one, and to repeat one:

    FASTPROC_STORM=600 pytest tests/pool/test_storm.py -s      # seconds in all
    FASTPROC_SEED=123 pytest tests/pool/test_storm.py -s
"""

import faulthandler
import functools
import gc
import multiprocessing
import os
import random
import resource
import signal
import sys
import threading
import time

import numpy as np
import pytest

import fastproc as fp
from fastproc.errors import SegmentGoneError, WorkerDied
from fastproc.shm import segment

METHODS = multiprocessing.get_all_start_methods()
#: Face, start method and transport.
KINDS = [
    *(("pool", method, "futex") for method in METHODS),
    ("pool", METHODS[0], "portable"),
    ("executor", METHODS[0], "futex"),
]
SECONDS = (float(os.environ.get("FASTPROC_STORM", "0")) or 5) / len(KINDS)
WATCHDOG_SECONDS = 60
WORKERS = 3

#: Tasks of these numbers end their worker, always.
DEADLY = {61: lambda: os._exit(3), 83: lambda: os.kill(os.getpid(), signal.SIGSEGV)}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")


def work(counts, number, _=None):
    counts[number] += 1  # each task has a byte of its own
    end = time.perf_counter() + number % 7 * 0.0002
    while time.perf_counter() < end:
        pass
    if number in DEADLY:
        DEADLY[number]()
    return number


def doubled(array):
    return array * 2


def shared(n):
    return fp.share(np.full(n, n))


def hungry(_):
    """Ask for more memory than this process may have."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, limits[1]))
    try:
        return bytearray(8 << 30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


class Storm(threading.Thread):
    """Sends signals to random workers at random moments."""

    def __init__(self, manager, random_, pause):
        super().__init__()
        self.manager, self.random, self.pause = manager, random_, pause
        self.over = threading.Event()
        self.kills = 0

    def run(self):
        while not self.over.wait(self.random.expovariate(1 / self.pause)):
            processes = list(self.manager.processes.values())
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
                    # Tasks send SIGSEGV; of one in the middle of a fork pytest would tell.
                    os.kill(pid, signal.SIGSYS if kind < 0.3 else signal.SIGKILL)
                    self.kills += 1
            except (ProcessLookupError, ValueError):
                pass  # it ended meanwhile


def outcome(get, *others):
    """Return what `get` returns, or the death that it raises."""
    try:
        return get()
    except (WorkerDied, *others) as error:
        return error


def of_one_call(n, get):
    """Return the outcomes of tasks that fail together."""
    values = outcome(get)
    return [values] * n if isinstance(values, WorkerDied) else values


# Ways to have tasks 0 to n - 1 done; each returns their outcomes by number.  (An iterator over
# results stops at a death or goes on after it, as its kind has it.)


def by_apply(pool, task, n, random_):
    return [outcome(lambda i=i: pool.apply(task, (i,))) for i in range(n)]


def by_apply_async(pool, task, n, random_):
    results = [pool.apply_async(task, (i,)) for i in range(n)]
    return [outcome(result.get) for result in results]


def by_map(pool, task, n, random_):
    return of_one_call(n, lambda: pool.map(task, range(n), random_.choice([1, 5, None])))


def by_map_async(pool, task, n, random_):
    called = threading.Event()
    result = pool.map_async(
        task, range(n), callback=lambda _: called.set(), error_callback=lambda _: called.set()
    )
    assert called.wait(WATCHDOG_SECONDS)
    return of_one_call(n, result.get)


def by_starmap(pool, task, n, random_):
    items = [(i, bytes(random_.randrange(200_000))) for i in range(n)]
    return of_one_call(n, lambda: pool.starmap(task, items, random_.choice([1, 3, None])))


def by_starmap_async(pool, task, n, random_):
    return of_one_call(n, pool.starmap_async(task, zip(range(n))).get)


def by_imap(pool, task, n, random_):
    results = pool.imap(task, iter(range(n)))
    values = [outcome(results.__next__) for _ in range(n)]
    assert next(results, None) is None
    return values


def by_imap_unordered(pool, task, n, random_):
    results = pool.imap_unordered(task, range(n))
    values = [outcome(results.__next__) for _ in range(n)]
    assert next(results, None) is None
    good = [value for value in values if not isinstance(value, WorkerDied)]
    assert len(set(good)) == len(good)
    died = next((value for value in values if isinstance(value, WorkerDied)), None)
    return [i if i in good else died for i in range(n)]


def by_submit(executor, task, n, random_):
    futures = [executor.submit(task, i) for i in range(n)]
    return [outcome(future.result) for future in futures]


def by_executor_map(executor, task, n, random_):
    return of_one_call(n, lambda: list(executor.map(task, range(n))))


WAYS = {
    "pool": [
        by_apply,
        by_apply_async,
        by_map,
        by_map_async,
        by_starmap,
        by_starmap_async,
        by_imap,
        by_imap_unordered,
    ],
    "executor": [by_submit, by_executor_map],
}


def run_round(face, pool, random_, tally):
    """Have some tasks done in a random way, and hold their outcomes against what they did."""
    n = random_.randrange(1, 200)
    counts = fp.shared_zeros((n,), np.uint8)
    values = random_.choice(WAYS[face])(pool, functools.partial(work, counts), n, random_)
    assert (counts <= 1).all(), "a task ran twice"
    for number, value in enumerate(values):
        if isinstance(value, WorkerDied):
            tally["died"] += 1
        else:
            assert value == number
            assert counts[number] == 1, "a result without its task"
            assert number not in DEADLY
            tally["done"] += 1


def run_retries(pool, random_, tally):
    """Tasks that are done again until they end; each death costs a try."""
    n = random_.randrange(1, 60)
    counts = fp.shared_zeros((n,), np.uint8)
    values = of_one_call(n, lambda: pool.map(functools.partial(work, counts), range(n), retries=9))
    assert (counts <= 10).all()
    assert isinstance(values[0], WorkerDied) or (values == list(range(n)) and counts.all())


def run_arrays(pool, random_, tally):
    """Memory goes to a worker and comes back."""
    array = np.arange(random_.randrange(200_000), dtype=float)
    value = outcome(lambda: pool.apply(doubled, (array,)), SegmentGoneError)
    assert isinstance(value, WorkerDied) or (value == array * 2).all()
    # What only a worker has had goes with it.
    value = outcome(lambda: [a.sum() for a in pool.map(shared, [5, 6, 7])], SegmentGoneError)
    assert isinstance(value, Exception) or value == [25, 36, 49]
    value = outcome(lambda: pool.apply(hungry, (0,)), MemoryError)
    assert isinstance(value, (WorkerDied, MemoryError))


def open_descriptors():
    """Return this process's descriptors, when no segment is kept for later."""
    gc.collect()
    with segment._process.guard:
        segment._process._keep_at_most(0, 0)
    return {
        f"{number} {os.readlink(f'/proc/self/fd/{number}')}"
        for number in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{number}")
    }


def zombies():
    found = []
    for pid in os.listdir("/proc"):
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue  # no process, or it has ended
        if fields[0] == "Z" and int(fields[1]) == os.getpid():
            found.append(pid)
    return found


def names_in_shared_memory():
    return set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()


@pytest.mark.parametrize(("face", "method", "transport"), KINDS)
def test_storm(face, method, transport, monkeypatch):
    seed = int(os.environ.get("FASTPROC_SEED", time.time_ns() % 10**9))
    print(f"FASTPROC_SEED={seed}")
    random_ = random.Random(seed)
    monkeypatch.setenv("FASTPROC_TRANSPORT", transport)
    with fp.Pool(1, context=method) as pool:  # what outlives a pool: a fork server, a tracker
        pool.apply(abs, (1,))
    others = set(multiprocessing.active_children())
    is_linux = sys.platform == "linux"
    before = (open_descriptors(), names_in_shared_memory()) if is_linux else None
    tally = {"rounds": 0, "done": 0, "died": 0}
    end = time.monotonic() + SECONDS
    if face == "pool":
        pool = fp.Pool(WORKERS, context=method)
    else:
        pool = fp.ProcessPoolExecutor(WORKERS, method)
    # Spawned workers take a while to start, and few would live to see a task.
    pause = 0.01 if method == "fork" else 0.1
    storm = Storm(pool._manager, random.Random(seed + 1), pause)
    storm.start()
    try:
        while time.monotonic() < end:
            faulthandler.dump_traceback_later(WATCHDOG_SECONDS, exit=True)
            run_round(face, pool, random_, tally)
            if face == "pool" and random_.random() < 0.2:
                run_retries(pool, random_, tally)
                run_arrays(pool, random_, tally)
            tally["rounds"] += 1
    finally:
        faulthandler.cancel_dump_traceback_later()
        storm.over.set()
        storm.join()
    assert list(pool.map(abs, range(-100, 0))) == list(range(100, 0, -1))
    if face == "pool":
        pool.close()
        pool.join()
    else:
        pool.shutdown()
    print(face, method, transport, tally, "signals that killed:", storm.kills)
    assert set(multiprocessing.active_children()) <= others
    del pool, storm
    if is_linux:
        assert not zombies()
        assert open_descriptors() <= before[0]
        assert names_in_shared_memory() <= before[1]
