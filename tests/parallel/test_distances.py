"""Layer: tests of the kernels on every core.  Distances against their twins, exact arithmetic and
what SciPy does.
"""

import inspect
import math
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import COMPILED, CONVERTED, fill
from hypothesis import given

import fastproc as fp
from fastproc.kernels import reference
from fastproc.kernels.validate_distances import METRICS

# What the twin may compute with other bits: powers, and what the mean of a row is taken from.
POWERS = ("minkowski",)
MEANS = ("correlation",)

#: Around the sizes at which the loops change: lanes, rows of a block, columns of a panel.
ROWS = (0, 1, 2, 31, 32, 33, 127, 128, 129)
WIDTHS = (0, 1, 2, 3, 16, 63, 64, 65, 130)
HOW = ("plain", "ties", "huge", "tiny", "offset", "nan", "inf", "both")


def order_of(metric):
    return {"p": 2.3} if metric == "minkowski" else {}


@st.composite
def points(draw, width, dtypes=COMPILED, how=HOW, n=None):
    """Return rows of `width` columns: any view of them that keeps the axes."""
    if n is None:
        n = draw(st.sampled_from(ROWS))
    array = fill(
        (n, width),
        draw(st.sampled_from(dtypes)),
        draw(st.integers(0, 99)),
        draw(st.sampled_from(how)),
    )
    kind = draw(st.sampled_from(("plain", "fortran", "backwards", "stepped", "record")))
    if kind == "fortran":
        return np.asfortranarray(array)
    if kind == "backwards":
        return array[::-1, ::-1]
    if kind == "stepped":
        return np.repeat(np.repeat(array, 2, axis=0), 3, axis=1)[::2, ::3]
    if kind == "record":
        record = np.zeros(array.shape, np.dtype([("flag", "i1"), ("value", array.dtype)]))
        record["value"] = array
        return record["value"]
    return array


@st.composite
def two_sets(draw, **keywords):
    width = draw(st.sampled_from(WIDTHS))
    return draw(points(width, **keywords)), draw(points(width, **keywords))


def assert_close(actual, expected, metric):
    """Compare with the twin: the same bits, but for powers and for what a mean was taken from."""
    actual, expected = np.asarray(actual), np.asarray(expected, np.float64).reshape(actual.shape)
    assert actual.dtype == np.float64
    if metric in POWERS:
        np.testing.assert_allclose(actual, expected, rtol=1e-13)
    elif metric in MEANS:
        # A row that is constant but for rounding has no direction.
        sure = np.isfinite(expected) & np.isfinite(actual)
        assert np.mean(np.abs(actual - expected)[sure] < 1e-9) > 0.9 if sure.any() else True
    else:
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("metric", METRICS)
@given(sets=two_sets())
def test_cdist_equals_its_twin(metric, sets):
    a, b = sets
    a, b = a[:40], b[:140]
    actual = fp.cdist(a, b, metric, **order_of(metric))
    assert actual.shape == (len(a), len(b))
    assert_close(actual, reference.cdist(a, b, metric, **order_of(metric)), metric)


