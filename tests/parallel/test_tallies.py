"""Layer: tests of the kernels on every core.  Accumulators of histograms and groups."""

import pickle
import re

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import fill
from hypothesis import given

import fastproc as fp

GROUPS = ("Sum", "Count", "Mean", "Var", "Std", "Min", "Max", "First", "Last")


def in_pieces(accumulator, pieces, data):
    """Update or merge an accumulator by the pieces, which are tuples of arguments."""
    for piece in pieces:
        if data.draw(st.booleans()):
            accumulator.update(*piece)
        else:
            other = pickle.loads(pickle.dumps(accumulator.__class__(*accumulator._settings)))
            accumulator.merge(pickle.loads(pickle.dumps(other.update(*piece))))
    return accumulator


def pieces_of(data, *arrays):
    cuts = sorted(data.draw(st.lists(st.integers(0, arrays[0].shape[-1]), max_size=3)))
    return zip(*(np.split(array, cuts, axis=-1) for array in arrays), strict=True)


@pytest.mark.parametrize("name", GROUPS)
@given(data=st.data())
def test_groups_of_pieces(name, data):
    dtype = data.draw(st.sampled_from(("float64", "float32", "int64")))
    shape = data.draw(st.sampled_from(((40,), (3, 200))))
    values = fill(
        shape, dtype, data.draw(st.integers(0, 9)), data.draw(st.sampled_from(("plain", "nan")))
    )
    labels = np.random.default_rng(1).integers(-1, 5, shape[-1])
    floats = values.astype(float) if dtype == "int64" else values
    kernel = getattr(fp, f"group_{name.lower()}")
    expected = kernel(floats, labels, 7)
    accumulator = getattr(fp, f"Group{name}")(7)
    actual = in_pieces(accumulator, pieces_of(data, values, labels), data).result()
    np.testing.assert_allclose(
        actual, expected, rtol=1e-4 if dtype == "float32" else 1e-10, atol=1e-5
    )


def test_variance_of_groups_far_from_zero():
    labels = np.arange(9000) % 3
    values = fill((9000,), "float64", 1, "plain") + 1e8
    accumulator = fp.GroupVar(3, ddof=0)
    for start in range(0, 9000, 700):
        accumulator.update(values[start : start + 700], labels[start : start + 700])
    expected = [np.var(values[labels == group] - 1e8) for group in range(3)]
    np.testing.assert_allclose(accumulator.result(), expected, rtol=1e-7)


def test_variance_of_groups_with_infinity():
    labels = [0, 0, 1, 1]
    tally = fp.GroupVar(2).update([np.inf, 1.0, 2.0, 4.0], labels)
    np.testing.assert_array_equal(tally.result(), [np.nan, 2.0])
    np.testing.assert_array_equal(tally.update(np.ones(4), labels).result()[0], np.nan)
    later = fp.GroupVar(2).update([1.0, 2.0], [0, 1]).update([np.inf], [0])
    np.testing.assert_array_equal(later.result(), [np.nan, np.nan])


def test_variance_of_a_group_whose_square_overflows_and_that_comes_late():
    tally = fp.GroupVar(2, ddof=0).update([1.0], [0]).update([1e200, 1e200], [1, 1])
    assert tally.result().tolist() == [0.0, 0.0]


def test_groups_before_the_first_piece():
    assert fp.GroupCount(2).result().tolist() == [0, 0]
    assert fp.GroupSum(2).result().tolist() == [0.0, 0.0]
    assert np.isnan(fp.GroupMean(2).result()).all()
    assert np.isnan(fp.GroupStd(2).merge(fp.GroupStd(2)).result()).all()


@given(data=st.data())
def test_histograms_of_pieces(data):
    x = fill((500,), data.draw(st.sampled_from(("float64", "float32", "int32"))), 1, "plain")
    weights = np.random.default_rng(2).integers(0, 5, 500)
    for bins, limits in ((7, (-2, 2)), ([-1.0, 0.0, 0.5, 3.0], None)):
        expected, edges = fp.histogram(x.astype(float), bins, limits)
        counts, ours = in_pieces(fp.Histogram(bins, limits), pieces_of(data, x), data).result()
        np.testing.assert_array_equal(counts, expected)
        np.testing.assert_array_equal(ours, edges)
        expected, _ = fp.histogram(x.astype(float), bins, limits, weights=weights)
        tally = in_pieces(fp.Histogram(bins, limits), pieces_of(data, x, weights), data)
        np.testing.assert_array_equal(tally.result()[0], expected)


