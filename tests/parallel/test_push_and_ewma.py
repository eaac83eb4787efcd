"""Layer: tests of the kernels on every core.  Push and ewma against their twins, exact arithmetic
and bottleneck.
"""

import math
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import arrays, fill
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal

import fastproc as fp
from fastproc.kernels import reference

#: Around the lengths at which the loops change: rows, blocks, chunks, stretches.
LENGTHS = (1, 2, 31, 33, 255, 257, 1023, 1024, 1025, 2047, 8193, 20_000)


def assert_same(actual, expected):
    assert actual.dtype == expected.dtype.newbyteorder("=")
    assert_array_equal(actual, expected)


def in_float64(array):
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def shaped(twin, expected):
    return np.asarray(twin, expected.dtype).reshape(expected.shape)


@given(data=st.data())
def test_push(data):
    array = data.draw(arrays(("float64", "float32", "float16", ">f8"), how=("nan", "both")))
    if array.ndim == 0:
        return
    axis = data.draw(st.integers(-array.ndim, array.ndim - 1))
    limit = data.draw(st.sampled_from((None, 0, 1, 2, 40, 5000)))
    actual = fp.push(array, limit, axis)
    expected = shaped(reference.push(array, limit, axis), array)
    assert_same(actual, np.asarray(expected))


@given(data=st.data())
def test_ewma(data):
    array = data.draw(arrays(how=("plain", "ties", "tiny", "offset", "nan")))
    if array.ndim == 0:
        return
    axis = data.draw(st.integers(-array.ndim, array.ndim - 1))
    weights = data.draw(
        st.sampled_from(
            [{"alpha": alpha} for alpha in (1, 0.999, 0.5, 0.02, 1e-4)]
            + [{"halflife": halflife} for halflife in (0.01, 1, 30, 1e6)]
        )
    )
    adjust = data.draw(st.booleans())
    actual = fp.ewma(array, **weights, adjust=adjust, axis=axis)
    assert actual.dtype == (array.dtype if array.dtype.kind == "f" else np.float64)
    expected = reference.ewma(array, **weights, adjust=adjust, axis=axis)
    size = np.nanmax(np.abs(in_float64(array)), initial=0)
    assert_allclose(
        actual, shaped(expected, actual), rtol=4 * np.finfo(actual.dtype).eps, atol=1e-11 * size
    )


class TestPush:
    def test_as_bottleneck(self):
        bottleneck = pytest.importorskip("bottleneck")
        for how in ("plain", "nan"):
            array = fill((60, 700), "float64", 3, how)
            for limit in (None, 0, 1, 3, np.int64(100)):
                for axis in (0, 1, -1):
                    expected = bottleneck.push(array, limit, axis)
                    assert_same(fp.push(array, limit, axis), expected)

    @pytest.mark.parametrize("size", LENGTHS)
    def test_far(self, size):
        array = np.full(size, np.nan)
        assert np.isnan(fp.push(array)).all()
        array[0] = 7
        assert (fp.push(array) == 7).all()
        for limit in (0, 5, 1023, 1024, 1025, 5000, 2**70):
            assert np.count_nonzero(fp.push(array, limit) == 7) == min(size, limit + 1)

    @pytest.mark.parametrize("dtype", ["i8", "i4", "u1", "?", ">i2"])
    def test_integers_are_copied(self, dtype):
        array = fill((3, 4), dtype, 1, "plain")
        pushed = fp.push(array)
        assert_same(pushed, array.astype(array.dtype.newbyteorder("=")))
        assert not np.shares_memory(pushed, array)

    def test_nan_that_has_a_payload_is_nan(self):
        array = np.array([0x7FF8000000000123, 0x3FF0000000000000], np.uint64).view(float)
        assert np.isnan(fp.push(array)[0])

    def test_limit(self):
        for function in (fp.push, reference.push):
            with pytest.raises(ValueError, match="push: n must not be negative, but it is -1"):
                function([1.0], -1)
            for n in (1.5, "1"):
                with pytest.raises(TypeError):
                    function([1.0], n)
        with pytest.raises(TypeError, match="push: n must be None or an integer, not 2.5"):
            fp.push([1.0], 2.5)