@pytest.mark.parametrize("metric", METRICS)
@given(data=st.data())
def test_pdist_is_the_upper_triangle_of_cdist(metric, data):
    x = data.draw(points(data.draw(st.sampled_from(WIDTHS))))
    n = len(x)
    actual = fp.pdist(x, metric, **order_of(metric))
    assert actual.shape == (n * (n - 1) // 2,)
    np.testing.assert_array_equal(
        actual, fp.cdist(x, x, metric, **order_of(metric))[np.triu_indices(n, 1)]
    )
    few = x[:20]
    assert_close(
        fp.pdist(few, metric, **order_of(metric)),
        reference.pdist(few, metric, **order_of(metric)),
        metric,
    )


@pytest.mark.parametrize("metric", METRICS)
@given(data=st.data())
def test_nearest_is_the_sorted_rows_of_cdist(metric, data):
    a, b = data.draw(two_sets())
    b = b if len(b) else np.zeros((1, a.shape[1]))
    k = data.draw(st.integers(1, len(b)))
    distances, indices = fp.nearest(a, b, k, metric, **order_of(metric))
    assert distances.shape == indices.shape == (len(a), k)
    assert (distances.dtype, indices.dtype) == (np.float64, np.int64)
    table = fp.cdist(a, b, metric, **order_of(metric))
    places = np.argsort(table, axis=1, kind="stable")[:, :k]  # NaN last
    np.testing.assert_array_equal(indices, places)
    np.testing.assert_array_equal(distances, np.take_along_axis(table, places, axis=1))
    if metric not in (*POWERS, *MEANS):
        twins = reference.nearest(a[:3], b, k, metric)
        np.testing.assert_array_equal(np.reshape(twins[0], (-1, k)), distances[:3])
        np.testing.assert_array_equal(np.reshape(twins[1], (-1, k)), indices[:3])


#: What makes an estimate in float32 useless, or nearly so.
TRYING = {
    "plain": lambda a, rng: a,
    "far from 0": lambda a, rng: a + 1e6,
    "very far from 0": lambda a, rng: a + 1e15,
    "whole numbers": lambda a, rng: np.round(a),
    "one point": lambda a, rng: np.zeros_like(a),
    "squares underflow": lambda a, rng: a * 1e-170,
    "some squares underflow": lambda a, rng: (
        a * np.where(rng.random(len(a)) < 0.9, 1e-170, 1)[:, None]
    ),
    "beyond float32": lambda a, rng: a * 1e140,
    "squares overflow": lambda a, rng: a * 1e160,
    "subnormal": lambda a, rng: a * 1e-310,
    "one far away": lambda a, rng: a * np.where(np.arange(len(a)) == 7, 1e12, 1)[:, None],
    "nearly the same": lambda a, rng: 1 + a * 1e-15,
    "twice": lambda a, rng: a[np.arange(len(a)) // 2],
    "a NaN": lambda a, rng: np.where(np.arange(len(a)) == 7, np.nan, 1)[:, None] * a,
    "an infinity": lambda a, rng: np.where(np.arange(len(a)) == 7, np.inf, 1)[:, None] * np.abs(a),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("how", TRYING)
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
@pytest.mark.parametrize("k", [1, 10, 40])
def test_the_screen_rules_out_nothing_that_is_near(metric, how, k):
    rng = np.random.default_rng(k)
    for width in (12, 100):
        with np.errstate(all="ignore"):
            a = TRYING[how](rng.normal(size=(150, width)), rng)
            b = TRYING[how](rng.normal(size=(611, width)), rng)
        for one, other in ((a, b), (a, a), (b, b[:400])):
            if len(other) < k:
                continue
            distances, indices = fp.nearest(one, other, k, metric)
            table = fp.cdist(one, other, metric)
            places = np.argsort(table, axis=1, kind="stable")[:, :k]
            np.testing.assert_array_equal(indices, places)
            np.testing.assert_array_equal(distances, np.take_along_axis(table, places, axis=1))


@given(data=st.data())
def test_other_dtypes_are_converted(data):
    width = data.draw(st.sampled_from((1, 3, 16)))
    a, b = (data.draw(points(width, CONVERTED, ("plain",), n=20)) for _ in range(2))
    metric = data.draw(st.sampled_from(METRICS))
    wide = [np.asarray(x, np.float64) for x in (a, b)]
    np.testing.assert_array_equal(
        fp.cdist(a, b, metric, **order_of(metric)), fp.cdist(*wide, metric, **order_of(metric))
    )


def test_float32_is_computed_in_float64():
    a = fill((5, 100), "float32", 1, "offset")
    assert fp.cdist(a, a + np.float32(1)).dtype == np.float64
    np.testing.assert_array_equal(fp.cdist(a, a[::-1]), fp.cdist(a.astype("f8"), a[::-1]))


@pytest.mark.parametrize("width", [1, 3, 128, 1000])
def test_near_points_far_from_the_origin(width):
    # The formula |a|^2 - 2ab + |b|^2 has no right digit here.
    rng = np.random.default_rng(width)
    a = 1e8 + rng.normal(size=(4, width))
    b = a + rng.normal(size=(4, width)) * 1e-6
    actual = fp.cdist(a, b)
    squares = fp.cdist(a, b, "sqeuclidean")
    for i, row in enumerate(a):
        for j, other in enumerate(b):
            pairs = zip(map(Fraction, row), map(Fraction, other), strict=True)
            exact = sum((x - y) ** 2 for x, y in pairs)
            assert abs(Fraction(squares[i, j]) - exact) <= (width + 2) * exact / 2**53
            assert math.isclose(actual[i, j], math.sqrt(exact), rel_tol=(width + 2) / 2**53)


@pytest.mark.parametrize("p", [1, 1.5, 2, 2.5, 3, 7.25, 16, 16.5, np.inf, np.float32(4), "inf"])
def test_orders_of_minkowski(p):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(7, 20)), rng.normal(size=(9, 20))
    order = float(p)
    expected = [[np.linalg.norm(row - other, ord=order) for other in b] for row in a]
    np.testing.assert_allclose(fp.cdist(a, b, "minkowski", p=p), expected, rtol=1e-13)


def test_three_orders_are_metrics_of_their_own():
    a = fill((30, 20), "float64", 1, "plain")
    for p, metric in ((1, "cityblock"), (2, "euclidean"), (np.inf, "chebyshev")):
        np.testing.assert_array_equal(fp.pdist(a, "minkowski", p=p), fp.pdist(a, metric))
        assert reference.pdist(a, "minkowski", p=p) == reference.pdist(a, metric)


def test_names_of_metrics_in_any_case():
    a = fill((5, 4), "float64", 1, "plain")
    np.testing.assert_array_equal(fp.pdist(a, "CityBlock"), fp.pdist(a, "cityblock"))
    assert reference.pdist(a, "CityBlock") == reference.pdist(a, "cityblock")


class TestAsInSciPy:
    """What SciPy 1.17 answers where there is a choice."""

    rows = np.array([[1, np.nan, 2], [0, 0, 0], [1, 0, 3.0]])

    @pytest.mark.parametrize(
        ("metric", "expected"),
        [
            ("euclidean", [[np.nan] * 3, [np.nan, 0, 10**0.5], [np.nan, 10**0.5, 0]]),
            ("cityblock", [[np.nan] * 3, [np.nan, 0, 4], [np.nan, 4, 0]]),
            ("chebyshev", [[0, 2, 1], [2, 0, 3], [1, 3, 0]]),
            ("cosine", [[np.nan] * 3, [np.nan] * 3, [np.nan, np.nan, 2.0**-52]]),
            ("correlation", [[np.nan] * 3, [np.nan] * 3, [np.nan, np.nan, 2.0**-52]]),
            ("hamming", [[1 / 3, 1, 2 / 3], [1, 0, 2 / 3], [2 / 3, 2 / 3, 0]]),
            ("jaccard", [[0, 1, 1 / 3], [1, 0, 1], [1 / 3, 1, 0]]),
        ],
    )
    def test_nan_and_rows_of_zeros(self, metric, expected):
        for kernel in (fp.cdist, reference.cdist):
            np.testing.assert_allclose(
                kernel(self.rows, self.rows, metric), expected, rtol=1e-15, atol=2.0**-51
            )

    def test_jaccard_looks_for_zeros_only(self):
        for kernel in (fp.cdist, reference.cdist):
            assert kernel([[1, 2, 0, 5]], [[3, 2, 0, 0]], "jaccard") == [[1 / 3]]
            assert kernel([[0.0, -0.0]], [[0, 0]], "jaccard") == [[0.0]]

    @pytest.mark.parametrize("metric", METRICS)
    def test_rows_without_columns(self, metric):
        nothing = np.zeros((2, 0))
        is_quotient = metric in ("cosine", "correlation", "hamming")
        for kernel in (fp.cdist, reference.cdist):
            actual = np.asarray(kernel(nothing, nothing, metric))
            np.testing.assert_array_equal(actual, np.full((2, 2), np.nan if is_quotient else 0.0))

    @pytest.mark.parametrize("metric", METRICS)
    def test_no_rows(self, metric):
        assert fp.cdist(np.zeros((0, 3)), np.zeros((4, 3)), metric).shape == (0, 4)
        assert fp.cdist(np.zeros((4, 3)), np.zeros((0, 3)), metric).shape == (4, 0)
        for n in (0, 1):
            assert fp.pdist(np.zeros((n, 3)), metric).shape == (0,)
        assert [x.shape for x in fp.nearest(np.zeros((0, 3)), np.zeros((2, 3)), 2)] == [(0, 2)] * 2

    def test_infinity(self):
        assert fp.cdist([[1e200, 0]], [[0, 0]]) == np.inf
        assert np.isnan(fp.cdist([[np.inf]], [[np.inf]], "cityblock"))
        assert fp.cdist([[np.inf]], [[1.0]], "chebyshev") == np.inf

    def test_unsigned_integers_do_not_wrap(self):
        assert fp.cdist(np.array([[3]], "u1"), np.array([[5]], "u1")) == 2


@pytest.mark.parametrize("name", ["cdist", "pdist", "nearest"])
def test_signature_is_the_twins(name):
    ours = inspect.signature(getattr(fp, name))
    twins = inspect.signature(getattr(reference, name))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in twins.parameters.values()
    ]


def test_cosine_is_never_below_0_or_above_2():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(50, 3))
    table = fp.cdist(a, np.concatenate([a * 3, -a]), "cosine")
    assert table.min() >= 0
    assert table.max() <= 2


