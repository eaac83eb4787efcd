"""Layer: tests.  Shared numbers and arrays: multiprocessing's semantics."""

import ctypes
import gc
import math
import multiprocessing
import pickle
import re
import subprocess
import sys
import threading
import weakref
from multiprocessing import sharedctypes as theirs
from multiprocessing.reduction import ForkingPickler

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storms import run_in_thread

from fastproc.shm import _lock, block
from fastproc.shm import sharedctypes as ours

BOTH = pytest.mark.parametrize("module", [theirs, ours], ids=["multiprocessing", "fastproc"])

INTEGERS = "bBhHiIlLqQ"
NUMBERS = INTEGERS + "fd"


class Point(ctypes.Structure):
    _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_int))


class Point3(Point):
    _fields_ = (("z", ctypes.c_short),)


class Either(ctypes.Union):
    _fields_ = (("i", ctypes.c_int32), ("b", ctypes.c_uint8 * 4))


class LikeAnInteger:
    def __index__(self):
        return 7


class Twice(ctypes.c_int):
    """A type of the user's that reads otherwise than the plain one."""

    @property
    def value(self):
        return 2 * ctypes.c_int.value.__get__(self)

    @value.setter
    def value(self, value):
        ctypes.c_int.value.__set__(self, value)


def outcome(function, *args):
    """Return what a call returns, or the type of what it raises."""
    try:
        return repr(function(*args))
    except Exception as error:
        return type(error).__name__


# The same as multiprocessing ---------------------------------------------------------------------

VALUES = [0, 1, -1, 127, 128, 2**31, -(2**31) - 1, 2**63, 2**64, 2**200, True, 1.5, 1e300, math.inf]
VALUES += [math.nan, -0.0, "x", b"x", b"xy", None, [], LikeAnInteger(), 1j]


def read_new(module, kind, *args):
    return module.Value(kind, *args).value


def read_written(module, kind, value):
    made = module.Value(kind)
    made.value = value
    return made.value


def read_item(module, kind, value):
    array = module.Array(kind, 3)
    array[1] = value
    return array[:]


def read_slice(module, kind, value):
    array = module.Array(kind, 3)
    array[::2] = [value, value]
    return array[:]


@pytest.mark.parametrize("kind", [*"cu", *NUMBERS, ctypes.c_bool, ctypes.c_longdouble, Twice])
@pytest.mark.parametrize("function", [read_new, read_written, read_item, read_slice])
def test_values_are_converted_as_multiprocessing_does(function, kind):
    for value in VALUES:
        if function is read_slice and kind == "c" and isinstance(value, int):
            continue  # multiprocessing's answer depends on Python's version
        found, expected = (
            # Items of the user's type are objects, which have addresses.
            re.sub(" at 0x[0-9A-Fa-f]+", "", outcome(function, module, kind, value))
            for module in (ours, theirs)
        )
        assert found == expected, value


@BOTH
@pytest.mark.parametrize("code", NUMBERS)
def test_numbers(module, code):
    value = module.Value(code, 5)
    assert isinstance(value, module.Synchronized)
    assert value.value == 5
    value.value += 1
    assert value.value == value.get_obj().value == 6
    assert module.Value(code).value == 0


@BOTH
def test_types_of_ctypes(module):
    value = module.Value(ctypes.c_double, 1.5)
    assert repr(value) == "<Synchronized wrapper for c_double(1.5)>"
    assert isinstance(value.get_obj(), ctypes.c_double)
    text = module.Value("c", b"x")
    assert text.value == b"x"
    text.value = b"y"
    assert text.value == b"y"
    assert module.Value(ctypes.c_bool, 1).value is True


@BOTH
def test_structures(module):
    point = module.Value(Point, 1.5, 2)
    assert isinstance(point, module.SynchronizedBase)
    assert type(point).__name__ == "SynchronizedPoint"
    point.x *= 2
    assert (point.x, point.y) == (3.0, 2) == (point.get_obj().x, point.get_obj().y)
    assert type(point) is type(module.Value(Point))
    with pytest.raises(TypeError):
        point.y = "two"
    assert point.get_lock().acquire(block=False)  # it was released
    point.release()
    union = module.Value(Either)
    union.b[1] = 1
    assert union.i in (256, 65536)


