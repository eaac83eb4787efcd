"""Layer: tests of the kernels on every core.  Scans against NumPy, their twins, exact arithmetic
and what a scan promises of its cuts.
"""

import inspect
import itertools
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import COMPILED, CONVERTED, arrays, fill
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal

import fastproc as fp
from fastproc import plan
from fastproc.kernels import reference

SUMS = {"cumsum": np.cumsum, "nancumsum": np.nancumsum}
PRODUCTS = {"cumprod": np.cumprod, "nancumprod": np.nancumprod}
EXTREMES = {"cummax": np.maximum, "cummin": np.minimum}
FOLDS = [*SUMS, *PRODUCTS, *EXTREMES]
ALL = [*FOLDS, "push", "ewma"]

#: Around the lengths at which the loops change: rows, few rows, blocks, chunks, stretches.
LENGTHS = (1, 2, 31, 32, 33, 95, 96, 97, 255, 256, 257, 1023, 1024, 1025, 2047, 8192, 8193, 20_000)


def call(name, array, **keywords):
    """Call a scan with what it has to be told."""
    if name == "ewma":
        keywords.setdefault("alpha", 0.1)
    return getattr(fp, name)(array, **keywords)


def accumulate(ufunc, array, axis):
    """Return what NumPy makes of the array, flat for no axis."""
    return ufunc.accumulate(array.ravel() if axis is None or array.ndim == 0 else array, axis or 0)


def assert_same(actual, expected):
    assert type(actual) is type(expected) is np.ndarray
    assert actual.dtype == expected.dtype.newbyteorder("=")
    assert_array_equal(actual, expected)


def one_axis(n_dims):
    return st.sampled_from((None, *range(-n_dims, n_dims))) if n_dims else st.none()


def shaped(twin, expected):
    return np.asarray(twin, expected.dtype).reshape(expected.shape)


def in_float64(array):
    return array.astype(np.float64) if array.dtype.kind == "f" else array


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
class TestAgainstNumPyAndTwins:
    @pytest.mark.parametrize("name", SUMS)
    @given(data=st.data())
    def test_sums(self, name, data):
        array = data.draw(arrays())
        axis = data.draw(one_axis(array.ndim))
        expected = SUMS[name](in_float64(array), axis)
        actual = getattr(fp, name)(array, axis)
        twin = shaped(getattr(reference, name)(array, axis), actual)
        if array.dtype.kind == "i":
            assert_same(actual, expected)
            assert_array_equal(twin, expected)
            return
        assert actual.dtype == array.dtype
        # What cancels leaves an error of the size of what was added.
        size = np.nanmax(np.abs(in_float64(array)), initial=0, where=np.isfinite(array))
        atol = size * max(array.size, 1) * np.finfo(np.float64).eps
        rtol = 4 * np.finfo(array.dtype).eps
        assert_allclose(actual, twin, rtol=rtol, atol=atol)
        assert_allclose(actual, expected.astype(array.dtype), rtol=rtol, atol=atol)

    @pytest.mark.parametrize("name", PRODUCTS)
    @given(data=st.data())
    def test_products(self, name, data):
        array = data.draw(arrays())
        axis = data.draw(one_axis(array.ndim))
        # One after another, as NumPy does: the very same floats.
        expected = PRODUCTS[name](in_float64(array), axis)
        actual = getattr(fp, name)(array, axis)
        if array.dtype.kind == "f":
            expected = expected.astype(array.dtype)
        assert_same(actual, expected)
        if array.size < 1000:  # of many integers the exact product has very many digits
            assert_array_equal(shaped(getattr(reference, name)(array, axis), expected), expected)

    @pytest.mark.parametrize("name", EXTREMES)
    @given(data=st.data())
    def test_extremes(self, name, data):
        array = data.draw(arrays())
        axis = data.draw(one_axis(array.ndim))
        expected = accumulate(EXTREMES[name], array, axis)
        assert_same(getattr(fp, name)(array, axis), expected)
        assert_array_equal(shaped(getattr(reference, name)(array, axis), expected), expected)

    @pytest.mark.parametrize("name", FOLDS)
    @given(data=st.data())
    def test_folds_of_other_dtypes(self, name, data):
        array = data.draw(arrays(CONVERTED, how=("plain", "nan")))
        axis = data.draw(one_axis(array.ndim))
        actual = getattr(fp, name)(array, axis)
        if name in EXTREMES:
            assert_same(actual, accumulate(EXTREMES[name], array, axis))
            return
        numpys = {**SUMS, **PRODUCTS}[name]
        expected = numpys(array, axis)
        assert actual.dtype == expected.dtype.newbyteorder("=")
        if array.dtype.kind == "f":
            # NumPy rounds to float16 at each step.
            expected = numpys(in_float64(array), axis).astype(actual.dtype)
            assert_allclose(actual, expected, rtol=2e-3, atol=1e-12 * array.size)
        else:
            assert_array_equal(actual, expected)


