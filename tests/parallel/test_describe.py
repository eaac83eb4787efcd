"""Layer: tests of the kernels on every core.  `describe` against its twin and exact arithmetic."""

import inspect
import math
import pickle
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import COMPILED, CONVERTED, arrays, fill
from hypothesis import given
from numpy.testing import assert_array_equal

import fastproc as fp
from fastproc.kernels import reference


@given(data=st.data())
def test_equals_the_twin(data):
    array = data.draw(arrays((*COMPILED, *CONVERTED), how=("plain", "ties", "offset", "nan")))
    axis = data.draw(st.one_of(st.none(), st.integers(0, max(array.ndim - 1, 0))))
    bias = data.draw(st.booleans())
    if array.size == 0:
        with pytest.raises(ValueError, match="describe: there are no elements to describe"):
            fp.describe(array, axis)
        return
    actual = fp.describe(array, axis, bias=bias)
    expected = reference.describe(array, axis, bias=bias)
    assert actual.nobs == expected.nobs
    dtype = array.dtype.newbyteorder("=")
    shape = np.shape(actual.mean)
    for one, other in zip(actual.minmax, expected.minmax, strict=True):
        assert one.dtype == dtype
        assert_array_equal(one, np.asarray(other, dtype).reshape(shape))
    real = dtype if dtype.kind == "f" else np.dtype(float)
    loose = {2: 3e-3, 4: 1e-6, 8: 1e-11}[real.itemsize]
    scale = max(1.0, float(np.nanmax(np.abs(array.astype(float)), initial=0)))
    for name in ("mean", "variance", "skewness", "kurtosis"):
        one = np.asarray(getattr(actual, name))
        assert one.dtype == real
        other = np.asarray(getattr(expected, name), float).reshape(shape)
        if name in ("skewness", "kurtosis"):
            # Where elements are equal but for rounding, whether they are is a matter of rounding.
            near = np.asarray(expected.variance, float).reshape(shape) < (1e-12 * scale) ** 2
            one, other = np.where(near, 0, one), np.where(near, 0, other)
        with np.errstate(over="ignore"):
            other = other.astype(real)
        np.testing.assert_allclose(one, other, rtol=loose, atol=loose)


def test_extremes_of_uint64_that_float64_does_not_have():
    array = np.array([[2**64 - 1, 7], [2**53 + 1, 2**63 + 5], [2**63 - 1, 8]], np.uint64)
    for result in (
        fp.describe(array),
        fp.describe(array, workers=2),
        fp.Describe().update(array[:2]).merge(fp.Describe().update(array[2:])).result(),
    ):
        assert [ends.dtype for ends in result.minmax] == [np.uint64, np.uint64]
        assert_array_equal(result.minmax, (array.min(axis=0), array.max(axis=0)))
        np.testing.assert_allclose(result.mean, array.mean(axis=0))
    least, greatest = fp.describe(array, axis=None).minmax
    assert type(least) is type(greatest) is np.uint64
    assert (least, greatest) == (7, 2**64 - 1)


@pytest.mark.parametrize("offset", [0, 1e8, -1e12])
@pytest.mark.parametrize("size", [100, 5000, 40_000])
def test_moments_with_an_offset_are_exact(offset, size):
    array = np.random.default_rng(size).exponential(size=size) + offset
    values = [Fraction(value) for value in array.tolist()]
    mean = sum(values) / size
    second, third, fourth = (sum((v - mean) ** p for v in values) / size for p in (2, 3, 4))
    result = fp.describe(array, ddof=0)
    assert math.isclose(result.mean, mean, rel_tol=1e-15)
    assert math.isclose(result.variance, second, rel_tol=1e-14)
    assert math.isclose(result.skewness, float(third) / float(second) ** 1.5, rel_tol=1e-12)
    assert math.isclose(result.kurtosis, float(fourth / second**2) - 3, rel_tol=1e-12)


def test_signature_is_the_twins():
    ours = inspect.signature(fp.describe)
    twins = inspect.signature(reference.describe)
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in twins.parameters.values()
    ]


def test_large_integers_keep_their_extremes():
    array = np.array([2**62 + 1, -(2**62) - 1, 0])
    least, greatest = fp.describe(array).minmax
    assert (int(least), int(greatest)) == (-(2**62) - 1, 2**62 + 1)
    assert least.dtype == greatest.dtype == np.int64


def test_of_equal_elements():
    result = fp.describe(np.full(10_000, 0.1))
    assert result.variance < 1e-30
    assert np.isnan(result.skewness)
    assert np.isnan(result.kurtosis)
    one = fp.describe([3.0])
    assert one.minmax == (3.0, 3.0)
    assert np.isnan(one.variance)


def test_the_result_is_a_named_tuple():
    result = fp.describe(fill((50, 3), "float64", 1, "plain"))
    assert type(result) is fp.DescribeResult
    again = pickle.loads(pickle.dumps(result))
    assert_array_equal(again.mean, result.mean)
    assert result._fields == ("nobs", "minmax", "mean", "variance", "skewness", "kurtosis")


def test_misuse():
    with pytest.raises(np.exceptions.AxisError, match="axis 1 is out of bounds"):
        fp.describe([1.0], axis=1)
    with pytest.raises(TypeError, match="describe: dtype complex128 is not supported"):
        fp.describe([1j])
    with pytest.raises(TypeError, match="describe: bias must be True or False, not 'no'"):
        fp.describe([1.0], bias="no")
