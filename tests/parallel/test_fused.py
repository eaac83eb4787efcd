"""Layer: tests of the kernels on every core.  The elementwise kernels with parameters, and sigmoid:
against NumPy, their twins and exact arithmetic.
"""

import decimal
import inspect

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import COMPILED, CONVERTED, NUMPY_1, arrays, fill
from hypothesis import given
from numpy.testing import assert_array_equal

import fastproc as fp
from fastproc.kernels import reference

FLOATS = ("float64", "float32")
NAMES = ("axpy", "sigmoid", "polyval", "clip", "replace")


def assert_same(actual, expected):
    assert type(actual) is type(expected)
    assert np.asarray(actual).dtype == np.asarray(expected).dtype
    assert_array_equal(actual, expected)


def assert_twin(twin, actual):
    assert_array_equal(np.asarray(twin, actual.dtype).reshape(actual.shape), actual)


@pytest.mark.parametrize("name", NAMES)
def test_signature_is_the_twins(name):
    ours = inspect.signature(getattr(fp, name))
    twins = inspect.signature(getattr(reference, name))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in twins.parameters.values()
    ]


# sigmoid -----------------------------------------------------------------------------------------


def exact_sigmoid(x):
    with decimal.localcontext(prec=60):
        return 1 / (1 + (-decimal.Decimal(float(x))).exp())


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("low", "high"), [(-700, 50), (-1, 1), (-20, 20)])
def test_sigmoid_is_within_three_units_in_the_last_place(dtype, low, high):
    low = max(low, -86 if dtype == "float32" else low)
    x = np.random.default_rng(1).uniform(low, high, 3000).astype(dtype)
    for value, result in zip(x, fp.sigmoid(x), strict=True):
        exact = exact_sigmoid(value)
        unit = decimal.Decimal(float(np.spacing(np.dtype(dtype).type(exact))))
        assert abs(decimal.Decimal(float(result)) - exact) < 3 * unit, value


@given(array=arrays())
def test_sigmoid_equals_its_twin(array):
    actual = fp.sigmoid(array)
    dtype = array.dtype if array.dtype.kind == "f" else np.float64
    assert np.asarray(actual).dtype == dtype
    twin = np.asarray(reference.sigmoid(array), dtype).reshape(array.shape)
    # What is subnormal is 0.
    finfo = np.finfo(dtype)
    np.testing.assert_allclose(actual, twin, rtol=4 * finfo.eps, atol=20 * finfo.tiny)


@pytest.mark.parametrize("dtype", FLOATS)
def test_sigmoid_at_the_ends(dtype):
    x = np.array([-np.inf, -1e30, -800, -0.0, 0.0, 50, 1e30, np.inf, np.nan], dtype)
    with np.errstate(all="raise"):
        actual = fp.sigmoid(np.tile(x, 10)).reshape(10, -1)
    for row in actual:
        assert_array_equal(row, np.array([0, 0, 0, 0.5, 0.5, 1, 1, 1, np.nan], dtype))


def test_sigmoid_of_other_dtypes():
    for dtype in CONVERTED:
        x = np.array([0, 1]).astype(dtype)
        actual = fp.sigmoid(x)
        assert actual.dtype == (np.float16 if dtype == "float16" else np.float64)
        np.testing.assert_allclose(actual, [0.5, 0.7310585786300049], rtol=1e-3)
    out = np.zeros(2, np.float32)
    assert fp.sigmoid(np.array([0, 1]), out=out) is out
    assert out[0] == 0.5
    assert fp.sigmoid([0]).tolist() == [0.5]
    assert type(fp.sigmoid(0)) is type(fp.sigmoid(np.array(0.0))) is np.float64


# polyval -----------------------------------------------------------------------------------------