@pytest.mark.parametrize("kernel", [fp.pdist, lambda x, **more: fp.cdist(x, x[:50], **more)])
class TestOut:
    array = fill((140, 10), "float64", 1, "plain")

    def test_every_element_is_written(self, kernel):
        expected = kernel(self.array)
        out = np.full(expected.shape, np.nan)
        assert kernel(self.array, out=out) is out
        np.testing.assert_array_equal(out, expected)
        strided = np.full((*expected.shape, 2), np.nan)[..., 0]
        assert kernel(self.array, out=strided) is strided
        np.testing.assert_array_equal(strided, expected)
        backwards = np.full(expected.shape, np.nan)[::-1]
        assert kernel(self.array, out=backwards) is backwards
        np.testing.assert_array_equal(backwards, expected)

    def test_another_dtype(self, kernel):
        out = np.zeros(kernel(self.array).shape, ">f4")
        assert kernel(self.array, out=out) is out
        np.testing.assert_array_equal(out, kernel(self.array).astype("f4"))

    def test_that_overlaps_the_input(self, kernel):
        expected = kernel(self.array)
        memory = np.zeros(20_000)
        rows = memory[:1400].reshape(140, 10)
        rows[...] = self.array
        out = memory[5 : 5 + expected.size].reshape(expected.shape)
        assert kernel(rows, out=out) is out
        np.testing.assert_array_equal(out, expected)

    def test_in_shared_memory(self, kernel):
        expected = kernel(self.array)
        shared, out = fp.share(self.array), fp.shared_zeros(expected.shape)
        assert kernel(shared, out=out) is out
        np.testing.assert_array_equal(out, expected)
        assert type(kernel(shared)) is np.ndarray

    def test_that_will_not_do(self, kernel):
        shape = kernel(self.array).shape
        with pytest.raises(ValueError, match=r"dist: out has shape \(3,\); the result has shape"):
            kernel(self.array, out=np.zeros(3))
        with pytest.raises(TypeError, match=r"dist: out has dtype int64, which cannot hold"):
            kernel(self.array, out=np.zeros(shape, np.int64))
        with pytest.raises(ValueError, match=r"dist: out is read-only"):
            kernel(self.array, out=np.broadcast_to(0.0, shape))
        with pytest.raises(TypeError, match=r"dist: out must be an array, not list"):
            kernel(self.array, out=[])


