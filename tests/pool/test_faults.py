"""Layer: tests.  What goes wrong in a task or a worker costs that task, and nothing else."""

import itertools
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from fastproc.errors import PoolTerminated, RemoteError, WorkerDied
from fastproc.pool import Pool

METHODS = multiprocessing.get_all_start_methods()


def cube(x):
    return x**3


def kill_self(x, number=signal.SIGKILL):
    os.kill(os.getpid(), number)


def kill_at_7(x):
    if x == 7:
        kill_self(x)
    return x


class TwoArguments(Exception):
    """Pickles, but does not unpickle."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def raise_two_arguments(_):
    raise TwoArguments(1, 2)


class Unreadable:
    def __reduce__(self):
        return cube, ("not a number",)


def unreadable(_):
    return Unreadable()


class Unwritable:
    def __reduce__(self):
        raise pickle.PicklingError("not this one")


def exit_3(_):
    sys.exit(3)


def interrupted(_):
    raise KeyboardInterrupt


def test_a_killed_worker_costs_its_task(pool):
    before = [pool.apply_async(cube, (x,)) for x in range(20)]
    victim = pool.apply_async(kill_self, (1,))
    after = [pool.apply_async(cube, (x,)) for x in range(20)]
    with pytest.raises(
        WorkerDied, match=r"worker \d+ was killed by SIGKILL while it ran kill_self"
    ):
        victim.get(30)
    assert [result.get(30) for result in before + after] == [x**3 for x in range(20)] * 2


@pytest.mark.parametrize(
    ("do", "how"),
    [
        (lambda: os._exit(5), "exited with status 5"),
        (lambda: kill_self(0, signal.SIGSEGV), "was killed by SIGSEGV"),
    ],
)
def test_how_a_worker_died(pool, do, how):
    with pytest.raises(WorkerDied, match=how) as caught:
        pool.apply(do)
    assert caught.value.exitcode in (5, -signal.SIGSEGV)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.pid) == (str(caught.value), caught.value.pid)


@pytest.mark.parametrize("chunksize", [1, 3, None])
def test_one_task_of_many(pool, chunksize):
    with pytest.raises(WorkerDied):
        pool.map(kill_at_7, range(20), chunksize)
    results = pool.imap(kill_at_7, range(10))
    assert [next(results) for _ in range(7)] == list(range(7))
    with pytest.raises(WorkerDied):
        next(results)
    assert list(results) == [8, 9]
    assert pool.map(cube, range(5)) == [0, 1, 8, 27, 64]


def test_all_idle_workers_killed(pool):
    for process in list(pool._manager.processes.values()):
        os.kill(process.pid, signal.SIGKILL)
    assert pool.map(cube, range(100)) == [x**3 for x in range(100)]


def test_exceptions_that_cannot_be_made_again(pool):
    with pytest.raises(RemoteError, match="the task raised TwoArguments: 1 and 2") as caught:
        pool.apply(raise_two_arguments, (0,))
    assert "raise TwoArguments(1, 2)" in str(caught.value.__cause__)


def test_results_that_cannot_be_read(pool):
    with pytest.raises(TypeError):
        pool.apply(unreadable, (0,))
    with pytest.raises(TypeError):
        pool.map(unreadable, range(3))


@pytest.mark.parametrize("items", [[1, Unwritable(), 3], [Unwritable()]])
def test_arguments_that_cannot_be_sent(pool, items):
    with pytest.raises(pickle.PicklingError, match="not this one"):
        pool.map(repr, items, chunksize=1)
    iterator = pool.imap(repr, [1, Unwritable(), 3])
    assert next(iterator) == "1"
    with pytest.raises(pickle.PicklingError, match="not this one"):
        next(iterator)
    assert list(iterator) == ["3"]


@pytest.mark.parametrize(
    ("task", "message"),
    [(exit_3, "raised SystemExit: 3"), (interrupted, "raised KeyboardInterrupt")],
)
def test_what_would_end_a_process_does_not_end_ours(pool, task, message):
    with pytest.raises(RemoteError, match=message):
        pool.apply(task, (0,))
    assert pool.apply(cube, (2,)) == 8


def test_the_remote_traceback_is_the_cause(pool):
    with pytest.raises(ZeroDivisionError) as caught:
        pool.apply(lambda: 1 / 0)
    assert "ZeroDivisionError" in str(caught.value.__cause__)
    assert "Traceback" in str(caught.value.__cause__)


def broken_iterator():
    yield 1
    yield 2
    raise KeyError("half way")


def test_an_iterator_that_raises(pool):
    iterator = pool.imap(cube, broken_iterator())
    assert [next(iterator), next(iterator)] == [1, 8]
    with pytest.raises(KeyError, match="half way"):
        next(iterator)
    with pytest.raises(StopIteration):
        next(iterator)
    with pytest.raises(KeyError, match="half way"):
        pool.map(cube, broken_iterator())


def fail_to_start():
    raise OSError("no licence")


@pytest.mark.parametrize("method", METHODS)
def test_an_initializer_that_raises(method):
    with Pool(2, fail_to_start, context=method) as pool:
        for _ in range(3):
            with pytest.raises(OSError, match="no licence"):
                pool.map(cube, range(3))


def test_imap_draws_a_little_ahead_only(pool):
    drawn = itertools.count()
    results = pool.imap(cube, (next(drawn) for _ in range(200_000)))
    assert [next(results) for _ in range(10)] == [x**3 for x in range(10)]
    assert next(drawn) < 10_000
    pool._manager.dispatcher.abandon(results._job)


def nested(n):
    with Pool(2) as pool:
        return pool.map(cube, range(n))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_pool_in_a_task(pool):
    assert pool.map(nested, [3, 4]) == [[0, 1, 8], [0, 1, 8, 27]]


def test_many_threads_share_a_pool(pool):
    failures = []

    def work(seed):
        for i in range(100):
            if pool.apply(cube, (seed + i,)) != (seed + i) ** 3:
                failures.append(seed)
        if pool.map(cube, range(seed, seed + 500)) != [x**3 for x in range(seed, seed + 500)]:
            failures.append(seed)

    threads = [threading.Thread(target=work, args=(1000 * i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert not any(thread.is_alive() for thread in threads)


def test_results_that_nobody_waits_for_go_on(pool):
    called = threading.Event()
    values = []
    result = pool.map_async(
        bytes, [10_000] * 200, chunksize=1, callback=lambda v: (values.extend(v), called.set())
    )
    assert called.wait(30)
    assert len(values) == 200
    assert result.ready()
    errors = []
    called.clear()
    pool.apply_async(
        kill_self, (1,), error_callback=lambda error: (errors.append(error), called.set())
    )
    assert called.wait(30)
    assert isinstance(errors[0], WorkerDied)


def test_terminated_tasks_say_so():
    with Pool(1) as pool:
        result = pool.apply_async(time.sleep, (60,))
    with pytest.raises(PoolTerminated):
        result.get(10)
    with pytest.raises(ValueError, match="Pool not running"):
        pool.apply(cube, (1,))


def test_close_and_join_do_all_tasks_first():
    pool = Pool(2)
    results = [pool.apply_async(cube, (x,)) for x in range(100)]
    pool.close()
    pool.close()
    with pytest.raises(ValueError, match="Pool not running"):
        pool.apply(cube, (1,))
    pool.join()
    assert [result.get(0) for result in results] == [x**3 for x in range(100)]


def test_join_before_close():
    with Pool(1) as pool, pytest.raises(ValueError, match="Pool is still running"):
        pool.join()


def test_timeouts():
    with Pool(1) as pool:
        slow = pool.apply_async(time.sleep, (1,))
        with pytest.raises(multiprocessing.TimeoutError):
            slow.get(0.01)
        with pytest.raises(ValueError, match="not ready"):
            slow.successful()
        assert not slow.ready()
        with pytest.raises(multiprocessing.TimeoutError):
            pool.imap(cube, [1]).next(0.01)
        assert slow.get(30) is None
        assert slow.successful()


def large(n):
    return np.arange(float(n)), "and", list(range(10))


def total(array, factor=1):
    assert array.flags.writeable
    return float(array.sum()) * factor


@pytest.mark.parametrize("n", [10, 10_000, 1_000_000])
def test_large_arrays(pool, n):
    array = np.arange(float(n))
    assert pool.apply(total, (array,), {"factor": 2}) == 2 * array.sum()
    assert pool.map(total, [array[:7], array, array[::2]]) == [
        21.0 if n > 6 else 0,
        array.sum(),
        array[::2].sum(),
    ]
    result, word, numbers = pool.apply(large, (n,))
    np.testing.assert_array_equal(result, array)
    assert type(result) is np.ndarray
    result[...] = 0
    assert (word, numbers) == ("and", list(range(10)))
    results = pool.map(large, [n] * 5)
    assert all((each[0] == array).all() for each in results)


def script(text, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


ENDLESS = """
import os, signal, sys, time
import fastproc as fp

