"""Layer: tests of the pool.  What a worker has done arrives, whatever becomes of the worker."""

import gc
import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest

from fastproc import shared_empty
from fastproc.errors import WorkerDied
from fastproc.pool import Pool
from fastproc.shm import serialize

BIG = 20_000  # float64s: far more than travels in a ring


def ones(n):
    return np.ones(n)


def shared_ones(n):
    array = shared_empty((n,))
    array[...] = 1
    return array


def then_die(how):
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return ones(BIG) if how == "plain" else shared_ones(BIG)


def total(array):
    return float(array.sum())


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.parametrize("how", ["plain", "shared"])
def test_a_result_outlives_its_worker(how, method):
    """Nobody asks for it before the worker is dead, killed in its next task."""
    with Pool(1, context=method) as pool:
        done = pool.apply_async(then_die, (how,))
        victim = pool.apply_async(then_die, ("die",))
        with pytest.raises(WorkerDied):
            victim.get(20)
        assert done.get(20).sum() == BIG


@pytest.mark.parametrize("how", ["plain", "shared"])
def test_a_result_outlives_a_worker_that_was_killed_idle(how):
    with Pool(1) as pool:
        done = pool.apply_async(then_die, (how,))
        while not done.ready():
            time.sleep(0.001)
        os.kill(pool.stats()[0].pid, signal.SIGKILL)
        assert pool.apply(abs, (-1,)) == 1
        assert done.get(20).sum() == BIG


def test_results_of_workers_that_have_done_their_share():
    with Pool(1, maxtasksperchild=1) as pool:
        results = [pool.apply_async(make, (BIG,)) for make in (ones, shared_ones) * 3]
        pool.close()
        pool.join()
        time.sleep(2.5)  # longer than an ending process waits for its handles to arrive
        assert [result.get(20).sum() for result in results] == [BIG] * 6


def test_more_results_than_descriptors():
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        with Pool(2) as pool:
            kept = pool.map(ones, [BIG] * 600)
            lazily = list(pool.imap(ones, [BIG] * 600))
        assert {array.sum() for array in kept + lazily} == {BIG}
        assert all(array.flags.writeable for array in kept)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("how", ["taken as they come", "asked for at once"])
def test_a_result_is_opened_once(how, monkeypatch):
    """Whoever asks for it may come while the manager is opening it."""
    opened = []

    def open_slowly(data, open_parcel=serialize.open_parcel):
        opened.append(data)
        time.sleep(0.002)
        parcel = open_parcel(data)
        time.sleep(0.002)
        return parcel

    monkeypatch.setattr(serialize, "open_parcel", open_slowly)
    with Pool(2) as pool:
        if how == "taken as they come":
            arrays = list(pool.imap(ones, [BIG] * 100))
        else:
            results = [pool.apply_async(ones, (BIG,)) for _ in range(100)]
            arrays = [result.get(20) for result in results]
    assert {array.sum() for array in arrays} == {BIG}
    assert len(opened) == 100


def test_an_interrupt_while_another_s_result_is_opened(monkeypatch):
    interrupted = []

    def open_and_interrupt(data, open_parcel=serialize.open_parcel):
        if threading.current_thread() is threading.main_thread() and not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt
        return open_parcel(data)

    def late(arrays):
        time.sleep(0.1)
        arrays.append(pool.apply(ones, (BIG,)))

    monkeypatch.setattr(serialize, "open_parcel", open_and_interrupt)
    with Pool(2) as pool:
        arrays = []
        other = threading.Thread(target=late, args=(arrays,))
        other.start()
        with pytest.raises(KeyboardInterrupt):
            pool.apply(time.sleep, (2,))  # this thread reads whatever comes meanwhile
        other.join(20)
        assert [array.sum() for array in arrays] == [BIG]


def nap(_):
    time.sleep(0.01)


class CallsBack:
    """An argument that uses the pool when it is dropped, in the middle of the pool's work."""

    def __init__(self, pool, seen):
        self.pool, self.seen = pool, seen

    def __reduce__(self):
        return int, (7,)

    def __del__(self):
        try:
            self.seen.append(self.pool.apply_async(abs, (-1,)))
        except (RuntimeError, ValueError) as error:  # or the pool is closed by now
            self.seen.append(error)


def test_arguments_that_use_the_pool_when_they_are_dropped():
    with Pool(2) as pool:
        seen = []
        assert pool.map(abs, [CallsBack(pool, seen) for _ in range(50)]) == [7] * 50
        for _ in range(5):
            pool.apply(abs, (CallsBack(pool, seen),))
        abandoned = pool.map_async(nap, [CallsBack(pool, seen) for _ in range(20)])
        del abandoned
        gc.collect()
        assert pool.apply(abs, (-2,)) == 2
        assert len(seen) >= 55
