"""Layer: tests.  Process: multiprocessing's, with targets from anywhere; each start method."""

import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from multiprocessing import connection, forkserver, util

import numpy as np
import pytest

import fastproc as fp
from fastproc.pool import process as processes
from fastproc.shm import segment

METHODS = multiprocessing.get_all_start_methods()
SECONDS = 30


@pytest.fixture(params=METHODS)
def method(request):
    return request.param


@pytest.fixture
def Process(method):
    return processes.CLASSES[method]


@pytest.fixture(params=[method for method in METHODS if method != "fork"])
def Sent(request):
    """Return a class whose instances are pickled."""
    return processes.CLASSES[request.param]


def run(process):
    process.start()
    process.join(SECONDS)
    return process.exitcode


def fill(out, *values, factor=1):
    out[:] = np.sum(values) * factor


def sleep_for_long(begun=None):
    if begun is not None:
        begun.send("begun")
    time.sleep(100)


# What can be sent --------------------------------------------------------------------------------


def test_functions_with_arguments(Process):
    out = fp.shared_zeros(3)
    assert run(Process(target=fill, args=[out, 1, 2], kwargs={"factor": 10})) == 0
    assert out.tolist() == [30] * 3


def test_lambdas_and_closures(Process):
    out = fp.shared_zeros(3)
    step = 5
    assert run(Process(target=lambda: fill(out, step))) == 0
    assert out.tolist() == [5] * 3


def test_local_subclasses(Process):
    class Local(Process):
        def __init__(self, out, function):
            super().__init__(name="local", daemon=True)
            self.out = out
            self.function = function

        def run(self):
            assert fp.current_process() is self
            self.out[:] = self.function(self.out)

    out = fp.shared_zeros(3)
    process = Local(out, lambda array: array + 7)
    assert process.name == "local"
    assert run(process) == 0
    assert out.tolist() == [7] * 3


def test_the_target_may_be_a_method_of_the_process(Process):
    out = fp.shared_zeros(1)

    class Own(Process):
        def work(self):
            out[0] = self._target.__self__ is self is fp.current_process()

    process = Own()
    process._target = process.work
    assert run(process) == 0
    assert out[0] == 1


def test_large_arrays_arrive_writable(Process):
    out = fp.shared_zeros(2)
    large, text = np.arange(1e6), "x" * 100_000

    def work(array, text):
        array += 1
        out[:] = array.sum(), len(text)

    assert run(Process(target=work, args=(large, text))) == 0
    assert out.tolist() == [large.sum() + large.size, 100_000]
    assert large[0] == 0


def test_views_of_shared_arrays_are_written_by_the_child(Process):
    out = fp.shared_zeros((4, 4))
    assert run(Process(target=fill, args=(out[1:3, ::2], 1))) == 0
    assert out.sum() == 4
    assert out[1:3, ::2].all()


def test_connections_locks_and_what_else_has_a_reducer(Process, method):
    # By value, so that pickling begins twice, and the other end gets each descriptor once.
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    lock, queue = context.Lock(), context.SimpleQueue()

    def work():
        with lock:
            theirs.send(theirs.recv() + 1)
        queue.put("done")

    process = Process(target=work)
    process.start()
    theirs.close()
    ours.send(1)
    assert ours.poll(SECONDS)
    assert ours.recv() == 2
    assert queue.get() == "done"
    process.join(SECONDS)
    if method != "fork":  # where the closure of this process's end is the child's too
        with pytest.raises((EOFError, ConnectionError)):
            ours.recv()


def test_processes_of_processes(Process, method):
    out = fp.shared_zeros(2)

    def work(depth):
        out[depth] = 1
        if depth == 0:
            inner = fp.get_context(method).Process(target=lambda: work(1))
            inner.start()
            inner.join()
            sys.exit(inner.exitcode)

    assert run(Process(target=work, args=(0,))) == 0
    assert out.tolist() == [1, 1]


def test_the_default_is_multiprocessings(method):
    before = multiprocessing.get_start_method()
    out = fp.shared_zeros(1)
    multiprocessing.set_start_method(method, force=True)
    try:
        process = fp.Process(
            target=lambda: fill(out, METHODS.index(multiprocessing.get_start_method()) + 1)
        )
        assert isinstance(process, multiprocessing.Process)
        assert process.name.startswith("Process-")
        assert run(process) == 0
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert out[0] == METHODS.index(method) + 1


