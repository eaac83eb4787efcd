"""Layer: tests.  joblib's backend: what `Parallel` promises, on fastproc's workers."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import joblib
import numpy as np
import pytest
from joblib import Parallel, delayed

import fastproc as fp
import fastproc.joblib as bridge
from fastproc.errors import WorkerDied


@pytest.fixture(scope="module", autouse=True)
def backend():
    with joblib.parallel_config(backend="fastproc", n_jobs=2):
        yield
    for processes in bridge._kept.processes:
        processes.end()


def cube(x, offset=0):
    return x**3 + offset


def test_results_come_in_order_whatever_the_batches():
    want = [cube(i, offset=1) for i in range(300)]
    for batch_size in ("auto", 1, 7, 1000):
        for pre_dispatch in ("2 * n_jobs", "all", 1):
            parallel = Parallel(batch_size=batch_size, pre_dispatch=pre_dispatch)
            assert parallel(delayed(cube)(i, offset=1) for i in range(300)) == want


def test_batches_grow_while_tasks_are_short():
    parallel = Parallel()
    assert parallel(delayed(abs)(i) for i in range(5000)) == list(range(5000))
    assert parallel.n_dispatched_batches < 500


def test_callables_of_every_kind():
    class Adder:
        def __init__(self, n):
            self.n = n

        def add(self, x):
            return x + self.n

    tasks = [delayed(Adder(i).add)(1) for i in range(5)]
    tasks += [delayed(lambda x, i=i: x + i)(1) for i in range(5)]
    tasks += [delayed(cube)(2), delayed(abs)(-3), delayed(np.negative)(1), delayed([4].pop)()]
    want = [1, 2, 3, 4, 5] * 2 + [8, 3, -1, 4]
    assert Parallel()(tasks) == want
    assert Parallel(batch_size=3)(tasks) == want


def test_an_object_that_changes_is_sent_as_it_is_at_the_time():
    changing = [0]

    def tasks():
        for i in range(20):
            changing[0] = i
            yield delayed(changing.copy)()

    # joblib draws the tasks of all workers before it has the first sent.
    for i, (seen,) in enumerate(Parallel(batch_size=1)(tasks())):
        assert i <= seen


@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_generators(return_as):
    results = Parallel(return_as=return_as)(delayed(cube)(i) for i in range(50))
    first = next(results)
    assert sorted([first, *results]) == [cube(i) for i in range(50)]


def test_unordered_results_come_as_they_are_ready(tmp_path):
    gate = tmp_path / "gate"

    def wait(i):
        while i == 0 and not gate.exists():
            time.sleep(0.001)
        return i

    results = Parallel(return_as="generator_unordered")(delayed(wait)(i) for i in range(4))
    first = [next(results) for _ in range(3)]
    gate.touch()
    assert sorted(first) == [1, 2, 3]
    assert list(results) == [0]


def test_a_generator_that_is_dropped_ends_its_tasks(tmp_path):
    def work(i):
        (tmp_path / str(i)).touch()
        time.sleep(60 if i else 0)
        return i

    results = Parallel(return_as="generator", batch_size=1)(delayed(work)(i) for i in range(100))
    assert next(results) == 0
    with pytest.warns(UserWarning, match="still being processed by the workers"):
        del results
    assert Parallel()(delayed(cube)(i) for i in range(4)) == [0, 1, 8, 27]
    assert len(list(tmp_path.iterdir())) < 10


def test_exceptions_have_their_type_and_the_traceback_of_the_worker():
    class Peculiar(Exception):
        pass

    def fail(i):
        if i == 5:
            raise Peculiar(f"no {i}")
        return i

    with pytest.raises(Peculiar, match="no 5") as caught:
        Parallel()(delayed(fail)(i) for i in range(10))
    assert "in fail" in str(caught.value.__cause__)
    assert Parallel()(delayed(cube)(i) for i in range(4)) == [0, 1, 8, 27]


def test_an_error_ends_what_is_running_and_what_waits(tmp_path):
    def work(i):
        (tmp_path / str(i)).touch()
        if i == 0:
            while len(list(tmp_path.iterdir())) < 2:  # another has begun
                time.sleep(0.001)
            raise KeyError(i)
        time.sleep(60)

    with Parallel(batch_size=1) as parallel:
        for _ in range(2):  # and the same Parallel goes on
            with pytest.raises(KeyError):
                parallel(delayed(work)(i) for i in range(100))
        assert parallel(delayed(cube)(i) for i in range(4)) == [0, 1, 8, 27]
    assert len(list(tmp_path.iterdir())) < 10


def test_errors_of_the_iterator_and_of_what_cannot_be_pickled():
    def tasks():
        for i in range(20):
            yield delayed(cube)(i)
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        Parallel()(tasks())
    lock = threading.Lock()
    with pytest.raises(TypeError, match="cannot pickle '_thread.lock' object"):
        Parallel()(delayed(cube)(each) for each in [1, lock])
    with pytest.raises(TypeError, match="cannot pickle '_thread.lock' object"):
        Parallel()(delayed(lambda x: lock)(i) for i in range(3))
    with pytest.raises(Exception, match="cannot pickle '_thread.lock' object"):
        Parallel()(delayed(threading.Lock)() for i in range(3))


@pytest.mark.parametrize(
    "options",
    [{}, {"timeout": 60}, {"return_as": "generator"}, {"return_as": "generator_unordered"}],
)
def test_what_joblib_raises_itself_after_the_last_batch_is_raised(options):
    def tasks():
        for i in range(3):
            yield delayed(cube)(i)
        raise SystemExit("no more")  # which joblib does not catch, unlike an Exception

    with pytest.raises(SystemExit, match="no more"):
        list(Parallel(batch_size=1, pre_dispatch=1, **options)(tasks()))
    assert Parallel()(delayed(cube)(i) for i in range(4)) == [0, 1, 8, 27]


def test_a_batch_whose_sending_is_interrupted_is_not_waited_for(monkeypatch):
    class Interrupted:
        def __init__(self, dispatcher):
            self.dispatcher, self.n = dispatcher, 0

        def __getattr__(self, name):
            return getattr(self.dispatcher, name)

        def submit(self, job):
            self.dispatcher.submit(job)
            self.n += 1
            if self.n == 2:
                raise KeyboardInterrupt

    with Parallel(batch_size=1) as parallel:
        processes = parallel._backend._processes
        monkeypatch.setattr(processes, "dispatcher", Interrupted(processes.dispatcher))
        with pytest.raises(KeyboardInterrupt):
            parallel(delayed(time.sleep)(0.02) for _ in range(9))
        time.sleep(0.03)
        assert parallel(delayed(cube)(i) for i in range(4)) == [0, 1, 8, 27]


def test_timeout():
    with pytest.raises(joblib.parallel.TimeoutError):
        Parallel(timeout=0.05)(delayed(time.sleep)(60) for _ in range(4))
    assert Parallel(timeout=60)(delayed(cube)(i) for i in range(4)) == [0, 1, 8, 27]


def test_a_worker_that_is_killed_is_an_error_that_names_the_function():
    def die(i):
        if i == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return i

    with pytest.raises(WorkerDied, match=r"was killed by SIGKILL while it ran .*die"):
        Parallel()(delayed(die)(i) for i in range(10))
    assert Parallel()(delayed(cube)(i) for i in range(4)) == [0, 1, 8, 27]


def test_workers_stay_from_loop_to_loop_and_in_other_threads():
    def pids():
        return set(Parallel(batch_size=1)(delayed(os.getpid)() for _ in range(20)))

    first = pids()
    found = []
    threads = [threading.Thread(target=lambda: found.append(pids_in_thread())) for _ in range(3)]

    def pids_in_thread():
        with joblib.parallel_config(backend="fastproc", n_jobs=2):
            return pids()

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(first | pids() | set().union(*found)) <= 2
    assert len(found) == 3


def test_a_loop_in_the_generator_of_another():
    def tasks():
        for i in range(5):
            yield delayed(sum)(Parallel()(delayed(cube)(j) for j in range(i)))

    assert Parallel()(tasks()) == [sum(cube(j) for j in range(i)) for i in range(5)]


def test_idle_workers_end():
    with joblib.parallel_config(backend="fastproc", n_jobs=2, idle_worker_timeout=0.05):
        Parallel()(delayed(abs)(i) for i in range(3))
    (processes,) = (each for each in bridge._kept.processes if each.settings.idle_seconds == 0.05)
    processes._manager.join()
    assert processes not in bridge._kept.processes


def test_parallel_calls_in_a_task_start_no_processes():
    def inner():
        parallel = Parallel(n_jobs=2)
        pids = set(parallel(delayed(os.getpid)() for _ in range(4)))
        return pids == {os.getpid()}, type(parallel._backend).__name__

    assert set(Parallel()(delayed(inner)() for _ in range(3))) == {(True, "ThreadingBackend")}

    def insisting():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with joblib.parallel_config(backend="fastproc", n_jobs=2):
                pids = set(Parallel()(delayed(os.getpid)() for _ in range(4)))
        return pids == {os.getpid()}, "setting n_jobs=1" in str(caught[0].message)

    assert set(Parallel()(delayed(insisting)() for _ in range(3))) == {(True, True)}


def test_in_a_daemonic_process_there_is_one_job(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    said = pytest.warns(UserWarning, match=r"may start no others; setting n_jobs=1")
    with said as caught:
        assert Parallel()(delayed(os.getpid)() for _ in range(2)) == [os.getpid()] * 2
    with said as others:
        assert joblib.effective_n_jobs(2) == 1
    assert {each.filename for each in [*caught, *others]} == {__file__}  # not joblib's


def test_number_of_jobs(monkeypatch):
    cores = joblib.cpu_count()
    assert joblib.effective_n_jobs(-1) == cores
    assert joblib.effective_n_jobs(-1 - cores) == 1
    assert joblib.effective_n_jobs(cores + 3) == cores + 3
    with pytest.raises(ValueError, match="n_jobs == 0"):
        Parallel(n_jobs=0)([delayed(abs)(1)])
    with joblib.parallel_config(backend="fastproc"):
        assert Parallel()._effective_n_jobs() == cores
    parallel = Parallel(n_jobs=1)
    assert parallel([delayed(os.getpid)()]) == [os.getpid()]


def test_options_that_cannot_be():
    with pytest.raises(ValueError, match="cannot find context for 'thread'"):
        joblib.parallel_config(backend="fastproc", start_method="thread")
    with pytest.raises(ValueError, match="idle_worker_timeout must be positive, not -1"):
        joblib.parallel_config(backend="fastproc", idle_worker_timeout=-1)


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_threads_of_libraries_are_limited(start_method):
    def limits():
        import threadpoolctl

        threads = {each["num_threads"] for each in threadpoolctl.threadpool_info()}
        return np.arange(3).sum() and threads, os.environ["OMP_NUM_THREADS"]

    with joblib.parallel_config(
        backend="fastproc", n_jobs=2, start_method=start_method, inner_max_num_threads=3
    ):
        for threads, variable in Parallel()(delayed(limits)() for _ in range(2)):
            assert threads <= {3}
            assert variable == "3"


# Arrays -------------------------------------------------------------------------------------------


def look(x):
    return type(x), x.flags.writeable, x.flags.f_contiguous, x.tobytes()


def test_large_arrays_are_shared_once_and_read_only():
    x = np.arange(300_000.0)
    for array in (x, x.reshape(400, -1), x.reshape(400, -1).T, x[::-2]):
        copy = array.copy(order="K")
        for seen in Parallel()(delayed(look)(each) for each in [array, array]):
            assert seen == (np.ndarray, False, copy.flags.f_contiguous, array.tobytes())
    small = x[:10]
    assert Parallel()([delayed(look)(small)]) == [(np.ndarray, True, True, small.tobytes())]

    def place(x):
        return fp.shm.array.as_shared(x)._segment.token

    assert len(set(Parallel()(delayed(place)({"deep": x}["deep"]) for _ in range(6)))) == 1


def test_arrays_of_objects_and_shared_arrays_go_as_ever():
    objects = np.array([None, "a"] * 100_000, dtype=object)
    assert Parallel()([delayed(len)(objects)]) == [200_000]
    shared = fp.shared_zeros((200_000,))
    Parallel()(delayed(fp.shm.array.SharedArray.__setitem__)(shared, i, i) for i in range(9))
    assert shared[:9].tolist() == list(range(9))


@pytest.mark.parametrize(
    ("mmap_mode", "is_seen"), [("r+", True), ("w+", True), ("c", False), (None, False)]
)
def test_modes_of_arrays(mmap_mode, is_seen):
    def note(x, i):
        x[i] = 1
        return x[:4].sum()

    x = np.zeros(200_000)
    sums = Parallel(mmap_mode=mmap_mode, batch_size=1)(delayed(note)(x, i) for i in range(4))
    assert (max(sums) > 1) == is_seen
    assert not x.any()


def test_an_array_that_is_gone_is_not_taken_for_another():
    arrays = (np.full(200_000, float(i)) for i in range(30))  # of the same id, one after another
    assert Parallel(batch_size=1)(delayed(np.max)(x) for x in arrays) == list(range(30))


def test_files_are_opened_again(tmp_path):
    file = np.memmap(tmp_path / "file", "f8", "w+", 800, (100, 100))

    def fill(rows, i):
        rows[i, ::-1] = np.arange(len(rows[i]))
        return type(rows)

    assert set(Parallel()(delayed(fill)(file[10:, 5:], i) for i in range(90))) == {np.memmap}
    assert file[10:, 5:].tolist() == [list(range(95))[::-1]] * 90
    assert not file[:10].any()
    private = np.memmap(tmp_path / "file", "f8", "c", 800, (100, 100))
    private[0] = 7.0
    plain = np.asarray(file)[::3, 7:2:-1].T
    seen = Parallel()(delayed(look)(x) for x in (private, plain))
    assert [each[3] for each in seen] == [private.tobytes(), plain.tobytes()]


# Scripts ------------------------------------------------------------------------------------------

SCRIPT = """
import joblib, os, sys
import fastproc.joblib

