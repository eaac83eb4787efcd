"""Layer: tests.  Shared numbers and arrays that travel, and processes that are killed."""

import ctypes
import gc
import multiprocessing
import os
import signal
import warnings
from multiprocessing import sharedctypes as theirs

import pytest
from storms import storm, wait_until

import fastproc
from fastproc.errors import OwnerDied
from fastproc.shm import block
from fastproc.shm.sharedctypes import (
    Array,
    RawArray,
    RawValue,
    Synchronized,
    Value,
    copy,
    synchronized,
)


class Point(ctypes.Structure):
    _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_int))


def set_attribute(obj, name, value):
    setattr(obj, name, value)
    return getattr(obj, name)


def set_item(obj, index, value):
    obj[index] = value
    return obj[index]


def call_method(obj, name, *args):
    return getattr(obj, name)(*args)


def name_of_type(obj):
    return type(obj).__name__


# Travelling --------------------------------------------------------------------------------------


def test_values_and_arrays(relative):
    number, array, text, point = Value("i", 1), Array("d", 3), Array("c", b"abc"), Value(Point, 1)
    assert relative.call(set_attribute, number, "value", 5) == 5
    assert number.value == 5
    assert relative.call(call_method, number, "fetch_add", 2) == 5
    assert number.value == 7
    assert relative.call(set_item, array, slice(1, 3), [4, 5]) == [4, 5]
    assert relative.call(call_method, array, "add", 0, 2) is None
    assert array[:] == [2, 4, 5]
    assert relative.call(set_attribute, text, "value", b"xy") == b"xy"
    assert text.raw == b"xy\0"
    assert relative.call(set_attribute, point, "x", 3.5) == 3.5
    assert point.x == 3.5
    assert relative.call(name_of_type, point) == "SynchronizedPoint"


def test_raw_objects(relative):
    number, array, point = RawValue("i", 1), RawArray("h", 3), Value(Point, 1, lock=False)
    assert relative.call(set_attribute, number, "value", 5) == number.value == 5
    assert relative.call(set_item, array, 1, 5) == array[1] == 5
    assert relative.call(set_attribute, point, "y", 5) == point.y == 5
    copied = copy(array)
    assert relative.call(set_item, copied, 1, 6) == copied[1] == 6
    assert array[1] == 5
    inner = Array("i", 3).get_obj()
    assert relative.call(set_item, inner, 1, 5) == inner[1] == 5


def set_in_table(table, value):
    table[1][2] = value


def test_arrays_of_arrays(relative):
    table = RawArray(ctypes.c_int * 3, 2)
    relative.call(set_in_table, table, 5)
    relative.call(set_in_table, synchronized(table), 6)
    assert [list(row) for row in table] == [[0, 0, 0], [0, 0, 6]]


def test_subclasses_arrive_as_multiprocessings_do(relative):
    class Counter(Synchronized):
        pass

    counter = Counter(RawValue("i", 1))
    assert relative.call(name_of_type, counter) == "Synchronized"
    assert relative.call(set_attribute, counter, "value", 5) == counter.value == 5


def test_large_arrays(relative):
    array = Array("d", 1_000_000)
    assert relative.call(set_item, array, -1, 5) == 5
    assert array[999_999] == 5


def test_ordinary_objects_of_registered_types_go_by_value(relative):
    RawValue("i")
    number = ctypes.c_int(5)
    assert relative.call(set_attribute, number, "value", 6) == 6
    assert number.value == 5


def test_what_is_not_shared_is_refused(relative):
    for obj in (synchronized(ctypes.c_int(5)), synchronized((ctypes.c_int * 3)())):
        with pytest.raises(TypeError, match="does not lie in shared memory; make it with Value"):
            relative.call(name_of_type, obj)


kept = []


def keep(obj):
    kept.append(obj)


def read_kept():
    return kept[-1].value


def test_the_receiver_keeps_the_memory(relative):
    number = Value("i", 5)
    relative.call(keep, number)
    del number
    block._begin_another()
    gc.collect()
    others = [Value("q", -1) for _ in range(100)]
    assert relative.call(read_kept) == 5
    assert relative.call(call_method, others[0], "load") == -1


def is_locked_for_others(value):
    return not value.acquire(False)


def test_the_lock_travels_too(relative):
    value, array = Value("i"), Array("i", 3)
    with value:
        assert relative.call(is_locked_for_others, value)
    other = Value("i", lock=array.get_lock())
    with array:
        assert relative.call(is_locked_for_others, other)


def test_between_relatives(method, make_relative):
    first, second = make_relative(method), make_relative(method)
    value = first.call(Value, "i", 5)
    assert second.call(call_method, value, "fetch_add", 1) == 5
    assert first.call(call_method, value, "load") == value.value == 6