def test_fields_with_the_names_of_attributes():
    class Odd(ctypes.Structure):
        _fields_ = tuple((name, ctypes.c_int) for name in ("_obj", "_lock", "acquire", "x"))

    odd = ours.Value(Odd, 1, 2, 3, 4)
    odd._obj += 10
    odd.x += 10
    assert (odd._obj, odd._lock, odd.acquire, odd.x) == (11, 2, 3, 14)
    assert odd.get_obj()._obj == 11
    with odd:
        assert not run_in_thread(odd.get_lock().acquire, False)()


def test_memory_that_only_looks_like_ours():
    """A user's attribute does not make an object shared, nor its numbers atomic."""
    plain = ctypes.c_int(3)
    plain._wrapper = object()
    value = ours.synchronized(plain)
    with pytest.raises(TypeError, match="no atomic operations"):
        value.add(1)
    with pytest.raises(TypeError, match="does not lie in shared memory"):
        ForkingPickler.dumps(value)
    shared = ours.synchronized(theirs.RawValue("i", 3))
    shared.add(1)
    assert shared.value == 4


def test_an_error_of_what_a_slice_is_set_to():
    def items():
        yield 1
        raise TypeError("not so")

    array = ours.Array("i", 3)
    with pytest.raises(TypeError, match="not so"):
        array[:] = items()
    assert array[:] == [0, 0, 0]


def test_inherited_fields():
    point = ours.Value(Point3, 1.5, 2, 3)  # of which multiprocessing has z only
    assert (point.x, point.y, point.z) == (1.5, 2, 3)


@BOTH
def test_arrays(module):
    array = module.Array("d", [0.0, 100.0, 200.0])
    assert isinstance(array, module.SynchronizedArray)
    assert len(array) == 3
    assert list(array) == array[:] == [0.0, 100.0, 200.0]
    assert array[-1] == 200.0
    assert 100 in array
    array[0:2] = array[1:3]
    assert array[:] == [100.0, 200.0, 200.0]
    assert array[::-2] == [200.0, 100.0]
    assert module.Array("i", 10)[:] == [0] * 10
    assert not module.Array("i", 0)
    assert module.Array("i", range(3))[:] == [0, 1, 2]
    assert module.Array("i", [])[:] == []


@BOTH
def test_arrays_of_structures_and_arrays(module):
    points = module.Array(Point, [(1, 2), (3, 4)])
    points[1].x = 5
    assert [(point.x, point.y) for point in points] == [(1, 2), (5, 4)]
    table = module.Array(ctypes.c_int * 3, 2)
    table[1][2] = 7
    assert [list(row) for row in table] == [[0, 0, 0], [0, 0, 7]]


@BOTH
def test_strings(module):
    text = module.Array("c", b"abc")
    assert isinstance(text, module.SynchronizedString)
    assert isinstance(text, module.SynchronizedArray)
    assert (text.value, text.raw, len(text), text[0], text[1:]) == (b"abc", b"abc", 3, b"a", b"bc")
    text.value = b"xy"
    assert (text.value, text.raw) == (b"xy", b"xy\0")
    text.raw = b"123"
    assert text[:] == b"123"
    text[1] = b"!"
    assert text.value == b"1!3"
    with pytest.raises(ValueError, match="too long"):
        text.value = b"four"
    assert module.Array("u", "abc")[:2] == "ab"


slices = st.slices(8) | st.integers(-9, 9) | st.sampled_from([10**30, -(10**30), "x", None, 1.0])
contents = st.lists(st.integers(-200, 200), max_size=8) | st.integers(-200, 200)
contents |= st.sampled_from([range(3), "ab", b"ab", None, 5.0, (1, 2)])


def put(array, index, content):
    array[index] = content


@settings(deadline=None)
@given(code=st.sampled_from("bQd"), puts=st.lists(st.tuples(slices, contents), max_size=6))
def test_indices_and_slices_like_multiprocessings(code, puts):
    arrays = [module.Array(code, range(8)) for module in (theirs, ours)]
    for index, content in puts:
        expected, found = (outcome(put, array, index, content) for array in arrays)
        assert found == expected
        expected, found = (outcome(array.__getitem__, index) for array in arrays)
        assert found == expected
        assert arrays[0][:] == arrays[1][:]


