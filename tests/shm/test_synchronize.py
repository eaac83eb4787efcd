"""Layer: tests.  Locks and the like beside multiprocessing's: what one does, the other does."""

import inspect
import multiprocessing
import multiprocessing.synchronize
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref

import pytest
from storms import Alarm, join, run_in_process, run_in_thread

from fastproc.shm import _semaphore, synchronize

ANY_LOCK = pytest.mark.parametrize("name", synchronize.__all__)


def make(name):
    return getattr(synchronize, name)(*[2] * (name == "Barrier"))


# ---- all of them


@ANY_LOCK
def test_names_and_arguments_are_multiprocessings(name):
    ours, theirs = getattr(synchronize, name), getattr(multiprocessing.synchronize, name)
    for each in dir(theirs):
        if not each.startswith("_"):
            mine, expected = getattr(ours, each), getattr(theirs, each)
            assert callable(mine) == callable(expected)
            if callable(mine):
                mine, expected = inspect.signature(mine), inspect.signature(expected)
                assert list(mine.parameters) == list(expected.parameters)


@ANY_LOCK
def test_pickling_elsewhere_is_refused(name):
    with pytest.raises(RuntimeError, match=f"{name} objects are shared memory"):
        pickle.dumps(make(name))


@ANY_LOCK
def test_they_can_be_referenced_weakly_and_named(name):
    one = make(name)
    assert weakref.ref(one)() is one
    assert name in repr(one)


WAITS = {
    "Lock": lambda one, timeout: one.acquire() and one.acquire(True, timeout),
    "RLock": lambda one, timeout: run_in_thread(one.acquire)() and one.acquire(True, timeout),
    "Semaphore": lambda one, timeout: [one.acquire(True, timeout) for _ in range(2)],
    "BoundedSemaphore": lambda one, timeout: [one.acquire(True, timeout) for _ in range(2)],
    "Event": lambda one, timeout: one.wait(timeout),
    "Condition": lambda one, timeout: one.acquire() and one.wait(timeout),
    "Barrier": lambda one, timeout: one.wait(timeout),
}


@ANY_LOCK
def test_what_is_no_number_is_no_timeout(name):
    """An OSError as on Linux with multiprocessing, where the system says "Invalid argument"."""
    one = make(name)

    def wait():
        with pytest.raises(OSError, match="this is NaN"):
            WAITS[name](one, float("nan"))
        return True

    assert run_in_thread(wait)()  # which does not wait for ever


@pytest.mark.parametrize("transport", ["", "portable"])
def test_signals_are_seen_in_each_wait(transport, monkeypatch):
    monkeypatch.setenv("FASTPROC_TRANSPORT", transport)
    join(run_in_process("spawn", interrupt_each_wait))


def interrupt_each_wait():
    for name, wait in WAITS.items():
        start = time.monotonic()
        with Alarm(), pytest.raises(KeyboardInterrupt):
            wait(make(name), 20)
        assert time.monotonic() - start < 10, name


# ---- events


def test_an_event_is_set_and_cleared(kit):
    event = kit.Event()
    assert event.is_set() is False
    assert event.wait(0) is False
    assert event.wait(-1) is False
    for _ in range(2):
        event.set()
        event.set()
        assert event.is_set() is True
        assert event.wait() is True
        assert event.wait(timeout=0) is True
        event.clear()
        event.clear()
        assert event.is_set() is False


def test_waiting_for_an_event_ends_in_time(kit):
    event = kit.Event()
    start = time.monotonic()
    assert event.wait(0.05) is False
    assert time.monotonic() - start >= 0.05


def test_all_threads_that_wait_for_an_event_go_on(kit):
    event = kit.Event()
    results = [run_in_thread(event.wait, 30) for _ in range(4)]
    time.sleep(0.05)
    event.set()
    assert [result() for result in results] == [True] * 4


def test_processes_wait_for_one_another(kit, method):
    context = multiprocessing.get_context(method) if kit is multiprocessing else kit
    mine, theirs = context.Event(), context.Event()
    child = run_in_process(method, answer_events, mine, theirs)
    for _ in range(20):
        mine.set()
        assert theirs.wait(30)
        theirs.clear()
    join(child)


