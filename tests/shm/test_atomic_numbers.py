"""Layer: tests.  Atomic operations on shared numbers, against a twin in Python, and contended."""

import ctypes
import math
import multiprocessing
import operator
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproc.shm.sharedctypes import Array, RawArray, Value, synchronized

SIGNED, UNSIGNED, REAL = "bhilq", "BHILQ", "fd"
SIZES = {code: ctypes.sizeof(type(Value(code).get_obj())) for code in SIGNED + UNSIGNED + REAL}
OPERATIONS = ["load", "store", "exchange", "add", "fetch_add", "max", "min", "compare_exchange"]
ARGUMENTS = {"load": 0, "compare_exchange": 2}


class Twin:
    """A number with the methods of a shared one."""

    def __init__(self, code, value):
        self.code, self.bits, self.value = code, 8 * SIZES[code], value

    def fit(self, x):
        """Convert an argument; OverflowError if it does not fit."""
        if self.code in REAL:
            x = math.ldexp(x, 0)  # float() would take strings
            rounded = self.wrap(x)
            if math.isinf(rounded) and not math.isinf(x):
                raise OverflowError
            return rounded
        x = operator.index(x)
        if x != self.wrap(x):
            raise OverflowError
        return x

    def wrap(self, x):
        if self.code == "d":
            return x
        if self.code == "f":
            return ctypes.c_float(x).value
        least = -(2 ** (self.bits - 1)) if self.code in SIGNED else 0
        return (x - least) % 2**self.bits + least

    def load(self):
        return self.value

    def exchange(self, x):
        before, self.value = self.value, self.fit(x)
        return before

    def store(self, x):
        self.value = self.fit(x)

    def fetch_add(self, x):
        before, self.value = self.value, self.wrap(self.value + self.fit(x))
        return before

    def add(self, x):
        self.fetch_add(x)

    def max(self, x):
        before, x = self.value, self.fit(x)
        if x > before or (math.isnan(before) and not math.isnan(x)):
            self.value = x
        return before

    def min(self, x):
        before, x = self.value, self.fit(x)
        if x < before or (math.isnan(before) and not math.isnan(x)):
            self.value = x
        return before

    def compare_exchange(self, expected, desired):
        expected, desired = self.fit(expected), self.fit(desired)
        if self.value != expected and not (math.isnan(self.value) and math.isnan(expected)):
            return False
        self.value = desired
        return True


def outcome(function, *args):
    """Return what a call returns, or the type of what it raises; repr tells 0.0 from -0.0."""
    try:
        return repr(function(*args))
    except Exception as error:
        return type(error).__name__


def arguments(code):
    """Return arguments of which most fit, many equal one another, and some are no numbers."""
    bits = 8 * SIZES[code]
    few = st.integers(-3, 3)
    edges = st.builds(
        operator.add, st.sampled_from([2**bits, 2 ** (bits - 1), -(2 ** (bits - 1)), 2**64]), few
    )
    if code in REAL:
        most = 2.0**128 - 2.0**103  # the least that is too much for a float
        special = [math.inf, -math.inf, math.nan, -0.0, 0.5, most, math.nextafter(most, 0)]
        numbers = few | st.floats() | st.floats(width=32) | st.sampled_from(special)
    else:
        numbers = few | edges | edges | st.booleans()
    return st.one_of(numbers, numbers, numbers, st.sampled_from([None, "1", 1j, [], 10**400]))


def programs(code):
    argument = arguments(code)
    steps = [st.tuples(st.just(name), *[argument] * ARGUMENTS.get(name, 1)) for name in OPERATIONS]
    # That `expected` stands there would be rare.
    steps.append(st.tuples(st.just("replace"), argument))
    return st.lists(st.one_of(steps), max_size=30)


def steps_with(program, value):
    """Yield each step's name and arguments, `replace` with what stands there."""
    for name, *args in program:
        if name == "replace":
            yield "compare_exchange", [value.load(), *args]
        else:
            yield name, args