def test_out_of_a_pool(monkeypatch):
    from fastproc import plan

    monkeypatch.setattr(plan, "PROCESS_SHARE_NS", 1)
    array = fill((300, 10), "float64", 1, "plain")
    expected = fp.pdist(array, workers=1)
    with fp.Pool(2) as pool:
        for out in (np.full(expected.shape, np.nan), fp.share(np.full(expected.shape, np.nan))):
            assert fp.pdist(array, out=out, workers=pool) is out
            np.testing.assert_array_equal(out, expected)


# Bad input ---------------------------------------------------------------------------------------

TWO = np.zeros((4, 3))
CALLS = {
    "cdist": lambda module, x=TWO, **more: module.cdist(x, TWO, **more),
    "pdist": lambda module, x=TWO, **more: module.pdist(x, **more),
    "nearest": lambda module, x=TWO, **more: module.nearest(x, TWO, **more),
}


@pytest.mark.parametrize("module", [fp, reference], ids=["kernel", "twin"])
@pytest.mark.parametrize("name", CALLS)
class TestBadInput:
    def call(self, module, name, *arguments, **keywords):
        return CALLS[name](module, *arguments, **keywords)

    @pytest.mark.parametrize("shape", [(), (3,), (2, 3, 1)])
    def test_not_two_dimensional(self, module, name, shape):
        argument = "X" if name == "pdist" else "XA"
        message = rf"{name}: {argument} must have 2 dimensions, .*, not shape \("
        with pytest.raises(ValueError, match=message):
            self.call(module, name, np.zeros(shape))

    def test_unknown_metric(self, module, name):
        message = rf"{name}: there is no metric 'L3'; there are chebyshev, cityblock, .*, sqeuclid"
        with pytest.raises(ValueError, match=message):
            self.call(module, name, metric="L3")

    @pytest.mark.parametrize("metric", [None, 2, math.dist, ["euclidean"]])
    def test_metric_that_is_no_name(self, module, name, metric):
        with pytest.raises(TypeError, match=rf"{name}: metric must be the name of one, not "):
            self.call(module, name, metric=metric)

    @pytest.mark.parametrize("p", [0.5, 0, -1, math.nan, -math.inf])
    def test_order_below_1(self, module, name, p):
        with pytest.raises(ValueError, match=rf"{name}: p must be at least 1, not {p}"):
            self.call(module, name, metric="minkowski", p=p)

    @pytest.mark.parametrize("p", ["x", None, [2, 3]])
    def test_order_that_is_no_number(self, module, name, p):
        with pytest.raises(TypeError, match=rf"{name}: p must be a number, not "):
            self.call(module, name, metric="minkowski", p=p)

    def test_order_of_another_metric(self, module, name):
        message = f"{name}: p is the order of metric 'minkowski'; 'cosine' has none"
        with pytest.raises(TypeError, match=message):
            self.call(module, name, metric="cosine", p=3)
        with pytest.raises(TypeError, match="'euclidean' has none"):
            self.call(module, name, p=np.float64(2.5))

    def test_widths_that_differ(self, module, name):
        if name == "pdist":
            return
        message = rf"{name}: XA and XB must have the same number of columns, not 2 and 3"
        with pytest.raises(ValueError, match=message):
            self.call(module, name, np.zeros((4, 2)))

    def test_number_of_neighbours(self, module, name):
        if name != "nearest":
            return
        for k in (0, -1, 5):
            message = f"nearest: k must be from 1 to the 4 rows of XB, not {k}"
            with pytest.raises(ValueError, match=message):
                self.call(module, name, k=k)
        with pytest.raises(ValueError, match="k must be from 1 to the 0 rows of XB, not 1"):
            module.nearest(TWO, np.zeros((0, 3)))
        for k in (1.0, "1", None):
            with pytest.raises(TypeError, match="nearest: k must be an integer, not"):
                self.call(module, name, k=k)


