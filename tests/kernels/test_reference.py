"""Layer: tests of the kernels.  The twins against NumPy: integers, extremes and places exactly,
float sums with a tolerance.
"""

import array
import inspect
import math
import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import NUMPY_1
from hypothesis import given, settings

from fastproc.kernels import reference

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "float32", "float64")
DTYPES = ("bool", *INTEGERS, *FLOATS)
SPECIAL = (0.0, -0.0, 1.0, -1.5, math.inf, -math.inf, math.nan)
TOLERANCE = {"float16": 2e-3, "float32": 1e-6, "float64": 1e-12}


@st.composite
def arrays(draw, dtypes=DTYPES, special=True, min_side=0):
    """Return a small array of any layout: strided, reversed, transposed, repeated, big-endian."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    shape = draw(st.lists(st.integers(min_side, 4), max_size=3).map(tuple))
    size = math.prod(shape)
    if dtype.kind == "f":
        elements = st.integers(-64, 64).map(lambda n: n / 8)
        if special:
            elements |= st.sampled_from(SPECIAL)
    elif dtype.kind == "b":
        elements = st.booleans()
    else:
        limits = np.iinfo(dtype)
        elements = st.integers(max(limits.min, -9), 9) | st.integers(limits.min, limits.max)
    values = draw(st.lists(elements, min_size=size, max_size=size))
    a = np.array(values, dtype).reshape(shape)
    layout = draw(st.sampled_from(("plain", "reversed", "transposed", "stepped", "swapped")))
    if layout == "reversed":
        a = a[tuple(slice(None, None, -1) for _ in shape)]
    elif layout == "transposed":
        a = a.T
    elif layout == "stepped":
        a = np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a
    elif layout == "swapped":
        a = a.astype(dtype.newbyteorder())
    return a


@st.composite
def arrays_and_axes(draw, several=True, **kwargs):
    a = draw(arrays(**kwargs))
    choices = st.none()
    if a.ndim:
        choices |= st.integers(-a.ndim, a.ndim - 1)
    if several:
        choices |= st.sets(st.integers(0, max(a.ndim - 1, 0)), max_size=a.ndim).map(tuple)
    return a, draw(choices)


def outcome(function, *args, **kwargs):
    """Return the result, or the type of the error, without regard to warnings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return function(*args, **kwargs)
        except (ValueError, TypeError) as error:
            return type(error)


def assert_equal(actual, expected, rtol=0.0, atol=0.0):
    if isinstance(expected, type) or isinstance(actual, type):
        assert actual is expected
        return
    expected = np.asarray(expected)
    # Nested lists of no elements don't say how long the axes after the first empty one are.
    assert np.shape(actual) == np.shape(expected.tolist())
    actual = np.asarray(actual, expected.dtype).reshape(expected.shape)
    if rtol or atol:
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)
    else:
        np.testing.assert_array_equal(actual, expected)


def numpy_minmax(minimum, maximum):
    return lambda a, **kwargs: (minimum(a, **kwargs), maximum(a, **kwargs))


EXTREMES = ("min", "max", "nanmin", "nanmax")
PLACES = ("argmin", "argmax", "nanargmin", "nanargmax")
MOMENTS = ("mean", "var", "std", "nanmean", "nanvar", "nanstd")
REDUCTIONS = ("sum", "nansum", *MOMENTS, *EXTREMES, *PLACES, "minmax", "nanminmax")


@given(st.sampled_from(EXTREMES), arrays_and_axes(), st.booleans())
def test_extremes(name, a_and_axis, keepdims):
    a, axis = a_and_axis
    actual = outcome(getattr(reference, name), a, axis, keepdims=keepdims)
    assert_equal(actual, outcome(getattr(np, name), a, axis, keepdims=keepdims))


@given(st.sampled_from(("", "nan")), arrays_and_axes(), st.booleans())
def test_minmax_is_both(prefix, a_and_axis, keepdims):
    a, axis = a_and_axis
    actual = outcome(getattr(reference, prefix + "minmax"), a, axis, keepdims=keepdims)
    least = outcome(getattr(np, prefix + "min"), a, axis, keepdims=keepdims)
    if isinstance(actual, type):
        assert actual is least
        return
    assert_equal(actual[0], least)
    assert_equal(actual[1], outcome(getattr(np, prefix + "max"), a, axis, keepdims=keepdims))


@given(st.sampled_from(PLACES), arrays_and_axes(several=False), st.booleans())
def test_places(name, a_and_axis, keepdims):
    a, axis = a_and_axis
    actual = outcome(getattr(reference, name), a, axis, keepdims=keepdims)
    assert_equal(actual, outcome(getattr(np, name), a, axis, keepdims=keepdims))