@pytest.mark.parametrize("code", SIGNED + UNSIGNED + REAL)
@settings(deadline=None)
@given(data=st.data())
def test_values_do_what_their_twin_does(code, data):
    value, twin = Value(code, 1), Twin(code, 1.0 if code in REAL else 1)
    for name, args in steps_with(data.draw(programs(code)), value):
        assert outcome(getattr(value, name), *args) == outcome(getattr(twin, name), *args), name
        assert repr(value.value) == repr(value.load()) == repr(twin.value)


@pytest.mark.parametrize("code", SIGNED + UNSIGNED + REAL)
@settings(deadline=None)
@given(data=st.data(), index=st.integers(-3, 2))
def test_items_do_what_their_twin_does(code, data, index):
    array = Array(code, [7, 7, 7])
    array[index] = 1
    twin = Twin(code, 1.0 if code in REAL else 1)
    for name, *args in data.draw(programs(code)):
        if name == "replace":
            name, args = "compare_exchange", [array.load(index), *args]
        expected = outcome(getattr(twin, name), *args)
        assert outcome(getattr(array, name), index, *args) == expected, name
        assert repr(array[index]) == repr(array.load(index)) == repr(twin.value)
    items = array[:]
    items.pop(index)
    assert items == [7, 7]  # its neighbours are as they were


@pytest.mark.parametrize("code", SIGNED)
def test_sums_wrap_around(code):
    bits = 8 * SIZES[code]
    value = Value(code, 2 ** (bits - 1) - 1)
    value.add(1)
    assert value.value == -(2 ** (bits - 1))
    assert value.fetch_add(-1) == -(2 ** (bits - 1))
    assert value.value == 2 ** (bits - 1) - 1


@pytest.mark.parametrize("code", REAL)
def test_a_nan_is_a_missing_value(code):
    value = Value(code, 5)
    assert value.max(math.nan) == value.min(math.nan) == value.value == 5
    value.store(math.nan)
    assert math.isnan(value.max(math.nan))
    assert not value.compare_exchange(5, 6)
    assert value.compare_exchange(math.nan, math.nan)
    assert math.isnan(value.max(-7))
    assert value.exchange(math.nan) == -7
    assert math.isnan(value.min(7))
    assert value.value == 7
    assert not value.compare_exchange(math.nan, 5)
    value.store(-0.0)
    assert value.compare_exchange(0.0, 1)


# Bad arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", SIGNED + UNSIGNED)
def test_integers_that_do_not_fit(code):
    value = Value(code)
    size = SIZES[code]
    most = 2 ** (8 * size - (code in SIGNED)) - 1
    value.store(most)
    assert value.value == most
    with pytest.raises(OverflowError) as caught:
        value.add(most + 1)
    assert str(caught.value) == (
        f"{most + 1} does not fit into an integer of {size} bytes, "
        f"which is from {-most - 1 if code in SIGNED else 0} to {most}"
    )
    assert value.value == most


def test_reals_that_do_not_fit():
    value = Value("f")
    value.store(3.4e38)
    value.store(math.inf)
    with pytest.raises(OverflowError, match="1e\\+39 does not fit into a float of 4 bytes"):
        value.store(1e39)
    with pytest.raises(OverflowError, match="int too large to convert to float"):
        Value("d").add(10**400)


@pytest.mark.parametrize("name", OPERATIONS)
def test_arguments_of_other_types(name):
    args = [1] * ARGUMENTS.get(name, 1)
    for number, array in ((Value("i", 5), Array("i", [5])), (Value("d", 5), Array("d", [5]))):
        for i in range(len(args)):
            for bad in (None, "1", 1j, [1], number):
                wrong = [*args[:i], bad, *args[i + 1 :]]
                with pytest.raises(TypeError):
                    getattr(number, name)(*wrong)
                with pytest.raises(TypeError):
                    getattr(array, name)(0, *wrong)
        with pytest.raises(TypeError):
            getattr(number, name)(*args, 1)
        with pytest.raises(TypeError):
            getattr(array, name)()
        assert number.value == array[0] == 5
    if args:
        with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
            getattr(Value("i"), name)(*[1.0] * len(args))


