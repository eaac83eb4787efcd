"""Layer: tests of the kernels on every core.  softmax, log_softmax and logsumexp against their
twins, NumPy by hand and exact arithmetic.
"""

import decimal
import inspect
import math

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import CONVERTED, arrays, axes, fill
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal

import fastproc as fp
from fastproc.kernels import reference

BOTH = ("softmax", "log_softmax")
ALL = (*BOTH, "logsumexp")


@pytest.mark.parametrize("name", ALL)
def test_signature_is_the_twins(name):
    ours = inspect.signature(getattr(fp, name))
    twins = inspect.signature(getattr(reference, name))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in twins.parameters.values()
    ]


def spread(array):
    """Return how far the elements are apart: each difference is rounded to so many places."""
    finite = np.asarray(array, float)[np.isfinite(array)]
    return float(np.ptp(finite)) + float(abs(finite).max()) if finite.size else 0


@pytest.mark.parametrize("name", ALL)
@given(data=st.data())
def test_equals_its_twin(name, data):
    array = data.draw(arrays(how=("plain", "ties", "tiny", "offset", "nan", "inf", "both")))
    axis = data.draw(axes(array.ndim))
    actual = getattr(fp, name)(array, axis=axis)
    dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
    assert np.asarray(actual).dtype == dtype
    twin = np.asarray(getattr(reference, name)(array, axis=axis), dtype)
    twin = twin.reshape(np.shape(actual))
    tolerance = np.finfo(dtype).eps * (8 + 2 * spread(array))
    if name == "softmax":
        assert_allclose(actual, twin, rtol=tolerance, atol=20 * np.finfo(dtype).tiny)
    else:
        assert_allclose(actual, twin, rtol=8 * np.finfo(dtype).eps, atol=tolerance)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    "shape",
    [(1,), (50,), (140_000,), (3, 140_000), (20_000, 3), (30, 200), (5, 6, 700), (700, 5, 60)],
)
def test_every_way_of_cutting(name, shape):
    array = fill(shape, "float64", 1, "plain") * 10
    pair = (0, len(shape) - 1) if len(shape) > 1 else (0,)
    for axis in (None, *range(len(shape)), pair):
        rest = array - array.max(axis=axis, keepdims=True)
        total = np.exp(rest).sum(axis=axis, keepdims=True)
        expected = np.exp(rest) / total if name == "softmax" else rest - np.log(total)
        for layout in (array, np.asfortranarray(array), array[::-1], array.astype(">f8")):
            actual = getattr(fp, name)(layout, axis=axis)
            wanted = expected[::-1] if layout.strides[0] < 0 else expected
            assert_allclose(actual, wanted, rtol=1e-13, atol=1e-13 if "log" in name else 0)
            assert actual.strides == np.empty_like(np.exp(layout)).strides or axis is not None


@pytest.mark.parametrize("rows", [1, 40, 80_000])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_where_the_greatest_is_not_finite(rows, dtype):
    inf, nan = np.inf, np.nan
    for values, soft, log, total in (
        ((inf, 1), (nan, nan), (nan, -inf), inf),
        ((-inf, -inf), (nan, nan), (nan, nan), -inf),
        ((nan, 1), (nan, nan), (nan, nan), nan),
        ((nan, inf), (nan, nan), (nan, nan), nan),
        ((-inf, 0), (0, 1 / rows), (-inf, -math.log(rows)), math.log(rows)),
    ):
        line = np.repeat(np.array(values, dtype), rows)
        side = np.repeat(line[:, None], 30, axis=1)
        for array, axis in ((line, None), (side, 0), (side[:, :3], 0)):
            for function, expected in ((fp.softmax, soft), (fp.log_softmax, log)):
                actual = function(array, axis=axis)
                wanted = np.repeat(np.array(expected, dtype), rows).reshape(
                    (-1,) + (1,) * (array.ndim - 1)
                )
                assert_allclose(actual, np.broadcast_to(wanted, array.shape), rtol=1e-6)
            assert_allclose(fp.logsumexp(array, axis=axis), total, rtol=1e-6)


@pytest.mark.parametrize("name", BOTH)
def test_of_other_dtypes(name):
    for dtype in CONVERTED:
        x = np.array([0, 1, 1]).astype(dtype)
        actual = getattr(fp, name)(x)
        assert actual.dtype == (np.float16 if dtype == "float16" else np.float64)
        assert_allclose(actual, getattr(fp, name)(x.astype(float)), rtol=2e-3)
    assert getattr(fp, name)([]).shape == (0,)
    assert getattr(fp, name)(np.zeros((3, 0)), axis=1).shape == (3, 0)
    assert type(getattr(fp, name)(3)) is type(getattr(fp, name)(np.array(3.0))) is np.float64
    assert type(getattr(fp, name)(fp.share(np.zeros(4)))) is np.ndarray


