"""Layer: tests.  The ring on its own: wrap-arounds, torn records, withdrawals, kills."""

import collections
import multiprocessing
import os
import random
import signal
import time
import zlib

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from fastproc.shm._ring import RING_HEADER_BYTES, Ring
from fastproc.shm.array import shared_zeros

CAPACITY = 1024
fork = multiprocessing.get_context("fork")


def new_memory(capacity=CAPACITY):
    return shared_zeros(RING_HEADER_BYTES + capacity, np.uint8)


def record(number, size):
    """Return a record that says its number, and whose last bytes tell whether it is whole."""
    body = number.to_bytes(8, "little") + random.Random(number).randbytes(size)
    return body + zlib.crc32(body).to_bytes(4, "little")


def number_of(payload):
    assert zlib.crc32(payload[:-4]) == int.from_bytes(payload[-4:], "little"), "a torn record"
    return int.from_bytes(payload[:8], "little")


@given(st.lists(st.one_of(st.none(), st.integers(0, CAPACITY // 2 - 16)), max_size=80))
def test_what_goes_in_comes_out_in_order(steps):
    memory = new_memory()
    producer, consumer = Ring(memory, 0, CAPACITY), Ring(memory, 0, CAPACITY)
    inside = collections.deque()
    for number, size in enumerate(steps):
        if size is None:
            assert consumer.get() == (inside.popleft() if inside else None)
            continue
        payload = bytes([number % 256]) * size
        if producer.put(payload) is not None:
            inside.append(payload)
        else:
            assert inside, "an empty ring takes whatever is not too long"
    assert list(iter(consumer.get, None)) == list(inside)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=8), st.data())
def test_a_record_is_taken_or_taken_back(sizes, data):
    memory = new_memory()
    producer, consumer = Ring(memory, 0, CAPACITY), Ring(memory, 0, CAPACITY)
    positions = [producer.put(record(number, size)) for number, size in enumerate(sizes)]
    withdrawn = data.draw(st.sets(st.sampled_from(range(len(sizes)))))
    assert all(producer.take_back(positions[number]) for number in withdrawn)
    assert not any(producer.take_back(positions[number]) for number in withdrawn)
    left = [number_of(payload) for payload in iter(consumer.get, None)]
    assert left == [number for number in range(len(sizes)) if number not in withdrawn]


def test_a_record_once_taken_cannot_be_taken_back():
    memory = new_memory()
    producer, consumer = Ring(memory, 0, CAPACITY), Ring(memory, 0, CAPACITY)
    position = producer.put(b"x")
    assert consumer.get() == b"x"
    assert not producer.take_back(position)


def test_clear():
    memory = new_memory()
    producer, consumer = Ring(memory, 0, CAPACITY), Ring(memory, 0, CAPACITY)
    producer.put(b"x" * 400)
    producer.clear()
    consumer.clear()
    assert consumer.get() is None
    assert producer.put(b"y") == 0
    assert consumer.get() == b"y"


def produce(memory, capacity, count, seed, largest):
    ring = Ring(memory, 0, capacity)
    sizes = random.Random(seed)
    for number in range(count):
        payload = record(number, sizes.randrange(largest))
        while ring.put(payload) is None:
            pass
        if sizes.random() < 0.001:
            time.sleep(0.0005)  # else one side is always ahead
    os._exit(0)


@pytest.mark.parametrize(("capacity", "largest"), [(256, 90), (1 << 16, 3000)])
def test_two_processes(capacity, largest):
    memory = new_memory(capacity)
    ring = Ring(memory, 0, capacity)
    count = 5_000
    process = fork.Process(target=produce, args=(memory, capacity, count, 1, largest))
    process.start()
    numbers = []
    while len(numbers) < count:
        payload = ring.get()
        if payload is not None:
            numbers.append(number_of(payload))
        elif not process.is_alive() and ring.is_empty_now():
            break
    process.join()
    assert numbers == list(range(count))


def consume(memory, seen):
    """Take records and say, in shared memory, which were taken."""
    ring = Ring(memory, 0, CAPACITY)
    while True:
        payload = ring.get()
        if payload is not None:
            number = number_of(payload)
            seen[number] += 1
            if number == len(seen) - 1:
                os._exit(0)


def test_every_record_is_either_taken_or_taken_back():
    """The producer withdraws while the consumer takes: never both, never neither."""
    count = 30_000
    memory, seen = new_memory(), shared_zeros(count, np.uint8)
    process = fork.Process(target=consume, args=(memory, seen))
    process.start()
    ring, random_ = Ring(memory, 0, CAPACITY), random.Random(3)
    taken_back = np.zeros(count, np.uint8)
    for number in range(count):
        while (position := ring.put(record(number, 20))) is None:
            assert process.is_alive()
        if number < count - 1 and random_.random() < 0.5:
            taken_back[number] = ring.take_back(position)
    process.join(60)
    assert process.exitcode == 0
    assert ((seen + taken_back) == 1).all()
    assert 0 < taken_back.sum() < count


def test_a_killed_producer_leaves_whole_records_only():
    random_ = random.Random(5)
    for _ in range(40):
        memory = new_memory(1 << 16)
        ring = Ring(memory, 0, 1 << 16)
        process = fork.Process(target=produce, args=(memory, 1 << 16, 10**6, 1, 500))
        process.start()
        numbers = []
        end = time.monotonic() + random_.uniform(0.001, 0.01)
        while time.monotonic() < end:
            payload = ring.get()
            if payload is not None:
                numbers.append(number_of(payload))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        numbers += [number_of(payload) for payload in iter(ring.get, None)]
        assert numbers == list(range(len(numbers)))


def test_bad_arguments():
    memory = new_memory()
    with pytest.raises(ValueError, match="capacity must be a power of 2, at least 64, not 1000"):
        Ring(memory, 0, 1000)
    with pytest.raises(ValueError, match="a ring of 1024 bytes at 64 does not fit into 1152 bytes"):
        Ring(memory, 64, CAPACITY)
    with pytest.raises(ValueError, match="must start at a multiple of 64"):
        Ring(memory, 8, 512)
    ring = Ring(memory, 0, CAPACITY)
    with pytest.raises(ValueError, match="a record of 497 bytes is too long; the most is 496"):
        ring.put(bytes(497))
    with pytest.raises(ValueError, match="7 is no position in this ring"):
        ring.take_back(7)