@pytest.mark.parametrize("name", OPERATIONS)
def test_indices_out_of_range(name):
    args = [1] * ARGUMENTS.get(name, 1)
    array = Array("i", 3)
    for index in (3, -4, 2**62, -(2**63), 10**30):
        with pytest.raises(IndexError):
            getattr(array, name)(index, *args)
    with pytest.raises(IndexError, match="index -4 is out of range for an array of 3"):
        getattr(array, name)(-4, *args)
    for index in (1.0, "1", None, slice(2)):
        with pytest.raises(TypeError):
            getattr(array, name)(index, *args)
    with pytest.raises(IndexError):
        getattr(Array("i", 0), name)(0, *args)
    assert array[:] == [0, 0, 0]


class Point(ctypes.Structure):
    _fields_ = (("x", ctypes.c_int),)


class Integer(ctypes.c_int):
    pass


class Triple(ctypes.c_int * 3):
    pass


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_has_no_atomic_operations(name):
    args = [1] * ARGUMENTS.get(name, 1)
    others = [
        Value("c"),
        Value(ctypes.c_bool),
        Value(ctypes.c_longdouble),
        Value(ctypes.c_int.__ctype_be__),
        Value(Integer),
        Value(ctypes.c_void_p),
        synchronized(ctypes.c_int()),  # not in shared memory
        type(Value("i")).__new__(type(Value("i"))),
    ]
    for value in others:
        with pytest.raises(TypeError, match="has no atomic operations; integers and floats"):
            getattr(value, name)(*args)
    arrays = [Array("c", 3), Array(Point, 3), Array(Integer, 3), Value(Triple)]
    arrays += [synchronized((ctypes.c_int * 3)()), type(arrays[0]).__new__(type(arrays[0]))]
    for array in arrays:
        with pytest.raises(TypeError, match="has no atomic operations; integers and floats"):
            getattr(array, name)(0, *args)
    assert not hasattr(Value(Point), name)


def test_what_is_not_initialised_or_twice():
    kind = type(Value("i"))
    with pytest.raises(AttributeError):
        _ = kind.__new__(kind).value
    value = Value("i", 3)
    with pytest.raises(RuntimeError, match="is initialised already"):
        value.__init__(RawArray("i", 1))
    assert value.value == 3
    with pytest.raises(AttributeError):
        del value.acquire


def test_misaligned_numbers_are_not_taken_for_plain_ones():
    class Packed(ctypes.Structure):
        _pack_ = 1
        _layout_ = "ms"  # as is the rule; from Python 3.14 on it has to be said
        _fields_ = (("byte", ctypes.c_byte), ("number", ctypes.c_int64))

    packed = Value(Packed).get_obj()
    number = ctypes.c_int64.from_buffer(packed, 1)
    number._wrapper = packed._wrapper
    value = synchronized(number)
    value.value = 5
    assert value.value == packed.number == 5
    with pytest.raises(TypeError, match="has no atomic operations"):
        value.add(1)


# Many at once ------------------------------------------------------------------------------------

KINDS = pytest.mark.parametrize("code", ["b", "H", "i", "q", "Q", "f", "d"])


