"""Layer: tests of the kernels on every core.  Moving windows against their twins, NumPy's windows
and exact arithmetic.
"""

import inspect
import math
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import COMPILED, CONVERTED, fill, views
from hypothesis import given
from numpy.lib.stride_tricks import sliding_window_view
from numpy.testing import assert_allclose, assert_array_equal

import fastproc as fp
from fastproc import plan
from fastproc.catalogue import FAMILIES
from fastproc.kernels import reference

KERNELS = FAMILIES["moving"]
#: Of these every result is one of the elements, a place or a ratio of small integers.
EXACT = ("move_min", "move_max", "move_argmin", "move_argmax", "move_rank")
SPREADS = ("move_std", "move_var")
#: Around the lengths at which the loops change: powers of four, runs that are sorted, a block.
WINDOWS = (1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 63, 64, 65, 100, 511, 513, 1030)


@st.composite
def lines(draw, dtypes=COMPILED, how=("plain", "ties", "tiny", "offset", "nan", "inf", "both")):
    """Return an array of which one axis is long, and that axis."""
    shape = list(draw(st.lists(st.sampled_from((1, 2, 3, 17)), max_size=2)))
    axis = draw(st.integers(0, len(shape)))
    shape.insert(axis, draw(st.sampled_from((1, 2, 9, 33, 130, 300))))
    array = fill(
        tuple(shape),
        draw(st.sampled_from(dtypes)),
        draw(st.integers(0, 2**16)),
        draw(st.sampled_from(how)),
    )
    array = draw(views(array))
    return array, draw(st.integers(-array.ndim, array.ndim - 1))


@st.composite
def windows(draw, length):
    """Return a window and a min_count that an axis of this length allows."""
    window = draw(st.sampled_from([each for each in WINDOWS if each <= length] + [length]))
    return window, draw(st.none() | st.integers(1, window))


def tolerance(dtype):
    dtype = np.dtype(dtype)
    eps = np.finfo(dtype if dtype.kind == "f" else "f8").eps
    return {"rtol": 4 * eps if eps > 1e-10 else 1e-11, "atol": 1e-3 if eps > 1e-4 else 1e-11}


def assert_like_twin(name, array, window, min_count, axis):
    actual = getattr(fp, name)(array, window, min_count, axis)
    expected = np.array(getattr(reference, name)(array, window, min_count, axis))
    assert actual.dtype == (array.dtype if array.dtype.kind == "f" else np.float64)
    assert actual.shape == array.shape
    expected = expected.reshape(array.shape)
    if name in EXACT:
        assert_array_equal(actual, expected.astype(actual.dtype))
    else:
        # The root of a rounding error.
        root = {"atol": 1e-6} if name == "move_std" else {}
        assert_allclose(actual, expected, **{**tolerance(array.dtype), **root})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", KERNELS)
@given(data=st.data())
def test_equals_twin(name, data):
    array, axis = data.draw(lines())
    length = array.shape[axis]
    if length == 0:
        return
    if name in SPREADS and np.isinf(array).any():
        array = np.where(np.isinf(array), 7, array).astype(
            array.dtype
        )  # see the test of infinities
    window, min_count = data.draw(windows(length))
    assert_like_twin(name, array, window, min_count, axis)


@pytest.mark.parametrize("name", KERNELS)
@given(data=st.data())
def test_other_dtypes(name, data):
    array, axis = data.draw(lines(CONVERTED, how=("plain", "ties", "nan")))
    if array.shape[axis] == 0:
        return
    window, min_count = data.draw(windows(array.shape[axis]))
    native = array.astype(array.dtype.newbyteorder("="))
    assert_like_twin(name, native, window, min_count, axis)
    assert_array_equal(
        getattr(fp, name)(array, window, min_count, axis),
        getattr(fp, name)(native, window, min_count, axis),
    )


