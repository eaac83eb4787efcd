"""Layer: parallel.  Kernels of users: their C functions, called for elements, chunks or states.

The GIL is not held while a user's function runs, by whichever thread or process: it must need
neither the GIL nor a Python object, and must not raise (``noexcept nogil`` in Cython).
"""
# Safe for free-threaded Python: there is no module state.

import numpy as np

from libc.stdint cimport int64_t, uintptr_t
from numpy cimport (
    PyArray_BYTES,
    PyArray_DATA,
    PyArray_SIZE,
    import_array,
    ndarray,
)

from fastproc.kernels._common cimport CHUNK, FLOAT32, FLOAT64, INT64, scalar
from fastproc.kernels._elementwise cimport Parameters, binary_t, unary_t
from fastproc.parallel._elementwise_job cimport ElementwiseJob, do_unit, plan_walk
from fastproc.parallel._gate cimport dtype_code, item_size
from fastproc.parallel._threads cimport run_units, threads_for

from fastproc import plan

import_array()

cdef Py_ssize_t UNIT = plan.ELEMENTWISE_UNIT

# A function of elements is called for each; one of chunks gets a run of contiguous elements.
cdef enum Form:
    OF_ELEMENT = 1
    OF_ELEMENTS = 2
    OF_CHUNK = 3
    OF_CHUNKS = 4


ctypedef scalar (*of_element_t)(scalar) noexcept nogil
ctypedef scalar (*of_elements_t)(scalar, scalar) noexcept nogil
ctypedef void (*of_chunk_t)(const scalar*, scalar*, Py_ssize_t) noexcept nogil
ctypedef void (*of_chunks_t)(const scalar*, const scalar*, scalar*, Py_ssize_t) noexcept nogil


# Adapters: what the elementwise job calls, the user's function being its parameter ---------------

cdef void call_with_element(
    const scalar* x, scalar* out, Py_ssize_t n, const Parameters* parameters
) noexcept nogil:
    cdef of_element_t function = <of_element_t>parameters.values
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = function(x[i])


cdef void call_with_elements(
    const scalar* x1, Py_ssize_t step1, const scalar* x2, Py_ssize_t step2, scalar* out,
    Py_ssize_t n, const Parameters* parameters
) noexcept nogil:
    cdef of_elements_t function = <of_elements_t>parameters.values
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = function(x1[i * step1], x2[i * step2])


cdef void call_with_chunk(
    const scalar* x, scalar* out, Py_ssize_t n, const Parameters* parameters
) noexcept nogil:
    cdef of_chunk_t function = <of_chunk_t>parameters.values
    function(x, out, n)


cdef void call_with_chunks(
    const scalar* x1, Py_ssize_t step1, const scalar* x2, Py_ssize_t step2, scalar* out,
    Py_ssize_t n, const Parameters* parameters
) noexcept nogil:
    """Give the function two runs; an operand that is one element is repeated for it."""
    cdef of_chunks_t function = <of_chunks_t>parameters.values
    cdef scalar repeated[2][CHUNK]
    cdef Py_ssize_t start = 0, size, i
    if step1 != 0 and step2 != 0:
        function(x1, x2, out, n)
        return
    for i in range(min(n, <Py_ssize_t>CHUNK)):
        repeated[0][i] = x1[0]
        repeated[1][i] = x2[0]
    while start < n:
        size = min(n - start, <Py_ssize_t>CHUNK)
        function(x1 + start if step1 != 0 else &repeated[0][0],
                 x2 + start if step2 != 0 else &repeated[1][0], out + start, size)
        start += size


cdef int _choose(ElementwiseJob* job, int form, scalar* tag) except -1:
    """Choose the adapter of one dtype.  The casts only drop the pointers' type."""
    job.unary, job.binary = NULL, NULL
    if form == OF_ELEMENT:
        job.unary = <unary_t>call_with_element[scalar]
    elif form == OF_ELEMENTS:
        job.binary = <binary_t>call_with_elements[scalar]
    elif form == OF_CHUNK:
        job.unary = <unary_t>call_with_chunk[scalar]
    else:
        job.binary = <binary_t>call_with_chunks[scalar]
    return 0


cdef int _prepare(ElementwiseJob* job, object function, int form, list arrays) except -1:
    cdef int code = dtype_code(<ndarray?>arrays[0])
    if code == FLOAT64:
        _choose(job, form, <double*>NULL)
    elif code == FLOAT32:
        _choose(job, form, <float*>NULL)
    elif code == INT64:
        _choose(job, form, <int64_t*>NULL)
    else:
        _choose(job, form, <int*>NULL)
    job.parameters.values = <const void*><uintptr_t>function.address
    job.parameters.n = 1
    job.unit_size = UNIT
    return plan_walk(job, arrays)


