"""Layer: tests.  ProcessPoolExecutor, against what concurrent.futures promises."""

import asyncio
import concurrent.futures
import multiprocessing
import os
import subprocess
import sys
import textwrap
import time

import pytest

from fastproc.errors import WorkerDied
from fastproc.pool import ProcessPoolExecutor


@pytest.fixture(params=multiprocessing.get_all_start_methods(), scope="module")
def executor(request):
    with ProcessPoolExecutor(2, request.param) as executor:
        yield executor


def cube(x):
    return x**3


def fail(x):
    raise KeyError(x)


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def test_submit(executor):
    futures = [executor.submit(cube, x) for x in range(50)]
    assert [future.result(30) for future in futures] == [x**3 for x in range(50)]
    assert all(future.done() and not future.running() for future in futures)
    assert executor.submit(pow, 2, 5, mod=7).result() == 4


def test_exceptions(executor):
    future = executor.submit(fail, 3)
    assert isinstance(future.exception(30), KeyError)
    with pytest.raises(KeyError, match="3"):
        future.result()
    died = executor.submit(os._exit, 1)
    with pytest.raises(WorkerDied):
        died.result(30)
    assert executor.submit(cube, 2).result(30) == 8


def test_wait_and_as_completed(executor):
    futures = [executor.submit(sleep, 0.01 * (x % 3)) for x in range(10)]
    assert set(concurrent.futures.as_completed(futures, timeout=30)) == set(futures)
    futures = [executor.submit(cube, x) for x in range(10)]
    done, rest = concurrent.futures.wait(futures, timeout=30)
    assert (len(done), len(rest)) == (10, 0)
    called = []
    future = executor.submit(cube, 3)
    future.add_done_callback(called.append)
    future.result(30)
    end = time.monotonic() + 10
    while not called and time.monotonic() < end:
        time.sleep(0.01)
    assert called == [future]


def test_map(executor):
    assert list(executor.map(pow, [2, 3], [5, 2, 9])) == [32, 9]
    assert list(executor.map(cube, range(1000), chunksize=30)) == [x**3 for x in range(1000)]
    results = executor.map(fail, [1, 2])
    with pytest.raises(KeyError):
        next(results)
    with pytest.raises(TimeoutError):
        list(executor.map(sleep, [0.5], timeout=0.05))
    with pytest.raises(ValueError, match="chunksize must be >= 1"):
        executor.map(cube, [1], chunksize=0)
    assert list(executor.map(cube, iter(range(10)), buffersize=3)) == [x**3 for x in range(10)]


def test_timeouts(executor):
    future = executor.submit(sleep, 0.3)
    with pytest.raises(TimeoutError):
        future.result(0.01)
    with pytest.raises(TimeoutError):
        future.exception(0.01)
    assert future.result(30) == 0.3


def test_cancel():
    with ProcessPoolExecutor(1) as executor:
        executor.submit(cube, 1).result()
        first = executor.submit(sleep, 0.3)
        others = [executor.submit(cube, x) for x in range(5)]
        time.sleep(0.1)
        assert first.running()
        assert not first.cancel()
        assert others[-1].cancel()
        assert others[-1].cancelled()
        with pytest.raises(concurrent.futures.CancelledError):
            others[-1].result()
        executor.shutdown(wait=False, cancel_futures=True)
        assert all(other.cancelled() for other in others[1:])
        assert first.result(30) == 0.3
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            executor.submit(cube, 1)


def test_asyncio(executor):
    async def main():
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(executor, cube, x) for x in range(20)]
        return await asyncio.gather(*calls)

    assert asyncio.run(main()) == [x**3 for x in range(20)]


def test_what_is_submitted_is_done_at_exit():
    text = """
        import os, time
        import fastproc as fp

        def work(x):
            time.sleep(0.05)
            os.write(1, f"{x} ".encode())

        if __name__ == "__main__":
            executor = fp.ProcessPoolExecutor(2)
            for x in range(6):
                executor.submit(work, x)
    """
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert sorted(process.stdout.split()) == list("012345"), process.stderr


@pytest.mark.parametrize("name", ["max_workers", "max_tasks_per_child", "max_memory"])
def test_bad_numbers(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        ProcessPoolExecutor(**{name: 0})


def test_tasks_per_child():
    with ProcessPoolExecutor(1, max_tasks_per_child=2) as executor:
        pids = [executor.submit(os.getpid).result() for _ in range(6)]
    assert len(set(pids)) == 3