OF_ROWS = {
    "move_sum": lambda rows: rows.sum(axis=-1),
    "move_mean": lambda rows: rows.mean(axis=-1),
    "move_std": lambda rows: rows.std(axis=-1),
    "move_var": lambda rows: rows.var(axis=-1),
    "move_min": lambda rows: rows.min(axis=-1),
    "move_max": lambda rows: rows.max(axis=-1),
    "move_argmin": lambda rows: rows[:, ::-1].argmin(axis=-1),
    "move_argmax": lambda rows: rows[:, ::-1].argmax(axis=-1),
    "move_median": lambda rows: np.median(rows, axis=-1),
    "move_rank": lambda rows: (
        (
            ((rows < rows[:, -1:]).sum(-1) + ((rows == rows[:, -1:]).sum(-1) - 1) / 2)
            / max(1, rows.shape[-1] - 1)
            - (0.5 if rows.shape[-1] > 1 else 0)
        )
        * 2
    ),
}


@pytest.mark.parametrize("how", ["plain", "ties", "offset"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", KERNELS)
def test_equals_numpy_on_long_lines(name, window, how):
    # Several blocks, and a last one that is not full.
    array = fill((2600,), "float64", window, how)
    actual = getattr(fp, name)(array, window)
    assert np.isnan(actual[: window - 1]).all()
    expected = OF_ROWS[name](sliding_window_view(array, window))
    assert_allclose(actual[window - 1 :], expected, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("name", KERNELS)
def test_signature_is_the_twins(name):
    ours = inspect.signature(getattr(fp, name))
    twins = inspect.signature(getattr(reference, name))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in twins.parameters.values()
    ]


@pytest.mark.parametrize("name", KERNELS)
def test_is_a_drop_in_for_bottleneck(name):
    bottleneck = pytest.importorskip("bottleneck")
    ours, theirs = getattr(fp, name), getattr(bottleneck, name)
    for dtype in COMPILED:
        for how in ("plain", "ties", "nan"):
            array = fill((3, 200), dtype, 1, how)
            for window, min_count, axis in ((1, None, 1), (2, 1, 0), (30, None, -1), (50, 20, 1)):
                actual = ours(array, window, min_count, axis)
                expected = theirs(array, window, min_count, axis)
                assert actual.dtype == expected.dtype
                # Theirs loses half of the digits, of a root three quarters.
                assert_allclose(actual, expected, rtol=1e-4, atol=1e-2)


# Accuracy ----------------------------------------------------------------------------------------


def hard_lines():
    """Return lines that a sum which adds and subtracts goes wrong on."""
    rng = np.random.default_rng(3)
    noise = rng.normal(size=3000)
    spiked = noise.copy()
    spiked[::500] = 1e20
    steps = np.repeat(rng.normal(size=30) * 1e6, 100)
    return {
        "offset of 1e8": noise + 1e8,
        "offset of 1e15": np.round(noise * 100) + 1e15,
        "spikes": spiked,
        "trend": np.arange(3000) * 1e5 + noise,
        "steps": steps + noise,
        "levels": steps,
        "constant": np.full(3000, 0.1),
        "growth": np.exp(np.linspace(0, 300, 3000)),
        "decay": np.exp(np.linspace(0, -300, 3000)),
    }


@pytest.mark.parametrize("window", [2, 3, 30, 100, 700])
@pytest.mark.parametrize("kind", hard_lines())
def test_sums_are_exact_but_for_rounding(kind, window):
    array = hard_lines()[kind]
    sums, means = fp.move_sum(array, window), fp.move_mean(array, window)
    for end in range(window, array.size + 1, 7):
        part = array[end - window : end].tolist()
        bound = 4e-12 * math.fsum(map(abs, part))
        assert abs(sums[end - 1] - math.fsum(part)) <= bound
        assert abs(means[end - 1] - math.fsum(part) / window) <= 2 * bound / window


@pytest.mark.parametrize("window", [2, 3, 30, 100, 700])
@pytest.mark.parametrize("kind", hard_lines())
def test_variances_are_exact_but_for_rounding(kind, window):
    array = hard_lines()[kind]
    variances = fp.move_var(array, window, ddof=1)
    deviations = fp.move_std(array, window, ddof=1)
    for end in range(window, array.size + 1, 37):
        part = [Fraction(x) for x in array[end - window : end].tolist()]
        mean = sum(part) / window
        expected = float(sum((x - mean) ** 2 for x in part) / (window - 1))
        assert math.isclose(variances[end - 1], expected, rel_tol=1e-11)
        assert math.isclose(deviations[end - 1], math.sqrt(expected), rel_tol=1e-11)


def test_variances_of_data_without_spread_are_zero():
    for window in (1, 2, 100, 700):
        assert_array_equal(fp.move_var(np.full(2000, 0.1), window)[window - 1 :], 0)
    assert_array_equal(fp.move_std([[5.0, np.nan, 7.0]], 1, 1), [[0, np.nan, 0]])


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("name", KERNELS)
def test_what_has_left_the_window_leaves_no_trace(name, special):
    array = fill((3000,), "float64", 1, "offset")
    clean = getattr(fp, name)(array, 50)
    array[[0, 700, 1023, 1024, 2999]] = special
    actual = getattr(fp, name)(array, 50)
    has_special = sliding_window_view(~(np.abs(array) < 1e299), 50).any(axis=1)
    expected = clean[49:][~has_special]
    if name in ("move_sum", "move_mean"):
        assert_array_equal(actual[49:][~has_special], expected)
    else:
        assert_allclose(actual[49:][~has_special], expected, rtol=1e-11)


def test_infinities():
    array = np.array([1.0, np.inf, 2, 3, -np.inf, np.inf, 4, 5, 6])
    nan, inf = np.nan, np.inf
    assert_array_equal(fp.move_sum(array, 2), [nan, inf, inf, 5, -inf, nan, inf, 9, 11])
    assert_array_equal(fp.move_var(array, 2), [nan, nan, nan, 0.25, nan, nan, nan, 0.25, 0.25])
    assert_array_equal(fp.move_min(array, 2), [nan, 1, 2, 2, -inf, -inf, 4, 4, 5])
    assert_array_equal(fp.move_max(array, 2), [nan, inf, inf, 3, 3, inf, inf, 5, 6])
    assert_array_equal(fp.move_median(array, 3)[2:], [2, 3, 2, 3, 4, 5, 5])


def test_places_of_infinities_are_not_those_of_nan():
    array = [np.inf, np.nan, np.inf, np.nan, np.nan]
    assert_array_equal(fp.move_argmin(array, 3, 1), [0, 1, 0, 1, 2])
    assert_array_equal(fp.move_argmax(np.negative(array), 3, 1), [0, 1, 0, 1, 2])


def test_ddof():
    array = [1.0, 3.0, 7.0]
    assert_array_equal(fp.move_var(array, 2, 1, ddof=1), [np.nan, 2, 8])
    assert_array_equal(fp.move_var(array, 2, 1, -1, 2), [-0.0, np.inf, np.inf])
    assert_array_equal(fp.move_std(array, 2, 1, -1, 3)[1:], [np.nan, np.nan])
    assert_array_equal(fp.move_var(array, 2, None, -1, -2), [np.nan, 0.5, 2])


@pytest.mark.parametrize("name", KERNELS)
def test_long_lines_are_cut_without_a_trace(name, monkeypatch):
    monkeypatch.setattr(plan, "THREAD_SHARE_NS", 1)
    move, cut = getattr(fp, name), 1 << 15
    array = fill((2 * cut + 1000,), "float64", 1, "nan")
    for window in (5, 300):
        expected = move(array, window, 2, workers=1)
        for view in (array, np.repeat(array, 2)[::2], array[::-1].copy()[::-1]):
            assert_array_equal(move(view, window, 2, workers=3), expected)
        near = slice(cut - 400, cut + 400)
        actual = move(array[near], window, 2)[window - 1 :]
        assert_allclose(actual, expected[near][window - 1 :], rtol=1e-10, atol=1e-12)


# Arguments ---------------------------------------------------------------------------------------


def test_arguments_by_position_and_by_name():
    array = np.arange(6.0).reshape(2, 3)
    expected = [[0, 1, 2], [3, 5, 7]]
    assert_array_equal(fp.move_sum(array, 2, 1, 0), expected)
    assert_array_equal(fp.move_sum(a=array, window=2, min_count=1, axis=-2), expected)
    assert_array_equal(fp.move_sum(array.tolist(), np.int8(2), np.int8(1), np.int8(0)), expected)


@pytest.mark.parametrize("name", KERNELS)
def test_shared_arrays(name):
    array = fill((40, 30), "float32", 1, "nan")
    expected = getattr(fp, name)(array, 7, 3, 0)
    assert_array_equal(getattr(fp, name)(fp.share(array), 7, 3, 0), expected)
    assert type(getattr(fp, name)(fp.share(array), 7)) is np.ndarray


@pytest.mark.parametrize("name", KERNELS)
def test_no_lines(name):
    result = getattr(fp, name)(np.zeros((0, 3), np.float32), 2)
    assert result.shape == (0, 3)
    assert result.dtype == np.float32
    assert getattr(reference, name)(np.zeros((0, 3)), 2) == []


@pytest.mark.parametrize("where", [fp, reference])
@pytest.mark.parametrize("name", KERNELS)
def test_bad_arguments(name, where):
    move = getattr(where, name)
    array = np.zeros((2, 5))
    for window in (0, -1, 6, 10**30):
        match = rf"{name}: window must be from 1 to 5 \(the axis has so many.*not {window}"
        with pytest.raises(ValueError, match=match):
            move(array, window)
    for min_count in (0, -1, 4, 10**30):
        match = rf"{name}: min_count must be from 1 to 3 \(a window has no more\), not {min_count}"
        with pytest.raises(ValueError, match=match):
            move(array, 3, min_count)
    for wrong in (2.0, "2", None):
        with pytest.raises(TypeError, match=rf"{name}: window must be an integer, not {wrong!r}"):
            move(array, wrong)
    with pytest.raises(TypeError, match=rf"{name}: min_count must be an integer, not 1.5"):
        move(array, 2, 1.5)
    for axis in (2, -3):
        with pytest.raises(ValueError, match=f"axis {axis} is out of bounds for array of dim"):
            move(array, 2, axis=axis)
    with pytest.raises(TypeError):
        move(array, 2, axis=None)
    with pytest.raises(ValueError, match=f"{name}: a number has no axis along which to move"):
        move(3.0, 1)
    with pytest.raises(ValueError, match=rf"{name}: window must be from 1 to 0"):
        move(np.zeros((2, 0)), 1)
    if name in SPREADS:
        with pytest.raises(TypeError, match=rf"{name}: ddof must be an integer, not 0.5"):
            move(array, 2, ddof=0.5)


@pytest.mark.parametrize("name", KERNELS)
def test_bad_arrays(name):
    move = getattr(fp, name)
    for array in ([1j], ["a"], np.zeros(3, object), np.zeros(3, np.longdouble)):
        with pytest.raises(TypeError, match=rf"{name}: dtype .* is not supported; pass real"):
            move(array, 1)
    with pytest.raises(TypeError, match="masked arrays are not supported"):
        move(np.ma.masked_array([1.0, 2.0], [True, False]), 1)
    with pytest.raises(ValueError, match="workers must be at least 1"):
        move([1.0], 1, workers=0)
    with pytest.raises(TypeError, match="workers must be None, a number of threads or a"):
        move([1.0], 1, workers="all")