def answer_events(theirs, mine):
    for _ in range(20):
        assert theirs.wait(30)
        theirs.clear()
        mine.set()


def test_an_event_that_was_set_and_cleared_has_happened():
    event = synchronize.Event()
    result = run_in_thread(event.wait, 30)
    time.sleep(0.05)
    event.set()
    event.clear()
    assert result() is True
    assert event.is_set() is False


def test_an_event_across_processes(relative):
    event = synchronize.Event()
    relative.ask(event_wait, event, 30)
    time.sleep(0.02)
    event.set()
    assert relative.answer() is True
    relative.call(event_clear, event)
    assert not event.is_set()
    assert relative.call(event_wait, event, 0.01) is False


def event_wait(event, timeout):
    return event.wait(timeout)


def event_clear(event):
    event.clear()


def test_signals_are_seen_while_waiting_for_an_event(kit):
    event = kit.Event()
    with Alarm(), pytest.raises(KeyboardInterrupt):
        event.wait()
    assert event.wait(0) is False


def test_events_refuse_what_is_no_time():
    with pytest.raises(TypeError):
        synchronize.Event().wait("long")
    with pytest.raises(TypeError):
        synchronize.Event(1)


# ---- semaphores

SEMAPHORES = pytest.mark.parametrize("name", ["Semaphore", "BoundedSemaphore"])


@SEMAPHORES
def test_a_semaphore_has_so_many_units(kit, name):
    semaphore = getattr(kit, name)(2)
    assert semaphore.get_value() == 2
    assert f"<{name}(value=2" in repr(semaphore)
    assert semaphore.acquire() is True
    with semaphore as entered:
        assert entered is True
        assert semaphore.get_value() == 0
        assert semaphore.acquire(False) is False
        assert semaphore.acquire(block=True, timeout=0) is False
        assert semaphore.acquire(True, -1) is False
        start = time.monotonic()
        assert semaphore.acquire(timeout=0.05) is False
        assert time.monotonic() - start >= 0.05
    assert semaphore.acquire(timeout=5) is True
    semaphore.release()
    semaphore.release()
    assert semaphore.get_value() == 2
    assert getattr(kit, name)().get_value() == 1


def test_a_semaphore_may_get_more_units_than_at_first(kit):
    semaphore = kit.Semaphore(0)
    assert semaphore.acquire(False) is False
    for _ in range(3):
        semaphore.release()
    assert semaphore.get_value() == 3
    assert all(semaphore.acquire(False) for _ in range(3))
    assert semaphore.acquire(False) is False


def test_a_bounded_semaphore_may_not(kit):
    semaphore = kit.BoundedSemaphore(2)
    for _ in range(2):
        with pytest.raises(ValueError, match="semaphore or lock released too many times"):
            semaphore.release()
    semaphore.acquire()
    semaphore.release()
    assert semaphore.get_value() == 2
    assert isinstance(semaphore, type(kit.Semaphore()))
    assert "maxvalue=2" in repr(semaphore)


@SEMAPHORES
def test_values_of_semaphores(kit, name):
    kind = getattr(kit, name)
    most = 2**31 - 1
    assert kind(most).get_value() == most
    with pytest.raises(ValueError, match="released too many times"):
        kind(most).release()
    for value in ("one", 1.5, None):
        with pytest.raises(TypeError):
            kind(value)
    with pytest.raises(TypeError):
        kind(0).acquire(True, "long")


@SEMAPHORES
@pytest.mark.parametrize(("value", "sign"), [(-1, ">= 0"), (2**31, "<= 2147483647")])
def test_values_that_semaphores_refuse(name, value, sign):
    with pytest.raises(OSError, match=f"semaphore initial value must be {sign}"):
        getattr(synchronize, name)(value)


def test_who_waits_for_a_unit_gets_it(kit):
    semaphore = kit.Semaphore(0)
    results = [run_in_thread(semaphore.acquire, True, 30) for _ in range(4)]
    time.sleep(0.05)
    for _ in range(4):
        semaphore.release()
    assert [result() for result in results] == [True] * 4
    assert semaphore.get_value() == 0