@BOTH
def test_locks(module):
    value = module.Value("i", 3)
    lock = value.get_lock()
    with value, lock:  # it is recursive
        assert value.acquire() is True
        value.release()
        assert value.value == 3
        taken = []
        thread = threading.Thread(target=lambda: taken.append(value.acquire(False)))
        thread.start()
        thread.join()
        assert taken == [False]
    other = module.Value("i", lock=lock)
    assert other.get_lock() is lock
    raw = module.Value("i", 4, lock=False)
    assert type(raw) is ctypes.c_int
    assert raw.value == 4
    assert type(module.Array("i", 4, lock=False)) is ctypes.c_int * 4


@BOTH
@pytest.mark.parametrize(
    "kind", [threading.Lock, threading.RLock, multiprocessing.RLock, _lock.Lock]
)
def test_locks_of_other_kinds(module, kind):
    lock = kind()
    value = module.Value("i", 3, lock=lock)
    array = module.Array("i", [1, 2], lock=lock)
    text = module.Array("c", b"x", lock=lock)
    assert value.get_lock() is lock
    value.value += 1
    array[0] += 1
    array[1:] = array[:1]
    assert (value.value, array[:], text.value) == (4, [2, 2], b"x")
    with value:
        pass
    with pytest.raises(TypeError):
        value.value = "x"
    assert lock.acquire(False)


def test_our_locks():
    assert type(ours.Value("i").get_lock()) is _lock.RLock
    assert type(ours.Array("i", 3).get_lock()) is _lock.RLock
    assert type(ours.Value(Point).get_lock()) is _lock.RLock


@BOTH
@pytest.mark.parametrize("lock", [0, "lock", object])
def test_bad_locks(module, lock):
    message = f"{lock!r} has no method 'acquire'"
    for make in (module.Value, module.Array):
        with pytest.raises(AttributeError) as caught:
            make("i", 3, lock=lock)
        assert str(caught.value) == message


@BOTH
def test_lock_is_a_keyword(module):
    with pytest.raises(TypeError):
        module.Array("i", 3, False)
    with pytest.raises(TypeError):
        module.Value("i", 3, False)  # a second argument for the number


@BOTH
def test_bad_types(module):
    for make in (module.Value, module.RawValue):
        for bad in ("x", "ii", 5, int, [], None, ctypes.c_int(3), ctypes.Structure):
            with pytest.raises(TypeError):
                make(bad)
    for make in (module.Array, module.RawArray):
        for bad in ("x", int, [], ctypes.Structure):
            with pytest.raises(TypeError):
                make(bad, 3)
        with pytest.raises(ValueError, match="-1"):
            make("i", -1)
        with pytest.raises(TypeError):
            make("i", 1.5)
        with pytest.raises(TypeError):
            make("i", None)


def test_messages_about_types():
    with pytest.raises(TypeError, match=r"'x' is neither a ctypes type nor a typecode.*'i', 'I'"):
        ours.Value("x")
    with pytest.raises(TypeError, match=r"<class 'float'> is neither.*did you mean 'd'\?"):
        ours.Array(float, 3)


@BOTH
def test_a_lock_that_is_held_stops_readers_and_writers(module):
    value, array, point = module.Value("i"), module.Array("i", 2), module.Value(Point)
    actions = [
        lambda: value.value,
        lambda: setattr(value, "value", 1),
        lambda: array[0],
        lambda: array[:],
        lambda: put(array, 0, 1),
        lambda: put(array, slice(None), [1, 2]),
        lambda: point.x,
        lambda: setattr(point, "x", 1),
    ]
    threads = [threading.Thread(target=action, daemon=True) for action in actions]
    with value, array, point:
        for thread in threads:
            thread.start()
        threads[0].join(0.05)
        assert all(thread.is_alive() for thread in threads)
        assert array.get_obj()[:] == [0, 0]
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert (value.value, array[:], point.x) == (1, [1, 2], 1.0)