def test_threads_start_processes_at_once(Process):
    out = fp.shared_zeros(6)
    threads = [
        threading.Thread(target=lambda i=i: run(Process(target=lambda: fill(out[i : i + 1], 1))))
        for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert out.all()


# What multiprocessing promises -------------------------------------------------------------------


def test_before_during_and_after(Process):
    ours, theirs = multiprocessing.Pipe()
    process = Process(target=sleep_for_long, args=(theirs,), name="sleeper", daemon=True)
    assert (process.name, process.daemon, process.pid, process.exitcode) == (
        "sleeper",
        True,
        None,
        None,
    )
    assert not process.is_alive()
    assert "initial" in repr(process)
    with pytest.raises(ValueError, match="not started"):
        _ = process.sentinel
    with pytest.raises(AssertionError, match="can only join a started process"):
        process.join()
    process.start()
    assert ours.recv() == "begun"
    assert process.is_alive()
    assert process.exitcode is None
    assert process in multiprocessing.active_children()
    assert not connection.wait([process.sentinel], 0)
    with pytest.raises(AssertionError, match="cannot start a process twice"):
        process.start()
    with pytest.raises(ValueError, match="still running"):
        process.close()
    process.join(0.01)
    assert process.is_alive()
    process.terminate()
    assert connection.wait([process.sentinel], SECONDS)
    process.join()
    assert process.exitcode == -signal.SIGTERM
    assert process not in multiprocessing.active_children()
    process.close()
    process.close()
    assert "closed" in repr(process)
    for use in (process.is_alive, process.join, process.start, process.terminate, process.kill):
        with pytest.raises(ValueError, match="process object is closed"):
            use()


@pytest.mark.parametrize(
    ("code", "exitcode"), [(None, 0), (0, 0), (3, 3), (True, 1), ("said", 1)], ids=repr
)
def test_exit_codes(Process, code, exitcode):
    assert run(Process(target=lambda: sys.exit(code))) == exitcode


class Unreadable:
    def __reduce__(self):
        return int, ("not a number",)


def test_what_the_child_cannot_read_costs_the_child_only(Sent):
    process = Sent(target=fill, args=(fp.shared_zeros(3), Unreadable(), np.ones(10**5)))
    assert run(process) == 1
    process.close()
    assert nothing_on_its_way()


def test_a_killed_child_costs_itself_only(Process):
    ours, theirs = multiprocessing.Pipe()
    shared = fp.shared_zeros(100_000)
    victim = Process(target=lambda a, b: sleep_for_long(theirs), args=(shared, np.ones(10**5)))
    victim.start()
    assert ours.recv() == "begun"
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(SECONDS)
    assert victim.exitcode == -signal.SIGKILL
    assert run(Process(target=fill, args=(shared, 2))) == 0
    assert shared[0] == 2
    assert nothing_on_its_way()


def test_kill_before_anything_has_arrived(Process):
    process = Process(target=fill, args=(fp.shared_zeros(3), np.ones(10**6)))
    process.start()
    process.kill()
    process.join(SECONDS)
    assert process.exitcode == -signal.SIGKILL
    assert nothing_on_its_way()


def test_large_arguments_are_not_kept_here(Sent):
    ours, theirs = multiprocessing.Pipe()
    process = Sent(target=lambda array: sleep_for_long(theirs), args=(np.ones(10**6),))
    process.start()
    assert ours.recv() == "begun"
    with segment._process.guard:
        kept = [each for each in segment._process.segments.values() if each.leases]
    process.kill()
    process.join()
    assert all(each.nbytes < 10**6 for each in kept)


def nothing_on_its_way():
    gc.collect()
    with segment._process.guard:
        return not segment._process._has_sent()


# Errors of the caller -----------------------------------------------------------------------------


class Unwritable:
    def __reduce__(self):
        raise pickle.PicklingError("not this one")


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (Unwritable(), pickle.PicklingError, "not this one"),
        (threading.Lock(), TypeError, "cannot pickle '_thread.lock' object"),
    ],
    ids=["own", "lock"],
)
@pytest.mark.parametrize("target", [fill, lambda *args: None], ids=["name", "value"])
def test_what_cannot_be_written_is_an_error_of_start(Sent, bad, error, message, target):
    assert run(Sent(target=fill, args=(fp.shared_zeros(1),))) == 0  # what helps has been started
    process = Sent(target=target, args=(fp.shared_zeros(3), np.ones(10**6), bad))
    children, files = children_of_this(), open_files()
    with pytest.raises(error, match=message):
        process.start()
    assert (process.pid, process.exitcode, process.is_alive()) == (None, None, False)
    assert children_of_this() == children
    assert nothing_on_its_way()
    del process
    forget_segments()
    assert open_files() <= files


def forget_segments():
    gc.collect()
    with segment._process.guard:
        segment._process._keep_at_most(0, 0)


def children_of_this():
    with open(f"/proc/self/task/{threading.main_thread().native_id}/children") as file:
        return set(map(int, file.read().split()))


def open_files():
    return set(os.listdir("/proc/self/fd"))


def test_a_process_that_cannot_be_started_leaves_nothing(Sent, monkeypatch):
    def refuse(*args):
        raise OSError("no process to be had")

    monkeypatch.setattr(util, "spawnv_passfds", refuse)
    monkeypatch.setattr(forkserver, "connect_to_new_process", refuse)
    process = Sent(target=fill, args=(fp.shared_zeros(3), np.ones(10**6)))
    with pytest.raises(OSError, match="no process to be had"):
        process.start()
    assert process.pid is None
    assert nothing_on_its_way()


def test_pickling_outside_of_start_is_multiprocessings(Process):
    with pytest.raises(TypeError, match="AuthenticationString"):
        pickle.dumps(Process(target=fill))


def test_daemons_have_no_children(Process, method):
    out = fp.shared_zeros(1)

    def work():
        inner = fp.get_context(method).Process(target=sleep_for_long)
        with pytest.raises(AssertionError, match="daemonic processes are not allowed to have"):
            inner.start()
        out[:] = 1

    assert run(Process(target=work, daemon=True)) == 0
    assert out[0] == 1
