"""Layer: tests of the kernels on every core.  The k first elements, partitions and ranks against
sorted lines and their twins.
"""

import inspect

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import COMPILED, CONVERTED, arrays, fill
from hypothesis import given
from numpy.testing import assert_array_equal

import fastproc as fp
from fastproc.kernels import reference

NAMES = ("topk", "partition", "argpartition", "rankdata", "nanrankdata")
METHODS = ("average", "min", "max", "dense", "ordinal")

#: From here on a line is looked at by all workers together.
LONG = 1 << 16


@st.composite
def arrays_and_axes(draw, dtypes=(*COMPILED, *CONVERTED)):
    """Return an array, an axis or None, and how long the lines are."""
    array = draw(arrays(dtypes))
    axis = draw(st.none() | st.integers(-array.ndim, array.ndim - 1)) if array.ndim else None
    return array, axis, array.size if axis is None else array.shape[axis]


def as_expected(nested, like):
    """Return a twin's nested lists as an array of the kernel's dtype and shape."""
    return np.array(nested, like.dtype).reshape(like.shape)


@pytest.mark.parametrize("name", NAMES)
def test_signature_is_the_twins(name):
    ours = inspect.signature(getattr(fp, name))
    twins = inspect.signature(getattr(reference, name))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in twins.parameters.values()
    ]


@given(data=st.data(), case=arrays_and_axes(), largest=st.booleans())
def test_topk_equals_the_twin(data, case, largest):
    array, axis, n = case
    k = data.draw(st.integers(0, n) | st.sampled_from((0, min(n, 3), n)))
    values, indices = fp.topk(array, k, axis, largest)
    expected_values, expected_indices = reference.topk(array, k, axis, largest)
    assert values.dtype == array.dtype.newbyteorder("=")
    assert indices.dtype == np.int64
    assert_array_equal(indices, as_expected(expected_indices, indices))
    assert_array_equal(values, as_expected(expected_values, values))


def assert_partitioned(actual, expected, ranks, axis):
    """Tell whether lines have the elements of sorted ones, divided by those of `ranks`."""
    actual, expected = np.moveaxis(actual, axis, -1), np.moveaxis(expected, axis, -1)
    assert actual.shape == expected.shape
    for first, last in zip((0, *ranks), (*ranks, actual.shape[-1]), strict=True):
        assert_array_equal(np.sort(actual[..., first:last]), expected[..., first:last])
    for rank in ranks:
        assert_array_equal(actual[..., rank], expected[..., rank])