@BOTH
def test_copy_and_synchronized(module):
    raw = module.RawArray("i", [1, 2])
    copied = module.copy(raw)
    raw[0] = 5
    assert copied[:] == [1, 2]
    wrapped = module.synchronized(copied)
    wrapped[0] = 7
    assert copied[0] == 7
    assert module.copy(Point(1, 2)).y == 2
    with pytest.raises(AssertionError, match="already synchronized"):
        module.synchronized(wrapped)
    plain = module.synchronized(ctypes.c_int(5))
    plain.value += 1
    assert plain.value == 6


@pytest.mark.parametrize("obj", [5, None, ctypes.pointer(ctypes.c_int(3))])
def test_what_gets_no_lock(obj):
    with pytest.raises(TypeError, match="to which a lock could be added"):
        ours.synchronized(obj)


@BOTH
def test_subclasses(module):
    class Counter(module.Synchronized):
        def __init__(self, start):
            super().__init__(module.RawValue("i", start), multiprocessing.RLock())

        def increment(self):
            with self:
                self.value += 1

    counter = Counter(4)
    counter.increment()
    assert counter.value == 5
    assert isinstance(counter, module.SynchronizedBase)


# Memory ------------------------------------------------------------------------------------------


def root_of(obj):
    return weakref.ref(obj._obj._wrapper._block.root)


@pytest.mark.parametrize("code", NUMBERS)
def test_arrays_of_numpy(code):
    np = pytest.importorskip("numpy")
    array = ours.Array(code, range(5))
    view = np.asarray(array)
    assert view.dtype == np.dtype(code)
    assert view.tolist() == array[:]
    view[1] = 9
    array[2] = 8
    assert array[:] == view.tolist() == [0, 9, 8, 3, 4]
    assert np.array_equal(view, np.asarray(array.get_obj()))
    value = ours.Value(code, 3)
    np.asarray(value.get_obj())[()] = 4
    assert value.value == 4
    assert memoryview(array).shape == (5,)
    assert np.asarray(ours.Array("i", 0)).shape == (0,)


@pytest.mark.filterwarnings("ignore:A builtin ctypes object gave a PEP3118 format:RuntimeWarning")
def test_arrays_of_numpy_from_other_types():
    np = pytest.importorskip("numpy")
    points = np.asarray(ours.Array(Point, [(1, 2), (3, 4)]))
    assert points["y"].tolist() == [2, 4]
    table = ours.Array(ctypes.c_int * 3, 2)
    np.asarray(table)[1, 2] = 5
    assert table[1][2] == 5
    assert bytes(ours.Array("c", b"abc")) == b"abc"


@pytest.mark.parametrize("n", [3, 1_000_000])
def test_memory_stays_as_long_as_anything_uses_it(n):
    np = pytest.importorskip("numpy")
    array = ours.Array("d", n)
    root = root_of(array)
    view = np.asarray(array)[1:]
    del array
    block._begin_another()  # else the arena keeps it
    gc.collect()
    others = [ours.Array("d", [1.0] * 3) for _ in range(10)]
    assert root() is not None
    assert not view.any()
    del others


@pytest.mark.parametrize("use", ["view", "raw", "value"])
def test_memory_is_given_back(use):
    array = ours.Array("d", 100_000)  # a segment of its own
    root = root_of(array)
    used = {"view": memoryview(array), "raw": array.get_obj(), "value": array}[use]
    del array
    gc.collect()
    assert root() is not None
    del used
    gc.collect()
    assert root() is None


def test_a_cycle_is_collected():
    value = ours.Value("i")
    value.get_obj().itself = value
    alive = weakref.ref(value)
    del value
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: ours.Value("i"),
        lambda: ours.Array("i", 3),
        lambda: ours.Array("c", 3),
        lambda: ours.Value(Point),
        lambda: ours.RawValue("i"),
        lambda: ours.Value(Point, lock=False),
    ],
)
def test_pickling_elsewhere_is_refused(make):
    with pytest.raises(RuntimeError, match="pass them to a Process"):
        pickle.dumps(make())


def test_numpy_is_not_loaded():
    code = "import sys; from fastproc.shm.sharedctypes import Array; Array('d', [1.0])[:]; "
    code += "print('numpy' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == ("False\n", "")
