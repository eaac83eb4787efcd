"""Layer: tests of the kernels on every core.  The histogram against NumPy, its twin and the
definition of a bin.
"""

import inspect

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import CONVERTED, NUMPY_1, arrays, fill
from hypothesis import given
from numpy.testing import assert_array_equal

import fastproc as fp
from fastproc.kernels import reference

BINS = (1, 2, 3, 10, 100, 1000, 5000)


def assert_same(actual, expected):
    for mine, theirs in zip(actual, expected, strict=True):
        assert mine.dtype == theirs.dtype
        assert_array_equal(mine, theirs)


@given(data=st.data())
def test_equals_numpy_and_twin(data):
    array = data.draw(arrays(how=("plain", "ties", "tiny", "offset", "nan")))
    bins = data.draw(st.sampled_from(BINS))
    limits = data.draw(
        st.sampled_from((None, (-1, 1), (0, 100), (-3.7, 2.2), (1e6, 1e6 + 3), (5, 5)))
    )
    try:
        expected = np.histogram(array, bins, limits)
    except ValueError:
        with pytest.raises(ValueError, match="histogram"):
            fp.histogram(array, bins, limits)
        return
    if NUMPY_1 and not np.all(np.diff(expected[1]) > 0):
        return  # bins without width, which NumPy 2 and fastproc refuse
    actual = fp.histogram(array, bins, limits)
    assert_same(actual, expected)
    assert_array_equal(actual[0], reference.histogram(array, bins, limits)[0])


@given(array=arrays(CONVERTED, how=("plain",)), bins=st.sampled_from(BINS))
def test_other_dtypes(array, bins):
    if array.dtype.kind == "b" or array.dtype == np.float16:
        array = array.astype(np.int8)  # of which NumPy has no histogram, or one with rounded bins
    assert_same(fp.histogram(array, bins), np.histogram(array, bins))


@given(
    first=st.floats(-1e300, 1e300),
    width=st.floats(1e-300, 1e300),
    bins=st.sampled_from((1, 3, 10, 64)),
    seed=st.integers(0, 1000),
)
def test_every_element_is_in_the_bin_that_its_edges_say(first, width, bins, seed):
    rng = np.random.default_rng(seed)
    try:
        _, edges = fp.histogram([], bins, (first, first + width))
    except ValueError:
        return  # too narrow for the numbers around it
    # On the edges, next to them and anywhere.
    array = np.concatenate(
        [edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf), rng.choice(edges, 50)]
    )
    array = np.concatenate([array, edges[0] + rng.random(50) * (edges[-1] - edges[0])])
    inside = array[(array >= edges[0]) & (array <= edges[-1])]
    place = np.minimum(np.searchsorted(edges, inside, side="right") - 1, bins - 1)
    expected = np.bincount(place, minlength=bins)
    assert_array_equal(fp.histogram(array, bins, (first, first + width))[0], expected)


def test_signature_is_the_twins():
    ours = inspect.signature(fp.histogram)
    twins = inspect.signature(reference.histogram)
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in twins.parameters.values()
    ]


def test_counts_are_whole_for_any_cut():
    array = fill((1_200_000,), "float64", 1, "plain")
    for bins in (10, 100_000):
        counts, edges = fp.histogram(array, bins)
        assert counts.sum() == array.size
        assert_same((counts, edges), np.histogram(array, bins))
