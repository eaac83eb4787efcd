"""Layer: tests of the kernels on every core.  Bad input: NumPy's exception types, and messages that
say what was wrong and what is right.
"""

import datetime
import subprocess
import sys

import numpy as np
import pytest

import fastproc as fp
from fastproc.kernels import reference

REDUCTIONS = ["sum", "nanmean", "var", "min", "nanminmax", "argmin", "nanargmax"]
ELEMENTWISE = ["square", "cube", "negative"]
ALL = [*REDUCTIONS, *ELEMENTWISE, "histogram"]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "array",
    [
        np.array([1, None], object),
        np.array(["1", "2"]),
        np.array([b"1"]),
        np.array([1 + 2j]),
        np.array(["2020-01-01"], "M8[D]"),
        np.array([1, 2], "m8[s]"),
        np.zeros(3, np.longdouble),
        np.zeros(3, [("a", "f8")]),
        [datetime.date(2020, 1, 1)],
    ],
    ids=lambda array: str(np.asarray(array).dtype),
)
def test_dtypes_that_are_no_real_numbers(name, array):
    with pytest.raises(TypeError, match=rf"{name}: dtype .* is not supported; pass real numbers"):
        getattr(fp, name)(array)


@pytest.mark.parametrize("operand", [np.array(["a"]), 1j, None])
def test_add_of_what_is_no_number(operand):
    with pytest.raises(TypeError, match="add: dtype .* is not supported; pass real numbers"):
        fp.add(np.zeros(3), operand)


@pytest.mark.parametrize("name", ALL)
def test_masked_arrays(name):
    array = np.ma.masked_array([1.0, 2.0], [True, False])
    with pytest.raises(TypeError, match=r"masked arrays are not supported; pass a.compressed\(\)"):
        getattr(fp, name)(array)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_other_byte_order_is_converted(name):
    array = np.arange(10.0)
    np.testing.assert_array_equal(getattr(fp, name)(array.astype(">f8")), getattr(fp, name)(array))


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [2, -3, 10**9])
def test_axis_out_of_range(name, axis):
    with pytest.raises(np.exceptions.AxisError, match=f"axis {axis} is out of bounds for array of"):
        getattr(fp, name)(np.zeros((2, 3)), axis=axis)


@pytest.mark.parametrize("name", ["sum", "nanmean", "var", "minmax"])
def test_axis_named_twice(name):
    with pytest.raises(ValueError, match="duplicate value in 'axis'"):
        getattr(fp, name)(np.zeros((2, 3)), axis=(0, -2))


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [1.5, "0", [0]])
def test_axis_of_a_wrong_type(name, axis):
    with pytest.raises(TypeError):
        getattr(fp, name)(np.zeros((2, 3)), axis=axis)


@pytest.mark.parametrize("name", ["argmin", "nanargmax"])
def test_several_axes_have_no_one_index(name):
    with pytest.raises(TypeError):
        getattr(fp, name)(np.zeros((2, 3)), axis=(0, 1))


@pytest.mark.parametrize("name", ["min", "max", "nanmin", "nanmax", "minmax"])
def test_extremes_of_nothing(name):
    with pytest.raises(ValueError, match="zero-size array to reduction operation m.* no identity"):
        getattr(fp, name)([])


@pytest.mark.parametrize("name", ["argmin", "argmax", "nanargmin", "nanargmax"])
def test_index_in_nothing(name):
    with pytest.raises(ValueError, match="attempt to get arg(min|max) of an empty sequence"):
        getattr(fp, name)(np.zeros((0, 3)), axis=0)


@pytest.mark.parametrize("name", ["nanargmin", "nanargmax"])
def test_index_in_nothing_but_nan(name):
    with pytest.raises(ValueError, match="All-NaN slice encountered"):
        getattr(fp, name)([np.nan, np.nan])
    with pytest.raises(ValueError, match="All-NaN slice encountered"):
        getattr(fp, name)([[np.nan, 1.0], [np.nan, np.nan]], axis=1)


@pytest.mark.parametrize("ddof", [3, 4, 1e9])
@pytest.mark.parametrize("name", ["var", "std", "nanvar", "nanstd"])
def test_ddof_that_leaves_no_freedom(name, ddof):
    array = np.array([1.0, 2.0, 4.0])
    with pytest.warns(RuntimeWarning, match="Degrees of freedom <= 0 for slice"):
        actual = getattr(fp, name)(array, ddof=ddof)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning):
        expected = getattr(np, name)(array, ddof=ddof)
    np.testing.assert_equal(float(actual), float(expected))