@given(st.sampled_from(("sum", "nansum")), arrays_and_axes(), st.booleans())
def test_sums(name, a_and_axis, keepdims):
    a, axis = a_and_axis
    expected = outcome(getattr(np, name), a, axis, keepdims=keepdims)
    actual = getattr(reference, name)(a, axis, keepdims=keepdims)
    # Of eighths, of which there are few, NumPy's sums are exact, if not always in float16.
    tolerance = TOLERANCE["float16"] * 100 if a.dtype.itemsize == 2 and a.dtype.kind == "f" else 0
    assert_equal(actual, expected, atol=tolerance)


@given(
    st.sampled_from(("sum", "nansum")),
    arrays(special=False),
    st.sampled_from((*INTEGERS, "float32", "float64")),
)
def test_sum_dtype(name, a, dtype):
    if a.dtype.kind == "f" and dtype.startswith("u"):
        a = abs(a)  # what a negative float is as an unsigned integer, C doesn't say
    if np.dtype(dtype).kind == "f" and a.dtype.kind != "f":
        a = a % 7 if a.dtype.kind != "b" else a
    assert_equal(
        getattr(reference, name)(a, dtype=dtype), outcome(getattr(np, name), a, dtype=dtype)
    )


@given(
    st.sampled_from(MOMENTS),
    arrays_and_axes(),
    st.booleans(),
    st.sampled_from((0, 1, 2, 0.5, 9, -1)),
)
def test_moments(name, a_and_axis, keepdims, ddof):
    a, axis = a_and_axis
    kwargs = {} if name.endswith("mean") else {"ddof": ddof}
    # In double precision, for NumPy loses digits of float16 on the way.
    dtype = a.dtype.newbyteorder("=").name if a.dtype.kind == "f" else "float64"
    wide = outcome(getattr(np, name), a.astype("f8"), axis, keepdims=keepdims, **kwargs)
    with np.errstate(over="ignore"):
        expected = np.asarray(wide).astype(dtype)
    actual = outcome(getattr(reference, name), a, axis, keepdims=keepdims, **kwargs)
    # Huge integers cancel: what remains of them is as uncertain as they are.
    largest = float(np.max(np.abs(a.astype("f8")), initial=0, where=np.isfinite(a.astype("f8"))))
    atol = largest * 1e-14 * (1 if name.endswith(("mean", "std")) else largest)
    if name.endswith("std"):
        atol = largest * 1e-7
    assert_equal(actual, expected, rtol=TOLERANCE[dtype], atol=max(atol, 1e-300))


@given(st.sampled_from(("square", "negative")), arrays())
def test_unary(name, x):
    assert_equal(outcome(getattr(reference, name), x), outcome(getattr(np, name), x))


@given(arrays())
def test_cube(x):
    expected = outcome(lambda: np.square(x) * x.astype(np.square(x).dtype))
    assert_equal(outcome(reference.cube, x), expected)


@given(arrays(), arrays())
def test_add(x1, x2):
    if x1.dtype.kind == x2.dtype.kind == "b":
        with pytest.raises(TypeError, match="bool is not supported"):
            reference.add(x1, x2)
        return
    expected = outcome(np.add, x1, x2)
    assert_equal(outcome(reference.add, x1, x2), expected)


@given(arrays(), st.integers(0, 100) | st.sampled_from((0.5, -3.25, math.nan, math.inf)))
def test_python_numbers_are_weak(x, number):
    expected = outcome(np.add, x, number)
    assert_equal(outcome(reference.add, x, number), expected)
    assert_equal(outcome(reference.add, number, x), expected)


@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("b", DTYPES)
def test_promotion(a, b):
    assert reference.dtypes.promote(a, b) == np.promote_types(a, b).name
    assert reference.dtypes.can_cast(a, b) == np.can_cast(a, b, "same_kind")


