"""Layer: tests of the kernels on every core.  `anynan`, `allnan`, `all_finite` and `ss`."""

import inspect
import math

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import COMPILED, CONVERTED, arrays, axes, fill
from hypothesis import given
from numpy.testing import assert_array_equal

import fastproc as fp
from fastproc.kernels import reference

NUMPY = {
    "anynan": lambda a, **kwargs: np.isnan(a).any(**kwargs),
    "allnan": lambda a, **kwargs: np.isnan(a).all(**kwargs),
    "all_finite": lambda a, **kwargs: np.isfinite(a).all(**kwargs),
}


@pytest.mark.parametrize("name", NUMPY)
@given(data=st.data())
def test_checks_equal_numpy_and_twin(name, data):
    array = data.draw(arrays((*COMPILED, *CONVERTED), how=("plain", "nan", "inf", "both", "huge")))
    kwargs = {"axis": data.draw(axes(array.ndim)), "keepdims": data.draw(st.booleans())}
    expected = NUMPY[name](array, **kwargs)
    actual = getattr(fp, name)(array, **kwargs)
    assert type(actual) is type(expected)
    assert np.asarray(actual).dtype == bool
    assert_array_equal(actual, expected)
    twin = np.asarray(getattr(reference, name)(array, **kwargs), bool).reshape(np.shape(expected))
    assert_array_equal(twin, expected)


@given(data=st.data())
def test_ss_equals_numpy_and_twin(data):
    array = data.draw(arrays((*COMPILED, "uint8", "uint64", "bool")))
    kwargs = {"axis": data.draw(axes(array.ndim)), "keepdims": data.draw(st.booleans())}
    wide = array.dtype if array.dtype.kind == "f" else np.sum(np.zeros(1, array.dtype)).dtype
    with np.errstate(all="ignore"):
        expected = np.sum(np.square(array.astype(wide)), **kwargs)
    actual = fp.ss(array, **kwargs)
    assert type(actual) is type(expected)
    assert np.asarray(actual).dtype == np.asarray(expected).dtype
    twin = np.asarray(reference.ss(array, **kwargs), expected.dtype).reshape(expected.shape)
    if expected.dtype.kind != "f":
        assert_array_equal(actual, expected)
        assert_array_equal(twin, expected)
    else:
        rtol = 1e-13 if expected.dtype == np.float64 else 2 * float(np.finfo(expected.dtype).eps)
        np.testing.assert_allclose(actual, twin, rtol=rtol)


@pytest.mark.parametrize("name", [*NUMPY, "ss"])
def test_signature_is_the_twins(name):
    ours = inspect.signature(getattr(fp, name))
    twins = inspect.signature(getattr(reference, name))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in twins.parameters.values()
    ]


@pytest.mark.parametrize("place", [0, 31, 4095, 4096, 150_000, 299_999])
@pytest.mark.parametrize("workers", [1, 3])
def test_one_element_anywhere_decides(place, workers):
    array = np.zeros(300_000)
    array[place] = np.nan
    assert fp.anynan(array, workers=workers)
    assert not fp.all_finite(array, workers=workers)
    assert not fp.allnan(array, workers=workers)
    array[:] = np.nan
    assert fp.allnan(array, workers=workers)
    array[place] = 1.0
    assert not fp.allnan(array, workers=workers)
    array[:] = 1.0
    array[place] = -np.inf
    assert not fp.anynan(array, workers=workers)
    assert not fp.all_finite(array, workers=workers)


def test_what_is_none():
    assert not fp.anynan([])
    assert fp.allnan([])
    assert fp.all_finite([])
    assert fp.ss([]) == 0.0


def test_a_check_into_out():
    array = fill((20, 30), "float32", 1, "nan")
    out = np.zeros(30, bool)
    assert fp.anynan(array, axis=0, out=out) is out
    assert_array_equal(out, np.isnan(array).any(axis=0))
    numbers = np.full(30, 7.0)
    fp.anynan(array, axis=0, out=numbers)
    assert_array_equal(numbers, out)


@given(array=arrays(("float64",), how=("plain", "huge", "tiny", "offset")))
def test_ss_is_nearly_exact(array):
    exact = math.fsum(v * v for v in array.ravel().tolist())
    assert abs(float(fp.ss(array)) - exact) <= 30 * 2.0**-53 * exact
