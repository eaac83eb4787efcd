"""Layer: parallel.  The gate of the moving windows.

It checks the arguments and describes the kernel; ``_lines.pyx`` applies it to the lines.
"""
# Safe for free-threaded Python: module state is written at import only.

import operator

import numpy as np

from cpython.long cimport PyLong_AsLongAndOverflow
from libc.stdint cimport uintptr_t
from numpy cimport (
    NPY_DOUBLE,
    NPY_FLOAT,
    PyArray_DATA,
    PyArray_DIMS,
    PyArray_ISALIGNED,
    PyArray_IS_C_CONTIGUOUS,
    PyArray_NDIM,
    PyArray_SimpleNew,
    import_array,
    ndarray,
)

from fastproc.kernels._common cimport CHUNK, FLOAT32, FLOAT64
from fastproc.kernels._lines cimport LineTable
from fastproc.kernels._moving cimport (
    MOVE_ARGMAX, MOVE_ARGMIN, MOVE_MAX, MOVE_MEAN, MOVE_MEDIAN, MOVE_MIN, MOVE_RANK, MOVE_STD,
    MOVE_SUM, MOVE_VAR, N_MOVES, Moving, block_of, scratch_of,
)
from fastproc.parallel._gate cimport dtype_code, is_array, table_of
from fastproc.parallel._lines cimport LinePlan, apply_to_lines, line_axis

from fastproc.kernels import validate

import_array()

cdef enum:
    # Results of a line that are one unit: many blocks, since a cut makes what is read before a
    # block be read twice.
    CHUNK_OF_LINE = 1 << 15
    # Bytes on the stack that a short line's kernel may work in.
    ON_STACK = 1 << 14
    CACHE_LINE = 64

cdef const LineTable* _table = <const LineTable*>table_of("moving")

# What one thread needs for an element, in nanoseconds, with windows of a hundred.
cdef double _ns_per_element[N_MOVES]
_ns_per_element[MOVE_SUM] = 0.8
_ns_per_element[MOVE_MEAN] = 0.8
_ns_per_element[MOVE_VAR] = 2
_ns_per_element[MOVE_STD] = 3
_ns_per_element[MOVE_MIN] = 0.8
_ns_per_element[MOVE_MAX] = 0.8
_ns_per_element[MOVE_ARGMIN] = 2
_ns_per_element[MOVE_ARGMAX] = 2
_ns_per_element[MOVE_MEDIAN] = 20
_ns_per_element[MOVE_RANK] = 20


