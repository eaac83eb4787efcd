"""Layer: parallel.  The gates of softmax and log_softmax: any axes as lines of one array.

An array is seen as `n_outer` times `n` times `n_inner` elements in the order of memory, of which
those of `n` are a line.  It is done in one of three ways:

    LINES     n_inner is 1 and a line fits a core's cache: a unit is one line, or several short ones
    CHUNKS    n_inner is 1 and lines are long: a unit is a chunk of one.  First all states are
              found, and then, once each line's are merged, the results.  So exp is computed twice,
              but nothing is written to memory and read again, which takes longer.
    COLUMNS   lines lie side by side: a unit is up to TILE of them

Which one depends on the shape and the order of the axes in memory alone, and so do the bits.
"""
# Safe for free-threaded Python: module state is written at import only.

import numpy as np

from libc.string cimport memcpy
from numpy cimport (
    NPY_ARRAY_ALIGNED,
    NPY_ARRAY_C_CONTIGUOUS,
    PyArray_BYTES,
    PyArray_CHKFLAGS,
    PyArray_DIMS,
    PyArray_EMPTY,
    PyArray_NDIM,
    PyArray_SIZE,
    PyArray_TYPE,
    import_array,
    ndarray,
)

from fastproc.kernels._common cimport CHUNK, FLOAT32, FLOAT64
from fastproc.kernels._reductions cimport State
from fastproc.kernels._softmax cimport TILE, SoftmaxTable
from fastproc.parallel._gate cimport as_input, dtype_code, item_size, table_of
from fastproc.parallel._threads cimport run_units, threads_for, threads_sharing

from fastproc.kernels import validate

import_array()

cdef const SoftmaxTable* _table = <const SoftmaxTable*>table_of("softmax")

# What one thread needs for an element, in nanoseconds.
cdef double NS_PER_ELEMENT = 1.6

cdef enum:
    # Elements of a chunk, or of a unit of short lines: 128 KiB of float64.
    UNIT = 1 << 14
    # Elements of the longest line that is not cut: with its result, 2 MiB of float64.
    LINE = 1 << 17
    # Fewer lines side by side than this are copied so that each is contiguous.
    NARROW = 16

cdef struct SoftmaxJob:
    bint is_log
    int dtype
    const char* x
    char* out
    Py_ssize_t itemsize
    Py_ssize_t n_outer
    Py_ssize_t n
    Py_ssize_t n_inner
    Py_ssize_t n_parts       # units of a line, or of the lines side by side
    Py_ssize_t group         # lines of a unit by LINES
    Py_ssize_t n_units
    State* states            # by CHUNKS: n_parts for each line, and then one for each line
    bint is_second           # by CHUNKS: the states are merged


