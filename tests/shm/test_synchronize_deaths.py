"""Layer: tests.  Locks and the like while processes are killed: nobody hangs, nothing is lost."""

import multiprocessing
import os
import random
import signal
import threading
import time

import pytest

from fastproc.shm.synchronize import Event

#: Several tests fork while threads of theirs wait, which is safe: the children use none of them.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

FORK = multiprocessing.get_context("fork")


def start(function, *args):
    child = FORK.Process(target=function, args=args, daemon=True)
    child.start()
    return child


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def kill(child):
    child.kill()
    child.join()


def counters(n):
    """Numbers that all forks share."""
    np = pytest.importorskip("numpy")
    from fastproc.shm.array import shared_zeros

    return shared_zeros(n, np.int64)


def wait_until(condition, what="what was waited for does not come"):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.001)


def storm(work, *args, check, prod=None, children=5, seconds=3.0):
    """Kill processes that `work` for ever, at random, and start others in their place.

    Calls `prod` before each kill, and `check` now and then, which must see that they get on.
    """
    seconds = float(os.environ.get("FASTPROC_STORM", "0")) or seconds
    random_ = random.Random(int(os.environ.get("FASTPROC_SEED", "1")))
    working = [start(work, *args) for _ in range(children)]
    kills = 0
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(random_.expovariate(1 / 0.002))
            if prod is not None:
                prod()
            which = random_.randrange(children)
            kill(working[which])
            working[which] = start(work, *args)
            kills += 1
            if kills % 25 == 0:
                check()
    finally:
        for child in working:
            kill(child)
    assert kills > seconds


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