@pytest.mark.parametrize("name", ALL)
def test_axes_that_are_none(name):
    function = getattr(fp, name)
    with pytest.raises(np.exceptions.AxisError, match="axis 2 is out of bounds for array of"):
        function(np.zeros((2, 3)), axis=2)
    with pytest.raises(ValueError, match="duplicate value in 'axis'"):
        function(np.zeros((2, 3)), axis=(0, -2))
    with pytest.raises(TypeError):
        function(np.zeros((2, 3)), axis=1.5)


@pytest.mark.parametrize("name", ALL)
def test_what_is_no_array_of_real_numbers(name):
    for array in (np.zeros(3, complex), np.array([None]), np.zeros(3, np.longdouble)):
        with pytest.raises(TypeError, match=f"{name}: dtype .* is not supported; pass real numbe"):
            getattr(fp, name)(array)
    with pytest.raises(TypeError, match=f"{name}: masked arrays are not supported"):
        getattr(fp, name)(np.ma.zeros(3))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("array", [[1.0], np.zeros(10), np.zeros((0, 3)), np.zeros(30_000)])
def test_workers_that_are_nobody(name, array):
    with pytest.raises(TypeError, match="workers must be None, a number of threads or a fastproc"):
        getattr(fp, name)(array, workers="2")
    with pytest.raises(ValueError, match="workers must be at least 1, not 0"):
        getattr(fp, name)(array, workers=0)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_nan_in_one_chunk_of_negative_numbers(dtype):
    line = np.full(300_000, -1.0, dtype)
    line[200_000] = np.nan
    side = np.full((1000, 40), -1.0, dtype)
    side[900, 3] = np.nan
    assert np.isnan(fp.logsumexp(line))
    assert np.isnan(fp.logsumexp(line[::-1]))
    assert_array_equal(np.isnan(fp.logsumexp(side, axis=0)), np.arange(40) == 3)
    assert np.isnan(fp.LogSumExp().update([-1.0]).update([-2.0, np.nan]).result())
    for function in (fp.softmax, fp.log_softmax):
        assert np.isnan(function(line)).all()
        assert_array_equal(np.isnan(function(side, axis=0)[0]), np.arange(40) == 3)


# logsumexp ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 31, 100, 5000])
@pytest.mark.parametrize("scale", [0.01, 1, 100])
def test_logsumexp_is_exact_but_for_a_few_roundings(size, scale):
    x = np.random.default_rng(size).normal(5, scale, size)
    with decimal.localcontext(prec=60):
        exact = sum(decimal.Decimal(v).exp() for v in x).ln()
    # A difference from the greatest is rounded, which counts as much as that term does.
    assert abs(fp.logsumexp(x) - float(exact)) < 4 * np.spacing(abs(float(exact)) + scale)


def test_logsumexp_of_float32_adds_up_in_float64():
    x = np.zeros(3_000_001, np.float32)
    assert fp.logsumexp(x) == np.float32(math.log(x.size))
    assert fp.logsumexp(x.reshape(-1, 1), axis=0)[0] == np.float32(math.log(x.size))


def test_logsumexp_of_integers_that_are_huge():
    assert fp.logsumexp([2**62, 2**62]) == float(2**62)
    assert fp.logsumexp(np.array([2**63 - 1, -(2**63)])) == float(2**63)


def test_logsumexp_of_nothing():
    for function in (fp.logsumexp, reference.logsumexp):
        assert function([]) == -np.inf
    assert_array_equal(fp.logsumexp(np.zeros((3, 0)), axis=1), [-np.inf] * 3)


@pytest.mark.parametrize("level", ["no positive element", "others"])
def test_logsumexp_forgets_no_nan_of_a_later_piece(level):
    """Whether there is a sum beside it must not matter: logarithms of probabilities are below 0."""
    array = np.full((9000, 3), -1.0 if level == "no positive element" else 1.0)
    for place in (0, 1, 300, 4096, 8999):
        array[place, 1] = np.nan
        for x in (array, np.asfortranarray(array)):
            assert np.isnan(fp.logsumexp(x, axis=0)).tolist() == [False, True, False]
            assert np.isnan(fp.logsumexp(x))
        pieces = fp.LogSumExp(0)
        for piece in np.array_split(array, 5):
            pieces.update(piece)
        assert np.isnan(pieces.result()).tolist() == [False, True, False]
        array[place, 1] = array[0, 0]
    assert np.isnan(fp.LogSumExp().update([1.0]).update([np.nan]).result())


