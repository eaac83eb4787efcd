"""Layer: tests.  Threads and processes that wait, and storms in which they are killed."""

import ctypes
import multiprocessing
import os
import random
import signal
import threading
import time

import pytest

from fastproc.shm import _process

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


def words_of(one):
    """The words of shared memory that something consists of."""
    block = one._block
    return memoryview(block.root)[block.offset : block.offset + block.nbytes].cast("q")


#: Where these are in a queue's memory, in words; see `Control` in _fifo.pxd.
NEXT_RETIREMENT, PUT_RING, GET_RING = 9, 24, 25


def go_on_and_die(words, other):
    """Link a ring of a queue as somebody does who is killed before storing PUT_RING."""
    tail, following = 40 + 16 * words[PUT_RING], 41 + 16 * words[PUT_RING]
    other_tail, other_following = 40 + 16 * other, 41 + 16 * other
    words[other_following] = 0
    words[other_tail] = words[other_tail] >> 32 << 32 | words[tail] & 0xFFFFFFFF
    words[following] = 1 + other


def identity_of_the_dead():
    child = start(time.sleep, 0)
    child.join()
    return _process.identity() >> 32 << 32 | child.pid


def keep_the_gil_while_waiting_for(one, use):
    """Keep the GIL for a second, while a thread of this process waits for the LOCK of something.

    `use` is called in that thread.  LOCK is free in that second, for all other processes.
    """
    words_of(one)[0] = _process.identity()  # somebody has it for a moment
    result = run_in_thread(use)
    time.sleep(0.05)  # until the thread waits
    words_of(one)[0] = 0
    ctypes.PyDLL(None).usleep(900_000)
    return result


def wait_until(condition, what="what was waited for does not come"):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.001)


def storm(work, *args, check, prod=None, children=5, seconds=1.0):
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
    print(f"{kills:,} killed")  # shown with -s
    assert kills > seconds


def run_in_thread(function, *args):
    """Start a thread, and return a function that waits for its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)), daemon=True)
    thread.start()

    def result():
        thread.join(30)
        assert not thread.is_alive(), "the thread does not end"
        return results[0] if results else None

    return result


def run_in_process(method, function, *args):
    child = multiprocessing.get_context(method).Process(target=function, args=args)
    child.start()
    return child


def join(child):
    child.join(60)
    assert child.exitcode == 0


def raise_interrupt(number, frame):
    raise KeyboardInterrupt


class Alarm:
    """A context in which a KeyboardInterrupt comes after a tenth of a second."""

    def __enter__(self):
        self.before = signal.signal(signal.SIGALRM, raise_interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.1)

    def __exit__(self, *exception):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)