NO_MEAN, NO_NUMBER = "Mean of empty slice", "All-NaN slice encountered"
NO_FREEDOM = "Degrees of freedom <= 0 for slice"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: fp.mean([]), NO_MEAN),
        (lambda: fp.nanvar(np.ones((3, 1)), axis=1, ddof=1)[0], NO_FREEDOM),
        (lambda: fp.nanmax(np.full(100_000, np.nan)), NO_NUMBER),
        (lambda: fp.median([]), NO_MEAN),
        (lambda: fp.nanquantile([np.nan], [0.5])[0], NO_NUMBER),
        (lambda: fp.Mean().result(), NO_MEAN),
        (lambda: fp.NanMin().update([np.nan]).result(), NO_NUMBER),
        (lambda: fp.Var(ddof=1).update([1.0]).result(), NO_FREEDOM),
        (lambda: fp.axpy(1e300, np.zeros(1, "f4"), np.zeros(1, "f4"))[0], "overflow encountered"),
    ],
)
def test_warnings_point_at_the_caller(call, text):
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match=text) as caught:
        assert np.isnan(call())
    places = [(warning.filename, warning.lineno) for warning in caught]
    assert places == [(__file__, call.__code__.co_firstlineno)]


def test_ddof_of_a_wrong_type():
    with pytest.raises(TypeError):
        fp.var([1.0, 2.0], ddof="1")


@pytest.mark.parametrize("name", ["sum", "nanmean", "var", "min", "argmin"])
class TestOutOfReductions:
    array = np.arange(6.0).reshape(2, 3)

    def test_wrong_shape(self, name):
        with pytest.raises(ValueError, match=rf"{name}: out has shape \(2,\); .* has shape \(3,\)"):
            getattr(fp, name)(self.array, axis=0, out=np.zeros(2, np.int64))

    def test_wrong_dtype(self, name):
        out = np.zeros(3, bool)
        with pytest.raises(TypeError, match=f"{name}: out has dtype bool, which cannot hold"):
            getattr(fp, name)(self.array, axis=0, out=out)

    def test_read_only(self, name):
        out = np.zeros(3, np.int64 if name == "argmin" else np.float64)
        out.flags.writeable = False
        with pytest.raises(ValueError, match=f"{name}: out is read-only"):
            getattr(fp, name)(self.array, axis=0, out=out)

    def test_no_array(self, name):
        with pytest.raises(TypeError, match=f"{name}: out must be an array, not list"):
            getattr(fp, name)(self.array, axis=0, out=[0, 0, 0])


@pytest.mark.parametrize("out", [np.zeros(3), (np.zeros(3),), 5])
def test_out_of_minmax_that_is_no_pair(out):
    with pytest.raises(TypeError, match="minmax: out must be a tuple of two arrays"):
        fp.minmax(np.zeros((2, 3)), axis=0, out=out)


class TestOutOfMinmax:
    array = np.arange(6.0).reshape(2, 3)

    @pytest.mark.parametrize(
        ("second", "error"),
        [
            (np.zeros(2), ValueError),
            (np.zeros(3, int), TypeError),
            ([0, 0, 0], TypeError),
            (np.broadcast_to(0.0, 3), ValueError),
        ],
    )
    def test_nothing_is_written_where_one_is_wrong(self, second, error):
        first = np.full(3, 77.0)
        with pytest.raises(error, match="minmax: out"):
            fp.minmax(self.array, axis=0, out=(first, second))
        assert (first == 77).all()

    def test_arrays_that_overlap(self):
        memory = np.full(5, 77.0)
        for pair in ((memory[:3], memory[:3]), (memory[:3], memory[2:])):
            with pytest.raises(ValueError, match="minmax: the two arrays of out share memory"):
                fp.minmax(self.array, axis=0, out=pair)
        assert (memory == 77).all()

    def test_columns_of_one_array_do_not_overlap(self):
        memory = np.zeros((3, 2))
        fp.minmax(self.array, axis=0, out=(memory[:, 0], memory[:, 1]))
        np.testing.assert_array_equal(memory, self.array.T)


@pytest.mark.parametrize("name", ["argmin", "argmax", "nanargmin", "nanargmax"])
@pytest.mark.parametrize("dtype", [float, object, complex, "u8"])
def test_out_that_is_not_for_indices(name, dtype):
    array = np.arange(6.0).reshape(2, 3)
    for function in (getattr(np, name), getattr(fp, name)):
        with pytest.raises(TypeError):
            function(array, axis=0, out=np.zeros(3, dtype))


