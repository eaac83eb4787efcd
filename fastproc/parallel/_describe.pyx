"""Layer: parallel.  The gate of `describe`: states of chunks, their merge, and what they tell."""
# Safe for free-threaded Python: module state is written at import only.

import collections

import numpy as np

from libc.math cimport NAN, sqrt
from libc.stdint cimport uint64_t
from numpy cimport PyArray_DATA, PyArray_NDIM, PyArray_SIZE, import_array, ndarray

from fastproc.kernels._common cimport CHUNK
from fastproc.kernels._describe cimport Moments, merge_moments
from fastproc.parallel._lines cimport LinePlan, apply_to_lines, line_axis

from fastproc.kernels import validate
from fastproc.parallel._reductions import minmax

import_array()

cdef uint64_t SIGN_BIT = <uint64_t>1 << 63

# What one thread needs for an element, in nanoseconds.
cdef double NS_PER_ELEMENT = 1.0

# The relative distance of numbers that are written alike with fifteen digits.
cdef double RESOLUTION = 1e-15

cdef enum:
    WIDTH = sizeof(Moments) // 8        # numbers of a state

DescribeResult = collections.namedtuple(
    "DescribeResult", "nobs minmax mean variance skewness kurtosis", module="fastproc")
DescribeResult.__doc__ = "What `fastproc.describe` returns; see there what its fields are."


def _states_of(array, int axis, workers):
    """Return the states along an axis: the kept axes, and an item of WIDTH numbers."""
    if array.dtype == np.uint64:
        return _states_of_uint64(array, axis, workers)
    cdef Py_ssize_t n = array.shape[axis], n_chunks = (n + CHUNK - 1) // CHUNK
    cdef LinePlan plan = LinePlan(
        number=0, n_out=WIDTH, per_chunk=True, chunk=CHUNK, before=0, scratch=0,
        ns_per_element=NS_PER_ELEMENT)
    kept = array.shape[:axis] + array.shape[axis + 1:]
    out = np.moveaxis(np.empty((*kept, n_chunks * WIDTH)), -1, axis)
    out = apply_to_lines("describe", &plan, b"", array, out, axis, workers)
    states = np.ascontiguousarray(np.moveaxis(out, axis, -1)).reshape(*kept, n_chunks, WIDTH)
    _merge_chunks(states, n_chunks, array.dtype.kind == "i")
    return np.ascontiguousarray(states[..., 0, :])


cdef object _states_of_uint64(array, int axis, workers):
    """Return states with the moments of float64, in which greatest and least need not have a value.

    These are found apart, and kept as int64 in the same order, the sign bit flipped.
    """
    states = _states_of(array.astype(np.float64), axis, workers)
    for place, ends in enumerate(minmax(array, axis=axis, workers=workers), start=WIDTH - 2):
        states.view(np.uint64)[..., place] = ends ^ np.uint64(SIGN_BIT)
    return states


cdef int _merge_chunks(ndarray states, Py_ssize_t n_chunks, bint is_integer) except -1:
    """Merge the states of each line's chunks into its first, by halving."""
    cdef Moments* line = <Moments*>PyArray_DATA(states)
    cdef Py_ssize_t n_lines = states.size // (n_chunks * WIDTH), n, half, i, _line
    with nogil:
        for _line in range(n_lines):
            n = n_chunks
            while n > 1:
                half = (n + 1) // 2
                for i in range(n - half):
                    merge_moments(&line[i], &line[i + half], is_integer)
                n = half
            line += n_chunks
    return 0


def _merge_into(ndarray states, ndarray others, bint is_integer):
    """Merge states, one by one; both are contiguous."""
    cdef Moments* into = <Moments*>PyArray_DATA(states)
    cdef const Moments* other = <const Moments*>PyArray_DATA(others)
    cdef Py_ssize_t i
    for i in range(states.size // WIDTH):
        merge_moments(&into[i], &other[i], is_integer)


cdef void _describe_line(const Moments* state, double ddof, bint bias, double* out) noexcept nogil:
    """Write the mean, variance, skewness and excess kurtosis that a state tells."""
    cdef double n = state.n, mean = state.near + state.shift, second = state.squares / n
    out[0] = mean
    out[1] = state.squares / (n - ddof) if n != ddof else NAN
    # Where all elements are equal, what is left of their deviations is rounding.
    if second <= RESOLUTION * mean * (RESOLUTION * mean):
        out[2] = out[3] = NAN
        return
    out[2] = state.cubes / n / (second * sqrt(second))
    out[3] = state.fourths / n / (second * second)
    if not bias and n > 2:
        out[2] *= sqrt(n * (n - 1)) / (n - 2)
    if bias or n <= 3:
        out[3] -= 3
    else:
        out[3] = ((n * n - 1) * out[3] - 3 * (n - 1) * (n - 1)) / ((n - 2) * (n - 3))


def _result_of(ndarray states, dtype, double ddof, bint bias):
    """Say what states tell of data of a dtype."""
    cdef const Moments* state = <const Moments*>PyArray_DATA(states)
    cdef Py_ssize_t n_lines = PyArray_SIZE(states) // WIDTH, i
    cdef double[4] one
    cdef ndarray moments
    cdef double* out
    real = dtype.type if dtype.kind == "f" else np.float64
    if PyArray_NDIM(states) == 1:
        _describe_line(state, ddof, bias, one)
        if dtype == np.uint64:
            ends = (dtype.type(<uint64_t>state.least.i ^ SIGN_BIT),
                    dtype.type(<uint64_t>state.greatest.i ^ SIGN_BIT))
        elif _is_integer(dtype):
            ends = dtype.type(state.least.i), dtype.type(state.greatest.i)
        else:
            ends = dtype.type(state.least.f), dtype.type(state.greatest.f)
        return DescribeResult(
            int(state.n), ends, real(one[0]), real(one[1]), real(one[2]), real(one[3]))
    moments = np.empty((*(<object>states).shape[:PyArray_NDIM(states) - 1], 4))
    out = <double*>PyArray_DATA(moments)
    for i in range(n_lines):
        _describe_line(&state[i], ddof, bias, out + 4 * i)
    if dtype == np.uint64:
        extremes = states.view(np.uint64)[..., WIDTH - 2:] ^ np.uint64(SIGN_BIT)
    else:
        kind = np.int64 if _is_integer(dtype) else np.float64
        extremes = states.view(kind)[..., WIDTH - 2:].astype(dtype)
    least, greatest = np.moveaxis(extremes, -1, 0)
    return DescribeResult(
        int(state.n) if n_lines > 0 else 0, (least, greatest),
        *np.moveaxis(moments.astype(real), -1, 0))


def _is_integer(dtype):
    """Tell whether data of a dtype have integers as extremes of their states."""
    return dtype.kind in "bui"


def _compiled(a, axis):
    """Return an array in a dtype that has states, the dtype it had, and the axis to go along."""
    array = validate.as_array("describe", a)
    dtype = array.dtype
    if axis is None or array.ndim == 0:
        array, axis = array.ravel(), 0
    number = line_axis(axis, array.ndim)
    if dtype != np.uint64 and (dtype.kind in "bu" or dtype.itemsize < 4):
        array = array.astype(np.int64 if _is_integer(dtype) else np.float32)
    return np.require(array, requirements="A"), dtype, number


def describe(a, axis=0, double ddof=1, bias=True, *, workers=None):
    array, dtype, number = _compiled(a, axis)
    if array.size == 0:
        raise ValueError("describe: there are no elements to describe")
    states = _states_of(array, number, workers)
    return _result_of(states, dtype, ddof, validate.flag("describe", "bias", bias))