def test_pieces_in_half_precision_are_counted_by_the_same_edges():
    x = np.linspace(0, 1, 2000).astype(np.float16)
    bins = 7, (0.1, 0.9)
    counts, edges = fp.Histogram(*bins).update(x).result()
    np.testing.assert_array_equal(counts, np.histogram(x.astype(float), *bins)[0])
    np.testing.assert_array_equal(edges, np.linspace(0.1, 0.9, 8))


def test_edges_that_the_caller_changes_later():
    edges = np.array([0.0, 1.0, 2.0])
    line, plane = fp.Histogram(edges), fp.HistogramDD([edges])
    edges[1] = 0.25
    line.update([0.5]), plane.update([[0.5]])
    plane.result()[1][0][:] = 7
    for counts, kept in (line.result(), (plane.result()[0], plane.result()[1][0])):
        assert counts.tolist() == [1, 0]
        assert kept.tolist() == [0.0, 1.0, 2.0]


def test_histograms_of_several_axes():
    sample = fill((800, 2), "float64", 1, "plain")
    bins, limits = (5, [-1.0, 0.0, 2.0]), ((-2, 2), None)
    expected, edges = fp.histogramdd(sample, bins, limits)
    tally = fp.HistogramDD(bins, limits).update(sample[:300])
    tally.merge(fp.HistogramDD(bins, limits).update(sample[300:], workers=2))
    counts, ours = tally.result()
    np.testing.assert_array_equal(counts, expected)
    for one, other in zip(ours, edges, strict=True):
        np.testing.assert_array_equal(one, other)


@given(data=st.data())
def test_counts_of_pieces(data):
    x = np.random.default_rng(3).integers(0, 9, 60)
    weights = np.random.default_rng(3).integers(0, 9, 60).astype(float)
    minlength = data.draw(st.sampled_from((0, 20)))
    counts = in_pieces(fp.BinCount(minlength), pieces_of(data, x), data).result()
    np.testing.assert_array_equal(counts, np.bincount(x, minlength=minlength))
    sums = in_pieces(fp.BinCount(minlength), pieces_of(data, x, weights), data).result()
    np.testing.assert_array_equal(sums, np.bincount(x, weights, minlength))


def test_tallies_of_other_edges_are_not_merged_however_many_there_are():
    edges = np.arange(3000.0)
    others = edges.copy()
    others[1500] += 0.25
    assert fp.Histogram(edges).merge(fp.Histogram(edges.copy())).result()[0].size == 2999
    with pytest.raises(ValueError, match="cannot merge"):
        fp.Histogram(edges).merge(fp.Histogram(others))


@pytest.mark.parametrize(
    ("misuse", "error", "message"),
    [
        (lambda: fp.Histogram(5), ValueError, "Histogram: pass the range, or edges, since the pie"),
        (lambda: fp.HistogramDD([5]), ValueError, "HistogramDD: pass the range, or edges, since"),
        (
            lambda: fp.HistogramDD([5, 5], [(0, 1)]),
            ValueError,
            "HistogramDD: range must have one for each of 2 axes, not 1",
        ),
        (lambda: fp.Histogram([2, 1]), ValueError, "ascend"),
        (
            lambda: fp.Histogram(5, (0, 1)).merge(fp.Histogram(6, (0, 1))),
            ValueError,
            "Histogram: cannot merge one made with (6, (0, 1)) into one made with (5, (0, 1))",
        ),
        (
            lambda: fp.GroupSum(2).merge(fp.GroupMean(2)),
            TypeError,
            "GroupSum: only another GroupSum can be merged, not <",
        ),
        (
            lambda: fp.GroupSum(2).update([[1.0]], [0]).update([1.0], [0]),
            ValueError,
            "GroupSum: a piece has results of shape (2,), the pieces before it have (1, 2); all",
        ),
        (lambda: fp.GroupSum(2).update([1.0], [2]), ValueError, "group_sum"),
        (lambda: fp.GroupSum("two"), TypeError, "'str' object cannot be interpreted as an integer"),
        (lambda: fp.GroupSum(-1), ValueError, "num_labels"),
        (lambda: fp.BinCount(-1), ValueError, "minlength"),
    ],
)
def test_misuse(misuse, error, message):
    with pytest.raises(error, match=re.escape(message)):
        misuse()
