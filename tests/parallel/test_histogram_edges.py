"""Layer: tests of the kernels on every core.  Histograms with given edges, weights and several axes
against NumPy and the twins.
"""

import inspect

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import COMPILED, CONVERTED, arrays, fill
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal, assert_equal

import fastproc as fp
from fastproc import plan
from fastproc.kernels import reference

NAMES = ("histogram", "histogram2d", "histogramdd")


@st.composite
def edges(draw):
    """Return ascending edges, evenly spaced or not, some of them equal or infinite."""
    size = draw(st.sampled_from((2, 3, 4, 10, 100, 1000)))
    how = draw(st.sampled_from(("even", "nearly even", "skewed", "whole", "equal", "infinite")))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    made = np.linspace(-2, 3, size)
    if how == "nearly even":
        made = np.sort(made + rng.normal(size=size) * draw(st.sampled_from((1e-15, 1e-9, 1e-3))))
    elif how == "skewed":
        made = np.geomspace(1e-3, 1e3, size)
    elif how == "whole":
        made = np.arange(-size // 2, size - size // 2)
    elif how == "equal":
        made = np.sort(rng.choice(np.round(made), size))
    elif how == "infinite":
        made[0], made[-1] = -np.inf, np.inf
    return made


@given(data=st.data())
def test_given_edges(data):
    array = data.draw(arrays((*COMPILED, "int8", "uint32", ">f8"), how=("plain", "ties", "nan")))
    bins = data.draw(edges())
    counts, back = fp.histogram(array, bins)
    expected, _ = np.histogram(array, bins)
    assert counts.dtype == expected.dtype
    assert_array_equal(counts, expected)
    assert_array_equal(back, bins)
    if array.size < 2000:
        assert_array_equal(counts, reference.histogram(array, bins)[0])


@given(data=st.data())
def test_weights_and_density(data):
    array = data.draw(arrays(how=("plain", "ties", "offset")))
    bins = data.draw(st.sampled_from((1, 10, 5000)) | edges())
    rng = np.random.default_rng(1)
    kind = data.draw(st.sampled_from(("f8", "f4", "i4", "i8", ">f8", "?")))
    weights = (rng.normal(size=array.shape) * 5).astype(kind)
    wide = weights.astype("i8") if kind == "?" else weights  # NumPy adds bools up as bools
    try:
        expected, _ = np.histogram(array, bins, weights=wide)
    except ValueError:
        with pytest.raises(ValueError, match="histogram: "):
            fp.histogram(array, bins, weights=weights)
        return
    sums, _ = fp.histogram(array, bins, weights=weights)
    assert sums.dtype == expected.dtype.newbyteorder("=")
    rtol = 1e-4 if kind == "f4" else 1e-11
    assert_allclose(sums, expected, rtol=rtol, atol=rtol * 10)
    if array.size < 2000:
        twins = reference.histogram(array, bins, weights=weights.astype(float))[0]
        assert_allclose(sums, twins, rtol=rtol, atol=rtol * 10)
    with np.errstate(all="ignore"):
        expected = np.histogram(array, bins, density=True)[0]
        assert_array_equal(fp.histogram(array, bins, density=True)[0], expected)


@given(data=st.data())
def test_two_axes(data):
    shape = (data.draw(st.sampled_from((0, 1, 100, 1025))),)
    x, y = (
        fill(shape, data.draw(st.sampled_from((*COMPILED, "u2"))), seed, how)
        for seed, how in ((1, "plain"), (2, "ties"))
    )
    bins = data.draw(st.sampled_from((7, (3, 90))) | st.tuples(edges(), edges()) | edges())
    if isinstance(bins, np.ndarray) and bins.size == 2:
        bins = [bins, bins]
    range_ = data.draw(st.sampled_from((None, ((-1, 2), (0, 40)), (None, (-1, 1)))))
    weights = data.draw(st.sampled_from((None, np.random.default_rng(1).random(shape))))
    density = data.draw(st.booleans())
    with np.errstate(all="ignore"):
        expected = np.histogram2d(x, y, bins, range_, density, weights)
        actual = fp.histogram2d(x, y, bins, range_, density, weights)
        twins = reference.histogram2d(x, y, bins, range_, None, weights)
    for mine, numpys in zip(actual, expected, strict=True):
        assert_allclose(mine, numpys, rtol=1e-12)
    if not density:
        assert_allclose(actual[0], twins[0], rtol=1e-12)


@pytest.mark.parametrize("n_axes", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", [*COMPILED, *CONVERTED[1:-3]])
def test_several_axes(n_axes, dtype):
    sample = fill((3000, n_axes), dtype, 1, "plain")
    for layout in (sample, np.asfortranarray(sample), sample[::-2], list(sample.T)):
        expected, edges_ = np.histogramdd(layout, 4)
        actual, mine = fp.histogramdd(layout, 4)
        assert actual.dtype == np.float64
        assert_array_equal(actual, expected)
        assert type(mine) is tuple
        for one, other in zip(mine, edges_, strict=True):
            assert_array_equal(one, other)
    assert_array_equal(reference.histogramdd(sample, 4)[0], fp.histogramdd(sample, 4)[0])


def test_samples_of_one_axis():
    sample = np.random.default_rng(1).normal(size=100)
    assert_array_equal(fp.histogramdd(sample, 5)[0], np.histogramdd(sample, 5)[0])
    bins = [[-1, 0, 1]]
    assert_array_equal(fp.histogramdd(sample, bins)[0], np.histogramdd(sample, bins)[0])


def test_densities_of_several_axes():
    sample = np.random.default_rng(1).normal(size=(500, 3))
    bins = [[-1, 0, 5], 3, [-2.0, 0.5, 1]]
    expected = np.histogramdd(sample, bins, density=True)[0]
    assert_allclose(fp.histogramdd(sample, bins, density=True)[0], expected, rtol=1e-12)
    assert_allclose(reference.histogramdd(sample, bins, density=True)[0], expected, rtol=1e-12)


def test_cuts_do_not_change_counts(monkeypatch):
    x, y = fill((30_000,), "float64", 1, "plain"), fill((30_000,), "float64", 2, "plain")
    expected = fp.histogram2d(x, y, 20)[0]
    monkeypatch.setattr(plan, "HISTOGRAM_UNIT", 3000)
    assert_array_equal(fp.histogram2d(x, y, 20)[0], expected)


def test_weights_go_with_their_elements_in_any_layout():
    array, weights = np.arange(12.0).reshape(3, 4), np.arange(12.0).reshape(3, 4) ** 2
    expected = np.histogram(array, 5, weights=weights)[0]
    for turn in (np.asfortranarray, lambda a: a.T, lambda a: a[::-1]):
        assert_array_equal(fp.histogram(turn(array), 5, weights=turn(weights))[0], expected)


def result_of(call, *args, **kwargs):
    try:
        return [np.asarray(part) for part in call(*args, **kwargs)]
    except ValueError as error:
        return str(error)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of linspace, on the long way
@pytest.mark.parametrize("dtype", COMPILED)
@pytest.mark.parametrize(
    "limits",
    [(-2.0, 2.0), (-1, 3), (0, 1e300), (-1e308, 1e308), (0.0, 1e-320), (1e6, 1e6 + 1), (2.0, -2.0)],
)
def test_few_elements_in_a_row_are_counted_like_those_apart(dtype, limits):
    x, y = fill((1000,), dtype, 1, "plain"), fill((1000,), dtype, 2, "plain")
    weights = np.random.default_rng(1).normal(size=x.size)
    apart = [np.repeat(each, 2)[::2] for each in (x, y)]  # which goes the long way
    for w in (None, weights):
        short = result_of(fp.histogram, x, 37, limits, weights=w)
        assert_equal(short, result_of(fp.histogram, apart[0], 37, limits, weights=w))
        ranges = (limits, (-2.0, 2.0))
        short = result_of(fp.histogram2d, x, y, 37, ranges, weights=w)
        assert_equal(short, result_of(fp.histogram2d, *apart, 37, ranges, weights=w))


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_the_twins(name):
    ours, twins = (inspect.signature(getattr(each, name)) for each in (fp, reference))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in twins.parameters.values()
    ]


# Bad input ---------------------------------------------------------------------------------------


def call(name, bins, **options):
    """Make a histogram of three elements."""
    x = [1.0, 2.0, 3.0]
    if name == "histogram":
        return fp.histogram(x, bins, **options)
    if name == "histogram2d":
        return fp.histogram2d(x, x, [bins, 3], **options)
    return fp.histogramdd((x, x, x), [bins, 3, 2], **options)


@pytest.mark.parametrize("name", NAMES)
class TestBadBins:
    @pytest.mark.parametrize(
        ("bins", "error", "message"),
        [
            (0, ValueError, "must be at least 1, not 0"),
            (-3, ValueError, "must be at least 1, not -3"),
            (2**31 - 1, ValueError, r"must be less than 2\*\*31 - 1"),
            (2.5, TypeError, "must be an integer or edges, not 2.5"),
            (None, TypeError, "must be an integer or edges, not None"),
            ("auto", TypeError, "must be an integer or edges, not 'auto'; np.histogram_bin_edges"),
            ([1.0], ValueError, "must have at least 2 edges, not 1"),
            ([], ValueError, "must have at least 2 edges, not 0"),
            ([[1.0, 2.0]], ValueError, r"must have one axis, but the shape is \(1, 2\)"),
            ([3.0, 1.0], ValueError, "bins must ascend, but 3.0 stands before 1.0, at index 0"),
            ([0.0, np.nan], ValueError, "bins must not have NaN"),
            ([1j, 2], TypeError, "dtype complex128 is not supported"),
        ],
    )
    def test_message(self, name, bins, error, message):
        with pytest.raises(error, match=f"{name}: .*{message}"):
            call(name, bins)

    def test_weights(self, name):
        with pytest.raises(ValueError, match=rf"{name}: weights have shape \(2,\); .* \(3,\)"):
            call(name, 3, weights=[1.0, 2.0])
        with pytest.raises(TypeError, match=f"{name}: weights of dtype complex128 .* weights.real"):
            call(name, 3, weights=[1j, 2, 3])
        with pytest.raises(TypeError, match=f"{name}: dtype <U1 is not supported"):
            call(name, 3, weights=["a", "b", "c"])

    @pytest.mark.parametrize("workers", [0, "2"])
    def test_workers(self, name, workers):
        with pytest.raises((TypeError, ValueError), match="workers must be"):
            call(name, 3, workers=workers)


@pytest.mark.parametrize("name", NAMES[1:])
class TestBadAxes:
    def test_range(self, name):
        n_axes = int(name == "histogramdd") + 2
        with pytest.raises(ValueError, match=f"{name}: range must have one for each of {n_axes}"):
            call(name, 3, range=[(0, 1)])
        for limits, message in (
            ((2, 1), "range's maximum must not be below its minimum"),
            ((0, np.inf), "supplied range of .* is not finite"),
            (5, r"range must be \(least, greatest\), not 5"),
            ((1, np.nextafter(1, 2)), "too many bins for the range"),
        ):
            with pytest.raises((TypeError, ValueError), match=f"{name}: .*{message}"):
                call(name, 3, range=[limits] * n_axes)

    def test_cells_that_are_too_many(self, name):
        with pytest.raises(ValueError, match=f"{name}: bins of .* make .* cells; there must be"):
            call(name, 2**30)


def test_axes_that_do_not_fit():
    with pytest.raises(ValueError, match="histogram2d: x and y must be lines of one length, but"):
        fp.histogram2d([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="histogram2d: x and y must be lines of one length, but"):
        fp.histogram2d(np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="histogram2d: bins must be one for each of 2 axes, not 1"):
        fp.histogram2d([1.0], [1.0], [3])
    with pytest.raises(ValueError, match="histogramdd: bins must be one for each of 3 axes, not 2"):
        fp.histogramdd(np.zeros((5, 3)), [3, 3])
    with pytest.raises(ValueError, match="histogramdd: sample must have one axis or two, not 3"):
        fp.histogramdd(np.zeros((5, 3, 2)))
    with pytest.raises(ValueError, match="histogramdd: there must be from 1 to 32 axes, not 33"):
        fp.histogramdd(np.zeros((5, 33)), 1)


def test_range_of_given_edges_is_checked_though_not_used():
    assert fp.histogram([1.0], [0, 2], (5, 6))[0].tolist() == [1]
    with pytest.raises(ValueError, match="histogram: the range's maximum"):
        fp.histogram([1.0], [0, 2], (6, 5))
