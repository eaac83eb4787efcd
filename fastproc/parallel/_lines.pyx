"""Layer: parallel.  Kernels of lines cut into units: lines, or chunks of long ones, by any worker.

A unit is one chunk of a group of lines.  Where lines lie contiguously the kernel reads and writes
them in place.  Others are packed into a buffer, several neighbours at once, since a cache line of
an array that is walked across has an element of each of them; the results are unpacked likewise.

Where the cuts in a line are depends on the shape and the plan alone, so workers never change bits;
nor does packing, which only decides how many lines are a unit.
"""
# Safe for free-threaded Python: module state is one dict, which any thread may fill.

import operator

import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport int64_t, uintptr_t
from numpy cimport (
    PyArray_BYTES,
    PyArray_DIMS,
    PyArray_ITEMSIZE,
    PyArray_NDIM,
    PyArray_STRIDES,
    import_array,
    ndarray,
)

from fastproc.kernels._common cimport CHUNK
from fastproc.kernels._lines cimport LineTable, line_t
from fastproc.parallel._gate cimport dtype_code, table_of
from fastproc.parallel._threads cimport run_units, threads_for
from fastproc.parallel._walk cimport (
    Walk, copy_items, flip_dims, merge_dims, offset_of, order_dims,
)
from fastproc.shm._atomic cimport atomic_store

import_array()

cdef enum:
    # Neighbouring lines that are packed together: two cache lines of float64.
    NEIGHBOURS = 16
    # Bytes of packed lines that a unit holds at the most, unless a single line has more.
    MOST_PACKED = 1 << 20
    # Bytes of buffers that a unit has on its stack, which small arrays do with.
    ON_STACK = 1 << 14
    CACHE_LINE = 64

cdef struct LinesJob:
    line_t kernel
    const char* parameters
    LinePlan plan
    Walk lines               # operand 0: the results, operand 1: the input; one step a line
    Py_ssize_t n_lines
    Py_ssize_t n             # elements of a line
    Py_ssize_t itemsize
    Py_ssize_t out_itemsize
    Py_ssize_t stride        # along a line, in bytes
    Py_ssize_t out_stride
    bint packs               # the input's lines are packed
    bint unpacks             # so are the results'
    Py_ssize_t n_chunks
    Py_ssize_t group         # lines of a unit
    Py_ssize_t n_units
    int64_t no_memory        # set when a unit found no memory for its buffers


cdef object apply_to_lines(
    str family, const LinePlan* plan, bytes parameters, ndarray x, ndarray out, int axis,
    object workers
):
    cdef LinesJob job
    cdef int n_threads
    if not _prepare(&job, family, plan, parameters, x, out, axis):
        return out                       # there is nothing to do
    if job.n_units == 1 and job.n_lines * job.n <= CHUNK and threads_for(workers, 0, 1) > 0:
        _do_unit(&job, 0)                # with the GIL: to give it up takes longer than the loop
        _check_memory(&job)
        return out
    n_threads = threads_for(workers, job.n_lines * job.n * plan.ns_per_element, job.n_units)
    if n_threads > 0:
        run_units(_do_unit, &job, job.n_units, n_threads)
        _check_memory(&job)
        return out
    from fastproc.parallel import processes

    # A copy of what is packed here may need no packing there, and would be grouped otherwise.
    head = (family, (<const char*>plan)[:sizeof(LinePlan)], parameters, axis, job.group)
    return processes.compute_elementwise(workers, _line_units, head, out, [x], job.n_units)


cdef int line_axis(object axis, int n_dims) except -1:
    cdef Py_ssize_t number = axis if type(axis) is int else operator.index(axis)
    if number < -n_dims or number >= n_dims:
        raise np.exceptions.AxisError(number, n_dims)
    return <int>(number + n_dims if number < 0 else number)