@pytest.mark.parametrize("name", ALL)
def test_signature_is_the_twins(name):
    ours = inspect.signature(getattr(fp, name))
    twins = inspect.signature(getattr(reference, name))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in twins.parameters.values()
    ]


class TestSums:
    @pytest.mark.parametrize("size", LENGTHS)
    def test_errors_are_no_larger_than_of_a_plain_loop(self, size):
        array = fill((size,), "float64", 5, "offset") * 0.1
        exact = list(itertools.accumulate(map(Fraction, array.tolist())))
        ours, numpys = (
            max(abs(Fraction(x) - y) for x, y in zip(sums.tolist(), exact, strict=True))
            for sums in (fp.cumsum(array), np.cumsum(array))
        )
        last = abs(exact[-1])
        assert ours <= max(numpys, 2 * last * Fraction(np.finfo(float).eps))
        # The operations on the way of an element: rows, chunks, and what is before them.
        steps = 32 + 32 + size / 1024
        assert ours <= steps * np.finfo(float).eps * sum(map(abs, array.tolist()))

    def test_float32_is_added_in_float64(self):
        array = np.full(3_000_000, 0.1, np.float32)
        expected = np.cumsum(array.astype(np.float64)).astype(np.float32)
        assert_allclose(fp.cumsum(array), expected, rtol=1.2e-7)

    @given(st.integers(0, 2**16), st.sampled_from(LENGTHS), st.sampled_from((1, 1e-17, 1e17)))
    def test_of_what_is_not_negative_they_never_decrease(self, seed, size, scale):
        rng = np.random.default_rng(seed)
        array = rng.random(size) * np.where(rng.random(size) < 0.1, scale, 1)
        for dtype in (np.float64, np.float32):
            assert (np.diff(fp.cumsum(array.astype(dtype))) >= 0).all()

    @pytest.mark.parametrize("place", [0, 40, 300, 1500, 9000])
    @pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
    def test_from_nan_and_inf_on(self, special, place):
        array = fill((10_000,), "float64", 1, "plain")
        array[place] = special
        assert_allclose(fp.cumsum(array), np.cumsum(array), rtol=1e-9, atol=1e-9)
        array[-1] = np.inf
        with np.errstate(invalid="ignore"):
            assert_allclose(fp.cumsum(array), np.cumsum(array), rtol=1e-9, atol=1e-9)
            assert_allclose(fp.nancumsum(array), np.nancumsum(array), rtol=1e-9, atol=1e-9)

    def test_a_row_that_overflows_beside_a_carry_that_saves_it(self):
        array = np.full(2000, -0.0)
        array[1023] = -1.7e308
        array[1024:1026] = 1e308
        assert_array_equal(fp.cumsum(array), np.cumsum(array))
        assert np.isfinite(fp.cumsum(array)).all()

    def test_sign_of_zero(self):
        for size in (1, 50, 5000):
            assert np.signbit(fp.cumsum(np.full(size, -0.0))).all()
            assert not np.signbit(fp.cumsum(np.zeros(size))).any()

    @pytest.mark.parametrize("name", [*SUMS, *PRODUCTS])
    @pytest.mark.parametrize("dtype", ["i1", "u2", "i4", "u8", "f2", "f4", "f8", ">f8", "?"])
    @pytest.mark.parametrize("source", ["i4", "f8", "i1", "?"])
    def test_dtype(self, name, source, dtype):
        array = fill((300,), source, 1, "plain")
        numpys = {**SUMS, **PRODUCTS}[name]
        with np.errstate(over="ignore"):
            actual = getattr(fp, name)(array, dtype=dtype)
        assert actual.dtype == np.dtype(dtype).newbyteorder("=")
        if np.dtype(dtype).kind == "f":
            with np.errstate(all="ignore"):
                expected = numpys(array.astype(dtype).astype("f8")).astype(dtype)
            assert_allclose(actual, expected, rtol=2 * np.finfo(actual.dtype).eps, atol=1e-10)
        else:
            assert_array_equal(actual, numpys(array.astype(dtype), dtype=dtype))