def apply(function, int form, list arrays, double ns_per_element, object workers):
    """Call a C function for all elements of arrays of one dtype, the output first.

    Returns False if `workers` is a pool and worth asking; nothing has been done then.
    """
    cdef ElementwiseJob job
    cdef int n_threads
    _prepare(&job, function, form, arrays)
    n_threads = threads_for(workers, job.size * ns_per_element, n_units(job.size))
    if n_threads > 0:
        run_units(do_unit, &job, n_units(job.size), n_threads)
    return n_threads > 0


def n_units(Py_ssize_t size):
    """Return into how many units `apply` cuts so many elements."""
    return (size + UNIT - 1) // UNIT


def apply_units(function, int form, list arrays, Py_ssize_t first, Py_ssize_t last):
    """Do units `first` to `last` of `apply`, in a process of a pool."""
    cdef ElementwiseJob job
    cdef Py_ssize_t unit
    _prepare(&job, function, form, arrays)
    with nogil:
        for unit in range(first, last):
            do_unit(&job, unit)


# Reductions --------------------------------------------------------------------------------------

ctypedef void (*partial_t)(const void* x, Py_ssize_t n, double* state) noexcept nogil
ctypedef void (*merge_t)(double* into, const double* other) noexcept nogil
ctypedef double (*finalize_t)(const double* state) noexcept nogil

cdef struct ReductionJob:
    partial_t partial
    const char* x
    Py_ssize_t itemsize
    Py_ssize_t size
    double* states           # one of `width` numbers for each chunk
    Py_ssize_t width


cdef void _do_chunk(void* argument, Py_ssize_t unit) noexcept nogil:
    cdef ReductionJob* job = <ReductionJob*>argument
    cdef Py_ssize_t start = unit * CHUNK
    job.partial(job.x + start * job.itemsize, min(<Py_ssize_t>CHUNK, job.size - start),
                job.states + unit * job.width)


cdef int _plan(ReductionJob* job, object partial, ndarray x, ndarray states, Py_ssize_t width):
    job.partial = <partial_t><uintptr_t>partial.address
    job.x = PyArray_BYTES(x)
    job.itemsize = item_size(dtype_code(x))
    job.size = PyArray_SIZE(x)
    job.states = <double*>PyArray_DATA(states)
    job.width = width
    return 0


def chunks_of(ndarray x):
    """Return into how many chunks, and so states, contiguous elements are cut; at least one."""
    return max(1, (PyArray_SIZE(x) + CHUNK - 1) // CHUNK)


def partial_states(
    partial, ndarray x, ndarray states, Py_ssize_t width, double ns_per_element, object workers
):
    """Make the states of all chunks; False if `workers` is a pool and worth asking."""
    cdef ReductionJob job
    cdef Py_ssize_t n_chunks = chunks_of(x)
    cdef int n_threads = threads_for(workers, PyArray_SIZE(x) * ns_per_element, n_chunks)
    _plan(&job, partial, x, states, width)
    if n_threads > 0:
        run_units(_do_chunk, &job, n_chunks, n_threads)
    return n_threads > 0


def partial_units(
    partial, ndarray x, Py_ssize_t width, ndarray states, Py_ssize_t first, Py_ssize_t last
):
    """Do chunks `first` to `last` of `partial_states`, in a process of a pool."""
    cdef ReductionJob job
    cdef Py_ssize_t unit
    _plan(&job, partial, x, states, width)
    with nogil:
        for unit in range(first, last):
            _do_chunk(&job, unit)


def merge_states(merge, ndarray states, Py_ssize_t width):
    """Merge the states of all chunks into the first, by halving."""
    cdef merge_t function = <merge_t><uintptr_t>merge.address
    cdef double* first = <double*>PyArray_DATA(states)
    cdef Py_ssize_t n = PyArray_SIZE(states) // width, half, i
    with nogil:
        while n > 1:
            half = (n + 1) // 2
            for i in range(n - half):
                function(first + i * width, first + (i + half) * width)
            n = half


def finalized(finalize, ndarray state):
    """Return the number that `finalize` makes of a state."""
    cdef finalize_t function = <finalize_t><uintptr_t>finalize.address
    return np.float64(function(<const double*>PyArray_DATA(state)))