def test_logsumexp_keeps_axes():
    x = np.zeros((2, 3, 4))
    assert fp.logsumexp(x, axis=(0, 2), keepdims=True).shape == (1, 3, 1)
    with pytest.raises(TypeError, match="logsumexp: keepdims must be True or False, not"):
        fp.logsumexp(x, keepdims="a")


# The exponential function itself, which softmax shows where the greatest element is 0 and the sum 1


@pytest.mark.parametrize(("dtype", "least"), [("float64", -700.0), ("float32", -80.0)])
def test_exp_is_within_two_units_in_the_last_place(dtype, least):
    x = np.random.default_rng(2).uniform(least, -40 if dtype == "float64" else -26, 2000)
    x = np.append(0, x).astype(dtype)
    for value, result in zip(x, fp.softmax(x), strict=True):
        with decimal.localcontext(prec=60):
            exact = decimal.Decimal(float(value)).exp()
        unit = decimal.Decimal(float(np.spacing(np.dtype(dtype).type(exact))))
        # Once more rounded by the multiplication with the inverse of the sum.
        assert abs(decimal.Decimal(float(result)) - exact) < 2 * unit, value


def test_exp_down_to_the_subnormal_numbers():
    x = np.append(0, -np.linspace(700, 760, 999))
    with np.errstate(under="ignore"):
        expected = np.exp(x)
    assert_allclose(fp.softmax(x), expected, rtol=1e-13, atol=5e-324)
    x = np.append(0, -np.linspace(80, 110, 999)).astype(np.float32)
    with np.errstate(under="ignore"):
        expected = np.exp(x)
    assert_allclose(fp.softmax(x), expected, rtol=1e-6, atol=3e-45)


def assert_signed(array, factors, axis):
    """Compare with the definition, and with the twin."""
    with np.errstate(all="ignore"):
        total = np.sum(factors * np.exp(array), axis=axis)
        expected = np.log(np.abs(total))
    log, sign = fp.logsumexp(array, axis, factors, return_sign=True)
    np.testing.assert_allclose(log, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(sign, np.sign(total))
    twins = reference.logsumexp(array, axis, factors, return_sign=True)
    np.testing.assert_allclose(log, np.reshape(twins[0], np.shape(log)), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(sign, np.reshape(twins[1], np.shape(sign)))
    plain = fp.logsumexp(array, axis, factors)
    np.testing.assert_array_equal(plain, np.where(sign < 0, np.nan, log))


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_logsumexp_with_factors(axis):
    rng = np.random.default_rng(1)
    array = rng.normal(size=(40, 7))
    for factors in (rng.normal(size=(40, 7)), rng.normal(size=7), np.ones(()), rng.random((40, 1))):
        assert_signed(array, factors, axis)
    assert_signed(array, rng.integers(-1, 2, (40, 7)), axis)  # some are left out


def test_logsumexp_with_factors_does_not_overflow():
    log, sign = fp.logsumexp([1000.0, 999.0], b=[1.0, -2.0], return_sign=True)
    assert sign == 1.0
    np.testing.assert_allclose(log, 1000 + np.log1p(-2 / np.e), rtol=1e-14)
    assert fp.logsumexp([1.0, 1.0], b=[1.0, -1.0], return_sign=True) == (-np.inf, 0.0)
    assert fp.logsumexp([np.inf, 1.0], b=[0.0, 1.0]) == 1.0
    assert np.isnan(fp.logsumexp([1.0], b=[-1.0]))
    assert np.isnan(fp.logsumexp([1.0, 2.0], b=[np.nan, 1.0]))
    assert fp.logsumexp([], return_sign=True) == (-np.inf, 0.0)
    assert fp.logsumexp(np.float32([1.0]), return_sign=True)[1].dtype == np.float32
    with pytest.raises(TypeError, match="logsumexp: return_sign must be True or False, not 'yes'"):
        fp.logsumexp([1.0], return_sign="yes")
    with pytest.raises(ValueError, match="broadcast"):
        fp.logsumexp([1.0, 2.0], b=[1.0, 2.0, 3.0])
