"""Layer: tests.  Locks and the like while processes are killed: nobody hangs, nothing is lost."""

import multiprocessing
import random
import threading
import time
import warnings

import pytest
from storms import (
    counters,
    die,
    identity_of_the_dead,
    keep_the_gil_while_waiting_for,
    kill,
    start,
    storm,
    wait_until,
    words_of,
)

from fastproc.errors import OwnerDied
from fastproc.shm import _process
from fastproc.shm.synchronize import BoundedSemaphore, Event, Semaphore

#: Several tests fork while threads of theirs wait, which is safe: the children use none of them.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

# ---- events


def set_and_die(event):
    event.set()
    die()


def test_who_has_set_an_event_may_die():
    event = Event()
    child = start(set_and_die, event)
    assert event.wait(30) is True
    child.join()


def test_a_waiter_that_is_killed_leaves_nothing_behind():
    event = Event()
    children = [start(event.wait) for _ in range(3)]
    time.sleep(0.1)
    for child in children:
        kill(child)
    waiter = threading.Thread(target=event.wait, args=(30,))
    waiter.start()
    event.set()
    waiter.join(10)
    assert not waiter.is_alive()


def wait_and_clear(event, counts):
    while True:
        event.wait()
        counts[0] += 1
        if random.random() < 0.5:
            event.clear()


def test_a_storm_over_an_event():
    event, counts = Event(), counters(1)

    def check():
        before = int(counts[0])
        event.set()
        wait_until(lambda: counts[0] != before or event.set(), "nobody is waked any more")

    storm(wait_and_clear, event, counts, check=check, prod=event.set)
    event.set()
    assert event.wait(0)
    event.clear()
    assert not event.is_set()


# ---- semaphores

SEMAPHORES = pytest.mark.parametrize("kind", [Semaphore, BoundedSemaphore])


def acquire_and_die(semaphore, units=1):
    for _ in range(units):
        semaphore.acquire()
    die()


def acquire_and_sleep(semaphore):
    semaphore.acquire()
    time.sleep(1000)


@SEMAPHORES
@pytest.mark.parametrize("block", [True, False])
def test_the_units_of_the_dead_come_back(kind, block, method):
    semaphore = kind(3)
    context = multiprocessing.get_context(method)
    child = context.Process(target=acquire_and_die, args=(semaphore, 3))
    child.start()
    child.join()
    assert semaphore.get_value() == 0
    with pytest.warns(OwnerDied, match=f"process {child.pid} died while it had 3 units") as caught:
        assert semaphore.acquire(block, 20)
    assert caught[0].message.pid == child.pid
    assert caught[0].filename == __file__
    assert semaphore.get_value() == 2
    semaphore.release()
    assert semaphore.get_value() == 3


@pytest.mark.parametrize("change", [+1, -1])
def test_units_on_their_way_when_their_holder_is_killed(change):
    """Its count has changed, and what can be had not yet."""
    semaphore = Semaphore(5)
    semaphore.acquire()
    words = words_of(semaphore)
    place = words.tolist().index(_process.identity())
    words[place] = words[0] = identity_of_the_dead()  # words[0] is LOCK
    words[place + 1] += change
    assert semaphore.acquire()
    assert semaphore.get_value() == (2 if change > 0 else 4)
    semaphore.release()
    for _ in range(3 if change > 0 else 5):
        semaphore.acquire()
    if change > 0:
        with pytest.warns(OwnerDied, match="had 2 units"):
            assert semaphore.acquire()
    else:
        assert not semaphore.acquire(False)


def test_who_sleeps_for_a_unit_of_the_dead_gets_it():
    semaphore = Semaphore(1)
    child = start(acquire_and_sleep, semaphore)
    wait_until(semaphore.locked)
    threading.Timer(0.3, child.kill).start()
    with pytest.warns(OwnerDied, match="had a unit of a semaphore"):
        assert semaphore.acquire(timeout=20)
    child.join()