@SEMAPHORES
def test_what_one_process_takes_another_may_release(kit, name, method):
    context = multiprocessing.get_context(method) if kit is multiprocessing else kit
    semaphore = getattr(context, name)(3)
    for _ in range(2):  # as a queue does with its room
        semaphore.acquire()
        semaphore.acquire()
        join(run_in_process(method, release_twice, semaphore))
        assert semaphore.get_value() == 3
    if name == "BoundedSemaphore":
        with pytest.raises(ValueError, match="too many times"):
            semaphore.release()


def release_twice(semaphore):
    semaphore.release()
    semaphore.release()


@SEMAPHORES
def test_units_that_are_held_at_an_orderly_end_stay_taken(kit, name, method):
    context = multiprocessing.get_context(method) if kit is multiprocessing else kit
    semaphore = getattr(context, name)(3)
    join(run_in_process(method, acquire_and_drop, semaphore))
    assert semaphore.get_value() == 1
    assert semaphore.acquire(True, 0.01) is True
    assert semaphore.acquire(True, 0.3) is False  # longer than a nap
    for _ in range(3):
        semaphore.release()
    assert semaphore.get_value() == 3


def acquire_and_drop(semaphore):
    semaphore.acquire()
    semaphore.__enter__()


def test_a_semaphore_that_was_dropped_while_its_units_were_held(relative):
    semaphore = synchronize.Semaphore(2)
    for _ in range(3):
        relative.call(acquire_and_drop, semaphore)
        assert semaphore.get_value() == 0
        relative.call(release_twice, semaphore)
        assert semaphore.get_value() == 2
    relative.call(acquire_and_drop, semaphore)
    relative.end()
    assert semaphore.acquire(timeout=0.3) is False
    assert semaphore.get_value() == 0


def test_an_orderly_end_while_another_thread_takes_units():
    join(run_in_process("spawn", end_again_and_again))


def end_again_and_again():
    kept, end = [], time.monotonic() + 1

    def take():
        while time.monotonic() < end:
            kept.append(synchronize.Semaphore(1))
            kept[-1].acquire()

    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=take)
    thread.start()
    while thread.is_alive():
        _semaphore._end()


SCRIPT = """
import multiprocessing, sys
from fastproc.shm.synchronize import Semaphore

with Semaphore(1):  # before the fork server's child begins to be a Process
    pass

if __name__ == "__main__":
    semaphore = Semaphore(2)
    child = multiprocessing.get_context(sys.argv[1]).Process(target=semaphore.acquire)
    child.start()
    child.join()
    print(semaphore.acquire(timeout=1), semaphore.acquire(timeout=0.3))
"""


def test_units_stay_taken_by_a_process_whose_main_module_uses_semaphores(method, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), method],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True False\n", "")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc")
def test_semaphores_that_were_dropped_while_their_units_were_held_keep_little_memory(relative):
    semaphore = synchronize.BoundedSemaphore(2)
    relative.call(acquire_and_drop, semaphore)
    before = relative.call(count_descriptors)
    for _ in range(3):
        relative.call(acquire_and_drop_many, 3000)  # in a hundred arenas
    assert relative.call(count_descriptors) < before + 80
    relative.call(release_twice, semaphore)  # which it can still do
    assert semaphore.get_value() == 2


def acquire_and_drop_many(n):
    for _ in range(n):
        synchronize.Semaphore(1).acquire()


def count_descriptors():
    return len(os.listdir("/proc/self/fd"))


@SEMAPHORES
def test_signals_are_seen_while_waiting_for_a_unit(kit, name):
    semaphore = getattr(kit, name)(1)
    semaphore.acquire()
    with Alarm(), pytest.raises(KeyboardInterrupt):
        semaphore.acquire()
    semaphore.release()
    assert semaphore.get_value() == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("transport", ["", "portable"])
def test_more_processes_than_cores_and_units(transport, monkeypatch):
    monkeypatch.setenv("FASTPROC_TRANSPORT", transport)
    semaphore = synchronize.BoundedSemaphore(2)
    method, n = ("spawn", 300) if transport else ("fork", 5000)
    children = [run_in_process(method, take_and_give, semaphore, n) for _ in range(5)]
    for child in children:
        join(child)
    assert semaphore.get_value() == 2


def take_and_give(semaphore, n):
    for _ in range(n):
        with semaphore:
            assert semaphore.get_value() <= 1