@pytest.mark.skipif(NUMPY_1, reason="NumPy 1 makes bins without width and promotes otherwise")
@settings(max_examples=300)
@given(
    arrays(special=False),
    st.integers(1, 20),
    st.none()
    | st.tuples(st.integers(-9, 0), st.integers(0, 9))
    | st.tuples(st.floats(-9, 0), st.floats(0, 9))
    | st.tuples(st.floats(-9, 0, width=32).map(np.float32), st.floats(0, 9).map(np.float64))
    | st.tuples(st.floats(-9, 0, width=32).map(np.float32), st.integers(0, 9)),
)
def test_histogram(a, bins, limits):
    if a.dtype.kind == "b":
        a = a.astype("u1")
    native = a.astype(a.dtype.newbyteorder("="))
    expected = outcome(np.histogram, native, bins, limits)
    actual = outcome(reference.histogram, a, bins, limits)
    if isinstance(expected, type) or isinstance(actual, type):
        assert actual is expected
        return
    counts, edges = expected
    assert actual[1] == edges.tolist()
    assert sum(actual[0]) == counts.sum()
    # NumPy misplaces what is near an edge by rounding; the twin is held to the definition.
    for i, count in enumerate(actual[0]):
        wide = native.astype("f8")
        below = wide <= edges[-1] if i == bins - 1 else wide < edges.astype("f8")[i + 1]
        assert count == np.count_nonzero((wide >= edges.astype("f8")[i]) & below)


def test_histogram_ignores_nan_in_a_range_only():
    assert reference.histogram([0.5, math.nan], 2, (0, 1)) == ([0, 1], [0.0, 0.5, 1.0])
    with pytest.raises(ValueError, match=r"autodetected range of \[nan, nan\] is not finite"):
        reference.histogram([0.5, math.nan])


@pytest.mark.parametrize(
    ("bins", "limits", "error", "message"),
    [
        (0, None, ValueError, "bins must be at least 1, not 0"),
        (2.0, None, TypeError, "bins must be an integer or edges, not 2.0"),
        (2, (1, 0), ValueError, r"maximum must not be below its minimum, but it is \(1, 0\)"),
        (2, (0, math.inf), ValueError, r"supplied range of \[0, inf\] is not finite"),
        (2, 3, ValueError, r"range must be \(least, greatest\), not 3"),
        (9, (1.0, math.nextafter(1.0, 2)), ValueError, "too many bins for the range"),
    ],
)
def test_histogram_errors(bins, limits, error, message):
    with pytest.raises(error, match=message):
        reference.histogram([0.0, 1.0], bins, limits)


def test_float_sums_are_exact_then_rounded():
    assert reference.sum([1e100, 1.0, -1e100]) == 1.0
    assert reference.mean([0.1] * 10) == 0.1
    assert reference.sum([1e308, 1e308]) == math.inf
    assert reference.sum(np.array([3e38, 3e38], "f4")) == math.inf
    assert reference.sum([-math.inf, 1.0]) == -math.inf
    assert math.isnan(reference.sum([math.inf, -math.inf]))
    assert reference.nansum([math.nan, 2.5, 2.5], dtype="int64") == 4


def test_variance_does_not_cancel():
    assert reference.var([1e9 + x for x in (4, 7, 13, 16)], ddof=1) == 30.0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: reference.mean([]), "Mean of empty slice"),
        (lambda: reference.nanmean([math.nan]), "Mean of empty slice"),
        (lambda: reference.var([1.0], ddof=1), "Degrees of freedom <= 0 for slice"),
        (lambda: reference.nanstd([1.0], ddof=2), "Degrees of freedom <= 0 for slice"),
        (lambda: reference.nanmax([math.nan]), "All-NaN slice encountered"),
        (lambda: reference.nanminmax([math.nan])[1], "All-NaN slice encountered"),
        (lambda: reference.median([]), "Mean of empty slice"),
        (lambda: reference.nanmedian([math.nan]), "All-NaN slice encountered"),
        (lambda: reference.nanquantile([math.nan], [0.5])[0], "All-NaN slice encountered"),
        (lambda: reference.nanpercentile([math.nan], 50), "All-NaN slice encountered"),
    ],
)
def test_warnings_point_at_the_caller(call, text):
    with pytest.warns(RuntimeWarning, match=text) as caught:
        assert math.isnan(call())
    places = [(warning.filename, warning.lineno) for warning in caught]
    assert places == [(__file__, call.__code__.co_firstlineno)]


@pytest.mark.parametrize("name", REDUCTIONS)
def test_axes_that_are_not_there(name):
    function = getattr(reference, name)
    with pytest.raises(
        reference.AxisError, match=r"^axis 2 is out of bounds for array of dimension 1$"
    ):
        function([1.0, 2.0], axis=2)
    with pytest.raises(
        reference.AxisError, match=r"^axis 0 is out of bounds for array of dimension 0$"
    ):
        function(1.0, axis=0)
    with pytest.raises(TypeError):
        function([1.0], axis=0.0)
    if name in PLACES:
        with pytest.raises(TypeError):
            function([[1.0]], axis=(0, 1))
    else:
        with pytest.raises(ValueError, match="duplicate value in 'axis'"):
            function([[1.0]], axis=(0, -2))


