"""Layer: tests of the kernels on every core.  Medians and quantiles against NumPy, their
twins and sorted elements.
"""

import inspect
import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import COMPILED, CONVERTED, arrays, axes, fill
from hypothesis import given
from numpy.testing import assert_array_equal

import fastproc as fp
from fastproc.kernels import reference

NAMES = ("median", "nanmedian", "quantile", "nanquantile", "percentile", "nanpercentile")
METHODS = (
    "linear",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "median_unbiased",
    "normal_unbiased",
)
FINITE = ("plain", "ties", "tiny", "offset", "nan")

#: From here on a line is searched by all workers together.
LONG = 1 << 16


def silently(function, *args, **kwargs):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def assert_close(actual, expected):
    """Compare results; float32 is computed in float64 here, and in float32 by NumPy."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    rtol = {2: 2e-3, 4: 1e-6, 8: 1e-12}[actual.dtype.itemsize]
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol)


@st.composite
def quantiles(draw):
    one = st.floats(0, 1) | st.sampled_from((0.0, 0.25, 0.5, 1.0))
    return draw(one | st.lists(one, max_size=4) | st.just([[0.1, 0.9], [1.0, 0.0]]))


@pytest.mark.parametrize("name", NAMES)
def test_signature_is_the_twins(name):
    ours = inspect.signature(getattr(fp, name))
    twins = inspect.signature(getattr(reference, name))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in twins.parameters.values()
    ]


@given(data=st.data(), name=st.sampled_from(("median", "nanmedian")), keepdims=st.booleans())
def test_medians_equal_numpys(data, name, keepdims):
    array = data.draw(arrays((*COMPILED, *CONVERTED), (*FINITE, "inf", "both")))
    axis = data.draw(axes(array.ndim))
    if axis == ():
        return  # NumPy's takes the elements one by one, or all, by its version
    actual = silently(getattr(fp, name), array, axis, keepdims=keepdims)
    expected = silently(getattr(np, name), array, axis, keepdims=keepdims)
    assert_close(actual, expected)
    assert np.asarray(actual).dtype == np.asarray(expected).dtype


@given(
    data=st.data(),
    name=st.sampled_from(("quantile", "nanquantile")),
    q=quantiles(),
    method=st.sampled_from(METHODS),
    keepdims=st.booleans(),
)
def test_quantiles_equal_numpys(data, name, q, method, keepdims):
    array = data.draw(arrays(how=FINITE))
    axis = data.draw(axes(array.ndim))
    if axis == () or array.size == 0:
        return
    actual = silently(getattr(fp, name), array, q, axis, method=method, keepdims=keepdims)
    expected = silently(getattr(np, name), array, q, axis, method=method, keepdims=keepdims)
    assert_close(actual, expected)
    percent = "percentile" if name == "quantile" else "nanpercentile"
    assert_close(
        silently(getattr(fp, percent), array, np.multiply(q, 100), axis, keepdims=keepdims),
        silently(getattr(np, percent), array, np.multiply(q, 100), axis, keepdims=keepdims),
    )


@given(data=st.data(), name=st.sampled_from(NAMES), q=quantiles(), method=st.sampled_from(METHODS))
def test_equals_the_twin(data, name, q, method):
    array = data.draw(arrays())
    axis = data.draw(axes(array.ndim))
    if name.endswith("median"):
        arguments, options = (), {}
    else:
        most = 100 if name.endswith("percentile") else 1
        arguments, options = (np.multiply(q, most).tolist(),), {"method": method}
    actual = silently(getattr(fp, name), array, *arguments, axis=axis, **options)
    expected = silently(getattr(reference, name), array, *arguments, axis=axis, **options)
    expected = np.array(expected, np.asarray(actual).dtype)
    assert_array_equal(actual, expected.reshape(np.shape(actual)))


ORDERS = {
    "random": lambda a: a,
    "ascending": np.sort,
    "descending": lambda a: np.sort(a)[::-1],
    "organ pipe": lambda a: np.concatenate([np.sort(a[::2]), np.sort(a[1::2])[::-1]]),
    "all equal": np.ones_like,
    "two values": lambda a: (a > 0).astype(a.dtype),
    "few values": np.round,
    "one apart": lambda a: np.where(np.arange(a.size) == a.size // 3, a, 1).astype(a.dtype),
    "periodic": lambda a: np.resize(np.sort(a[:97]), a.size),
    "growing": lambda a: np.exp(np.minimum(np.abs(a) * 10, 20)),
    "sawtooth": lambda a: (np.arange(a.size) % 1024).astype(a.dtype),
}


@pytest.mark.parametrize("dtype", COMPILED)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [17, 40, 1000, 40_000, LONG - 1, LONG, 300_001])
def test_any_order_of_elements(size, order, dtype):
    scale = 1 if dtype.startswith("float") else 1000
    array = ORDERS[order](fill((size,), "float64", 1, "plain") * scale).astype(dtype)
    ranked = np.sort(array).astype(np.float64)
    ranks = np.array([0, 1, size // 10, size // 2, size - 2, size - 1])
    assert_close(fp.quantile(array, ranks / (size - 1)), np.quantile(ranked, ranks / (size - 1)))
    assert_close(fp.median(array), (ranked[(size - 1) // 2] + ranked[size // 2]) / 2)


def sampled(size, draw):
    """Return where `draw_sample` of ``_select.pxd`` takes elements of a line."""
    count = 16
    while count**3 < size**2:
        count *= 2
    turns = (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) + (
        np.uint64(draw << 62)
    )
    scattered = (turns >> np.uint64(11)) * 2.0**-53
    return ((np.arange(count) + scattered) * (size / count)).astype(int)


@pytest.mark.parametrize("n_misled", [1, 2])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("size", [LONG, 300_001])
def test_samples_that_mislead(size, workers, n_misled):
    # What is sampled is least, and all else is not: the brackets miss.
    rng = np.random.default_rng(1)
    array = rng.normal(10, 1, size)
    for draw in range(n_misled):
        array[sampled(size, draw)] = -rng.random(sampled(size, draw).size)
    ranked = np.sort(array)
    expected = (ranked[(size - 1) // 2] + ranked[size // 2]) / 2
    assert fp.median(array, workers=workers) == expected
    assert fp.nanmedian(np.append(array, np.nan), workers=workers) == expected
    q = np.array([5, 50_000]) / (size - 1)
    assert_close(fp.quantile(array, q, workers=workers), np.quantile(array, q))


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("size", [100, 5000, 200_000])
@pytest.mark.filterwarnings("ignore:All-NaN slice")
def test_nan(size, share):
    rng = np.random.default_rng(1)
    array = rng.normal(size=size)
    array[rng.random(size) < share] = np.nan
    array[0] = np.nan
    numbers = array[~np.isnan(array)]
    assert np.isnan(fp.median(array))
    assert np.isnan(fp.quantile(array, [0.1, 0.9])).all()
    expected = np.median(numbers) if numbers.size else np.nan
    assert_array_equal(fp.nanmedian(array), expected)
    if numbers.size:
        assert_close(fp.nanquantile(array, [0.1, 0.9]), np.quantile(numbers, [0.1, 0.9]))


@pytest.mark.parametrize("dtype", COMPILED)
@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
def test_many_quantiles_of_long_and_short_lines(name, dtype):
    for n_q in (8, 9, 24, 25, 101):
        q = np.linspace(0, 1, n_q)
        for shape in ((100_001,), (3, 70_000), (51, 101)):
            array = fill(shape, dtype, 1, "nan" if name == "nanquantile" else "plain")
            expected = silently(getattr(np, name), array, q, -1)
            assert_close(silently(getattr(fp, name), array, q, -1), expected)


def test_long_lines_of_any_layout():
    array = fill((3, LONG, 2), "float64", 1, "plain")
    for axis in (1, -2, (0, 1), (1, 2)):
        for view in (array, array[::-1, ::-1], np.asfortranarray(array)):
            assert_array_equal(fp.median(view, axis), np.median(view, axis))


@pytest.mark.parametrize("workers", [1, 3])
def test_infinity(workers):
    inf = np.inf
    assert fp.median([inf, inf]) == inf
    assert np.isnan(fp.median([-inf, inf]))
    assert fp.quantile([1.0, 2.0, inf], 0.5, workers=workers) == 2
    assert fp.quantile([1.0, 2.0, inf], 0.6) == inf
    assert fp.quantile([inf, inf, 1.0], [0.0, 0.9]).tolist() == [1, inf]


def test_the_mean_of_the_middle_two_does_not_overflow():
    assert fp.median([1.5e308, 1.7e308]) == 1.6e308
    assert fp.median(np.array([3e38, 3.2e38], "f4")) == np.float32(3.1e38)
    assert fp.median(np.array([2**63 - 1, 2**63 - 1])) == 2.0**63


def test_zeros_have_no_sign():
    for array in ([-0.0], [-0.0, 0.0], [-0.0] * 100, np.full(100_000, -0.0)):
        assert not np.signbit(fp.median(array))
        assert not np.signbit(fp.quantile(array, [0.1, 1.0])).any()


@pytest.mark.parametrize("name", NAMES)
def test_out(name):
    array = fill((5, 40), "float64", 1, "plain")
    kernel = getattr(fp, name)
    arguments = () if name.endswith("median") else (0.3,)
    expected = kernel(array, *arguments, axis=1)
    out = np.zeros(5)
    assert kernel(array, *arguments, axis=1, out=out) is out
    assert_array_equal(out, expected)
    assert_array_equal(kernel(array, *arguments, axis=1, out=array[:, 0]), expected)
    with pytest.raises(ValueError, match=rf"{name}: out has shape \(4,\); the result has shape"):
        kernel(array, *arguments, axis=1, out=np.zeros(4))
    with pytest.raises(TypeError, match=f"{name}: out has dtype int64, which cannot hold"):
        kernel(array, *arguments, axis=1, out=np.zeros(5, int))
    with pytest.raises(TypeError, match=f"{name}: out must be an array, not list"):
        kernel(array, *arguments, axis=1, out=[0.0] * 5)
    out.flags.writeable = False
    with pytest.raises(ValueError, match=f"{name}: out is read-only"):
        kernel(array, *arguments, axis=1, out=out)


def test_nothing_has_no_median():
    for name in ("median", "nanmedian"):
        with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
            assert np.isnan(getattr(fp, name)([]))
        with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
            assert np.isnan(getattr(fp, name)(np.zeros((0, 3)), axis=0)).tolist() == [True] * 3
    assert fp.median(np.zeros((0, 3)), axis=1).shape == (0,)
    with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
        assert np.isnan(fp.quantile([], [0.1, 0.2])).all()
    with pytest.warns(RuntimeWarning, match="All-NaN slice encountered"):
        assert np.isnan(fp.nanmedian([np.nan, np.nan]))


@pytest.mark.parametrize("name", NAMES[2:])
def test_quantiles_that_are_none(name):
    kernel = getattr(fp, name)
    most = 100 if name.endswith("percentile") else 1
    for q in (-0.1, 100.5, np.nan, [0.5, np.inf]):
        with pytest.raises(ValueError, match=rf"{name}: q must be in the range \[0, {most}\], wh"):
            kernel([1.0, 2.0], q)
    for q in ("a", 1j, [None]):
        with pytest.raises(TypeError, match=f"{name}: q must be real numbers, not"):
            kernel([1.0, 2.0], q)
    for method in ("lower", "nothing", None, 1):
        with pytest.raises(ValueError, match=f"{name}: method must be one of linear, inter"):
            kernel([1.0, 2.0], 0.5, method=method)


@pytest.mark.parametrize("name", NAMES)
def test_bad_input(name):
    arguments = () if name.endswith("median") else (0.3,)
    kernel = getattr(fp, name)
    with pytest.raises(TypeError, match=rf"{name}: dtype complex128 is not supported; pass real"):
        kernel([1j], *arguments)
    with pytest.raises(TypeError, match="masked arrays are not supported"):
        kernel(np.ma.masked_array([1.0, 2.0], [True, False]), *arguments)
    with pytest.raises(np.exceptions.AxisError, match="axis 2 is out of bounds for array of dim"):
        kernel(np.zeros((2, 3)), *arguments, axis=2)
    with pytest.raises(ValueError, match="duplicate value in 'axis'"):
        kernel(np.zeros((2, 3)), *arguments, axis=(0, -2))
    with pytest.raises(TypeError):
        kernel(np.zeros((2, 3)), *arguments, axis=1.5)
    with pytest.raises(TypeError, match=f"{name}: keepdims must be True or False, not 'no'"):
        kernel(np.zeros((2, 3)), *arguments, keepdims="no")
    for array in ([1.0, 2.0], np.zeros(10_000), np.zeros(LONG)):
        with pytest.raises(ValueError, match="workers must be at least 1, not 0"):
            kernel(array, *arguments, workers=0)
        with pytest.raises(TypeError, match="workers must be None, a number of threads or a fast"):
            kernel(array, *arguments, workers="all")


def test_the_array_is_left_as_it_was():
    for size in (10, 1000, LONG):
        array = fill((size,), "float64", 1, "nan")
        before = array.copy()
        for name in ("median", "nanmedian"):
            silently(getattr(fp, name), array)
        assert_array_equal(array, before)


def test_shared_arrays():
    array = fp.share(fill((LONG, 3), "float64", 1, "plain"))
    assert_array_equal(fp.median(array, 0), np.median(np.asarray(array), 0))
    assert_array_equal(fp.median(array), np.median(np.asarray(array)))