@pytest.mark.parametrize("name", CALLS)
class TestBadArrays:
    @pytest.mark.parametrize("dtype", [complex, object, np.longdouble, "M8[s]", "U3"])
    def test_dtypes_that_are_no_real_numbers(self, name, dtype):
        with pytest.raises(TypeError, match=rf"{name}: dtype .* is not supported; pass real"):
            CALLS[name](fp, np.zeros((4, 3), dtype))

    def test_masked_arrays(self, name):
        with pytest.raises(TypeError, match=f"{name}: masked arrays are not supported"):
            CALLS[name](fp, np.ma.masked_array(TWO, TWO == 0))

    def test_workers_that_are_nobody(self, name):
        with pytest.raises(TypeError, match="workers must be None, a number of threads or a fast"):
            CALLS[name](fp, workers="2")
        with pytest.raises(ValueError, match="workers must be at least 1, not 0"):
            CALLS[name](fp, workers=0)

    def test_a_pool_that_has_gone(self, name):
        with fp.Pool(1) as pool:
            pool.close()
            with pytest.raises(ValueError, match="Pool not running"):
                CALLS[name](fp, workers=pool)

    def test_results_past_memory(self, name):
        many = np.broadcast_to(np.float64(1), (2**40, 3))
        with pytest.raises(MemoryError):
            CALLS[name](fp, many)


def test_the_samples_have_every_metric():
    from samples import distances

    called = [call.keywords["metric"] for call in distances.calls("cdist", TWO)]
    assert sorted(called) == sorted(METRICS)
    assert set(METRICS) == set(reference.distances.METRICS)