def sleep(x):
    if x % 2:
        time.sleep(60)
    while True:
        pass

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job
    pool = fp.Pool(3, context=sys.argv[1])
    pool.map(abs, range(10))
    print(*(p.pid for p in pool._manager.processes.values()), flush=True)
    pool.map(sleep, range(10), chunksize=1)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("method", METHODS)
def test_workers_die_with_their_parent(method):
    process = script(ENDLESS, method)
    pids = list(map(int, process.stdout.readline().split()))
    assert len(pids) == 3
    time.sleep(0.2)
    process.kill()
    process.communicate()
    end = time.monotonic() + 1
    while any(map(is_running, pids)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(map(is_running, pids))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("method", METHODS)
def test_ctrl_c(method):
    process = script(ENDLESS, method, start_new_session=True)
    pids = list(map(int, process.stdout.readline().split()))
    time.sleep(0.3)
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - begun < 2  # an interpreter's end included
    assert errors.count("Traceback") == 1, errors
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert not any(map(is_running, pids))


def test_functions_of_a_main_that_workers_cannot_import():
    """As in a notebook or a REPL: ``python -`` has no script."""
    text = """
        import fastproc as fp

        class Point:
            def __init__(self, x):
                self.x = x

        def make(x):
            return Point(x * factor)

        factor = 3
        for method in ("fork", "forkserver", "spawn"):
            factor = 3
            with fp.Pool(2, context=method) as pool:
                assert [p.x for p in pool.map(make, range(3))] == [0, 3, 6]
                assert isinstance(pool.apply(make, (1,)), Point)
                def later(x):
                    return x + 1
                assert pool.map(later, range(3)) == [1, 2, 3]
                def later(x):
                    return x + 2
                assert pool.map(later, range(3)) == [2, 3, 4]
                assert pool.map(lambda point: point.x, [Point(5)]) == [5]
        print("good")
    """
    process = subprocess.run(
        [sys.executable, "-"],
        input=textwrap.dedent(text),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.stdout == "good\n", process.stderr


def test_a_script_whose_functions_stand_under_the_guard(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(
        textwrap.dedent("""
        import fastproc as fp

        state = None

        def start(value):
            global state
            state = value

        def read(x):
            return state, x

        if __name__ == "__main__":
            def guarded(x):
                return -x

            class Guarded:
                x = 4

            for method in ("fork", "forkserver", "spawn"):
                with fp.Pool(2, start, ("set",), context=method) as pool:
                    assert pool.map(read, range(2)) == [("set", 0), ("set", 1)]
                    assert pool.map(guarded, range(3)) == [0, -1, -2], method
                    assert pool.apply(getattr, (Guarded(), "x")) == 4
            print("good")
        """)
    )
    process = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert process.stdout == "good\n", process.stderr


def test_a_fork_of_the_parent_cannot_use_its_pool():
    text = """
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        import fastproc as fp
        pool = fp.Pool(2, context="fork")
        assert pool.apply(abs, (-1,)) == 1
        child = os.fork()
        if not child:
            try:
                pool.apply(abs, (-1,))
            except RuntimeError as error:
                assert "a fork" in str(error)
                pool.terminate()
                with fp.Pool(1, context="fork") as other:
                    os._exit(other.apply(abs, (-7,)))
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert pool.apply(abs, (-2,)) == 2
        pool.terminate()
        print("good")
    """
    process = script(text)
    output, errors = process.communicate(timeout=60)
    assert output == "good\n", errors


def test_a_pool_that_nobody_ended():
    text = """
        import fastproc as fp
        pool = fp.Pool(2)
        print(pool.apply(abs, (-1,)))
    """
    process = script(text)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "1\n"), errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("method", METHODS)
def test_workers_that_cannot_start(method):
    with (
        Pool(2, os._exit, (4,), context=method) as pool,
        pytest.raises(WorkerDied, match="exited with status 4 as it started, like those before"),
    ):
        pool.map(cube, range(10))


def test_an_interrupted_map_leaves_nothing_waiting():
    text = """
        import signal, time
        import fastproc as fp

        def slow(x):
            time.sleep(0.05)
            return x

        if __name__ == "__main__":
            with fp.Pool(2) as pool:
                pool.map(abs, range(4))
                signal.signal(signal.SIGALRM, lambda *_: 1 / 0)
                signal.setitimer(signal.ITIMER_REAL, 0.15)
                begun = time.monotonic()
                try:
                    pool.map(slow, range(1000))
                except ZeroDivisionError:
                    pass
                assert time.monotonic() - begun < 1
                begun = time.monotonic()
                assert pool.map(abs, [-1, -2]) == [1, 2]
                assert time.monotonic() - begun < 1
            print("good")
    """
    process = script(text)
    output, errors = process.communicate(timeout=60)
    assert output == "good\n", errors


def import_slowly(name):
    return __import__(name).answer


def test_a_fork_in_the_middle_of_an_import(tmp_path, monkeypatch):
    """A worker that is started meanwhile can import the module all the same."""
    (tmp_path / "takes_a_while.py").write_text("import time; time.sleep(1); answer = 42")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Pool(1, context="fork") as pool:
        thread = threading.Thread(target=import_slowly, args=("takes_a_while",))
        thread.start()
        time.sleep(0.2)
        with pytest.raises(WorkerDied):
            pool.apply(os._exit, (1,))
        assert pool.apply_async(import_slowly, ("takes_a_while",)).get(20) == 42
        thread.join()
    del sys.modules["takes_a_while"]