cdef void _plan(SoftmaxJob* job, ndarray x, ndarray out, bint is_log) noexcept:
    """Plan contiguous arrays of three axes and one dtype, which have elements."""
    job.is_log = is_log
    job.dtype = dtype_code(x)
    job.x, job.out = PyArray_BYTES(x), PyArray_BYTES(out)
    job.itemsize = item_size(job.dtype)
    job.n_outer, job.n, job.n_inner = (
        PyArray_DIMS(x)[0], PyArray_DIMS(x)[1], PyArray_DIMS(x)[2])
    job.states, job.is_second = NULL, False
    job.group = 1
    if job.n_inner > 1:
        job.n_parts = (job.n_inner + TILE - 1) // TILE
    else:
        job.n_parts = (job.n + UNIT - 1) // UNIT if job.n > LINE else 1
        job.group = max(1, UNIT // job.n)
    job.n_units = (job.n_outer + job.group - 1) // job.group * job.n_parts


cdef inline bint _is_by_chunks(const SoftmaxJob* job) noexcept nogil:
    return job.n_inner == 1 and job.n_parts > 1


cdef void _do_unit(void* argument, Py_ssize_t unit) noexcept nogil:
    cdef SoftmaxJob* job = <SoftmaxJob*>argument
    cdef Py_ssize_t line = unit // job.n_parts, part = unit % job.n_parts, start
    if job.n_inner > 1:
        start = (line * job.n * job.n_inner + part * TILE) * job.itemsize
        _table.side_by_side[job.dtype](
            job.x + start, job.out + start, job.n, job.n_inner,
            min(<Py_ssize_t>TILE, job.n_inner - part * TILE), job.is_log)
    elif job.n_parts > 1:
        start = (line * job.n + part * UNIT) * job.itemsize
        _do_chunk(job, job.x + start, job.out + start,
                  min(<Py_ssize_t>UNIT, job.n - part * UNIT), &job.states[unit],
                  &job.states[job.n_units + line])
    else:
        for line in range(unit * job.group, min((unit + 1) * job.group, job.n_outer)):
            start = line * job.n * job.itemsize
            _do_line(job, job.x + start, job.out + start)


cdef inline void _do_line(SoftmaxJob* job, const char* x, char* out) noexcept nogil:
    cdef State state
    if job.is_log:
        _table.sums[job.dtype](x, job.n, &state)
        _table.shift[job.dtype](x, out, job.n, &state)
    else:
        _table.exps[job.dtype](x, out, job.n, &state)
        _table.scale[job.dtype](out, job.n, &state)


cdef inline void _do_chunk(
    SoftmaxJob* job, const char* x, char* out, Py_ssize_t n, State* own, const State* whole
) noexcept nogil:
    if not job.is_second:
        _table.sums[job.dtype](x, n, own)
    elif job.is_log:
        _table.shift[job.dtype](x, out, n, whole)
    else:
        _table.ratio[job.dtype](x, out, n, whole)


cdef void _merge(SoftmaxJob* job, State* scratch) noexcept nogil:
    """Merge each line's states by halving; `scratch` has room for those of one."""
    cdef Py_ssize_t line, n, half, i
    for line in range(job.n_outer):
        memcpy(scratch, &job.states[line * job.n_parts], job.n_parts * sizeof(State))
        n = job.n_parts
        while n > 1:
            half = (n + 1) // 2
            for i in range(n - half):
                _table.merge(&scratch[i], &scratch[i + half], NULL)
            n = half
        job.states[job.n_units + line] = scratch[0]


def _softmax_units(
    bint is_log, ndarray states, bint is_second, list arrays, Py_ssize_t first, Py_ssize_t last
):
    """Do units `first` to `last`, in a process of a pool; the output is the first array."""
    cdef SoftmaxJob job
    cdef Py_ssize_t unit
    _plan(&job, arrays[1], arrays[0], is_log)
    job.states, job.is_second = <State*>PyArray_BYTES(states), is_second
    with nogil:
        for unit in range(first, last):
            _do_unit(&job, unit)


cdef object _compute(bint is_log, ndarray x, object workers):
    """Compute a contiguous array of three axes, which has elements."""
    cdef SoftmaxJob job
    cdef ndarray out = PyArray_EMPTY(3, PyArray_DIMS(x), PyArray_TYPE(x), 0)
    cdef ndarray states, scratch
    cdef int n_threads
    cdef Py_ssize_t size = PyArray_SIZE(x), n_bytes = 0
    _plan(&job, x, out, is_log)
    if size <= CHUNK and (workers is None or threads_for(workers, 0, 1) == 1):
        # Giving up the GIL and taking it back takes longer than the loop.
        for unit in range(job.n_units):
            _do_unit(&job, unit)
        return out
    if _is_by_chunks(&job):
        n_bytes = (job.n_units + job.n_outer) * sizeof(State)
        n_threads = threads_sharing(workers, size * NS_PER_ELEMENT, job.n_units)
    else:
        n_threads = threads_for(workers, size * NS_PER_ELEMENT, job.n_units)
    if n_threads == 0:
        return _compute_on_pool(&job, x, out, n_bytes, workers)
    if n_bytes == 0:
        run_units(_do_unit, &job, job.n_units, n_threads)
        return out
    states = np.empty(n_bytes, np.uint8)
    scratch = np.empty(job.n_parts * sizeof(State), np.uint8)
    job.states = <State*>PyArray_BYTES(states)
    run_units(_do_unit, &job, job.n_units, n_threads)
    _merge(&job, <State*>PyArray_BYTES(scratch))
    job.is_second = True
    run_units(_do_unit, &job, job.n_units, n_threads)
    return out


cdef object _compute_on_pool(
    SoftmaxJob* job, ndarray x, object out, Py_ssize_t n_bytes, object pool
):
    from fastproc.parallel import processes
    from fastproc.shm.array import shared_empty

    cdef ndarray states = shared_empty((n_bytes,), np.uint8)
    cdef ndarray scratch
    x = processes.shared_like(x, ())
    out = processes.compute_elementwise(
        pool, _softmax_units, (job.is_log, states, False), out, [x], job.n_units)
    if n_bytes == 0:
        return out
    scratch = np.empty(job.n_parts * sizeof(State), np.uint8)
    job.states = <State*>PyArray_BYTES(states)
    _merge(job, <State*>PyArray_BYTES(scratch))
    return processes.compute_elementwise(
        pool, _softmax_units, (job.is_log, states, True), out, [x], job.n_units)


cdef object _softmax(bint is_log, str label, object x, object axis, object workers):
    """Take the short way if lines of a C-contiguous array are asked for, else the long way."""
    cdef Py_ssize_t shape[3]
    cdef ndarray plain
    x = as_input(x)
    if (
        type(x) is ndarray and (axis is None or type(axis) is int)
        and PyArray_NDIM(<ndarray>x) > 0 and PyArray_SIZE(<ndarray>x) > 0
        and PyArray_CHKFLAGS(<ndarray>x, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED)
        and (dtype_code(<ndarray>x) == FLOAT64 or dtype_code(<ndarray>x) == FLOAT32)
        and _lies_in_lines(<ndarray>x, axis, shape)
    ):
        plain = (<ndarray>x).reshape(shape[0], shape[1], shape[2])
        return _compute(is_log, plain, workers).reshape((<object>x).shape)
    array, dtype = validate.as_floats(label, x)
    axes = validate.axes(axis, array.ndim)
    if array.size == 0 or array.ndim == 0:
        threads_for(workers, 0, 1)                  # an error if `workers` is nobody
    if array.size == 0:
        return np.empty_like(array, dtype=dtype)
    # In the order of memory, as NumPy would lay the result out.
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    lines = [i for i in order if i in axes]
    if not _adjoin(order, axes, array.shape):
        order = [i for i in order if i not in axes] + lines
    moved = validate.contiguous(array.transpose(order))
    last = order.index(lines[len(lines) - 1]) if lines else array.ndim - 1
    n = int(np.prod([array.shape[i] for i in lines]))
    inner = int(np.prod(moved.shape[last + 1:]))
    result = _compute(is_log, moved.reshape(-1, n, inner), workers)
    result = result.reshape(moved.shape).transpose(np.argsort(order))
    result = result.astype(dtype, copy=False)
    return result[()] if result.ndim == 0 else result


cdef bint _lies_in_lines(ndarray x, object axis, Py_ssize_t* shape) except -1:
    """Find the three axes of an array that is C-contiguous; False if the long way has to copy it.

    An axis that there is not is left to the long way too.
    """
    cdef int n_dims = PyArray_NDIM(x), i
    cdef Py_ssize_t number
    shape[0] = shape[2] = 1
    shape[1] = PyArray_SIZE(x)
    if axis is None:
        return True
    if not -n_dims <= axis < n_dims:
        return False
    number = axis % n_dims
    for i in range(number):
        shape[0] *= PyArray_DIMS(x)[i]
    shape[1] = PyArray_DIMS(x)[number]
    for i in range(number + 1, n_dims):
        shape[2] *= PyArray_DIMS(x)[i]
    return shape[2] == 1 or shape[2] >= NARROW


cdef bint _adjoin(list order, tuple axes, tuple shape) except -1:
    """Tell whether the axes of a line are one behind another, and not a few lines side by side."""
    places = [place for place, axis in enumerate(order) if axis in axes]
    if not places or max(places) - min(places) != len(places) - 1:
        return False
    inner = 1
    for axis in order[max(places) + 1:]:
        inner *= shape[axis]
    return inner == 1 or inner >= NARROW


def softmax(x, axis=None, *, workers=None):
    return _softmax(False, "softmax", x, axis, workers)


def log_softmax(x, axis=None, *, workers=None):
    return _softmax(True, "log_softmax", x, axis, workers)
