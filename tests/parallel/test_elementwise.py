"""Layer: tests of the kernels on every core.  Elementwise kernels against NumPy and their twins."""

import inspect

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import COMPILED, CONVERTED, NUMPY_1, arrays, fill, views
from hypothesis import given
from numpy.testing import assert_array_equal

import fastproc as fp
from fastproc.kernels import reference

NUMPY = {
    "square": np.square,
    "cube": lambda x: np.multiply(np.multiply(x, x), x),
    "negative": np.negative,
}


def assert_same(actual, expected):
    assert type(actual) is type(expected)
    assert np.asarray(actual).dtype == np.asarray(expected).dtype
    assert_array_equal(actual, expected)


@pytest.mark.parametrize("name", NUMPY)
@given(data=st.data())
def test_unary_equals_numpy_and_twin(name, data):
    array = data.draw(arrays())
    with np.errstate(all="ignore"):
        expected = NUMPY[name](array)
    actual = getattr(fp, name)(array)
    assert_same(actual, expected)
    twin = getattr(reference, name)(array)
    assert_array_equal(np.asarray(twin, expected.dtype).reshape(expected.shape), expected)


@pytest.mark.parametrize("name", NUMPY)
@given(array=arrays(CONVERTED, how=("plain", "nan")))
def test_unary_of_other_dtypes(name, array):
    if array.dtype.kind == "b" and name == "negative":
        with pytest.raises(TypeError, match="bool is not supported"):
            fp.negative(array)
        return
    if array.dtype.kind == "b":
        expected = np.square(array)
    elif array.dtype == np.float16 and name == "cube":
        # NumPy rounds the square to float16 in between; the kernel rounds once.
        expected = np.asarray(np.asarray(array, np.float32) ** 3).astype(np.float16)[()]
        np.testing.assert_allclose(fp.cube(array), expected, rtol=2e-3)
        return
    else:
        expected = NUMPY[name](array)
    actual = getattr(fp, name)(array)
    assert np.asarray(actual).dtype == np.asarray(expected).dtype.newbyteorder("=")
    assert_array_equal(actual, expected)


@given(data=st.data())
def test_add_equals_numpy_and_twin(data):
    one = data.draw(arrays(how=("plain", "huge", "nan", "inf")))
    kind = data.draw(st.sampled_from(("same", "row", "column", "number")))
    dtype = data.draw(st.sampled_from(COMPILED))
    if kind == "number":
        two = data.draw(st.sampled_from((2, -3, 2.5, np.float32(1.5), np.int64(7))))
    else:
        shape = list(one.shape)
        if kind == "row" and shape:
            shape = shape[1:]
        if kind == "column" and shape:
            shape[-1] = 1
        two = data.draw(views(fill(tuple(shape), dtype, 9, "plain")))
    try:
        with np.errstate(all="ignore"):
            expected = np.add(one, two)
    except ValueError:
        with pytest.raises(ValueError, match="broadcast"):
            fp.add(one, two)
        return
    assert_same(fp.add(one, two), expected)
    assert_same(fp.add(two, one), expected)
    if not isinstance(two, (np.float32, np.int64)):
        twin = np.asarray(reference.add(one, two), expected.dtype).reshape(expected.shape)
        assert_array_equal(twin, expected)


@pytest.mark.parametrize("name", [*NUMPY, "add"])
def test_signature_is_the_twins(name):
    ours = inspect.signature(getattr(fp, name))
    twins = inspect.signature(getattr(reference, name))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in twins.parameters.values()
    ]


@pytest.mark.parametrize("shape", [(10,), (5000,), (70, 900), (300_000,)])
@pytest.mark.parametrize("name", NUMPY)
def test_every_element_of_out_is_written(name, shape):
    array = fill(shape, "float64", 1, "plain")
    out = np.full(shape, np.nan)
    assert getattr(fp, name)(array, out=out) is out
    assert_array_equal(out, NUMPY[name](array))
    strided = np.full((*shape, 2), np.nan)[..., 0]
    assert getattr(fp, name)(array, out=strided) is strided
    assert_array_equal(strided, NUMPY[name](array))


def test_out_of_another_dtype():
    array = fill((100,), "float32", 1, "plain")
    out = np.zeros(100)
    assert_array_equal(fp.square(array, out=out), np.square(array))
    assert_array_equal(fp.add(array, 1, out=out), array + np.float32(1))