@given(data=st.data(), case=arrays_and_axes())
def test_partitions_divide(data, case):
    array, axis, n = case
    ranks = data.draw(st.lists(st.integers(0, max(n - 1, 0)), max_size=4))
    kth = [data.draw(st.sampled_from((rank, rank - n) if n else (rank,))) for rank in ranks]
    kth = kth[0] if len(kth) == 1 and data.draw(st.booleans()) else kth
    divided = fp.partition(array, kth, axis)
    indices = fp.argpartition(array, kth, axis)
    lines = array.ravel() if axis is None else array
    axis = 0 if axis is None else axis
    assert divided.dtype == array.dtype.newbyteorder("=")
    assert indices.dtype == np.int64
    if n == 0:
        assert divided.shape == indices.shape == lines.shape
        return
    ranks = sorted(set(ranks))
    expected = np.sort(lines, axis)
    assert_partitioned(divided, expected, ranks, axis)
    assert_partitioned(np.take_along_axis(lines, indices, axis), expected, ranks, axis)
    assert_array_equal(np.sort(indices, axis).sum(axis), n * (n - 1) // 2)


@pytest.mark.parametrize("name", ["rankdata", "nanrankdata"])
@given(case=arrays_and_axes(), method=st.sampled_from(METHODS))
def test_ranks_equal_the_twins(name, case, method):
    array, axis, _ = case
    actual = getattr(fp, name)(array, method, axis)
    assert actual.dtype == np.float64
    assert_array_equal(actual, as_expected(getattr(reference, name)(array, method, axis), actual))


ORDERS = {
    "random": lambda a: a,
    "ascending": np.sort,
    "descending": lambda a: np.sort(a)[::-1],
    "organ pipe": lambda a: np.concatenate([np.sort(a[::2]), np.sort(a[1::2])[::-1]]),
    "all equal": np.ones_like,
    "two values": lambda a: (a > 0).astype(a.dtype),
    "few values": np.round,
    "near one another": lambda a: 1 + a * 1e-12,
    "with nan": lambda a: np.where(np.abs(a) < 0.1, np.nan, a),
    "mostly nan": lambda a: np.where(np.abs(a) > 0.1, np.nan, a),
}


def ranked(array):
    """Return ranks without ties, by place, of an array in which NaN stands last."""
    ranks = np.empty(array.size)
    ranks[np.argsort(array, kind="stable")] = np.arange(1, array.size + 1)
    return ranks


@pytest.mark.parametrize("dtype", COMPILED)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [65, 1000, 40_000, LONG, 300_001])
def test_any_order_of_elements(size, order, dtype):
    array = ORDERS[order](fill((size,), "float64", 1, "plain"))
    array = array.astype(dtype) if dtype.startswith("float") else np.nan_to_num(array * 9)
    array = array.astype(dtype)
    for k in (1, 60, size // 3):
        # The stable order of the least; for the greatest, equal ones count from the other end.
        least = np.argsort(array, kind="stable")[:k]
        assert_array_equal(fp.topk(array, k, largest=False)[1], least)
        greatest = size - 1 - np.argsort(array[::-1], kind="stable")[::-1][:k]
        values, indices = fp.topk(array, k)
        assert_array_equal(indices, greatest)
        assert_array_equal(values, array[greatest])
    expected = np.sort(array)
    for kth in (0, 60, size // 2, size - 1):
        assert_partitioned(fp.partition(array, kth), expected, [kth], 0)
        assert_partitioned(array[fp.argpartition(array, kth)], expected, [kth], 0)
    assert_array_equal(fp.rankdata(array, "ordinal"), ranked(array))
    _, which, counts = np.unique(array, return_inverse=True, return_counts=True)
    assert_array_equal(fp.rankdata(array), (np.cumsum(counts) - (counts - 1) / 2)[which])


@pytest.mark.parametrize("workers", [1, 3])
def test_long_lines_along_any_axis(workers):
    array = np.round(fill((2, LONG, 3), "float64", 1, "plain"), 3)
    for view, axis in ((array, 1), (array[:, ::-1], -2), (array.T, 1), (array, None)):
        values, indices = fp.topk(view, 10, axis, workers=workers)
        lines = view.ravel() if axis is None else view
        expected = np.argsort(-lines, 0 if axis is None else axis, kind="stable")
        expected = expected[:10] if axis is None else expected[:, :10]
        assert_array_equal(indices, expected)
        assert_array_equal(values, np.take_along_axis(lines, expected, 0 if axis is None else axis))


def test_more_nan_than_are_wanted():
    array = fill((LONG,), "float64", 1, "plain")
    array[::2] = np.nan
    assert fp.topk(array, 3)[1].tolist() == [0, 2, 4]
    assert_array_equal(fp.topk(array, 3, largest=False)[0], np.sort(array)[:3])
    array[2:] = np.nan  # and so too few numbers
    assert fp.topk(array, 3, largest=False)[1].tolist() == [1, 0, 2]


def test_nan_is_last_and_equals_nan():
    nan = np.nan
    assert fp.rankdata([nan, 1, nan]).tolist() == [2.5, 1, 2.5]
    assert_array_equal(fp.nanrankdata([nan, 1, nan, 1]), [nan, 1.5, nan, 1.5])
    assert fp.topk([1.0, nan, 2.0], 2)[1].tolist() == [1, 2]
    assert fp.topk([1.0, nan, 2.0], 2, largest=False)[1].tolist() == [0, 2]
    assert_array_equal(fp.partition([nan, 2.0, 1.0], 0), [1, 2, nan])


def test_zeros_are_equal_and_keep_their_signs():
    zeros = np.array([0.0, -0.0, 0.0, -0.0])
    assert fp.rankdata(zeros).tolist() == [2.5] * 4
    assert fp.topk(zeros, 4)[1].tolist() == [0, 1, 2, 3]
    assert np.signbit(fp.partition(zeros, 2)).sum() == 2


def test_nothing():
    assert fp.rankdata([]).tolist() == []
    assert fp.partition([], 0).tolist() == []
    assert [part.shape for part in fp.topk(np.zeros((0, 3)), 2)] == [(0, 2), (0, 2)]
    assert [part.shape for part in fp.topk([1.0, 2.0], 0)] == [(0,), (0,)]
    assert fp.rankdata(3.0).tolist() == [1]


@pytest.mark.parametrize("k", [-1, 4, 10**30])
def test_k_out_of_range(k):
    with pytest.raises(ValueError, match="topk: k must be from 0 to 3, the length of the axis, n"):
        fp.topk([1.0, 2.0, 3.0], k)


def test_k_and_largest_of_a_wrong_type():
    with pytest.raises(TypeError, match="topk: k must be an integer, not 1.5"):
        fp.topk([1.0, 2.0, 3.0], 1.5)
    with pytest.raises(TypeError, match="topk: largest must be True or False, not 'yes'"):
        fp.topk([1.0, 2.0, 3.0], 1, largest="yes")


@pytest.mark.parametrize("name", ["partition", "argpartition"])
def test_kth_that_is_none(name):
    kernel = getattr(fp, name)
    for kth in (3, -4, [0, 3]):
        with pytest.raises(ValueError, match=rf"{name}: kth\(=(3|-4)\) out of bounds \(3\)"):
            kernel([1.0, 2.0, 3.0], kth)
    for kth in (1.5, "a", [[1]], None):
        with pytest.raises(TypeError, match=f"{name}: kth must be an integer or a sequence of int"):
            kernel([1.0, 2.0, 3.0], kth)


@pytest.mark.parametrize("name", ["rankdata", "nanrankdata"])
@pytest.mark.parametrize("method", ["mean", None, 1])
def test_method_that_is_none(name, method):
    with pytest.raises(ValueError, match=f"{name}: method must be one of average, min, max, dense"):
        getattr(fp, name)([1.0], method)


@pytest.mark.parametrize("name", NAMES)
def test_bad_input(name):
    kernel = getattr(fp, name)
    arguments = () if name.endswith("rankdata") else (1,)
    with pytest.raises(TypeError, match=rf"{name}: dtype complex128 is not supported; pass real"):
        kernel([1j, 2j], *arguments)
    with pytest.raises(TypeError, match="masked arrays are not supported"):
        kernel(np.ma.masked_array([1.0, 2.0], [True, False]), *arguments)
    with pytest.raises(np.exceptions.AxisError, match="axis 2 is out of bounds for array of dim"):
        kernel(np.zeros((2, 3)), *arguments, axis=2)
    with pytest.raises(TypeError):
        kernel(np.zeros((2, 3)), *arguments, axis=(0, 1))
    for array in ([1.0, 2.0], np.zeros(10_000), np.zeros(LONG)):
        with pytest.raises(ValueError, match="workers must be at least 1, not 0"):
            kernel(array, *arguments, workers=0)
        with pytest.raises(TypeError, match="workers must be None, a number of threads or a fast"):
            kernel(array, *arguments, workers="all")


@pytest.mark.parametrize("name", NAMES)
def test_the_array_is_left_as_it_was(name):
    for size in (10, 1000, LONG):
        array = fill((size,), "float64", 1, "nan")
        before = array.copy()
        getattr(fp, name)(array, *(() if name.endswith("rankdata") else (3,)))
        assert_array_equal(array, before)


def test_shared_arrays():
    array = fp.share(fill((LONG,), "float64", 1, "plain"))
    plain = np.array(array)
    assert_array_equal(fp.rankdata(array), fp.rankdata(plain))
    assert_array_equal(fp.topk(array, 5)[0], fp.topk(plain, 5)[0])
    assert_array_equal(fp.partition(array[:100], 5), fp.partition(plain[:100], 5))