def test_a_warning_that_is_an_error_leaves_the_units_free():
    semaphore = BoundedSemaphore(2)
    start(acquire_and_die, semaphore, 2).join()
    with pytest.raises(OwnerDied):
        semaphore.acquire()
    assert semaphore.get_value() == 2


@SEMAPHORES
def test_units_that_are_handed_over_have_no_holder(kind):
    semaphore = kind(2)
    semaphore.acquire()
    child = start(semaphore.release)
    child.join()
    assert semaphore.get_value() == 2
    start(acquire_and_die, semaphore).join()
    assert semaphore.acquire(timeout=1)
    assert semaphore.acquire(timeout=0.3) is False


def test_what_was_left_taken_can_be_released_and_has_holders_again():
    semaphore = BoundedSemaphore(1)
    start(semaphore.acquire).join()
    assert semaphore.acquire(timeout=0.3) is False
    semaphore.release()
    start(acquire_and_die, semaphore).join()
    with pytest.warns(OwnerDied):
        assert semaphore.acquire(timeout=20)


def test_a_fork_has_not_the_units_of_its_parent():
    semaphore = Semaphore(1)
    semaphore.acquire()
    start(die).join()
    assert semaphore.acquire(timeout=0.3) is False
    start(time.sleep, 0).join()  # nor does its orderly end concern them
    semaphore.release()
    start(acquire_and_die, semaphore).join()
    with pytest.warns(OwnerDied):
        assert semaphore.acquire(timeout=20)


def test_more_holders_than_a_semaphore_can_know():
    semaphore = BoundedSemaphore(70)
    holders = [start(acquire_and_sleep, semaphore) for _ in range(64)]
    wait_until(lambda: semaphore.get_value() == 6)
    for child in holders:
        kill(child)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert all(semaphore.acquire(timeout=1) for _ in range(66))
        assert not semaphore.acquire(timeout=0.01)
    assert len(caught) == 60
    for _ in range(70):  # those that nobody knows of can be released as well
        semaphore.release()
    with pytest.raises(ValueError, match="too many times"):
        semaphore.release()


def use_units(semaphore, counts):
    warnings.simplefilter("ignore", OwnerDied)
    while True:
        with semaphore:
            counts[2] += 1
            if counts[0] != counts[1]:  # the last holder of a single unit was killed between
                counts[1] = counts[0]
            counts[0] += 1
            if random.random() < 0.1:
                time.sleep(0)
            counts[1] += 1


@SEMAPHORES
@pytest.mark.parametrize("units", [1, 3])
def test_a_storm_over_a_semaphore(kind, units):
    semaphore, counts = kind(units), counters(3)

    def check():
        before = int(counts[2])
        wait_until(lambda: counts[2] != before, "nobody gets a unit any more")
        assert semaphore.get_value() <= units

    storm(use_units, semaphore, counts, check=check)
    if units == 1:  # more than one step apart would be two holders at once
        assert counts[0] - counts[1] in (0, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OwnerDied)
        assert all(semaphore.acquire(timeout=20) for _ in range(units))
    assert semaphore.acquire(False) is False
    for _ in range(units):
        semaphore.release()
    assert semaphore.get_value() == units
    start(acquire_and_die, semaphore).join()  # nor has it ever been taken for a hand-over
    with pytest.warns(OwnerDied):
        assert all(semaphore.acquire(timeout=20) for _ in range(units))


def time_acquiring(semaphore, pipe):
    pipe.recv()
    time.sleep(0.3)
    began = time.monotonic()
    assert semaphore.acquire(False)
    pipe.send(time.monotonic() - began)


def test_who_waits_for_the_gil_stops_no_other_process():
    semaphore, (here, there) = Semaphore(2), multiprocessing.Pipe()
    child = start(time_acquiring, semaphore, there)
    here.send(None)
    assert keep_the_gil_while_waiting_for(semaphore, semaphore.acquire)() is True
    assert here.recv() < 0.3
    child.join()