@pytest.mark.parametrize("name", [*REDUCTIONS, "mean", "max", "nansum", "nanstd", "nanmin"])
@pytest.mark.parametrize("axis", [0, -1, 1, -2, (0,), (), np.int64(0)])
def test_axis_of_an_array_without_axes(name, axis):
    array = np.array(3.0)
    numpys = name.replace("minmax", "min")
    try:
        expected = getattr(np, numpys)(array, axis=axis)
    except (TypeError, ValueError) as error:
        # A tuple is no index at all, whatever np.nanargmax finds wrong with it first.
        is_index = "arg" not in name or type(axis) is not tuple
        with pytest.raises(type(error) if is_index else TypeError):
            getattr(fp, name)(array, axis=axis)
    else:
        actual = getattr(fp, name)(array, axis=axis)
        assert (actual[0] if name != numpys else actual) == expected


@pytest.mark.parametrize("name", REDUCTIONS)
def test_keepdims_is_a_flag(name):
    array = np.arange(3.0)
    for wrong in ("a", None, [], 1.0):
        with pytest.raises(TypeError, match=f"{name}: keepdims must be True or False, not"):
            getattr(fp, name)(array, keepdims=wrong)
    assert np.shape(getattr(fp, name)(array, keepdims=1))[-1] == 1
    assert np.shape(getattr(fp, name)(array, keepdims=np.False_)) == np.shape(
        getattr(fp, name)(array)
    )


@pytest.mark.parametrize("name", ["var", "std", "nanvar", "nanstd"])
def test_ddof_of_nan(name):
    for function in (getattr(np, name), getattr(fp, name), getattr(reference, name)):
        assert np.isnan(function(np.arange(3.0), ddof=np.nan))


@pytest.mark.parametrize("dtype", ["M8[s]", "U3", object, complex])
def test_dtype_of_a_sum_that_is_no_real_number(dtype):
    with pytest.raises(TypeError, match="sum: dtype .* is not supported for the result"):
        fp.sum([1.0], dtype=dtype)


def test_dtype_of_a_mean_that_is_no_float():
    with pytest.raises(TypeError, match="mean: dtype int64 is not supported for the result"):
        fp.mean([1.0], dtype=np.int64)


def test_dtype_beyond_64_bits():
    if np.dtype(np.longdouble).itemsize <= 8:
        return  # a long double is a double here
    with pytest.raises(TypeError, match="sum: dtype .* is not supported; at most 64 bits are"):
        fp.sum([1.0], dtype=np.longdouble)


@pytest.mark.parametrize("size", [3, 100_000])
@pytest.mark.parametrize("name", ELEMENTWISE)
class TestOutOfElementwise:
    def test_wrong_shape(self, name, size):
        message = rf"{name}: out has shape \(2,\); the result has shape \({size},\)"
        with pytest.raises(ValueError, match=message):
            getattr(fp, name)(np.zeros(size), out=np.zeros(2))

    def test_wrong_dtype(self, name, size):
        with pytest.raises(TypeError, match=f"{name}: out has dtype int64, which cannot hold"):
            getattr(fp, name)(np.zeros(size), out=np.zeros(size, np.int64))

    def test_read_only(self, name, size):
        out = np.zeros(size)
        out.flags.writeable = False
        with pytest.raises(ValueError, match=f"{name}: out is read-only"):
            getattr(fp, name)(np.zeros(size), out=out)


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="broadcast"):
        fp.add(np.zeros(3), np.zeros(4))


def test_bool_has_no_sum_or_negative_elementwise():
    with pytest.raises(TypeError, match="negative: bool is not supported; use np.logical_not"):
        fp.negative([True])
    with pytest.raises(TypeError, match="add: bool is not supported"):
        fp.add([True], [False])


@pytest.mark.parametrize("bins", [0, -1])
def test_bins_below_one(bins):
    with pytest.raises(ValueError, match=f"histogram: bins must be at least 1, not {bins}"):
        fp.histogram([1.0], bins)


@pytest.mark.parametrize("bins", [2.5, "auto", None])
def test_bins_that_are_no_number(bins):
    with pytest.raises(TypeError, match="histogram: bins must be an integer or edges, not"):
        fp.histogram([1.0], bins)


def test_more_bins_than_can_be():
    with pytest.raises(ValueError, match=r"histogram: bins must be less than 2\*\*31 - 1"):
        fp.histogram([1.0], 2**31)