class TestEwma:
    @pytest.mark.parametrize("size", [1, 33, 300, 1025, 3000])
    @pytest.mark.parametrize("alpha", [0.5, 0.05, 1e-3, 1e-6])
    def test_against_exact_arithmetic(self, size, alpha):
        array = fill((size,), "float64", 2, "plain") + 2
        decay = Fraction(1 - alpha)
        total = weight = Fraction(0)
        actual = fp.ewma(array, alpha)
        for i, x in enumerate(array.tolist()):
            total = Fraction(x) + decay * total
            weight = 1 + decay * weight
            # Rounded now and then, to many more digits than a float has: else they grow for ever.
            total, weight = (Fraction(round(y * 2**200), 2**200) for y in (total, weight))
            assert math.isclose(actual[i], total / weight, rel_tol=2e-14)

    @pytest.mark.parametrize("adjust", [True, False])
    def test_the_first_is_exact(self, adjust):
        for alpha in (0.1, 0.3, 1e-9, 1):
            for first in (0.1, 1 / 3, 1e300):
                assert fp.ewma([first, 1.0], alpha, adjust=adjust)[0] == first

    @pytest.mark.parametrize("adjust", [True, False])
    @pytest.mark.parametrize("alpha", [0.9, 0.1, 1e-3])
    def test_constants_stay(self, alpha, adjust):
        assert_allclose(fp.ewma(np.full(10_000, 0.1), alpha, adjust=adjust), 0.1, rtol=2e-14)

    def test_alpha_of_one_takes_the_last(self):
        array = fill((3000,), "float64", 2, "nan")
        assert_allclose(fp.ewma(array, 1), fp.push(array), rtol=1e-15)

    def test_halflife_is_one(self):
        array = fill((3000,), "float64", 2, "plain")
        assert_allclose(fp.ewma(array, halflife=1), fp.ewma(array, 0.5), rtol=1e-14)
        assert_allclose(
            fp.ewma(array, halflife=10), fp.ewma(array, 1 - 2**-0.1), rtol=1e-11, atol=1e-13
        )

    @pytest.mark.parametrize("adjust", [True, False])
    @pytest.mark.parametrize("gap", [1, 30, 1000, 1024, 5000, 100_000])
    def test_over_a_gap(self, gap, adjust):
        array = fill((2000 + gap,), "float64", 2, "plain")
        array[1000 : 1000 + gap] = np.nan
        for alpha in (0.9, 0.1):
            actual = fp.ewma(array, alpha, adjust=adjust)
            assert_allclose(actual[1000 : 1000 + gap], actual[999], rtol=1e-14)
            expected = reference.ewma(array, alpha, adjust=adjust)
            assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)

    def test_before_the_first(self):
        array = np.full(3000, np.nan)
        assert np.isnan(fp.ewma(array, 0.1)).all()
        array[2500:] = 3
        for adjust in (True, False):
            actual = fp.ewma(array, 0.1, adjust=adjust)
            assert np.isnan(actual[:2500]).all()
            assert_allclose(actual[2500:], 3, rtol=1e-14)

    def test_inf_is_a_value(self):
        array = np.ones(5000)
        array[1500] = np.inf
        actual = fp.ewma(array, 0.1)
        assert_allclose(actual[:1500], 1, rtol=1e-14)
        assert (actual[1500:] == np.inf).all()
        array[3000] = -np.inf
        assert np.isnan(fp.ewma(array, 0.1)[3000:]).all()

    def test_weights(self):
        for function in (fp.ewma, reference.ewma):
            for weights in ((), (0.5, 3)):
                with pytest.raises(ValueError, match="ewma: pass either alpha or halflife"):
                    function([1.0], *weights)
            for alpha in (0, -0.5, 1.01, np.nan):
                with pytest.raises(ValueError, match="ewma: alpha must be more than 0 and at most"):
                    function([1.0], alpha)
            for halflife in (0, -1, np.nan):
                with pytest.raises(ValueError, match="ewma: halflife must be more than 0, not"):
                    function([1.0], halflife=halflife)
        with pytest.raises(TypeError, match="ewma: alpha must be a number, not 'a'"):
            fp.ewma([1.0], "a")
        with pytest.raises(TypeError, match=r"ewma: halflife must be a number, not \[1\]"):
            fp.ewma([1.0], halflife=[1])
        with pytest.raises(ValueError, match="with alpha=1e-20 no weight differs from the next in"):
            fp.ewma([1.0], 1e-20)
        with pytest.raises(ValueError, match="with halflife=inf no weight differs from the next"):
            fp.ewma([1.0], halflife=math.inf)
        with pytest.raises(TypeError, match="ewma: adjust must be True or False, not None"):
            fp.ewma([1.0], 0.5, adjust=None)