class TestProducts:
    def test_over_and_underflow_on_the_way(self):
        array = np.array([1e200, 1e200, 1e-200, 1e-200, 0.5] * 1000)
        with np.errstate(over="ignore"):
            assert_array_equal(fp.cumprod(array), np.cumprod(array))
        array = np.array(([1e-10] * 25 + [1e10] * 25) * 100)
        assert_array_equal(fp.cumprod(array), np.cumprod(array))


class TestExtremes:
    @pytest.mark.parametrize("place", [0, 40, 300, 1024, 1500, 9000])
    @pytest.mark.parametrize("name", EXTREMES)
    def test_nan_stays(self, name, place):
        array = fill((10_000,), "float64", 1, "plain")
        array[place] = np.nan
        assert_array_equal(getattr(fp, name)(array), EXTREMES[name].accumulate(array))

    def test_the_first_of_zeros_is_kept(self):
        for size in (2, 100, 3000):
            array = np.zeros(size)
            array[1:] = -0.0
            assert not np.signbit(fp.cummax(array)).any()
            assert np.signbit(fp.cummin(-array)).all()


class TestOut:
    @pytest.mark.parametrize("shape", [(10,), (5000,), (70, 900), (100_000,)])
    @pytest.mark.parametrize("name", FOLDS)
    def test_every_element_is_written(self, name, shape):
        array = fill(shape, "float64", 1, "plain")
        for axis in range(len(shape)):
            expected = getattr(fp, name)(array, axis)
            out = np.full(shape, np.nan)
            assert getattr(fp, name)(array, axis, out=out) is out
            assert_array_equal(out, expected)
            strided = np.full((*shape, 2), np.nan)[..., 0]
            assert getattr(fp, name)(array, axis, out=strided) is strided
            assert_array_equal(strided, expected)
            # In place.
            copy = array.copy(order="F")
            assert getattr(fp, name)(copy, axis, out=copy) is copy
            assert_array_equal(copy, expected)

    @pytest.mark.parametrize("size", [50, 20_000])
    @pytest.mark.parametrize("shift", [-3, -1, 0, 1, 3])
    @pytest.mark.parametrize("name", FOLDS)
    def test_it_may_overlap_the_input(self, name, shift, size):
        memory = fill((size + 10,), "float64", 1, "plain")
        source, target = memory[5 : 5 + size], memory[5 + shift : 5 + shift + size]
        expected = getattr(fp, name)(source)
        getattr(fp, name)(source, out=target)
        assert_array_equal(target, expected)

    @pytest.mark.parametrize("size", [50, 20_000])
    def test_it_may_lie_over_narrower_integers(self, size):
        out = fill((size,), "int64", 1, "huge")
        for part in (out.view(np.int32)[::2], out.view(np.int32)[:size]):
            expected = np.cumsum(part)
            copy = out.copy()
            fp.cumsum(part, out=out)
            assert_array_equal(out, expected)
            out[:] = copy

    def test_of_another_dtype(self):
        array = fill((100,), "int32", 1, "plain")
        for dtype in ("f8", "i4", ">i8", "i2"):
            out = np.zeros(100, dtype)
            assert fp.cumsum(array, out=out) is out
            assert_array_equal(out, np.cumsum(array))

    def test_in_shared_memory_it_is_returned_as_given(self):
        out = fp.share(np.arange(5.0))
        assert fp.cumsum(out, out=out) is out
        assert out.tolist() == [0, 1, 3, 6, 10]
        assert type(fp.cumsum(out)) is type(fp.push(out)) is np.ndarray


