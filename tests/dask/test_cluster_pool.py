"""Layer: tests of the bridge to Dask.  The Pool over a cluster, and its workers' deaths."""

import concurrent.futures
import functools
import inspect
import multiprocessing
import os
import pickle
import re
import signal
import sys
import threading
import time

import numpy as np
import pytest

import fastproc as fp
import fastproc.dask as fd


@pytest.fixture
def pool(client):
    client.wait_for_workers(2, timeout=60)  # one may have been killed by the test before
    with fd.Pool(client) as pool:
        yield pool


class TwoArguments(Exception):
    """One that pickle cannot make again."""

    def __init__(self, what, where):
        super().__init__(f"{what} in {where}")


def fail(x):
    if x == 3:
        raise KeyError("three")
    return x


def wait_for(path):
    end = time.monotonic() + 30
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)
    return os.getpid()


def die_once(path):
    """Kill the worker, unless it was done before."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return os.getpid()
    return os.kill(os.getpid(), signal.SIGKILL)


def test_its_face_is_that_of_the_local_pool_but_for_what_is_told():
    def face(kind):
        return {
            name: {*inspect.signature(member).parameters} - {"timeout", "retries"}
            for name, member in vars(kind).items()
            if not name.startswith("_") and inspect.isfunction(member)
        }

    local = face(fp.Pool)
    assert {name: local.pop(name) for name in ("map_blocks", "stats")}
    assert face(fd.Pool) == local


def test_calls(pool):
    assert pool.processes == 2
    assert pool.apply(divmod, (7, 3)) == (2, 1)
    assert pool.apply(int, ("ff",), {"base": 16}) == 255
    assert pool.apply_async(lambda x: -x, (1,)).get(timeout=30) == -1
    assert pool.apply(os.getpid) != os.getpid()
    np.testing.assert_array_equal(pool.apply(np.arange, (5,)), np.arange(5))


@pytest.mark.parametrize("chunksize", [None, 1, 7])
def test_many_calls(pool, chunksize):
    assert pool.map(abs, range(-20, 0), chunksize) == list(range(20, 0, -1))
    assert pool.starmap(pow, [(2, 3), (3, 2)], chunksize) == [8, 9]
    assert pool.map_async(abs, [], chunksize).get(timeout=30) == []
    assert list(pool.imap(abs, range(-20, 0), chunksize or 1)) == list(range(20, 0, -1))
    results = pool.imap_unordered(abs, range(-20, 0), chunksize or 1)
    assert sorted(results) == list(range(1, 21))


def test_results_come_in_the_order_of_their_coming(pool, tmp_path):
    sign = tmp_path / "sign"
    results = pool.imap_unordered(lambda x: wait_for(sign) if x == 0 else x, range(2))
    assert next(results) == 1
    with pytest.raises(multiprocessing.TimeoutError):
        results.next(timeout=0.05)
    sign.touch()
    assert results.next(timeout=30) > 1


def test_imap_draws_as_results_are_taken(pool):
    drawn = []
    results = pool.imap(abs, (drawn.append(i) or i for i in range(100)))
    assert [next(results), next(results)] == [0, 1]
    assert len(drawn) < 20
    assert sum(1 for _ in results) == 98


def test_errors_keep_their_type(pool):
    with pytest.raises(ZeroDivisionError):
        pool.apply(divmod, (1, 0))
    with pytest.raises(KeyError, match="three"):
        pool.map(fail, range(5))
    with pytest.raises(TwoArguments, match="a needle in a haystack"):
        pool.apply(functools.partial(raise_, TwoArguments, "a needle", "a haystack"))
    results = pool.imap(fail, range(5))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="three"):
        next(results)
    assert next(results) == 4  # the iterator goes on


def raise_(kind, *args):
    raise kind(*args)


def test_a_task_does_not_end_its_worker(pool):
    with pytest.raises(fp.RemoteError, match=r"ended with SystemExit\(3\), which would end its wo"):
        pool.apply(sys.exit, (3,))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_cannot_be_pickled_is_an_error(pool):
    with pytest.raises(TypeError, match="abs or its arguments cannot be sent to a worker: cannot"):
        pool.apply(abs, (threading.Lock(),))
    with pytest.raises(TypeError, match="Could not serialize object of type generator"):
        pool.apply(lambda: (x for x in "abc"))


def test_asynchronous_results(pool, tmp_path):
    sign, answers = tmp_path / "sign", []
    result = pool.apply_async(wait_for, (sign,), callback=answers.append)
    assert not result.ready()
    with pytest.raises(multiprocessing.TimeoutError):
        result.get(timeout=0.05)
    with pytest.raises(ValueError, match="not ready"):
        result.successful()
    sign.touch()
    result.wait(30)
    assert result.ready()
    assert result.successful()
    assert answers == [result.get()]
    failed = pool.map_async(fail, range(5), 1, answers.append, answers.append)
    failed.wait(30)
    assert not failed.successful()
    assert isinstance(answers[1], KeyError)


def test_callback_of_nothing(pool):
    answers = []
    pool.map_async(abs, [], callback=answers.append).wait(30)
    assert answers == [[]]


def test_cancelled(pool, tmp_path):
    sign = tmp_path / "sign"
    result = pool.map_async(wait_for, [sign] * 8, 1)
    assert result.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        result.get(timeout=30)
    assert not result.cancel()
    sign.touch()  # for those that run
    assert pool.apply(abs, (-1,)) == 1


def test_progress(pool, capsys):
    assert pool.map(abs, range(10), 3, progress=True) == list(range(10))
    assert "10/10" in capsys.readouterr().err
    assert list(pool.imap(abs, range(10), progress=True)) == list(range(10))
    assert "10/10" in capsys.readouterr().err


def test_closed(client, tmp_path):
    pool = fd.Pool(client)
    sign = tmp_path / "sign"
    with pytest.raises(ValueError, match=re.escape("Pool is still running; call close() or")):
        pool.join()
    pool.apply_async(wait_for, (sign,))  # whose result nobody keeps
    results = pool.imap(abs, range(10))
    pool.close()
    threading.Timer(0.1, sign.touch).start()
    pool.join()
    assert sign.exists()
    assert list(results) == list(range(10))
    for call in (pool.apply, pool.map, pool.imap):
        with pytest.raises(ValueError, match="Pool not running; it was closed or terminated"):
            call(abs, [1])
    with pytest.raises(ValueError, match="Pool not running"), pool:
        pass
    assert repr(pool).endswith(", closed>")


def test_terminated(client, tmp_path):
    sign = tmp_path / "sign"
    with fd.Pool(client) as pool:
        waiting = pool.map_async(wait_for, [sign] * 8, 1)
        drawn = pool.imap(wait_for, [sign] * 100)
        assert not waiting.ready()
    with pytest.raises(fp.PoolTerminated, match="before this task had ended"):
        waiting.get(timeout=30)
    with pytest.raises(fp.PoolTerminated, match="before this task was begun"):
        next(drawn)
    pool.join()
    sign.touch()
    with fd.Pool(client) as another:  # the client is still the user's
        assert another.apply(abs, (-1,)) == 1


@pytest.mark.parametrize(
    ("misuse", "error", "message"),
    [
        (lambda pool: fd.Pool("tcp://here:8786"), TypeError, "Pool: client must be a distributed."),
        (lambda pool: pool.map(abs, [1], 0), ValueError, "Chunksize must be 1+, not 0"),
        (lambda pool: pool.imap(abs, [1], 0), ValueError, "Chunksize must be 1+, not 0"),
        (lambda pool: pickle.dumps(pool), NotImplementedError, "a pool belongs to the client"),
        (lambda pool: fp.sum([1.0], workers=pool), TypeError, "workers"),
        (lambda pool: fd.sum([1.0], workers=pool), TypeError, "sum: workers must be None or how"),
    ],
)
def test_misuse(pool, misuse, error, message):
    with pytest.raises(error, match=re.escape(message)):
        misuse(pool)


def test_a_killed_workers_task_runs_elsewhere(pool, tmp_path):
    others = pool.map_async(abs, range(50), 1)
    assert pool.apply(die_once, (tmp_path / "first",)) != os.getpid()
    assert others.get(timeout=60) == list(range(50))


def test_a_task_that_kills_each_worker_is_an_error(client, pool):
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    result = pool.apply_async(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(fp.WorkerDied, match=r"<lambda> has cost 1 workers, the last one at tcp"):
        result.get(timeout=60)
    assert pool.map(abs, range(3)) == [0, 1, 2]  # the pool goes on
