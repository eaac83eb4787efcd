"""Layer: tests of the kernels on every core.  Searches in sorted edges against NumPy and twins."""

import inspect

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import COMPILED, CONVERTED, arrays
from hypothesis import given
from numpy.testing import assert_array_equal

import fastproc as fp
from fastproc.kernels import reference

#: Around the sizes at which a table of the edges is made, and a batch is full.
SIZES = (1, 2, 3, 7, 8, 9, 100, 1000, 5000)


@st.composite
def edges_for(draw, array):
    """Return ascending edges: elements of the array, what lies around them, or something else."""
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    size = draw(st.sampled_from(SIZES))
    how = draw(st.sampled_from(("elements", "uniform", "skewed", "infinite", "equal")))
    dtype = draw(st.sampled_from((array.dtype, "float64", "int32", "float32")))
    numbers = array[np.isfinite(array)]
    if how == "elements" and numbers.size:
        edges = rng.choice(numbers, size)
    elif how == "skewed":
        edges = np.geomspace(1e-2, 1e4, size)
    elif how == "equal":
        edges = np.full(size, 1)
    else:
        edges = np.linspace(-2, 3, size)
    with np.errstate(all="ignore"):
        edges = np.sort(edges.astype(dtype))
    if how == "infinite" and edges.dtype.kind == "f":
        edges[0], edges[-1] = -np.inf, np.inf
    return edges


@given(data=st.data())
def test_searchsorted_equals_numpy_and_twin(data):
    array = data.draw(arrays((*COMPILED, *CONVERTED)))
    edges = data.draw(edges_for(array))
    if edges.dtype.kind == "f" and data.draw(st.booleans()):
        edges[edges.size // 2 + 1 :] = np.nan
    side = data.draw(st.sampled_from(("left", "right")))
    expected = np.searchsorted(edges, array, side)
    actual = fp.searchsorted(edges, array, side)
    assert actual.dtype == np.int64
    assert_array_equal(actual, expected)
    if array.size < 5000:
        twins = reference.searchsorted(edges, array, side)
        assert_array_equal(actual, np.reshape(twins, actual.shape))
    sorter = np.random.default_rng(1).permutation(edges.size)
    shuffled = np.empty_like(edges)
    shuffled[sorter] = edges
    assert_array_equal(fp.searchsorted(shuffled, array, side, sorter), expected)


@given(data=st.data())
def test_digitize_equals_numpy_and_twin(data):
    array = data.draw(arrays((*COMPILED, *CONVERTED)))
    edges = data.draw(edges_for(array))[:: data.draw(st.sampled_from((1, -1)))]
    right = data.draw(st.booleans())
    actual = fp.digitize(array, edges, right)
    assert_array_equal(actual, np.digitize(array, edges, right))
    if array.size < 5000:
        twins = reference.digitize(array, edges, right)
        assert_array_equal(actual, np.reshape(twins, actual.shape))


def test_numbers_and_no_edges():
    for function in (fp.searchsorted, reference.searchsorted):
        assert function([1.0, 2.0], 1.5) == 1
        assert function([], 1.5) == 0
    assert fp.digitize(3, [1, 2, 3]) == 3
    assert np.shape(fp.digitize(3, [1, 2, 3])) == ()
    assert_array_equal(fp.digitize([1.0, np.nan], []), [0, 0])
    assert fp.digitize(np.zeros((2, 0)), [1.0]).shape == (2, 0)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_integers_that_a_double_cannot_tell_apart(dtype):
    edges = np.arange(2**62, 2**62 + 100).astype(dtype)
    assert_array_equal(fp.searchsorted(edges, edges), np.arange(100))
    assert_array_equal(fp.digitize(np.tile(edges, 50), edges), np.tile(np.arange(100) + 1, 50))


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e300, 1.7e308])
def test_edges_of_any_span(scale):
    edges = np.sort(np.random.default_rng(1).uniform(-1, 1, 50) * scale)
    x = np.concatenate([np.tile(edges, 5), [-np.inf, np.inf, np.nan, 0, 1e308, -1e308]])
    for side in ("left", "right"):
        assert_array_equal(fp.searchsorted(edges, x, side), np.searchsorted(edges, x, side))


