"""Layer: tests.  Barriers: multiprocessing's semantics, and parties that are killed."""

import multiprocessing
import random
import signal
import threading
import time
from threading import BrokenBarrierError

import pytest
from storms import (
    Alarm,
    counters,
    die,
    identity_of_the_dead,
    join,
    keep_the_gil_while_waiting_for,
    kill,
    run_in_process,
    run_in_thread,
    start,
    storm,
    wait_until,
    words_of,
)

from fastproc.shm.synchronize import Barrier

#: Several tests fork while threads of theirs wait, which is safe: the children use none of them.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def wait_at(barrier, timeout=None):
    try:
        return barrier.wait(timeout)
    except BrokenBarrierError:
        return "broken"


def start_waiters(barrier, n, timeout=30):
    results = [run_in_thread(wait_at, barrier, timeout) for _ in range(n)]
    wait_until(lambda: barrier.n_waiting == n)
    time.sleep(0.05)
    return results


# ---- as multiprocessing's


def test_all_go_on_when_all_are_there(kit):
    barrier = kit.Barrier(4)
    assert isinstance(barrier, threading.Barrier)
    assert barrier.parties == 4
    for _ in range(3):
        assert barrier.n_waiting == 0
        results = start_waiters(barrier, 3)
        assert barrier.wait() in range(4)
        assert barrier.n_waiting == 0
        assert sorted(result() for result in results) == [0, 1, 2]
        assert barrier.broken is False


def test_one_is_enough_for_a_barrier_of_one(kit):
    barrier = kit.Barrier(1)
    assert [barrier.wait() for _ in range(3)] == [0] * 3


def test_the_action_comes_before_all_go_on(kit):
    done = []
    barrier = kit.Barrier(3, lambda: (time.sleep(0.02), done.append(barrier.n_waiting)))

    def wait():
        barrier.wait(30)
        return len(done)

    for i in range(3):
        results = [run_in_thread(wait) for _ in range(3)]
        assert [result() for result in results] == [i + 1] * 3
    assert done == [3] * 3


def test_an_action_that_fails_breaks_the_barrier(kit):
    barrier = kit.Barrier(3, lambda: 1 / 0)
    results = start_waiters(barrier, 2)
    with pytest.raises(ZeroDivisionError):
        barrier.wait()
    assert [result() for result in results] == ["broken"] * 2
    assert barrier.broken is True
    assert "broken" in repr(barrier)


def test_a_timeout_breaks_the_barrier(kit):
    barrier = kit.Barrier(3)
    results = start_waiters(barrier, 1)
    start = time.monotonic()
    with pytest.raises(BrokenBarrierError):
        barrier.wait(0.05)
    assert time.monotonic() - start >= 0.05
    assert results[0]() == "broken"
    assert barrier.broken is True
    assert barrier.n_waiting == 0
    with pytest.raises(BrokenBarrierError):
        barrier.wait()


def test_a_barrier_has_a_timeout_of_its_own(kit):
    barrier = kit.Barrier(2, timeout=0.05)
    with pytest.raises(BrokenBarrierError):
        barrier.wait()
    barrier = kit.Barrier(2, None, 0)
    with pytest.raises(BrokenBarrierError):
        barrier.wait()
    barrier.reset()
    results = start_waiters(barrier, 1)
    assert barrier.wait() in (0, 1)  # who comes last waits for nobody
    assert results[0]() in (0, 1)


def test_a_long_action_is_no_timeout(kit):
    barrier = kit.Barrier(2, lambda: time.sleep(0.3))
    results = start_waiters(barrier, 1, timeout=0.15)
    barrier.wait()
    assert results[0]() in (0, 1)


def test_abort_and_reset(kit):
    barrier = kit.Barrier(3)
    results = start_waiters(barrier, 2)
    barrier.abort()
    assert [result() for result in results] == ["broken"] * 2
    assert barrier.broken is True
    assert wait_at(barrier) == "broken"
    barrier.reset()
    assert barrier.broken is False
    results = start_waiters(barrier, 2)
    barrier.reset()
    assert [result() for result in results] == ["broken"] * 2
    assert barrier.broken is False
    results = start_waiters(barrier, 2)
    barrier.wait()
    assert {result() for result in results} < {0, 1, 2}
    barrier.reset()
    assert barrier.broken is False


