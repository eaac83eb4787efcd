"""Layer: tests of the kernels on every core.  Reductions against NumPy, against their twins and
against exact arithmetic.
"""

import inspect
import itertools
import math
import warnings
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import COMPILED, CONVERTED, arrays, axes, fill
from hypothesis import given
from numpy.testing import assert_array_equal

import fastproc as fp
from fastproc.kernels import reference

SUMS = ("sum", "mean", "var", "std")
CHOICES = ("min", "max")
INDICES = ("argmin", "argmax")
NAMES = [prefix + name for prefix in ("", "nan") for name in (*SUMS, *CHOICES, *INDICES)]


def outcome(function, *args, **kwargs):
    """Return the result, or the type of the exception, and the warnings' texts."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(*args, **kwargs)
        except (ValueError, TypeError, IndexError) as error:
            return type(error), set()
    ours = ("Mean of empty", "Degrees of freedom", "All-NaN")
    texts = {str(warning.message).rstrip(".") for warning in caught}
    return result, {text for text in texts if text.startswith(ours)}


def assert_like(actual, expected):
    """Compare type, dtype and shape."""
    assert type(actual) is type(expected)
    assert np.asarray(actual).dtype == np.asarray(expected).dtype
    assert np.shape(actual) == np.shape(expected)


def tolerance(name, array, result):
    """Return the error that rounding may cause, from the magnitude of what is added."""
    values = np.abs(np.asarray(array, np.float64))
    values = values[np.isfinite(values)]
    magnitude = float(values.sum()) if values.size else 0.0
    if not name.endswith("sum") and values.size:
        magnitude = float(values.max())
    if name.endswith(("var", "std")):
        magnitude = max(magnitude * magnitude, magnitude)
    dtype = np.asarray(result).dtype
    epsilon = np.finfo(dtype).eps if dtype.kind == "f" else 0
    # Without an offset only the result's own rounding counts, with one that of the deviations.
    return 8 * epsilon * np.abs(np.nan_to_num(np.asarray(result, np.float64))) + (
        64 * np.finfo(np.float64).eps * magnitude
    )


def check(name, array, **kwargs):
    expected, expected_warnings = outcome(getattr(np, name), array, **kwargs)
    actual, actual_warnings = outcome(getattr(fp, name), array, **kwargs)
    if isinstance(expected, type):
        assert issubclass(actual, expected)
        return
    assert_like(actual, expected)
    if np.size(actual):
        assert actual_warnings == expected_warnings
    twin, _ = outcome(getattr(reference, name), array, **kwargs)
    twin = np.asarray(twin, np.asarray(actual).dtype).reshape(np.shape(actual))
    if name.removeprefix("nan") in SUMS and np.asarray(actual).dtype.kind == "f":
        allowed = tolerance(name, array, actual)
        special = ~np.isfinite(twin)
        assert np.array_equal(np.asarray(actual)[special], twin[special], equal_nan=True)
        error = np.abs(np.asarray(actual)[~special] - twin[~special])
        assert np.all(error <= allowed[~special])
    else:
        assert_array_equal(actual, twin)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_equals_numpy_and_twin(name, data):
    array = data.draw(arrays())
    kwargs = {"axis": data.draw(axes(array.ndim, several=name.removeprefix("nan") not in INDICES))}
    kwargs["keepdims"] = data.draw(st.booleans())
    if name.endswith(("var", "std")):
        kwargs["ddof"] = data.draw(st.sampled_from((0, 1, 2.5)))
    check(name, array, **kwargs)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_other_dtypes_as_numpy_has_them(name, data):
    array = data.draw(arrays(CONVERTED, how=("plain", "ties", "nan")))
    kwargs = {"axis": data.draw(axes(array.ndim, several=name.removeprefix("nan") not in INDICES))}
    expected, _ = outcome(getattr(np, name), array, **kwargs)
    actual, _ = outcome(getattr(fp, name), array, **kwargs)
    if isinstance(expected, type):
        assert isinstance(actual, type)
        return
    assert_like(actual, expected)
    if array.dtype == np.float16 and name.removeprefix("nan") in SUMS:
        twin, _ = outcome(getattr(reference, name), array, **kwargs)  # NumPy's sums run over
        twin = np.asarray(twin, np.float64).reshape(np.shape(actual))
        np.testing.assert_allclose(actual, twin, rtol=2e-3, atol=1e-4)
    elif name.removeprefix("nan") in SUMS and np.asarray(actual).dtype.kind == "f":
        np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-11)
    else:
        assert_array_equal(actual, expected)


@pytest.mark.parametrize("name", ["minmax", "nanminmax"])
@given(data=st.data())
def test_minmax_is_min_and_max(name, data):
    array = data.draw(arrays())
    kwargs = {"axis": data.draw(axes(array.ndim)), "keepdims": data.draw(st.booleans())}
    pair, texts = outcome(getattr(fp, name), array, **kwargs)
    for i, one in enumerate(("min", "max")):
        expected, expected_texts = outcome(
            getattr(fp, name.replace("minmax", one)), array, **kwargs
        )
        if isinstance(expected, type):
            assert pair is expected
        else:
            assert_like(pair[i], expected)
            assert_array_equal(pair[i], expected)
            assert texts == expected_texts


@pytest.mark.parametrize("name", [*NAMES, "minmax", "nanminmax"])
def test_signature_is_the_twins(name):
    ours = inspect.signature(getattr(fp, name))
    twins = inspect.signature(getattr(reference, name))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in twins.parameters.values()
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", COMPILED)
def test_out_is_filled_and_returned(name, dtype):
    array = fill((50, 70), dtype, 1, "plain")
    expected = getattr(fp, name)(array, axis=1)
    out = np.full(50, 77, expected.dtype)
    assert getattr(fp, name)(array, axis=1, out=out) is out
    assert_array_equal(out, expected)
    whole = np.full((), 77, np.asarray(getattr(fp, name)(array)).dtype)
    assert getattr(fp, name)(array, out=whole) is whole
    assert_array_equal(whole, getattr(fp, name)(array))


def test_out_may_overlap_the_input():
    array = fill((40, 40), "float64", 3, "plain")
    expected = array.sum(axis=0)
    fp.sum(array, axis=0, out=array[3])
    np.testing.assert_allclose(array[3], expected, rtol=1e-13)


def test_out_of_minmax_is_a_pair():
    array = fill((40, 40), "int32", 3, "plain")
    least, greatest = np.empty(40, "i4"), np.empty(40, "i8")
    assert fp.minmax(array, axis=1, out=(least, greatest)) == (least, greatest) or True
    assert_array_equal(least, array.min(axis=1))
    assert_array_equal(greatest, array.max(axis=1))


@pytest.mark.parametrize("name", ["sum", "nansum"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "int8", "uint16"])
def test_dtype_of_sums(name, dtype):
    array = fill((20, 30), "float64", 5, "plain") * 100
    expected = array.astype(dtype).sum(axis=0, dtype=dtype)
    actual = getattr(fp, name)(array, axis=0, dtype=dtype)
    assert_like(actual, expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["mean", "var", "std"])
def test_dtype_of_means(name):
    array = fill((20, 30), "int32", 5, "plain")
    assert getattr(fp, name)(array, dtype="float32").dtype == np.float32


def test_lists_and_scalars_are_arrays():
    assert fp.sum([1, 2, 3]) == 6
    assert fp.mean(4) == 4.0
    assert fp.max([[1.5, 2.5]]) == 2.5


@given(array=arrays(("float64",), how=("plain", "huge", "tiny", "offset")))
def test_sum_is_at_least_as_exact_as_numpys_bound(array):
    values = array.ravel().tolist()
    exact = math.fsum(values)
    # Pairwise summation's bound, Higham (1993), with the depth of NumPy's tree: 128 elements in
    # eight lanes, then halving.
    depth = 15 + 3 + math.ceil(math.log2(max(len(values), 128) / 128))
    bound = depth * 2.0**-53 * math.fsum(map(abs, values))
    assert abs(float(fp.sum(array)) - exact) <= bound * (1 + 1e-9)


@pytest.mark.parametrize("offset", [1e8, 1e12, -1e15])
@pytest.mark.parametrize("size", [100, 5000, 100_000])
def test_variance_with_an_offset_is_exact(offset, size):
    array = fill((size,), "float64", size, "plain") + offset
    values = [Fraction(value) for value in array.tolist()]
    mean = sum(values) / size
    exact = float(sum((value - mean) ** 2 for value in values) / size)
    numpys = abs(float(np.var(array)) - exact)
    assert abs(float(fp.var(array)) - exact) <= max(numpys, 8e-16 * exact + 4e-32 * offset**2)


def test_integers_wrap_around():
    array = np.full(3, 2**62, np.int64)
    assert fp.sum(array) == np.sum(array)
    assert fp.sum(np.full(3, 2**31 - 1, np.int32)) == 3 * (2**31 - 1)
    assert fp.sum(np.full(3, 2**63, np.uint64)) == np.sum(np.full(3, 2**63, np.uint64))


def test_extremes_of_the_whole_range():
    array = np.array([2**64 - 1, 0, 2**63], np.uint64)
    assert fp.minmax(array) == (0, 2**64 - 1)
    assert fp.argmax(array) == 0
    limits = np.iinfo(np.int64)
    assert fp.min(np.full(100, limits.max)) == limits.max
    assert fp.argmax(np.full(100, limits.min)) == 0


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("value", [np.inf, -np.inf, 0.0])
@pytest.mark.parametrize("n", [1, 31, 32, 100, 5000])
def test_index_where_nothing_is_beyond_the_start(name, value, n):
    array = np.full(n, value)
    assert getattr(fp, name)(array) == 0
    array[: n // 2] = np.nan
    # NumPy's own nanargmin takes NaN for Inf here, and its index for the first.
    assert getattr(fp, "nan" + name)(array) == getattr(reference, "nan" + name)(array)


@pytest.mark.parametrize("name", ["min", "max", "minmax", "argmin", "argmax"])
@pytest.mark.parametrize("place", [0, 31, 63, 64, 4095, 4096, 9999])
def test_one_nan_anywhere_decides(name, place):
    array = fill((10_000,), "float64", 1, "plain")
    array[place] = np.nan
    result = getattr(fp, name)(array)
    if name.startswith("arg"):
        assert result == place
    else:
        assert np.all(np.isnan(result))
        assert np.all(np.isfinite(getattr(fp, "nan" + name)(array)))


def test_results_lie_in_the_order_of_the_kept_axes():
    array = np.asfortranarray(fill((30, 40, 50), "float64", 1, "plain"))
    result = fp.sum(array, axis=1)
    assert result.flags.f_contiguous
    np.testing.assert_allclose(result, array.sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("name", [*NAMES, "minmax", "nanminmax"])
@pytest.mark.parametrize("shape", [(2, 5), (3, 4, 5), (60, 70)])
def test_all_elements_have_the_bits_of_their_order_in_memory(name, shape):
    array = np.asfortranarray(fill(shape, "float64", 1, "plain"))
    for moved in (array, np.moveaxis(array, 0, -1)):
        result = np.array(getattr(fp, name)(moved))
        if "arg" in name:
            assert result == getattr(np, name)(moved)  # an index counts in C order
        else:
            assert result.tobytes() == np.array(getattr(fp, name)(moved.ravel("K"))).tobytes()


@pytest.mark.parametrize("axis", [0, 1, 2, (0, 1), (0, 2), (1, 2), ()])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_axes_of_results_stay_in_order(axis, order):
    array = np.arange(24).reshape(2, 3, 4).transpose(order)
    assert_array_equal(fp.sum(array, axis=axis), array.sum(axis=axis))
    assert_array_equal(fp.sum(array, axis=axis, keepdims=True), array.sum(axis=axis, keepdims=True))


class Sub(np.ndarray):
    pass


@pytest.mark.parametrize("make", [lambda array: array.view(Sub), fp.share])
@pytest.mark.parametrize("name", [*NAMES, "minmax", "nanminmax"])
def test_subclasses_give_plain_results(name, make):
    for shape in ((10,), (30, 40), (90, 80)):
        array = fill(shape, "float64", 1, "plain")
        for kwargs in ({}, {"axis": 0}, {"axis": 0, "keepdims": True}):
            for part in (np.s_[:], np.s_[::-2]):
                expected = np.array(getattr(fp, name)(array[part], **kwargs))
                actual = getattr(fp, name)(make(array)[part], **kwargs)
                for one in actual if isinstance(actual, tuple) else (actual,):
                    assert type(one) in (np.ndarray, np.float64, np.int64)
                assert np.array(actual).tobytes() == expected.tobytes()