def _line_units(
    str family, bytes plan, bytes parameters, int axis, Py_ssize_t group, list arrays,
    Py_ssize_t first, Py_ssize_t last
):
    """Do units `first` to `last` of a kernel of lines, in a process of a pool."""
    cdef LinesJob job
    cdef Py_ssize_t unit
    _prepare(&job, family, <const LinePlan*>PyBytes_AS_STRING(plan), parameters, arrays[1],
             arrays[0], axis)
    job.group = group
    with nogil:
        for unit in range(first, last):
            _do_unit(&job, unit)
    _check_memory(&job)


# By family, the address of its table: to import a module's name takes longer than a small line.
cdef dict _tables = {}


cdef const LineTable* _table_of_lines(str family) except NULL:
    cdef object address = _tables.get(family)
    if address is None:
        address = <uintptr_t>table_of(family)
        _tables[family] = address
    return <const LineTable*><uintptr_t>address


cdef int _check_memory(const LinesJob* job) except -1:
    if job.no_memory:
        raise MemoryError(f"no memory to pack lines of {job.n} elements")
    return 0


cdef bint _prepare(
    LinesJob* job, str family, const LinePlan* plan, bytes parameters, ndarray x, ndarray out,
    int axis
) except -1:
    """Plan the units; False if there are no lines or no elements."""
    cdef int n_dims = PyArray_NDIM(x), i, k = 0
    cdef Py_ssize_t chunk
    job.kernel = _table_of_lines(family).kernels[plan.number][dtype_code(x)]
    if job.kernel == NULL:
        raise TypeError(f"{family} has no loop for dtype {x.dtype}")
    job.parameters = <const char*>PyBytes_AS_STRING(parameters)
    job.plan = plan[0]
    job.no_memory = 0
    job.n = PyArray_DIMS(x)[axis]
    job.itemsize, job.out_itemsize = PyArray_ITEMSIZE(x), PyArray_ITEMSIZE(out)
    job.stride, job.out_stride = PyArray_STRIDES(x)[axis], PyArray_STRIDES(out)[axis]
    job.lines.n_operands = 2
    job.lines.data[0], job.lines.data[1] = PyArray_BYTES(out), PyArray_BYTES(x)
    job.n_lines = 1
    for i in range(n_dims):
        if i != axis:
            job.n_lines *= PyArray_DIMS(x)[i]
            job.lines.shape[k] = PyArray_DIMS(x)[i]
            job.lines.strides[0][k] = PyArray_STRIDES(out)[i]
            job.lines.strides[1][k] = PyArray_STRIDES(x)[i]
            k += 1
    job.lines.n_dims = k
    if job.n_lines == 0 or job.n == 0 or plan.n_out == 0:
        return False
    order_dims(&job.lines)
    flip_dims(&job.lines)
    merge_dims(&job.lines)

    job.packs = job.n > 1 and job.stride != job.itemsize
    job.unpacks = plan.n_out > 1 and job.out_stride != job.out_itemsize
    chunk = min(plan.chunk, job.n)
    job.plan.chunk = chunk
    job.n_chunks = (job.n + chunk - 1) // chunk
    job.group = max(1, CHUNK // chunk)
    if job.packs or job.unpacks:
        job.group = max(job.group, <Py_ssize_t>NEIGHBOURS)
    job.n_units = (job.n_lines + job.group - 1) // job.group * job.n_chunks
    return True


cdef void _do_unit(void* argument, Py_ssize_t unit) noexcept nogil:
    cdef LinesJob* job = <LinesJob*>argument
    cdef char on_stack[ON_STACK]
    cdef char* memory = on_stack
    cdef Py_ssize_t start = unit % job.n_chunks * job.plan.chunk
    cdef Py_ssize_t n = min(job.plan.chunk, job.n - start)
    cdef Py_ssize_t before = min(job.plan.before, start)
    cdef Py_ssize_t n_out = (
        n if job.n_chunks > 1 and not job.plan.per_chunk else job.plan.n_out)
    cdef Py_ssize_t line = unit // job.n_chunks * job.group
    cdef Py_ssize_t last = min(line + job.group, job.n_lines)
    # Bytes of a packed line and of a line of results; each begins with a cache line.
    cdef Py_ssize_t width = _whole_lines((before + n) * job.itemsize) if job.packs else 0
    cdef Py_ssize_t out_width = _whole_lines(n_out * job.out_itemsize) if job.unpacks else 0
    cdef Py_ssize_t at_once, size, count
    if job.packs or job.unpacks:
        at_once = <Py_ssize_t>MOST_PACKED // (width + out_width)
        at_once = max(1, min(<Py_ssize_t>NEIGHBOURS, at_once))
    else:
        at_once = last - line
    at_once = min(at_once, last - line)
    size = (width + out_width) * at_once + _whole_lines(job.plan.scratch) + CACHE_LINE
    if size > ON_STACK:
        memory = <char*>PyMem_RawMalloc(size)
        if memory == NULL:
            atomic_store(&job.no_memory, 1)
            return
    while line < last:
        count = min(at_once, last - line)
        _do_lines(job, line, count, start, before, n, n_out, width, out_width,
                  <char*>(_whole_lines(<Py_ssize_t><uintptr_t>memory)))
        line += count
    if size > ON_STACK:
        PyMem_RawFree(memory)


cdef inline Py_ssize_t _whole_lines(Py_ssize_t n_bytes) noexcept nogil:
    return (n_bytes + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE


cdef void _do_lines(
    const LinesJob* job, Py_ssize_t line, Py_ssize_t count, Py_ssize_t start, Py_ssize_t before,
    Py_ssize_t n, Py_ssize_t n_out, Py_ssize_t width, Py_ssize_t out_width, char* memory
) noexcept nogil:
    """Apply the kernel to elements `start` to `start + n` of `count` lines."""
    cdef char* results = memory + width * count
    cdef char* scratch = results + out_width * count
    cdef Py_ssize_t out_start = job.out_stride * (
        start // job.plan.chunk * job.plan.n_out if job.plan.per_chunk else start)
    cdef Py_ssize_t i
    cdef char* x[NEIGHBOURS]
    cdef char* out[NEIGHBOURS]
    if not job.packs and not job.unpacks:
        for i in range(line, line + count):
            job.kernel(
                job.lines.data[1] + offset_of(&job.lines, 1, i) + start * job.itemsize, before, n,
                job.lines.data[0] + offset_of(&job.lines, 0, i) + out_start, scratch,
                job.parameters)
        return
    for i in range(count):
        x[i] = job.lines.data[1] + offset_of(&job.lines, 1, line + i) + (
            (start - before) * job.stride)
        out[i] = job.lines.data[0] + offset_of(&job.lines, 0, line + i) + out_start
    if job.packs:
        _pack_lines(memory, width, x, job.stride, count, before + n, job.itemsize)
    for i in range(count):
        job.kernel(
            (memory + i * width if job.packs else x[i]) + before * job.itemsize, before, n,
            results + i * out_width if job.unpacks else out[i], scratch, job.parameters)
    if job.unpacks:
        _unpack_lines(out, job.out_stride, results, out_width, count, n_out, job.out_itemsize)


cdef enum:
    # Elements of each line that are copied before the next line's turn: their cache lines, which
    # the neighbours share, are in the L1 cache then.
    STRETCH = 64


cdef void _pack_lines(
    char* memory, Py_ssize_t width, char** x, Py_ssize_t stride, Py_ssize_t count,
    Py_ssize_t n, Py_ssize_t itemsize
) noexcept nogil:
    cdef Py_ssize_t first = 0, size, i
    while first < n:
        size = min(<Py_ssize_t>STRETCH, n - first)
        for i in range(count):
            copy_items(memory + i * width + first * itemsize, itemsize, x[i] + first * stride,
                       stride, size, itemsize)
        first += size


cdef void _unpack_lines(
    char** out, Py_ssize_t stride, const char* results, Py_ssize_t width, Py_ssize_t count,
    Py_ssize_t n, Py_ssize_t itemsize
) noexcept nogil:
    cdef Py_ssize_t first = 0, size, i
    while first < n:
        size = min(<Py_ssize_t>STRETCH, n - first)
        for i in range(count):
            copy_items(out[i] + first * stride, stride, results + i * width + first * itemsize,
                       itemsize, size, itemsize)
        first += size