def test_an_interrupt_breaks_nothing(kit):
    barrier = kit.Barrier(3)
    results = start_waiters(barrier, 1)
    with Alarm(), pytest.raises(KeyboardInterrupt):
        barrier.wait()
    assert barrier.broken is False
    assert barrier.n_waiting == 1
    results.append(run_in_thread(wait_at, barrier, 30))
    wait_until(lambda: barrier.n_waiting == 2)
    places = [barrier.wait(30)] + [result() for result in results]
    assert set(places) <= {0, 1, 2}


def test_more_come_than_there_are_parties(kit):
    barrier, calls, places = kit.Barrier(2), iter(range(200)), []

    def wait():
        for _ in calls:
            places.append(barrier.wait(30))

    for result in [run_in_thread(wait) for _ in range(4)]:
        result()
    assert sorted(places) == [0] * 100 + [1] * 100
    assert barrier.n_waiting == 0


def test_processes_meet(kit, method):
    context = multiprocessing.get_context(method) if kit is multiprocessing else kit
    barrier, acted = context.Barrier(3, increment, 30), multiprocessing.RawValue("i", 0)
    children = [run_in_process(method, meet, barrier, acted) for _ in range(2)]
    meet(barrier, acted)
    for child in children:
        join(child)


def increment():
    shared[0].value += 1


shared = []


def meet(barrier, acted):
    shared[:] = [acted]
    for i in range(10):
        barrier.wait()
        assert acted.value == i + 1
        barrier.wait()
        acted.value = i + 1  # the second meeting has acted as well


# ---- ours


def test_a_barrier_across_processes(relative):
    barrier = Barrier(2, len_of_nothing, 20)
    for _ in range(3):
        relative.ask(wait_at, barrier)
        assert {barrier.wait(), relative.answer()} == {0, 1}
    relative.ask(wait_at, barrier)
    wait_until(lambda: barrier.n_waiting == 1)
    barrier.abort()
    assert relative.answer() == "broken"


def len_of_nothing():
    return len([])


@pytest.mark.parametrize("parties", [0, -1, 2**31])
def test_numbers_of_parties_that_cannot_be(parties):
    with pytest.raises(ValueError, match="parties must be "):
        Barrier(parties)


def test_barriers_refuse_what_is_no_number_and_no_time():
    with pytest.raises(TypeError):
        Barrier("two")
    with pytest.raises(TypeError):
        Barrier(1.5)
    with pytest.raises(TypeError):
        Barrier(2).wait("long")
    barrier = Barrier(1, "no function")
    with pytest.raises(TypeError):
        barrier.wait()
    assert barrier.broken


@pytest.mark.parametrize("change", ["abort", "reset"])
def test_an_action_may_change_the_barrier(change):
    barrier = Barrier(1, lambda: getattr(barrier, change)())
    with pytest.raises(BrokenBarrierError):
        barrier.wait()
    assert barrier.broken == (change == "abort")
    assert barrier.n_waiting == 0


@pytest.mark.parametrize("transport", ["", "portable"])
def test_more_processes_than_cores_meet(transport, monkeypatch):
    monkeypatch.setenv("FASTPROC_TRANSPORT", transport)
    barrier = Barrier(5, timeout=60)
    method, n = ("spawn", 20) if transport else ("fork", 300)
    children = [run_in_process(method, meet_often, barrier, n) for _ in range(5)]
    for child in children:
        join(child)
    assert barrier.n_waiting == 0
    assert not barrier.broken


def meet_often(barrier, n):
    for _ in range(n):
        barrier.wait()


# ---- deaths


def test_the_death_of_one_who_waits_breaks_the_barrier(method):
    barrier = Barrier(4)
    child = run_in_process(method, barrier.wait)
    wait_until(lambda: barrier.n_waiting == 1)
    results = start_waiters_after(barrier, 2)
    kill(child)
    assert [result() for result in results] == ["broken"] * 2
    assert barrier.broken
    barrier.reset()
    assert barrier.n_waiting == 0
    results = start_waiters(barrier, 3)
    barrier.wait()
    assert sorted(result() for result in results) == [0, 1, 2]