print("main")

class Point:
    def __init__(self, x):
        self.x = x

def move(point):
    return Point(point.x + 1)

with joblib.parallel_config(backend="fastproc", n_jobs=2, **options):
    points = joblib.Parallel()(joblib.delayed(move)(Point(i)) for i in range(5))
    print([point.x for point in points], {type(point) is Point for point in points})
"""


@pytest.mark.parametrize(
    ("start_method", "is_file"),
    [("fork", True), ("forkserver", True), ("forkserver", False), ("spawn", True)],
)
def test_scripts_need_no_guard(start_method, is_file, tmp_path):
    text = SCRIPT.replace("**options", f"start_method={start_method!r}")
    script = tmp_path / "script.py"
    script.write_text(text)
    answer = subprocess.run(
        [sys.executable, script if is_file else "-"],
        input=None if is_file else text,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.stdout == "main\n[1, 2, 3, 4, 5] {True}\n", answer.stderr
    assert answer.stderr == ""


def test_ctrl_c(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("""
import joblib, os, time
import fastproc.joblib

def work(i):
    if i == 1:
        print("working", flush=True)
    time.sleep(60)

joblib.parallel_config(backend="fastproc", n_jobs=2)
try:
    joblib.Parallel()(joblib.delayed(work)(i) for i in range(9))
