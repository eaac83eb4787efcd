"""Layer: tests of the bridge to Dask.  Every kernel gives of chunks what it gives of the whole.

Here Dask computes in this thread, since what is tested is how chunks are cut, merged and joined.
"""

import functools
import inspect
import warnings

import dask
import dask.array as da
import hypothesis.strategies as st
import numpy as np
import pytest
import samples
from arrays import fill
from hypothesis import given, note, settings

import fastproc as fp
import fastproc.dask as fd
from fastproc.catalogue import FAMILIES
from fastproc.kernels import validate

#: Examples of each kernel; more in a long run.
FEW = settings().max_examples // 10

REFUSED = ("pdist", "replace")

#: Those that need all of a line.
WHOLE = (
    *FAMILIES["order"],
    *FAMILIES["softmax"],
    "partition",
    "argpartition",
    "rankdata",
    "nanrankdata",
    "ewma",
)

#: Those that add or multiply numbers that are no integers, in another order than the kernel does.
ROUNDED = (
    *("sum", "mean", "var", "std", "nansum", "nanmean", "nanvar", "nanstd", "ss", "logsumexp"),
    *("describe", "cumsum", "cumprod", "nancumsum", "nancumprod"),
    *("move_sum", "move_mean", "move_var", "move_std", "histogram", "histogram2d", "bincount"),
    *("group_sum", "group_mean", "group_var", "group_std"),
)

#: Arguments that are cut into chunks, if there are others than the first.
OPERANDS = {
    "add": ("x1", "x2"),
    "axpy": ("x", "y"),
    "polyval": ("x",),
    "searchsorted": ("v",),
    "cdist": ("XA", "XB"),
    "nearest": ("XA", "XB"),
    "histogram": ("a", "weights"),
    "histogram2d": ("x", "y", "weights"),
    "bincount": ("x", "weights"),
    **{name: ("values", "labels") for name in FAMILIES["grouped"] if name != "bincount"},
}


def flat(result):
    """Return the arrays and numbers of a result, which may have tuples in a tuple."""
    if isinstance(result, tuple | list):
        return [each for part in result for each in flat(part)]
    return [result]


def arguments(name, call):
    """Return the arguments of a call of a sample, by name."""
    args = [arg for arg in call.args if arg is not fp.describe]
    bound = inspect.signature(getattr(fp, name)).bind(*args, **call.keywords).arguments
    if "num_labels" in inspect.signature(getattr(fp, name)).parameters:
        bound["num_labels"] = int(bound["labels"].max()) + 1
    return bound


def in_chunks(data, array, whole=()):
    """Return a Dask array of chunks of any lengths, which are whole along some axes."""
    chunks = []
    for axis, n in enumerate(array.shape):
        cuts = [] if axis in whole or n == 1 else data.draw(st.lists(st.integers(0, n), max_size=2))
        edges = [0, *sorted(cuts), n]
        chunks.append(tuple(np.diff(edges).tolist()))
    return da.from_array(array, chunks=tuple(chunks))


def computed(lazy):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*(empty slice|All-NaN|freedom)", RuntimeWarning)
        return dask.compute(lazy, scheduler="synchronous")[0]


@pytest.mark.filterwarnings("ignore:.*(empty slice|All-NaN|freedom)")
@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=FEW)
@given(data=st.data())
def test_chunks_give_the_result_of_the_whole(family, data):
    for name in FAMILIES[family]:
        if name not in REFUSED:
            note(name)
            compare(name, data)


def compare(name, data):
    """Call a kernel on any array, and on chunks of it."""
    dtype = data.draw(st.sampled_from(("float64", "float32", "int64", "int32")))
    how = data.draw(st.sampled_from(("plain", "nan", "ties", "offset")))
    shape = data.draw(st.sampled_from(((40,), (9, 7), (4, 5, 3))))
    array = fill(shape, dtype, data.draw(st.integers(0, 9)), how)
    # There is none where it would be an error: an index among nothing but NaN.
    calls = list(samples.calls(name, array)) or [functools.partial(getattr(fp, name), array)]
    given = arguments(name, data.draw(st.sampled_from(calls)))
    try:
        expected = flat(getattr(fp, name)(**given))
    except ValueError as error:
        expected = error
    whole = ()
    if name in WHOLE:
        axis = given.get("axis", inspect.signature(getattr(fp, name)).parameters["axis"].default)
        whole = validate.axes(axis, array.ndim)
    for each in OPERANDS.get(name, (next(iter(given)),)):
        if each in given:
            given[each] = in_chunks(data, given[each], whole)
    lazy = getattr(fd, name)(**given)
    if isinstance(expected, ValueError):
        with pytest.raises(ValueError, match=str(expected)):
            computed(lazy)
        return
    for promised, actual, other in zip(flat(lazy), flat(computed(lazy)), expected, strict=True):
        assert_same(name, actual, other)
        if isinstance(promised, da.Array):
            assert promised.dtype == actual.dtype
            assert promised.ndim == np.ndim(actual)
            if name != "bincount":  # whose length nobody knows before
                assert promised.shape == np.shape(actual)


@pytest.mark.parametrize("name", ["minmax", "nanminmax", "topk", "push", "cummax", "square"])
@pytest.mark.parametrize("dtype", [">f8", ">i4"])
def test_results_have_the_byte_order_of_this_machine(name, dtype):
    array = np.arange(6).astype(dtype)
    more = (2,) if name == "topk" else ()
    expected = flat(getattr(fp, name)(array, *more))
    lazy = getattr(fd, name)(da.from_array(array, chunks=2), *more)
    for promised, actual, other in zip(flat(lazy), flat(computed(lazy)), expected, strict=True):
        assert promised.dtype == actual.dtype == np.asarray(other).dtype
        np.testing.assert_array_equal(actual, other)


def assert_same(name, actual, expected):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype
    if name in ROUNDED and expected.dtype.kind == "f":
        tolerance = 1e-4 if expected.dtype == np.float32 else 1e-10
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_array_equal(actual, expected, strict=True)