@given(data=st.data())
def test_polyval_equals_numpy_and_twin(data):
    array = data.draw(arrays(how=("plain", "ties", "huge", "nan")))
    n = data.draw(st.integers(1, 6))
    p = fill((n,), data.draw(st.sampled_from(COMPILED)), 5, "plain")
    with np.errstate(all="ignore"):
        expected = np.polyval(p, array)
    actual = fp.polyval(p, array)
    finite = np.isfinite(expected)
    assert np.asarray(actual).dtype == np.asarray(expected).dtype
    # NumPy begins with 0 * x, which is NaN for an infinite step in between only.
    assert_array_equal(np.asarray(actual)[finite], np.asarray(expected)[finite])
    twin = reference.polyval(p, array)
    with np.errstate(all="ignore"):
        assert_twin(twin, np.asarray(actual))


@pytest.mark.parametrize("p", [[3, 2, 1], [1.5], (0.5, 2.0), np.array([1, 2], np.int8), []])
@pytest.mark.parametrize("dtype", [*COMPILED, *CONVERTED[1:]])
def test_polyval_of_any_dtypes(dtype, p):
    x = np.arange(40).astype(dtype)
    expected = np.polyval(p, x)
    actual = fp.polyval(p, x)
    if not NUMPY_1:
        assert actual.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_allclose(actual, expected, rtol=1e-2 if dtype == "float16" else 1e-6)


def test_polyval_at_infinity():
    assert_array_equal(fp.polyval([2.0, 1.0], [np.inf, -np.inf]), [np.inf, -np.inf])
    assert_array_equal(fp.polyval([2.0], [np.inf, np.nan]), [2, 2])


@pytest.mark.parametrize("p", [3.0, [[1.0, 2.0]]])
def test_coefficients_that_are_not_in_a_row(p):
    for function in (fp.polyval, reference.polyval):
        with pytest.raises(ValueError, match=r"polyval: p must have one axis, not shape \("):
            function(p, [1.0])


# clip --------------------------------------------------------------------------------------------


@given(data=st.data())
def test_clip_equals_numpy_and_twin(data):
    array = data.draw(arrays())
    whole = st.one_of(st.none(), st.integers(-100, 100))
    bound = st.one_of(whole, st.floats(-3, 3)) if array.dtype.kind == "f" else whole
    least, greatest = data.draw(bound), data.draw(bound)
    if least is None and greatest is None:
        assert_same(fp.clip(array), np.array(array)[()])
        return
    expected = np.clip(array, least, greatest)
    assert_same(fp.clip(array, least, greatest), expected)
    assert_twin(reference.clip(array, least, greatest), np.asarray(expected))


@pytest.mark.parametrize("dtype", [*COMPILED, *CONVERTED[1:]])
def test_clip_with_bounds_of_any_kind(dtype):
    x = np.arange(100).astype(dtype)
    for bounds in ((5, 50), (1.5, None), (np.float32(3), 7), (50, 5), (np.arange(100), 60)):
        assert_same(fp.clip(x, *bounds), np.clip(x, *bounds))
    out = np.zeros(100)
    assert fp.clip(x, 5, 50, out=out) is out
    assert_array_equal(out, np.clip(x, 5, 50))


def test_clip_and_nan():
    x = np.array([1.0, np.nan, 3.0])
    assert_array_equal(fp.clip(x, 2, 2.5), [2, np.nan, 2.5])
    for bounds in ((np.nan, 1), (1, np.nan), (np.nan, None)):
        assert_array_equal(fp.clip(np.tile(x, 40), *bounds), np.full(120, np.nan))
        assert np.isnan(reference.clip(x.tolist(), *bounds)).all()


def test_bounds_that_are_masked():
    with pytest.raises(TypeError, match="clip: masked arrays are not supported"):
        fp.clip([1.0], np.ma.masked_array([1.0], [True]))


# axpy --------------------------------------------------------------------------------------------


@given(data=st.data())
def test_axpy_equals_numpy_and_twin(data):
    x = data.draw(arrays(how=("plain", "huge", "nan", "inf")))
    whole = st.integers(-100, 100)
    alpha = data.draw(st.one_of(whole, st.floats(-3, 3)) if x.dtype.kind == "f" else whole)
    y = data.draw(st.sampled_from((x[::-1] if x.ndim else x, x[:1] if x.ndim else x, 3)))
    with np.errstate(all="ignore"):
        expected = np.add(np.multiply(alpha, x), y)
    actual = fp.axpy(alpha, x, y)
    assert_same(actual, expected)
    with np.errstate(all="ignore"):
        assert_twin(reference.axpy(alpha, x, y), np.asarray(actual))