@pytest.mark.parametrize("size", [50, 20_000])
@pytest.mark.parametrize("shift", [-3, -1, 0, 1, 3])
def test_out_may_overlap_the_input(size, shift):
    memory = fill((size + 10,), "float64", 1, "plain")
    source, target = memory[5 : 5 + size], memory[5 + shift : 5 + shift + size]
    expected = source * source
    fp.square(source, out=target)
    assert_array_equal(target, expected)

    memory = fill((size + 10,), "float64", 2, "plain")
    one, two = memory[5 : 5 + size], memory[5 + shift : 5 + shift + size]
    expected = one + two
    fp.add(one, two, out=two)
    assert_array_equal(two, expected)


def test_out_backwards_over_the_input():
    array = fill((1000,), "float64", 1, "plain")
    expected = -array
    fp.negative(array, out=array[::-1])
    assert_array_equal(array[::-1], expected)


@given(data=st.data())
def test_out_may_overlap_in_any_way(data):
    part = st.builds(
        lambda start, step, reverse: (
            slice(start, start + 4 * step, step)
            if not reverse
            else slice(start + 4 * step, start, -step)
        ),
        st.integers(0, 6),
        st.integers(1, 3),
        st.booleans(),
    )
    memory = fill((20, 20), "float64", 3, "plain")
    one = memory[data.draw(part), data.draw(part)]
    two = memory[data.draw(part), data.draw(part)]
    out = memory[data.draw(part), data.draw(part)]
    if data.draw(st.booleans()):
        two = two[data.draw(st.integers(0, 3))]
    expected = one + two
    assert fp.add(one, two, out=out) is out
    assert_array_equal(out, expected)
    expected = one * one
    fp.square(one, out=out)
    assert_array_equal(out, expected)


def test_out_in_shared_memory_is_returned_as_given():
    out = fp.shared_empty((3,))
    assert fp.square(np.arange(3.0), out=out) is out
    assert fp.add(out, out, out=out) is out
    assert fp.add(out[::-1], 1, out=out[::-1]) is not None
    assert out.tolist() == [1.0, 3.0, 9.0]
    assert type(fp.negative(out)) is type(fp.add(out, 1)) is np.ndarray


def test_lists_are_arrays():
    assert_same(fp.square([1, 2]), np.square([1, 2]))
    assert_same(fp.add([1.5, 2], [1, 2]), np.add([1.5, 2], [1, 2]))
    assert_same(fp.add([[1], [2]], np.float32([1, 2])), np.add([[1], [2]], np.float32([1, 2])))


def test_memory_order_is_kept():
    array = np.asfortranarray(fill((30, 40), "float64", 1, "plain"))
    assert fp.square(array).flags.f_contiguous
    assert fp.add(array, array).flags.f_contiguous


def test_number_beyond_the_dtype():
    array = np.zeros(3, np.int32)
    if NUMPY_1:
        assert_same(fp.add(array, 2**40), np.add(array, 2**40))
    else:
        with pytest.raises(OverflowError):
            fp.add(array, 2**40)


class Sub(np.ndarray):
    pass


@pytest.mark.parametrize("make", [lambda array: array.view(Sub), fp.share])
@pytest.mark.parametrize("dtype", ["float64", "int16", "int32"])
def test_subclasses_give_plain_results(make, dtype):
    for shape in ((10,), (3, 4), (90, 80)):
        array = fill(shape, dtype, 1, "plain")
        for part in (np.s_[:], np.s_[::-2]):
            x, plain = make(array)[part], array[part]
            for name in NUMPY:
                assert_same(getattr(fp, name)(x), getattr(fp, name)(plain))
            for other in (x, plain, 3, plain[:1], plain.astype("int64")):
                assert_same(fp.add(x, other), fp.add(plain, plain if other is x else other))
            expected = -plain
            assert fp.negative(plain, out=x) is x
            assert_same(np.asarray(x), expected)


def test_out_that_is_masked_is_written():
    out = np.ma.zeros(3)
    assert fp.negative(np.arange(3.0), out=out) is out
    assert_array_equal(out.data, [0, -1, -2])
    assert fp.add(np.arange(3.0), 1.0, out=out) is out
    assert_array_equal(out.data, [1, 2, 3])


@pytest.mark.parametrize("size", [10, 5000, 100_000])
def test_a_pool_that_is_not_needed(size):
    array = fill((size,), "float64", 1, "plain")
    out = np.empty(size)
    with fp.Pool(1) as pool:
        for name in NUMPY:
            assert_same(getattr(fp, name)(array, workers=pool), getattr(fp, name)(array))
        assert fp.square(array, out=out, workers=pool) is out
        for other in (array, 2.5, array[:1], array[:3, None]):
            assert_same(fp.add(array, other, workers=pool), fp.add(array, other))
