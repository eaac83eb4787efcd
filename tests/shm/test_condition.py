"""Layer: tests.  Conditions: multiprocessing's semantics, and notifications for the dead."""

import math
import multiprocessing
import signal
import threading
import time
import warnings

import pytest
from storms import (
    Alarm,
    counters,
    die,
    join,
    kill,
    run_in_process,
    run_in_thread,
    start,
    storm,
    wait_until,
)

from fastproc.errors import OwnerDied
from fastproc.shm.synchronize import Condition, Lock, RLock

#: Several tests fork while threads of theirs wait, which is safe: the children use none of them.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def wait_in(condition, timeout=30):
    with condition:
        return condition.wait(timeout)


def waiters(condition):
    return int(repr(condition).rpartition(", ")[2].rstrip(")>"))


def start_waiters(condition, n):
    """Start threads that wait, one after the other."""
    results = []
    for i in range(n):
        results.append(run_in_thread(wait_in, condition))
        if isinstance(condition, Condition):
            wait_until(lambda i=i: waiters(condition) == i + 1)
    time.sleep(0.1)
    return results


def notify(condition, *n):
    with condition:
        condition.notify(*n)


# ---- as multiprocessing's


def test_a_condition_has_a_lock(kit):
    condition = kit.Condition()
    with condition as entered:
        assert entered is True
        assert condition.acquire() is True  # an RLock by default
        condition.release()
    assert condition.acquire(False) is True
    assert run_in_thread(condition.acquire, True, 0.01)() is False
    condition.release()
    assert run_in_thread(lambda: condition.acquire() and not condition.release())() is True
    assert "Condition(<RLock(" in repr(condition)


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_waiting_without_notification(kit, kind):
    condition = kit.Condition(getattr(kit, kind)())
    with condition:
        condition.notify()  # nobody waits, and nothing is kept for who comes
        condition.notify_all()
        start = time.monotonic()
        assert condition.wait(0.05) is False
        assert time.monotonic() - start >= 0.05
        assert condition.wait(0) is False
        assert condition.wait(timeout=-1) is False
        assert run_in_thread(condition.acquire, True, 0.01)() is False


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_who_does_not_have_the_lock_may_not_wait_or_notify(kit, kind):
    condition = kit.Condition(getattr(kit, kind)())
    with pytest.raises(AssertionError, match=r"must acquire\(\) condition before using wait\(\)"):
        condition.wait(1)
    with pytest.raises(AssertionError, match="lock is not owned"):
        condition.notify()
    with pytest.raises(AssertionError, match="lock is not owned"):
        condition.notify_all()


def test_as_many_are_notified_as_one_says(kit):
    condition = kit.Condition()
    results = start_waiters(condition, 6)
    done = []
    for result in results:
        threading.Thread(target=lambda r=result: done.append(r()), daemon=True).start()
    for n, expected in [((), 1), ((2,), 3), ((0,), 3), ((-1,), 3), ((10,), 6)]:
        notify(condition, *n)
        wait_until(lambda expected=expected: len(done) == expected)
        time.sleep(0.05)
        assert len(done) == expected
    assert done == [True] * 6


def test_all_are_notified(kit):
    condition = kit.Condition(kit.Lock())
    results = start_waiters(condition, 5)
    with condition:
        condition.notify_all()
    assert [result() for result in results] == [True] * 5


def test_waiting_releases_all_levels_and_takes_them_again(kit):
    condition = kit.Condition()
    with condition, condition:
        result = run_in_thread(notify, condition)
        assert condition.wait(20) is True
        result()
        assert run_in_thread(condition.acquire, False)() is False
        condition.release()
        assert run_in_thread(condition.acquire, False)() is False
        condition.acquire()
    assert run_in_thread(lambda: condition.acquire(False) and not condition.release())() is True


def test_waiting_for_what_a_function_says(kit):
    condition, items = kit.Condition(), []

    def put():
        for i in range(3):
            with condition:
                items.append(i)
                condition.notify()
            time.sleep(0.02)

    with condition:
        result = run_in_thread(put)
        assert condition.wait_for(lambda: len(items) == 3 and "all") == "all"
        assert condition.wait_for(lambda: items == [0, 1, 2], 0) is True
        start = time.monotonic()
        assert condition.wait_for(lambda: len(items) > 3 or None, timeout=0.05) is None
        assert time.monotonic() - start >= 0.05
    result()