@pytest.mark.parametrize("name", [*EXTREMES, *PLACES, "minmax"])
def test_nothing_to_choose_from(name):
    family = name.removeprefix("nan")
    message = f"attempt to get {family} of an empty sequence"
    if family not in ("argmin", "argmax"):
        ufunc = "maximum" if family == "max" else "minimum"
        message = f"zero-size array to reduction operation {ufunc} which has no identity"
    with pytest.raises(ValueError, match=f"^{message}$"):
        getattr(reference, name)([])
    if "arg" in name and name.startswith("nan"):
        with pytest.raises(ValueError, match=r"^All-NaN slice encountered$"):
            getattr(reference, name)([[1.0], [math.nan]], axis=1)


@pytest.mark.parametrize(
    ("a", "error"),
    [
        ("12", TypeError),
        (b"12", TypeError),
        (1j, TypeError),
        ([1, None], TypeError),
        ([[1], [1, 2]], ValueError),
        ([1, [2]], ValueError),
        (2**64, TypeError),
        (np.array([1j]), TypeError),
        (np.array([object()]), TypeError),
        (np.array(["a"]), TypeError),
        (np.array([1], "M8[s]"), TypeError),
        (np.ma.array([1, 2], mask=[0, 1]), TypeError),
        (np.zeros(2, np.longdouble), TypeError),
    ],
)
@pytest.mark.parametrize("name", ["sum", "max", "square", "histogram"])
def test_what_is_no_array_of_real_numbers(name, a, error):
    with pytest.raises(error):
        getattr(reference, name)(a)


@given(arrays_and_axes(dtypes=("int32", "float32", "float64"), special=False, min_side=1))
def test_out(a_and_axis):
    a, axis = a_and_axis
    out = np.zeros(np.shape(np.sum(a, axis))[::-1], "f8").T
    assert reference.sum(a, axis, out=out) is out
    assert_equal(reference.sum(a, axis), out)
    pair = (out, out.astype("f4"))
    actual = reference.minmax(a, axis, out=pair)
    assert all(given_out is returned for given_out, returned in zip(pair, actual, strict=True))
    assert_equal(pair[1], np.max(a, axis).astype("f4"))


def test_out_refused():
    x = np.array([1.5, 2.5])
    with pytest.raises(ValueError, match=r"out has shape \(3,\); the result has shape \(2,\)"):
        reference.square(x, np.zeros(3))
    with pytest.raises(TypeError, match=r"out has dtype int64, which cannot hold .* float64"):
        reference.square(x, np.zeros(2, "i8"))
    with pytest.raises(TypeError, match="out must be a writable buffer, not list"):
        reference.square(x, [0, 0])
    with pytest.raises(TypeError, match="out must be a tuple of two"):
        reference.minmax(x, out=np.zeros(()))
    x.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        reference.square(x, x)


def test_other_refusals():
    with pytest.raises(TypeError, match="negative: bool is not supported"):
        reference.negative([True])
    with pytest.raises(TypeError, match="mean: dtype int64 is not supported for the result"):
        reference.mean([1], dtype="int64")
    with pytest.raises(TypeError, match="dtype complex128 is not supported"):
        reference.sum([1], dtype="complex128")
    with pytest.raises(ValueError, match="could not be broadcast together"):
        reference.add([1, 2], [1, 2, 3])
    with pytest.raises(OverflowError, match="Python integer 300 out of bounds for int8"):
        reference.add(np.zeros(1, "i1"), 300)


def test_inputs_without_numpy():
    assert reference.sum(array.array("h", [1, 2, 3])) == 6
    assert reference.sum(memoryview(array.array("d", range(6)))[::2]) == 6.0
    assert reference.square([[1, 2], [3, 4]]) == [[1, 4], [9, 16]]
    assert reference.add([1, 2], 0.5) == [1.5, 2.5]
    assert reference.max([[True, False]]) is True
    record = np.zeros(3, [("flag", "i1"), ("value", "f8")])
    record["value"] = [1, 2, 3]
    assert reference.sum(record["value"]) == 6.0
    out = array.array("f", [0, 0])
    assert reference.cube([2, 3], out) is out
    assert out.tolist() == [8.0, 27.0]


def test_every_twin_takes_workers_and_says_what_it_does():
    for name in reference.__all__:
        twin = getattr(reference, name)
        assert twin.__doc__
        if name[0].islower():  # no exception and no tuple
            parameter = inspect.signature(twin).parameters["workers"]
            assert parameter.kind is parameter.KEYWORD_ONLY
    assert reference.sum([1, 2], workers=4) == 3