def test_an_array_that_is_not_sorted_is_nobodys_end():
    a = np.random.default_rng(1).normal(size=5000)
    for values in (a, a[:10]):
        places = fp.searchsorted(a, values)
        assert ((places >= 0) & (places <= a.size)).all()


@pytest.mark.parametrize("edges", [[], [np.nan], [np.nan, np.nan]])
def test_many_values_among_edges_that_are_none(edges):
    values = np.full(50_000, 1.0)  # several units
    assert_array_equal(fp.searchsorted(edges, values), np.searchsorted(edges, values))
    assert_array_equal(fp.searchsorted(edges, values, "right"), np.zeros(50_000))
    assert_array_equal(fp.digitize(values, []), np.zeros(50_000))


def test_values_in_shared_memory_and_in_any_order():
    x = np.random.default_rng(1).normal(size=(300, 200))
    edges = np.linspace(-2, 2, 77)
    expected = np.digitize(x, edges)
    assert_array_equal(fp.digitize(fp.share(x), fp.share(edges)), expected)
    assert_array_equal(fp.digitize(x.T, edges), expected.T)
    assert type(fp.digitize(fp.share(x), edges)) is np.ndarray


def test_signatures_are_the_twins():
    for name in ("digitize", "searchsorted"):
        ours, twins = (inspect.signature(getattr(each, name)) for each in (fp, reference))
        assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
            (p.name, p.kind, p.default) for p in twins.parameters.values()
        ]


# Bad input ---------------------------------------------------------------------------------------


def test_bins_in_no_order():
    message = "digitize: bins must ascend or descend, but 3.0 stands before 2.0, at index 1"
    with pytest.raises(ValueError, match=message):
        fp.digitize([1.0], [1.0, 3.0, 2.0])


@pytest.mark.parametrize("bins", [[np.nan], [0.0, np.nan], [np.nan, 0.0], [3.0, np.nan, 1.0]])
def test_bins_of_nan(bins):
    with pytest.raises(ValueError, match="digitize: bins must not have NaN"):
        fp.digitize([1.0], bins)


@pytest.mark.parametrize("edges", [1.0, [[1.0, 2.0]]])
def test_edges_of_another_shape(edges):
    with pytest.raises(ValueError, match="digitize: bins must have one axis, but the shape is"):
        fp.digitize([1.0], edges)
    with pytest.raises(ValueError, match="searchsorted: a must have one axis, but the shape is"):
        fp.searchsorted(edges, [1.0])


@pytest.mark.parametrize("side", ["middle", None, 1, "Left"])
def test_side_that_is_none(side):
    with pytest.raises(ValueError, match="searchsorted: side must be 'left' or 'right', not"):
        fp.searchsorted([1.0], [1.0], side)


@pytest.mark.parametrize("right", ["left", None])
def test_right_is_a_flag(right):
    with pytest.raises(TypeError, match="digitize: right must be True or False, not"):
        fp.digitize([1.0], [1.0], right)


def test_sorters_that_are_none():
    with pytest.raises(TypeError, match="searchsorted: sorter must be integers, not float64"):
        fp.searchsorted([1.0], [1.0], sorter=[0.0])
    with pytest.raises(ValueError, match=r"searchsorted: sorter has shape \(2,\); like a .*\(1,\)"):
        fp.searchsorted([1.0], [1.0], sorter=[0, 0])
    for wrong in ([0, 2], [-1, 0]):
        with pytest.raises(ValueError, match="searchsorted: sorter has indices .* from 0 to 1"):
            fp.searchsorted([1.0, 2.0], [1.0], sorter=wrong)


@pytest.mark.parametrize("wrong", [[1j], ["a"], [None]])
def test_what_is_no_real_number(wrong):
    for name, arguments in (("digitize", (wrong, [1.0])), ("searchsorted", ([1.0], wrong))):
        with pytest.raises(TypeError, match=f"{name}: dtype .* is not supported"):
            getattr(fp, name)(*arguments)
        with pytest.raises(TypeError, match=f"{name}: dtype .* is not supported"):
            getattr(fp, name)(*arguments[::-1])


@pytest.mark.parametrize("workers", [0, "2"])
def test_workers(workers):
    with pytest.raises((TypeError, ValueError), match="workers must be"):
        fp.digitize(np.zeros(3), np.zeros(3), workers=workers)