cdef object _move(
    str name, int kernel, object a, object window, object min_count, object axis, object ddof,
    object workers
):
    cdef Moving moving
    cdef LinePlan plan
    cdef ndarray x, out
    cdef int along, code
    cdef Py_ssize_t length
    cdef bint is_half = False
    if not is_array(a) or not _is_ready(a):
        a, is_half = _converted(name, a)
    x = a
    if PyArray_NDIM(x) == 0:
        raise ValueError(f"{name}: a number has no axis along which to move a window")
    along = line_axis(axis, PyArray_NDIM(x))
    length = PyArray_DIMS(x)[along]
    moving.kernel = kernel
    moving.window = _integer_in(
        name, "window", window, length, "the axis has so many elements")
    moving.min_count = moving.window
    if min_count is not None:
        moving.min_count = _integer_in(
            name, "min_count", min_count, moving.window, "a window has no more")
    moving.ddof = ddof if type(ddof) is int else _integer(name, "ddof", ddof)

    code = dtype_code(x)
    out = PyArray_SimpleNew(
        PyArray_NDIM(x), PyArray_DIMS(x), NPY_DOUBLE if code == FLOAT64 else NPY_FLOAT)
    plan.scratch = scratch_of(kernel, moving.window, length)
    if (
        PyArray_NDIM(x) == 1 and PyArray_IS_C_CONTIGUOUS(x) and not is_half
        and length <= CHUNK and plan.scratch <= ON_STACK
        and (workers is None or (type(workers) is int and workers >= 1))
    ):
        _move_short_line(&moving, code, PyArray_DATA(x), length, PyArray_DATA(out))
        return out
    plan.number = kernel
    plan.n_out, plan.per_chunk = length, False
    plan.chunk = block_of(moving.window)
    plan.chunk *= max(<Py_ssize_t>1, CHUNK_OF_LINE // plan.chunk)
    plan.before = moving.window - 1
    plan.ns_per_element = _ns_per_element[kernel]
    result = apply_to_lines(
        "moving", &plan, (<const char*>&moving)[:sizeof(Moving)], x, out, along, workers)
    return result.astype(np.float16) if is_half else result


cdef void _move_short_line(
    const Moving* moving, int code, const void* x, Py_ssize_t n, void* out
) noexcept:
    """Do what `apply_to_lines` would do with one line that is one unit, without a plan."""
    cdef char on_stack[ON_STACK + CACHE_LINE]
    cdef uintptr_t scratch = (<uintptr_t>on_stack + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE
    _table.kernels[moving.kernel][code](x, 0, n, out, <char*>scratch, moving)


cdef bint _is_ready(ndarray a) noexcept:
    """Tell whether the kernels can read an array as it is."""
    cdef int code = dtype_code(a)
    return (code == FLOAT64 or code == FLOAT32) and PyArray_ISALIGNED(a)


def _converted(name, a):
    """Return `a` as an array that the kernels can read, and whether it had half-precision numbers.

    Integers and booleans are converted to float64, as the results are.
    """
    array = validate.as_array(name, a)
    is_half = array.dtype == np.float16
    dtype = np.float32 if is_half or array.dtype == np.float32 else np.float64
    return np.require(array, dtype, "A"), is_half


def _integer(name, argument, value):
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: {argument} must be an integer, not {value!r}") from None


cdef Py_ssize_t _integer_in(
    str name, str argument, object value, Py_ssize_t most, str why
) except -1:
    """Return an integer from 1 to `most`."""
    cdef int overflow = 0
    cdef long number
    if type(value) is not int:
        value = _integer(name, argument, value)
    number = PyLong_AsLongAndOverflow(value, &overflow)
    if overflow or number < 1 or number > most:
        raise ValueError(f"{name}: {argument} must be from 1 to {most} ({why}), not {value}")
    return number


def move_sum(a, window, min_count=None, axis=-1, *, workers=None):
    return _move("move_sum", MOVE_SUM, a, window, min_count, axis, 0, workers)


def move_mean(a, window, min_count=None, axis=-1, *, workers=None):
    return _move("move_mean", MOVE_MEAN, a, window, min_count, axis, 0, workers)


def move_std(a, window, min_count=None, axis=-1, ddof=0, *, workers=None):
    return _move("move_std", MOVE_STD, a, window, min_count, axis, ddof, workers)


def move_var(a, window, min_count=None, axis=-1, ddof=0, *, workers=None):
    return _move("move_var", MOVE_VAR, a, window, min_count, axis, ddof, workers)


def move_min(a, window, min_count=None, axis=-1, *, workers=None):
    return _move("move_min", MOVE_MIN, a, window, min_count, axis, 0, workers)


def move_max(a, window, min_count=None, axis=-1, *, workers=None):
    return _move("move_max", MOVE_MAX, a, window, min_count, axis, 0, workers)


def move_argmin(a, window, min_count=None, axis=-1, *, workers=None):
    return _move("move_argmin", MOVE_ARGMIN, a, window, min_count, axis, 0, workers)


def move_argmax(a, window, min_count=None, axis=-1, *, workers=None):
    return _move("move_argmax", MOVE_ARGMAX, a, window, min_count, axis, 0, workers)


def move_median(a, window, min_count=None, axis=-1, *, workers=None):
    return _move("move_median", MOVE_MEDIAN, a, window, min_count, axis, 0, workers)


def move_rank(a, window, min_count=None, axis=-1, *, workers=None):
    return _move("move_rank", MOVE_RANK, a, window, min_count, axis, 0, workers)