def start_waiters_after(barrier, n):
    before = barrier.n_waiting
    results = [run_in_thread(wait_at, barrier, 60) for _ in range(n)]
    wait_until(lambda: barrier.n_waiting == before + n)
    return results


@pytest.mark.parametrize("parties", [2, 3])
def test_who_dies_in_the_action_breaks_the_barrier(parties):
    barrier = Barrier(parties, wait_and_die)
    results = start_waiters(barrier, parties - 1, timeout=1)
    child = start(barrier.wait)
    assert [result() for result in results] == ["broken"] * (parties - 1)
    child.join()
    assert child.exitcode == -signal.SIGKILL  # it had come before the others gave up


def wait_and_die():
    time.sleep(1.2)  # which is no timeout of those who wait
    die()


def test_who_comes_does_not_wait_for_the_dead_to_go():
    """One who was killed on its way out of a meeting, and one in the middle of a step."""
    for kind in (4, 6):  # DRAINING, RESETTING
        barrier = Barrier(2)
        words = words_of(barrier._room)
        words[1], words[8] = 16 | kind, identity_of_the_dead()
        results = [run_in_thread(wait_at, barrier, 30) for _ in range(2)]
        assert sorted(result() for result in results) == [0, 1]
        words[1], words[0] = 32 | kind, identity_of_the_dead()  # LOCK, after leaving its place
        results = [run_in_thread(wait_at, barrier, 30) for _ in range(2)]
        assert sorted(result() for result in results) == [0, 1]


def test_one_who_dies_before_the_others_come_has_come():
    barrier = Barrier(2)
    child = start(barrier.wait)
    wait_until(lambda: barrier.n_waiting == 1)
    kill(child)
    assert wait_at(barrier, 30) == 1
    results = [run_in_thread(wait_at, barrier, 30) for _ in range(2)]
    assert sorted(result() for result in results) == [0, 1]


def test_who_dies_in_the_middle_of_coming_breaks_the_barrier():
    barrier = Barrier(2)
    results = start_waiters(barrier, 1)
    words = words_of(barrier._room)
    words[9] = words[0] = identity_of_the_dead()  # in its place, and LOCK
    assert results[0]() == "broken"
    assert barrier.broken


def test_the_dead_are_not_waited_for_after_a_reset():
    barrier = Barrier(3)
    child = start(barrier.wait)
    wait_until(lambda: barrier.n_waiting == 1)
    kill(child)
    barrier.reset()
    assert barrier.n_waiting == 0


def time_aborting(barrier, pipe):
    pipe.recv()
    time.sleep(0.3)
    began = time.monotonic()
    barrier.abort()
    pipe.send(time.monotonic() - began)


def test_who_waits_for_the_gil_stops_no_other_process():
    barrier, (here, there) = Barrier(2), multiprocessing.Pipe()
    child = start(time_aborting, barrier, there)
    here.send(None)
    assert keep_the_gil_while_waiting_for(barrier._room, lambda: wait_at(barrier))() == "broken"
    assert here.recv() < 0.3
    child.join()


def meet_for_ever(barrier, counts):
    while True:
        try:
            barrier.wait()
            counts[0] += 1
        except BrokenBarrierError:
            if barrier.broken:
                barrier.reset()
                counts[1] += 1
        if random.random() < 0.1:
            time.sleep(0)


@pytest.mark.parametrize("action", [None, len_of_nothing])
def test_a_storm_over_a_barrier(action):
    barrier, counts = Barrier(5, action), counters(2)  # so that none can stand in for the dead

    def check():
        before = int(counts[0])
        wait_until(lambda: counts[0] != before, "nobody meets any more")

    storm(meet_for_ever, barrier, counts, check=check)
    print(f"{counts[1]:,} times broken")  # shown with -s; few, where the killed are soon replaced
    barrier.reset()
    children = [start(barrier.wait, 30) for _ in range(5)]
    for child in children:
        join(child)