except KeyboardInterrupt:
    print("interrupted", joblib.Parallel()(joblib.delayed(abs)(i) for i in range(3)))
""")
    program = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    with program:
        assert program.stdout.readline() == "working\n"
        program.send_signal(signal.SIGINT)
        assert program.communicate(timeout=60)[0] == "interrupted [0, 1, 2]\n"
    assert program.returncode == 0


def test_without_joblib_or_threadpoolctl_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with pytest.raises(ImportError, match=r'pip install "fastproc\[joblib\]"'):
        Parallel()(delayed(abs)(i) for i in range(3))
    monkeypatch.setitem(sys.modules, "joblib", None)
    monkeypatch.delitem(sys.modules, "fastproc.joblib")
    with pytest.raises(ImportError, match=r'pip install "fastproc\[joblib\]"'):
        __import__("fastproc.joblib")


# scikit-learn -------------------------------------------------------------------------------------


def test_scikit_learn_gives_the_same_as_alone():
    pytest.importorskip("sklearn")
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score

    X, y = make_classification(200, 10, random_state=0)
    X = np.repeat(X, 70, axis=1)  # large enough to be shared

    def results(n_jobs):
        # Forks have scikit-learn already, which takes two seconds to import.
        with joblib.parallel_config(backend="fastproc", start_method="fork"):
            yield from results_here(n_jobs)

    def results_here(n_jobs):
        grid = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, n_jobs=n_jobs, cv=3)
        table = grid.fit(X, y).cv_results_
        yield [table[key] for key in sorted(table) if "time" not in key and "param" not in key]
        yield grid.best_estimator_.coef_
        yield cross_val_score(RandomForestRegressor(4, random_state=0), X, y, n_jobs=n_jobs, cv=2)
        for forest in (RandomForestClassifier, RandomForestRegressor):
            yield forest(4, random_state=0, n_jobs=n_jobs).fit(X, y).predict(X)

    for alone, together in zip(results(1), results(2), strict=True):
        assert np.array_equal(alone, together)