def add_from_queue(queue, answers):
    value, array = queue.get()
    value.add(1)
    array[0] = 5
    answers.put(value)


def test_through_queues(method):
    context = multiprocessing.get_context(method)
    queue, answers = context.Queue(), context.Queue()
    child = context.Process(target=add_from_queue, args=(queue, answers))
    child.start()
    value, array = Value("i", 1), Array("i", 2)
    queue.put((value, array))
    returned = answers.get(timeout=30)
    child.join(30)
    returned.add(5)
    assert value.value == 7
    assert array[:] == [5, 0]


def add_one(obj):
    obj.add(1)


@pytest.mark.parametrize("pools", [multiprocessing, fastproc], ids=lambda pools: pools.__name__)
def test_to_running_workers(pools, method):
    with pools.get_context(method).Pool(2) as pool:
        pool.map(abs, range(4), 1)
        value, array, raw = Value("q"), Array("d", 2), RawArray("i", 2)
        pool.map(add_one, [value] * 20, 1)
        assert value.value == 20
        pool.apply(set_item, (array, 1, 5))
        pool.apply(set_item, (raw, 1, 5))
        assert (array[:], raw[:]) == ([0, 5], [0, 5])
        returned = pool.apply(Value, ("i", 5))
        assert pool.apply(call_method, (returned, "fetch_add", 1)) == 5
        assert returned.value == 6


def add_to_both(mine, other):
    mine.value += 1
    other.value += 1


@pytest.mark.parametrize("ours_last", [True, False])
def test_beside_multiprocessings(method, ours_last):
    """Of a ctypes type only one reducer can be registered, whichever was last."""
    if ours_last:
        other = theirs.RawValue("i", 1)
        mine = RawValue("i", 1)
    else:
        mine = RawValue("i", 1)
        other = theirs.RawValue("i", 1)
    context = multiprocessing.get_context(method)
    child = context.Process(target=add_to_both, args=(mine, other))
    child.start()
    child.join(30)
    assert (mine.value, other.value) == (2, 2)


# Killing -----------------------------------------------------------------------------------------


def hold_and_die(value):
    with value.get_lock():
        value.value += 1
        os.kill(os.getpid(), signal.SIGKILL)


def read(value):
    return value.value


def write(value):
    value.value = 2
    return value.load()


@pytest.mark.parametrize(
    ("make", "use", "expected"),
    [
        (lambda: Value("i", 1), read, 2),
        (lambda: Value("i", 1), write, 2),
        (lambda: Array("c", b"3"), read, b"4"),
    ],
)
def test_the_lock_of_a_killed_process_passes_on(make, use, expected, method):
    value = make()
    target = hold_and_die if use is not read or isinstance(expected, int) else hold_text_and_die
    child = multiprocessing.get_context(method).Process(target=target, args=(value,))
    child.start()
    child.join(30)
    with pytest.warns(OwnerDied, match=f"process {child.pid} died while it had a lock") as caught:
        assert use(value) == expected
    assert caught[0].filename == __file__
    assert use(value) == expected  # with no other warning, and the lock is free
    assert value.acquire(False)


def hold_text_and_die(text):
    with text.get_lock():
        text.value = b"4"
        os.kill(os.getpid(), signal.SIGKILL)


#: Added as one, so that a sum of which one half is missing is no multiple.
STEP = 2**32 + 1


def add_for_ever(whole, real, items, best):
    i = 0
    while True:
        i += 1
        whole.add(STEP)
        real.add(1.0)
        items.add(i % 3, STEP)
        best.max(i)
        whole.fetch_add(STEP)


def test_killed_in_the_middle_of_adding():
    """Each addition has happened or not, and those who are left get on."""
    whole, real, items, best = Value("q"), Value("d"), Array("q", 3), Value("i")

    def check():
        assert whole.load() % STEP == 0
        assert real.load().is_integer()
        assert all(item % STEP == 0 for item in items[:])

    storm(add_for_ever, whole, real, items, best, check=check, children=2)
    assert whole.value > 0
    assert best.value > 0
    before = whole.value
    whole.add(STEP)
    assert whole.value == before + STEP


def increase_for_ever(value, array):
    warnings.simplefilter("ignore", OwnerDied)
    while True:
        with value.get_lock():
            value.value += 1
        array[1] = array[0]
        array[:] = array[:]


def test_killed_in_the_middle_of_the_lock():
    """Nobody hangs, whoever is killed when."""
    value, array = Value("q"), Array("d", [3, 3])

    def check():
        before = value.load()
        wait_until(lambda: value.load() != before, "nobody gets the lock any more")

    storm(increase_for_ever, value, array, check=check, children=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OwnerDied)
        assert value.value > 0
        assert array[:] == [3, 3]