def test_axpy_of_any_kinds():
    x = np.arange(50, dtype=np.int32)
    for alpha in (2, 2.5, np.float64(2), np.float32(0.5), np.array(3)):
        for one, two in ((x, x), (x, 3), (4, x), (x, x.astype(float)), (x[:, None], x)):
            assert_same(fp.axpy(alpha, one, two), alpha * one + two)
    assert fp.axpy(2, 3, 4) == 10
    out = x.astype(float)
    assert fp.axpy(2.0, out, out, out=out) is out
    assert_array_equal(out, 3.0 * x)


@pytest.mark.parametrize("alpha", [[1.0, 2.0], np.zeros((1, 1))])
def test_alpha_that_is_no_number(alpha):
    with pytest.raises(TypeError, match=r"axpy: alpha must be a number, not an array of shape \("):
        fp.axpy(alpha, [1.0], [2.0])


def test_number_beyond_the_dtype():
    if not NUMPY_1:
        for function in (fp.axpy, reference.axpy):
            with pytest.raises(OverflowError):
                function(2**40, np.zeros(3, np.int32), np.zeros(3, np.int32))


# replace -----------------------------------------------------------------------------------------


@given(data=st.data())
def test_replace_equals_an_assignment_and_its_twin(data):
    array = data.draw(arrays())
    if not array.flags.writeable or array.base is None:
        array = np.array(array)
    dtype, size = array.dtype, array.size
    candidates = [3] if size == 0 else [array.flat[0].item(), array.flat[size // 2].item()]
    old = data.draw(st.sampled_from([*candidates, np.nan] if dtype.kind == "f" else candidates))
    expected, twin = np.array(array), np.array(array)
    expected[np.isnan(expected) if old != old else expected == old] = 7
    reference.replace(twin, old, 7)
    assert fp.replace(array, old, 7) is None
    assert_array_equal(array, expected)
    assert_array_equal(twin, expected)


@pytest.mark.parametrize("dtype", CONVERTED)
def test_replace_in_other_dtypes(dtype):
    array = np.array([0, 1, 1, 0]).astype(dtype)
    fp.replace(array, 1, 0)
    assert not array.any()
    if array.dtype.kind == "f":
        array[2] = np.nan
        fp.replace(array, np.nan, 5)
        assert_array_equal(array, [0, 0, 5, 0])


def test_replace_writes_nothing_else():
    array = fill((1000,), "float64", 1, "plain")
    expected = array.copy()
    fp.replace(array[100:900:3], 5.0, 6.0)
    assert_array_equal(array, expected)


@pytest.mark.parametrize("numbers", [(1.5, 0), (0, np.nan), (np.nan, 0), (0, 2**40), (0, np.inf)])
@pytest.mark.parametrize("dtype", ["int32", "int16"])
def test_what_integers_cannot_hold(dtype, numbers):
    for function in (fp.replace, reference.replace):
        with pytest.raises(ValueError, match=f"replace: (old|new) is .*, which {dtype} cannot"):
            function(np.zeros(3, dtype), *numbers)
    with pytest.raises(ValueError, match="which bool cannot hold"):
        fp.replace(np.zeros(3, bool), 2, 0)


def test_integers_take_floats_that_are_whole():
    array = np.array([1, 2, 3])
    fp.replace(array, 2.0, np.float32(9))
    assert array.tolist() == [1, 9, 3]


def test_replace_in_what_cannot_be_changed():
    with pytest.raises(TypeError, match="replace: a must be an array, since it is changed in pl"):
        fp.replace([1.0], 1, 2)
    array = np.zeros(3)
    array.flags.writeable = False
    with pytest.raises(ValueError, match="replace: a is read-only"):
        fp.replace(array, 0, 1)
    with pytest.raises(TypeError, match="replace: masked arrays are not supported"):
        fp.replace(np.ma.zeros(3), 0, 1)
    with pytest.raises(TypeError, match="replace: dtype complex128 is not supported"):
        fp.replace(np.zeros(3, complex), 0, 1)
    with pytest.raises(TypeError, match=r"replace: old must be a number, not an array of shape"):
        fp.replace(np.zeros(3), [1.0, 2.0], 1)


def test_replace_as_bottleneck_has_it():
    bottleneck = pytest.importorskip("bottleneck")
    for dtype in COMPILED:
        one, two = fill((300,), dtype, 1, "ties"), fill((300,), dtype, 1, "ties")
        fp.replace(one, 1, 4)
        bottleneck.replace(two, 1, 4)
        assert_array_equal(one, two)


# All of them -------------------------------------------------------------------------------------

CALLS = {
    "axpy": lambda x, **more: fp.axpy(2.0, x, x, **more),
    "sigmoid": fp.sigmoid,
    "polyval": lambda x, **more: fp.polyval([1.0, 2.0, 3.0], x, **more),
    "clip": lambda x, **more: fp.clip(x, -0.5, 0.5, **more),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("size", [3, 20_000])
def test_out(name, size):
    call = CALLS[name]
    x = fill((size + 5,), "float64", 1, "plain")
    expected = call(x[2 : size + 2].copy())
    for out in (np.full(size, np.nan), np.full((size, 2), np.nan)[:, 0], fp.shared_empty((size,))):
        assert call(x[2 : size + 2], out=out) is out
        assert_array_equal(out, expected)
    for shift in (0, 1, 2, 4):
        memory = x.copy()
        call(memory[2 : size + 2], out=memory[shift : shift + size])
        assert_array_equal(memory[shift : shift + size], expected)
    with pytest.raises(ValueError, match=r"out has shape \(2,\); the result has shape"):
        call(x, out=np.zeros(2))
    with pytest.raises(TypeError, match="out has dtype int64, which cannot hold"):
        call(x, out=np.zeros(size + 5, np.int64))
    out = np.zeros(size + 5)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        call(x, out=out)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("shape", [(), (0,), (10,), (30, 40), (90, 80)])
def test_shared_arrays_give_plain_results(name, shape):
    array = fill(shape, "float64", 1, "plain")
    for part in (np.s_[...], np.s_[::-2] if shape else np.s_[...]):
        assert_same(CALLS[name](fp.share(array)[part]), CALLS[name](array[part]))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("array", [np.array([1j]), np.array([None]), np.array(["1"])])
def test_dtypes_that_are_no_real_numbers(name, array):
    with pytest.raises(TypeError, match=f"{name}: dtype .* is not supported; pass real numbers"):
        CALLS[name](array)


@pytest.mark.parametrize("name", CALLS)
def test_workers_that_are_nobody(name):
    for x in (np.zeros(3), np.zeros(3, np.int16), [1.0]):
        with pytest.raises(TypeError, match="workers must be None, a number of threads or a fast"):
            CALLS[name](x, workers="2")
        with pytest.raises(ValueError, match="workers must be at least 1, not 0"):
            CALLS[name](x, workers=0)
    for x in (np.zeros(3), np.zeros(3, np.int16)):
        with pytest.raises(ValueError, match="workers must be at least 1, not 0"):
            fp.replace(x, 1, 0, workers=0)


def test_replace_on_a_pool(monkeypatch):
    from fastproc import plan

    monkeypatch.setattr(plan, "PROCESS_SHARE_NS", 1)
    array = fill((100_000,), "float64", 1, "ties")
    expected = np.where(array == 1, 9, array)
    with fp.Pool(2) as pool:
        for make in (np.array, fp.share):
            changed = make(array)
            fp.replace(changed, 1.0, 9.0, workers=pool)
            assert_array_equal(changed, expected)
            fp.replace(changed[::-3], 9.0, 1.0, workers=pool)
            assert_array_equal(changed[::-3], array[::-3])