def test_descending_range():
    with pytest.raises(ValueError, match="maximum must not be below its minimum.*2.*1"):
        fp.histogram([1.0], 3, (2, 1))


@pytest.mark.parametrize("limits", [(0, np.inf), (np.nan, 1), (-np.inf, np.inf)])
def test_range_that_is_not_finite(limits):
    with pytest.raises(ValueError, match="histogram: supplied range of .* is not finite"):
        fp.histogram([1.0], 3, limits)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_data_without_a_finite_range(value):
    with pytest.raises(ValueError, match="histogram: autodetected range of .* is not finite"):
        fp.histogram([1.0, value], 3)


@pytest.mark.parametrize(
    ("limits", "error"), [(5, TypeError), ((1,), ValueError), ("abc", ValueError)]
)
def test_range_that_is_no_pair(limits, error):
    with pytest.raises(error, match=r"histogram: range must be \(least, greatest\), not"):
        fp.histogram([1.0], 3, limits)


def test_too_many_bins_for_the_range():
    with pytest.raises(ValueError, match="histogram: too many bins for the range: 10 bins from"):
        fp.histogram([1.0], 10, (1.0, np.nextafter(1.0, 2)))


def test_results_past_memory():
    # 2**45 results of 8 bytes: the array itself has no memory, all its strides being 0.
    array = np.broadcast_to(np.float64(1), (2**45, 2))
    with pytest.raises(MemoryError):
        fp.sum(array, axis=1)
    with pytest.raises(MemoryError):
        fp.square(array)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("workers", [0, -1])
def test_workers_below_one(name, workers):
    with pytest.raises(ValueError, match=f"workers must be at least 1, not {workers}"):
        getattr(fp, name)([1.0], workers=workers)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("workers", [1.5, "2", object()])
def test_workers_that_are_nobody(name, workers):
    with pytest.raises(TypeError, match=r"workers must be None, a number of threads or a fastproc"):
        getattr(fp, name)([1.0], workers=workers)


@pytest.mark.parametrize("end", ["close", "terminate"])
@pytest.mark.parametrize("name", ALL)
def test_workers_that_have_gone(name, end):
    with fp.Pool(1) as pool:
        getattr(pool, end)()
        for array in ([1.0], np.zeros(10), np.zeros(10_000)):
            with pytest.raises(ValueError, match="Pool not running; it was closed or terminated"):
                getattr(fp, name)(array, workers=pool)
        with pytest.raises(ValueError, match="Pool not running"):
            fp.add(np.zeros(10), 1.0, workers=pool)


def test_workers_of_the_parent_process():
    # In a process of its own, which has no thread but one: a fork copies one thread only.
    code = """if True:
        import os, warnings, numpy as np, fastproc as fp
        warnings.simplefilter("ignore")
        fp.sum([1.0])
        with fp.Pool(1) as pool:
            if os.fork() == 0:
                for kernel in (fp.sum, fp.square):
                    try:
                        kernel(np.zeros(10), workers=pool)
                    except RuntimeError as error:
                        os.write(1, f"{error};".encode())
                with fp.Pool(1, context="fork") as own:  # it has no fork server
                    os.write(1, str(fp.sum(np.ones(10), workers=own)).encode())
                os._exit(0)
            os.wait()
        """
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.count("this pool belongs to process") == 2
    assert answer.stdout.endswith("10.0")


def test_what_map_blocks_cannot_store():
    x, out = fp.share(np.arange(4.0)), fp.shared_zeros(4)
    with fp.Pool(1) as pool:
        with pytest.raises(TypeError, match="func returned None; with out it must return"):
            pool.map_blocks(print, x, out=out)
        with pytest.raises(ValueError, match=r"func returned, of shape \(\), to a .* shape \(4,\)"):
            pool.map_blocks(np.sum, x, out=out, block_size=4)
    assert (out == 0).all()


@pytest.mark.parametrize("shape", [2.5, "ab", (1, None)])
def test_shapes_that_are_none(shape):
    for make in (fp.shared_empty, fp.shared_zeros):
        with pytest.raises(TypeError, match="shape must be an int or a sequence of int, not"):
            make(shape)


@pytest.mark.parametrize("processes", ["x", 2.5])
def test_processes_that_are_no_number(processes):
    with pytest.raises(TypeError, match=f"processes must be an int or None, not {processes!r}"):
        fp.Pool(processes)
