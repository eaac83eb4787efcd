"""Layer: tests.  What once made a pool wait for ever, or answer with another task's result."""

import os
import pickle
import queue
import sys
import threading
import time
from concurrent.futures import CancelledError

import pytest

from fastproc.errors import PoolTerminated, WorkerDied
from fastproc.pool import Pool, ProcessPoolExecutor


def cube(x):
    return x**3


def nothing(*_):
    return None


def long_texts(n):
    return ["x" * 3000] * n


class EndsItsReader:
    def __reduce__(self):
        return os._exit, (3,)


def raise_cancelled():
    raise CancelledError


def fork_and_return(x):
    if not os.fork():
        return x  # the child comes back from the task too
    return x


class NoRepr:
    def __reduce__(self):
        raise pickle.PicklingError("not this one")

    def __repr__(self):
        raise ValueError("nor a repr")


def no_repr(_):
    return NoRepr()


def leave_a_child(_):
    if not os.fork():
        time.sleep(30)
    os._exit(1)


def test_plain_values_larger_than_a_ring(pool):
    assert pool.apply(len, (long_texts(200),)) == 200
    assert pool.apply(long_texts, (200,)) == long_texts(200)
    assert pool.apply(pow, (2, 3_000_000)) == 2**3_000_000


def test_arguments_whose_reading_ends_the_worker(pool):
    with pytest.raises(WorkerDied, match="exited with status 3 while it ran nothing"):
        pool.apply_async(nothing, (EndsItsReader(),)).get(20)


def test_a_timeout_behind_a_task_without_one():
    with Pool(1) as pool:
        first = pool.apply_async(time.sleep, (0.3,))
        with pytest.raises(TimeoutError, match=r"more than 0\.2 s"):
            pool.apply_async(time.sleep, (30,), timeout=0.2).get(20)
        first.get(20)


def test_iterators_over_iterators(pool):
    results = pool.imap(cube, pool.imap(abs, range(-100, 0)))
    assert list(results) == [x**3 for x in range(100, 0, -1)]


def test_a_generator_that_waits_for_results(pool):
    items = queue.SimpleQueue()
    items.put(2)
    seen = []
    for value in pool.imap(cube, iter(items.get, None)):
        seen.append(value)
        items.put(len(seen) if len(seen) < 5 else None)
    assert seen == [8, 1, 8, 27, 64]


def test_a_generator_that_waits_holds_up_nobody(pool):
    gate = threading.Event()

    def slow():
        yield 1
        gate.wait(20)
        yield 2

    results = pool.imap(cube, slow())
    assert next(results) == 1
    assert pool.apply_async(cube, (3,)).get(10) == 27
    gate.set()
    assert list(results) == [8]


def test_close_and_join_finish_an_imap():
    pool = Pool(2)
    results = pool.imap(cube, (x for x in range(1000)))
    pool.close()
    pool.join()
    assert list(results) == [x**3 for x in range(1000)]


def test_an_imap_that_the_pool_s_end_cuts_short():
    with Pool(1) as pool:
        results = pool.imap(cube, range(100_000))
        assert next(results) == 0
    with pytest.raises(PoolTerminated):
        list(results)


@pytest.mark.filterwarnings("ignore:unclosed running pool:ResourceWarning")
def test_results_keep_their_pool():
    result = Pool(2).map_async(cube, range(50))
    assert result.get(20) == [x**3 for x in range(50)]
    assert list(Pool(2).imap(cube, range(50))) == [x**3 for x in range(50)]


def test_callbacks_may_use_the_pool_and_come_before_get(pool):
    seen = []
    result = pool.apply_async(cube, (2,), callback=lambda x: seen.append(pool.apply(cube, (x,))))
    assert result.get(20) == 8
    assert seen == [512]


def test_a_callback_that_raises(monkeypatch):
    shown = []
    monkeypatch.setattr(threading, "excepthook", lambda details: shown.append(details.exc_type))
    with Pool(1) as pool:
        pool.apply_async(cube, (2,), callback=lambda _: sys.exit(3)).get(20)
        assert pool.apply(cube, (3,)) == 27
    assert shown == [SystemExit]


def test_a_task_that_raises_cancelled_error():
    with ProcessPoolExecutor(1) as executor, pytest.raises(CancelledError):
        executor.submit(raise_cancelled).result(20)


def test_a_result_that_nothing_can_be_said_of(pool):
    with pytest.raises(Exception, match="<NoRepr>"):
        pool.apply(no_repr, (0,))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_task_that_forks(pool):
    assert pool.map(fork_and_return, range(5), chunksize=1) == list(range(5))
    assert pool.map(cube, range(20)) == [x**3 for x in range(20)]


@pytest.mark.skipif(sys.platform != "linux", reason="deaths are noticed by a pidfd")
def test_the_death_of_a_worker_that_leaves_a_child():
    with Pool(1, context="fork") as pool, pytest.raises(WorkerDied):
        pool.apply_async(leave_a_child, (0,)).get(10)


def test_shutdown_cancels_a_map():
    begun = time.monotonic()
    executor = ProcessPoolExecutor(1)
    results = executor.map(time.sleep, [0.2] * 100)
    next(results)
    executor.shutdown(cancel_futures=True)
    assert time.monotonic() - begun < 10