def test_an_interrupted_wait_has_the_lock(kit):
    condition = kit.Condition()
    with condition, condition:
        with Alarm(), pytest.raises(KeyboardInterrupt):
            condition.wait()
        assert run_in_thread(condition.acquire, False)() is False
    assert run_in_thread(lambda: condition.acquire(False) and not condition.release())() is True
    with condition:
        assert condition.wait(0.01) is False


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_signals_are_seen_while_the_lock_is_taken_again(kit, kind):
    condition, seen = kit.Condition(getattr(kit, kind)()), []
    main = threading.main_thread().ident

    def notify_and_keep():
        with condition:
            condition.notify()
            time.sleep(0.1)
            signal.pthread_kill(main, signal.SIGALRM)
            end = time.monotonic() + 10
            while not seen and time.monotonic() < end:
                time.sleep(0.001)
            return time.monotonic() < end

    before = signal.signal(signal.SIGALRM, lambda *args: seen.append(args))
    try:
        with condition:
            in_time = run_in_thread(notify_and_keep)
            assert condition.wait(30) is True
        assert in_time()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_processes_take_turns(kit, method):
    context = multiprocessing.get_context(method) if kit is multiprocessing else kit
    condition = context.Condition(context.Lock())
    turn = multiprocessing.RawValue("i", 0)
    child = run_in_process(method, take_turns, condition, turn, 1)
    take_turns(condition, turn, 0)
    join(child)


def take_turns(condition, turn, mine):
    for _ in range(20):
        with condition:
            assert condition.wait_for(lambda: turn.value == mine, 30)
            turn.value = 1 - mine
            condition.notify()


# ---- ours


@pytest.mark.parametrize("kind", [Lock, RLock])
def test_a_condition_travels_with_its_lock(kind, relative):
    lock = kind()
    condition = Condition(lock)
    with condition:
        assert relative.call(try_both, condition, lock) == (False, False)
        relative.ask(notify, condition)
        assert condition.wait(30)
    relative.answer()
    assert relative.call(try_both, condition, lock) == (True, kind is RLock)
    relative.ask(wait_in, condition)
    wait_until(lambda: waiters(condition) == 1)
    with lock:
        condition.notify()
    assert relative.answer() is True


def try_both(condition, lock):
    """Return whether a condition's lock can be taken, and by its other name at the same time."""
    taken = condition.acquire(False)
    again = lock.acquire(False)
    for _ in range(taken + again):
        condition.release()
    return taken, again


def test_who_has_waited_longest_is_notified_first():
    condition, order = Condition(), []

    def wait(i):
        with condition:
            condition.wait(30)
            order.append(i)

    results = []
    for i in range(5):
        results.append(run_in_thread(wait, i))
        wait_until(lambda i=i: waiters(condition) == i + 1)
    for i in range(5):
        notify(condition)
        results[i]()
    assert order == list(range(5))


@pytest.mark.parametrize("all_at_once", [True, False])
def test_more_wait_than_there_are_places(all_at_once):
    condition, n = Condition(), 260
    threading.stack_size(256 * 1024)
    try:
        results = [run_in_thread(wait_in, condition, 60) for _ in range(n)]
    finally:
        threading.stack_size(0)
    wait_until(lambda: waiters(condition) == 252)
    time.sleep(0.3)
    if all_at_once:
        with condition:
            condition.notify_all()
    else:
        for _ in range(n):
            notify(condition)
    assert [result() for result in results] == [True] * n
    assert waiters(condition) == 0
    assert wait_in(condition, 0.01) is False


@pytest.mark.parametrize("lock", [threading.Lock(), multiprocessing.Lock(), 1, object])
def test_conditions_refuse_what_is_no_lock_of_ours(lock):
    with pytest.raises(TypeError, match="a condition needs a fastproc Lock or RLock"):
        Condition(lock)


def test_conditions_refuse_what_is_no_time_and_no_number():
    condition = Condition()
    with condition:
        with pytest.raises(TypeError):
            condition.wait("long")
        with pytest.raises(TypeError):
            condition.wait_for(list, "long")
        with pytest.raises(TypeError):
            condition.notify("many")
        with pytest.raises(TypeError):
            condition.wait_for(None)
        for wait in (condition.wait, lambda timeout: condition.wait_for(list, timeout)):
            with pytest.raises(OSError, match="a timeout must be a number of seconds, and this is"):
                wait(math.nan)
        assert waiters(condition) == 0


@pytest.mark.parametrize("transport", ["", "portable"])
def test_more_processes_than_cores_take_turns(transport, monkeypatch):
    monkeypatch.setenv("FASTPROC_TRANSPORT", transport)
    condition, turn = Condition(), multiprocessing.RawValue("i", 0)
    n = 10 if transport else 200
    children = [
        run_in_process("spawn" if transport else "fork", count_round, condition, turn, i, 5, n)
        for i in range(5)
    ]
    for child in children:
        join(child)
    assert turn.value == 5 * n


def count_round(condition, turn, mine, of, n):
    for _ in range(n):
        with condition:
            assert condition.wait_for(lambda: turn.value % of == mine, 30)
            turn.value += 1
            condition.notify_all()


# ---- deaths


def wait_for_ever(condition):
    with condition:
        condition.wait()


def start_waiting(condition):
    """Start a process, and return when it waits."""
    before = waiters(condition)
    child = start(wait_for_ever, condition)
    wait_until(lambda: waiters(condition) == before + 1)
    time.sleep(0.05)  # until it sleeps
    return child