def contend(method, function, *args):
    context = multiprocessing.get_context(method)
    begun = Value("i")
    children = [
        context.Process(target=begin_together, args=(begun, function, who, *args))
        for who in range(3)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0


def begin_together(begun, function, *args):
    """Wait for the others: starting takes longer than most of what is done here."""
    begun.add(1)
    while begun.load() < 3:
        time.sleep(0)
    function(*args)


def add_many(who, value, array, n):
    for _ in range(n):
        value.add(1)
        array.add(1, 1)


@pytest.mark.parametrize("code", ["i", "d"])
def test_sums_of_many_of_each_method(code, method):
    value, array = Value(code), Array(code, 3)
    contend(method, add_many, value, array, 3000)
    assert value.value == 9000
    assert array[:] == [0, 9000, 0]


@KINDS
def test_sums_of_many(code):
    n = 50_000
    value, array = Value(code), Array(code, 3)
    contend("fork", add_many, value, array, n)
    expected = 3 * n
    if code not in REAL:
        expected = Twin(code, 0).wrap(expected)
    assert value.value == expected
    assert array[:] == [0, expected, 0]


def take_each(who, counter, seen, n):
    while (mine := counter.fetch_add(1)) < n:
        seen.add(int(mine), 1)


@pytest.mark.parametrize("code", ["H", "i", "Q", "f", "d"])
def test_each_number_is_fetched_once(code):
    n = 50_000
    seen = Array("b", n)
    contend("fork", take_each, Value(code), seen, n)
    assert seen[:] == [1] * n


def bid(who, most, least, n):
    """Bid more than one has seen, so that all always bid against one another."""
    last = 0
    for _ in range(n):
        mine = last + 1
        before = most.max(mine)
        assert before >= last, "a greater one has been overwritten"
        last = max(before, mine)
        least.min(-last)
        assert least.load() <= -last


@pytest.mark.parametrize("code", ["h", "i", "q", "f", "d"])
def test_extremes_of_many(code):
    n = 10_000 if code == "h" else 100_000
    most, least = Value(code), Value(code)
    contend("fork", bid, most, least, n)
    assert n <= most.value == -least.value <= 3 * n


def increase_by_comparing(who, value, n):
    for _ in range(n):
        old = value.load()
        while not value.compare_exchange(old, old + 1):
            old = value.load()


@KINDS
def test_loops_of_compare_exchange(code):
    n = 40 if code == "b" else 8000
    value = Value(code)
    contend("fork", increase_by_comparing, value, n)
    assert value.value == 3 * n


@KINDS
def test_exchanged_tokens(code):
    place = Value(code, 10)
    taken = Array(code, 4)
    contend("fork", exchange_tokens, place, taken, 5000)
    assert sorted([place.value, *taken[:3]]) == [1, 2, 3, 10]


def exchange_tokens(who, place, taken, n):
    mine = who + 1
    for _ in range(n):
        mine = place.exchange(mine)
    taken[who] = mine


def add_locked(who, value, array, n):
    for _ in range(n):
        with value.get_lock():
            value.value += 1
        with array:
            array[0] += 1
            array[1:] = [array[0]]


def test_sums_under_the_lock(method):
    n = 5000 if method == "fork" else 1000
    value, array = Value("i"), Array("d", 2)
    contend(method, add_locked, value, array, n)
    assert value.value == 3 * n
    assert array[:] == [3 * n] * 2


def test_threads():
    value, array = Value("i"), Array("d", 3)
    threads = [threading.Thread(target=add_many, args=(0, value, array, 5000)) for _ in range(4)]
    # The lock does not stop who adds without it, so these have a number of their own beside.
    counter, sums = Value("i"), Array("i", 2)
    threads += [
        threading.Thread(target=add_locked, args=(0, counter, sums, 2000)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value.value == array[1] == 20_000
    assert [counter.value, *sums] == [4000] * 3


#: Numbers of which each half differs from the other's, so that a mixture shows.
HALVES = {"q": (2**32 + 1, -(2**62) - 7), "Q": (2**64 - 1, 2**32), "d": (1.0, -1e300)}


def write_both(who, value, array, code, n):
    first, second = HALVES[code]
    for _ in range(n):
        value.value = first
        array[0] = second
        value.store(second)
        array[::2] = [first, first]


@pytest.mark.parametrize("code", HALVES)
def test_nobody_sees_half_a_number(code):
    value, array = Value(code, HALVES[code][0]), Array(code, [HALVES[code][0]] * 3)
    writer = multiprocessing.get_context("fork").Process(
        target=write_both, args=(0, value, array, code, 20_000)
    )
    writer.start()
    seen, is_over = set(), False
    while not is_over:
        is_over = not writer.is_alive()  # and then once more, to have seen both in any case
        seen.update(value.load() for _ in range(100))
        seen.update(array.load(0) for _ in range(100))
        seen.update(array[::2])
        seen.add(value.value)
    writer.join()
    assert writer.exitcode == 0
    assert seen == set(HALVES[code])
