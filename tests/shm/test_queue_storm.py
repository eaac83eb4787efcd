"""Layer: tests.  Queues whose writers and readers are killed at random instants.

``FASTPROC_STORM`` is how many seconds each storm rages, ``FASTPROC_SEED`` another order of events.
"""

import contextlib
import multiprocessing
import os
import random
import time

import numpy as np
import pytest

from fastproc.shm.array import shared_zeros
from fastproc.shm.queues import Empty, Queue

SECONDS = float(os.environ.get("FASTPROC_STORM", "0")) or 1
SEED = int(os.environ.get("FASTPROC_SEED", "1"))
CONTEXT = multiprocessing.get_context("fork")
MOST_WRITERS, MOST_ITEMS = 20_000, 400


def content(writer, number):
    """Return what the item of this number has: small, middling, or large and out of band.

    Rarely it is so large that its ring is given back once it is empty.
    """
    draw = random.Random(writer * MOST_ITEMS + number)
    size = draw.choice([0, 10, 3_000, draw.randrange(200_000)])
    if draw.random() < 1 / 200:
        size = 9_000_000
    if draw.random() < 0.5:
        return bytes([number % 256]) * size
    return np.full(size // 8, number, dtype=np.int64)


def is_whole(writer, number, data):
    expected = content(writer, number)
    return type(data) is type(expected) and np.array_equal(
        np.frombuffer(data, np.uint8), np.frombuffer(expected, np.uint8)
    )


def write(queue, writer, returned, puts_many):
    for number in range(0, MOST_ITEMS, 4 if puts_many else 1):
        if puts_many:
            queue.put_many([(writer, n, content(writer, n)) for n in range(number, number + 4)])
            returned[writer] = number + 4
        else:
            queue.put((writer, number, content(writer, number)))
            returned[writer] = number + 1


def read(queue, marks, torn):
    while True:
        writer, number, data = queue.get()
        marks[writer, number] += 1  # each item is one reader's
        if not is_whole(writer, number, data):
            torn[0] += 1


class Storm:
    """Processes that are killed and replaced."""

    def __init__(self, n, make):
        self.random = random.Random(SEED)
        self.make = make
        self.kills = self.made = 0
        self.children = [self.start() for _ in range(n)]

    def start(self):
        child = CONTEXT.Process(target=self.make(self.made), daemon=True)
        self.made += 1
        child.start()
        return child

    def strike(self):
        which = self.random.randrange(len(self.children))
        child = self.children[which]
        if child.is_alive():
            self.kills += 1
            child.kill()
        child.join()
        self.children[which] = self.start()

    def end(self):
        for child in self.children:
            child.kill()
            child.join()


class Bound:
    """A function with its arguments, for a fork."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __call__(self):
        self.function(*self.args)


@pytest.mark.parametrize("puts_many", [False, True])
@pytest.mark.parametrize("maxsize", [0, 5])
def test_killed_writers(maxsize, puts_many):
    """Each item whose put had returned arrives, in order, whole and once."""
    queue, returned = Queue(maxsize), shared_zeros(MOST_WRITERS, np.int64)
    storm = Storm(3, lambda w: Bound(write, queue, w, returned, puts_many))
    arrived, n_items = {}, 0
    end = time.monotonic() + SECONDS
    strike_at = time.monotonic()

    def take(timeout):
        nonlocal n_items
        writer, number, data = queue.get(timeout=timeout)
        n_items += 1
        assert number == arrived.get(writer, 0), "an item is missing, twice, or too early"
        assert is_whole(writer, number, data), "torn"
        arrived[writer] = number + 1

    try:
        while time.monotonic() < end and storm.made < MOST_WRITERS:
            if time.monotonic() < strike_at:
                with contextlib.suppress(Empty):  # all writers may have ended
                    take(0.05)
            else:
                storm.strike()
                strike_at = time.monotonic() + storm.random.expovariate(1 / 0.01)
    finally:
        storm.end()
    while True:
        try:
            take(0.5)
        except Empty:
            break
    assert queue.qsize() == 0
    batch = 4 if puts_many else 1
    for writer in range(storm.made):
        # What a writer had put and was not told of any more may have arrived, too.
        assert 0 <= arrived.get(writer, 0) - returned[writer] <= batch
    print(f"{storm.kills:,} writers killed, {n_items:,} items")  # shown with -s
    assert storm.kills > SECONDS
    assert n_items > 100 * SECONDS


@pytest.mark.parametrize("maxsize", [0, 5])
def test_killed_writers_and_readers(maxsize):
    """Nothing arrives twice or torn, and what is lost was in the hands of a killed reader."""
    queue, returned = Queue(maxsize), shared_zeros(MOST_WRITERS, np.int64)
    marks, torn = shared_zeros((MOST_WRITERS, MOST_ITEMS), np.int8), shared_zeros(1, np.int64)
    writers = Storm(2, lambda w: Bound(write, queue, w, returned, False))
    readers = Storm(3, lambda w: Bound(read, queue, marks, torn))
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end and writers.made < MOST_WRITERS:
            time.sleep(writers.random.expovariate(1 / 0.01))
            writers.random.choice([writers, readers]).strike()
    finally:
        writers.end()
        limit = time.monotonic() + 20
        while not queue.empty() and time.monotonic() < limit:
            time.sleep(0.01)  # the readers empty it
        time.sleep(0.1)
        readers.end()
    assert queue.empty(), "the readers do not get on"
    assert torn[0] == 0
    assert marks.max() == 1
    lost = sum(
        int(returned[writer]) - int((marks[writer, : returned[writer]] == 1).sum())
        for writer in range(writers.made)
    )
    assert 0 <= lost <= readers.kills
    print(f"{writers.kills:,} writers, {readers.kills:,} readers killed, {lost} items lost")
    assert writers.kills + readers.kills > SECONDS
    assert int(marks.sum()) > 50 * SECONDS


def test_what_is_done_is_counted_whoever_dies():
    """`join` returns when all that was put is done, though writers were killed at any instant."""
    from fastproc.shm.queues import JoinableQueue

    queue, returned = JoinableQueue(), shared_zeros(MOST_WRITERS, np.int64)
    storm = Storm(2, lambda w: Bound(write, queue, w, returned, False))
    end = time.monotonic() + SECONDS / 2
    while time.monotonic() < end:
        time.sleep(storm.random.expovariate(1 / 0.01))
        storm.strike()
    storm.end()
    n = queue.qsize()
    for _ in range(n):
        queue.get(timeout=20)
        queue.task_done()
    queue.join()
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done()
    assert n >= int(returned.sum())