def test_the_dead_swallow_no_notification():
    condition = Condition()
    children = [start_waiting(condition) for _ in range(3)]
    result = run_in_thread(wait_in, condition)
    wait_until(lambda: waiters(condition) == 4)
    for child in children:
        kill(child)
    with condition:
        condition.notify()
        assert waiters(condition) == 0  # the dead are out, and the other one is notified
    assert result() is True
    assert waiters(condition) == 0


@pytest.mark.parametrize("transport", ["", "portable"])
def test_what_one_was_told_that_was_killed_is_passed_on(transport, make_relative, monkeypatch):
    monkeypatch.setenv("FASTPROC_TRANSPORT", transport)
    condition = Condition()
    relative = make_relative("spawn")
    child = start_waiting(condition)
    relative.ask(wait_in, condition)
    wait_until(lambda: waiters(condition) == 2)
    with condition:
        condition.notify()
        kill(child)
    assert relative.answer() is True
    assert waiters(condition) == 0


def test_it_is_not_passed_on_to_who_came_later():
    condition = Condition()
    child = start_waiting(condition)
    with condition:
        condition.notify()
        kill(child)
        assert condition.wait(0.6) is False  # longer than a nap
    notify(condition)


def test_who_is_interrupted_passes_on_what_it_was_told():
    condition = Condition()
    main = threading.main_thread().ident
    younger = []

    def notify_and_interrupt():
        younger.append(run_in_thread(wait_in, condition))
        wait_until(lambda: waiters(condition) == 2)
        time.sleep(0.05)
        with condition:
            condition.notify()
            signal.pthread_kill(main, signal.SIGALRM)
            time.sleep(0.2)

    with condition:
        result = run_in_thread(notify_and_interrupt)
        with Alarm():
            signal.setitimer(signal.ITIMER_REAL, 0)  # the thread above raises it
            with pytest.raises(KeyboardInterrupt):
                condition.wait()
    result()
    assert younger[0]() is True


@pytest.mark.parametrize("kind", [Lock, RLock])
def test_an_interrupt_while_the_lock_is_taken_again_comes_with_the_lock(kind):
    condition = Condition(kind())
    main = threading.main_thread().ident
    younger = []

    def notify_and_interrupt():
        younger.append(run_in_thread(wait_in, condition))
        wait_until(lambda: waiters(condition) == 2)
        with condition:
            condition.notify()
            time.sleep(0.1)
            for _ in range(2):
                signal.pthread_kill(main, signal.SIGALRM)
                time.sleep(0.1)

    with condition, Alarm():
        signal.setitimer(signal.ITIMER_REAL, 0)
        result = run_in_thread(notify_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            condition.wait()
        assert run_in_thread(condition.acquire, False)() is False
    result()
    assert younger[0]() is True  # what the interrupted one was told


def test_who_has_notified_may_die():
    condition = Condition()
    with condition:
        child = start(notify_and_die, condition)
        with pytest.warns(OwnerDied, match=f"process {child.pid} died while it had a lock"):
            assert condition.wait(30) is True
    child.join()
    with condition:
        pass


def notify_and_die(condition):
    with condition:
        condition.notify()
        die()


def test_a_warning_that_is_an_error_leaves_the_lock_to_who_waited():
    condition = Condition()
    with condition:
        child = start(notify_and_die, condition)
        with pytest.raises(OwnerDied):
            condition.wait(30)
        assert run_in_thread(condition.acquire, False)() is False
    child.join()
    assert waiters(condition) == 0


def consume(condition, items):
    deaths = []
    warnings.simplefilter("always", OwnerDied)
    warnings.showwarning = lambda *args: deaths.append(args)
    while True:
        with condition:
            while True:
                if deaths:  # its last owner may not have done what it was notified of
                    deaths.clear()
                    condition.notify_all()
                if items[0] > 0:
                    break
                condition.wait()
            items[0] -= 1
            items[1] += 1


@pytest.mark.parametrize("kind", [Lock, RLock])
def test_a_storm_over_a_condition(kind):
    condition, items = Condition(kind()), counters(2)

    def produce():
        with warnings.catch_warnings(record=True) as deaths:
            warnings.simplefilter("always", OwnerDied)
            with condition:
                items[0] += 1
                condition.notify()
                if deaths:
                    condition.notify_all()

    def check():
        produce()

        def all_are_taken():
            with warnings.catch_warnings(record=True) as deaths:
                warnings.simplefilter("always", OwnerDied)
                with condition:
                    if deaths:
                        condition.notify_all()
                    return items[0] == 0

        wait_until(all_are_taken, "a notification is lost")

    storm(consume, condition, items, check=check, prod=produce)
    assert items[1] > 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OwnerDied)
        notify(condition)
    assert wait_in(condition, 0) is False