def test_arrays_without_axes_and_without_elements():
    for name in FOLDS:
        for axis in (None, 0, -1):
            assert getattr(fp, name)(3.0, axis).tolist() == [3.0]
    for name in ALL:
        for shape, axis in (((0,), 0), ((0, 3), 0), ((0, 3), 1), ((3, 0), 1)):
            assert call(name, np.zeros(shape), axis=axis).shape == shape
    assert fp.cumsum([]).dtype == np.float64


def test_lists_are_arrays():
    assert_same(fp.cumsum([1, 2]), np.cumsum([1, 2]))
    assert_same(fp.cummax([[1.5, 2], [1, 3]]), np.array([1.5, 2, 2, 3]))
    assert_same(fp.push([1, np.nan]), np.array([1.0, 1.0]))
    assert_same(fp.ewma([1, 2], 1), np.array([1.0, 2.0]))


@pytest.mark.parametrize("name", ALL)
def test_memory_order_and_bits_do_not_depend_on_the_layout(name):
    array = fill((130, 1100), "float64", 1, "nan")
    for axis in (0, 1):
        expected = call(name, array, axis=axis).tobytes()
        apart = np.zeros((130, 3300))
        apart[:, ::3] = array
        for same in (np.asfortranarray(array), apart[:, ::3], array[::-1, ::-1].copy()[::-1, ::-1]):
            assert call(name, same, axis=axis).tobytes() == expected
    assert call(name, np.asfortranarray(array), axis=0).flags.f_contiguous


@pytest.fixture(scope="module")
def pool():
    with fp.Pool(2) as pool:
        yield pool


@pytest.mark.parametrize("how", ["plain", "nan", "both", "huge"])
@pytest.mark.parametrize("name", ALL)
def test_bits_of_long_lines_by_any_workers(name, how, pool, monkeypatch):
    monkeypatch.setattr(plan, "THREAD_SHARE_NS", 1)
    monkeypatch.setattr(plan, "PROCESS_SHARE_NS", 1)
    for shape, dtype in (((300_001,), "float64"), ((2, 30_000), "float32"), ((90_000,), "int32")):
        if name == "push" and dtype == "int32":
            continue
        array = fill(shape, dtype, 4, how)
        special = array.copy()
        if how == "nan":
            special[..., 20_000:26_000] = np.nan if dtype[0] == "f" else 0
        for part in (array, special, array[..., ::-1], array[..., :16_385]):
            expected = call(name, part, axis=-1, workers=1).tobytes()
            for workers in (2, 3, 7, pool):
                assert call(name, part, axis=-1, workers=workers).tobytes() == expected, workers
            if name in FOLDS and part is array:
                # In place, threads write where others read.
                for workers in (3, pool):
                    out = part.astype(call(name, part, axis=-1).dtype)
                    assert getattr(fp, name)(out, -1, out=out, workers=workers) is out
                    assert out.tobytes() == call(name, part.astype(out.dtype), axis=-1).tobytes()


def test_a_pool_writes_into_shared_memory(pool, monkeypatch):
    monkeypatch.setattr(plan, "PROCESS_SHARE_NS", 1)
    array = fp.share(fill((100_000,), "float64", 4, "plain"))
    expected = fp.cumsum(array, workers=1)
    out = fp.shared_zeros(100_000)
    assert fp.cumsum(array, out=out, workers=pool) is out
    assert_array_equal(out, expected)
    assert fp.cumsum(array, out=array, workers=pool) is array
    assert_array_equal(array, expected)


class TestErrors:
    array = np.arange(6.0).reshape(2, 3)

    @pytest.mark.parametrize("name", ALL)
    def test_dtypes_and_masks(self, name):
        with pytest.raises(TypeError, match=f"{name}: dtype complex128 is not supported; pass"):
            call(name, [1j])
        with pytest.raises(TypeError, match=f"{name}: masked arrays are not supported"):
            call(name, np.ma.masked_array([1.0, 2.0], [True, False]))

    @pytest.mark.parametrize("name", ALL)
    def test_axis(self, name):
        for axis in (2, -3, 10**9):
            with pytest.raises(np.exceptions.AxisError, match=f"axis {axis} is out of bounds for"):
                call(name, self.array, axis=axis)
        for axis in (1.5, "0", (0,)):
            with pytest.raises(TypeError):
                call(name, self.array, axis=axis)
        with pytest.raises(np.exceptions.AxisError):
            call(name, np.array(1.0), axis=1)

    @pytest.mark.parametrize("name", ["push", "ewma"])
    def test_no_axis(self, name):
        with pytest.raises(ValueError, match=f"{name}: axis must be an integer, not None; pass"):
            call(name, self.array, axis=None)
        with pytest.raises(np.exceptions.AxisError):
            call(name, 1.0)

    @pytest.mark.parametrize("name", FOLDS)
    def test_out(self, name):
        with pytest.raises(ValueError, match=rf"{name}: out has shape \(2,\); .* shape \(6,\)"):
            getattr(fp, name)(self.array, out=np.zeros(2))
        with pytest.raises(TypeError, match=f"{name}: out has dtype int64, which cannot hold"):
            getattr(fp, name)(self.array, out=np.zeros(6, np.int64))
        with pytest.raises(TypeError, match=f"{name}: out must be an array, not list"):
            getattr(fp, name)(self.array, out=[0] * 6)
        out = np.zeros(6)
        out.flags.writeable = False
        with pytest.raises(ValueError, match=f"{name}: out is read-only"):
            getattr(fp, name)(self.array, out=out)

    @pytest.mark.parametrize("dtype", ["M8[s]", "U3", object, complex])
    def test_dtype_that_is_no_real_number(self, dtype):
        for name in (*SUMS, *PRODUCTS):
            with pytest.raises(TypeError, match=f"{name}: dtype .* is not supported for the res"):
                getattr(fp, name)([1.0], dtype=dtype)

    @pytest.mark.parametrize("name", ALL)
    @pytest.mark.parametrize("size", [3, 10_000])
    def test_workers(self, name, size):
        array = np.zeros(size)
        with pytest.raises(ValueError, match="workers must be at least 1, not 0"):
            call(name, array, workers=0)
        with pytest.raises(TypeError, match="workers must be None, a number of threads or a fast"):
            call(name, array, workers="2")
        with pytest.raises(TypeError, match="workers must be None, a number of threads or a fast"):
            call(name, array[:0], workers="2")

    def test_workers_of_integers_to_push(self):
        with pytest.raises(ValueError, match="workers must be at least 1, not 0"):
            fp.push([1, 2], workers=0)


def test_every_scan_is_tested():
    from fastproc.catalogue import FAMILIES

    assert sorted(ALL) == sorted(FAMILIES["scans"])
    assert COMPILED == ("float64", "float32", "int64", "int32")
