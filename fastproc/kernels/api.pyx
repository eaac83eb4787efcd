"""Layer: kernels.  The compiled reductions for other Cython packages: whole arrays, chunk by chunk.

Chunks and the order in which their states are merged are those of ``fastproc.parallel``.
"""
# Safe for free-threaded Python: the table is read only.

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport NAN
from libc.string cimport memset

from fastproc.kernels._common cimport CHUNK, FLOAT32, FLOAT64
from fastproc.kernels._reductions cimport (
    MAX, MEAN, MIN, NANMAX, NANMEAN, NANMIN, NANSTD, NANSUM, NANVAR, STD, SUM, VAR,
    Reduction, ReductionTable, State,
)

from fastproc.kernels import dispatch

cdef const ReductionTable* _table = <const ReductionTable*>PyCapsule_GetPointer(
    dispatch.table("reductions"), b"fastproc.kernels.table")

cdef enum:
    # States that fit on the stack: of arrays of up to 262,144 elements.
    ON_STACK = 64


cdef double reduced(int name, const real* x, Py_ssize_t n, double ddof) except? -1 nogil:
    cdef const Reduction* kernel = &_table.kernels[name][
        FLOAT64 if real is double else FLOAT32]
    cdef State on_stack[ON_STACK]
    cdef State* states = on_stack
    cdef Py_ssize_t n_chunks = (n + CHUNK - 1) // CHUNK, half, i
    cdef real result, second
    if n_chunks > ON_STACK:
        states = <State*>PyMem_RawMalloc(n_chunks * sizeof(State))
        if states == NULL:
            with gil:
                raise MemoryError(f"no memory for the states of {n} elements")
    memset(states, 0, sizeof(State))
    for i in range(n_chunks):
        half = n - i * CHUNK
        kernel.partial(x + i * CHUNK, half if half < CHUNK else CHUNK, i * CHUNK, &states[i])
    while n_chunks > 1:
        half = (n_chunks + 1) // 2
        for i in range(n_chunks - half):
            kernel.merge(&states[i], &states[i + half], NULL)
        n_chunks = half
    kernel.finalize(states, n, ddof, &result, &second)
    if states != on_stack:
        PyMem_RawFree(states)
    return <double>result


cdef inline double chosen(int name, const real* x, Py_ssize_t n) except? -1 nogil:
    """Reduce to an element, of which there must be one."""
    return NAN if n == 0 else reduced(name, x, n, 0)


cdef double sum(const real* x, Py_ssize_t n) except? -1 nogil:
    return reduced(SUM, x, n, 0)


cdef double mean(const real* x, Py_ssize_t n) except? -1 nogil:
    return reduced(MEAN, x, n, 0)


cdef double var(const real* x, Py_ssize_t n, double ddof) except? -1 nogil:
    return reduced(VAR, x, n, ddof)


cdef double std(const real* x, Py_ssize_t n, double ddof) except? -1 nogil:
    return reduced(STD, x, n, ddof)


cdef double nansum(const real* x, Py_ssize_t n) except? -1 nogil:
    return reduced(NANSUM, x, n, 0)


cdef double nanmean(const real* x, Py_ssize_t n) except? -1 nogil:
    return reduced(NANMEAN, x, n, 0)


cdef double nanvar(const real* x, Py_ssize_t n, double ddof) except? -1 nogil:
    return reduced(NANVAR, x, n, ddof)


cdef double nanstd(const real* x, Py_ssize_t n, double ddof) except? -1 nogil:
    return reduced(NANSTD, x, n, ddof)


cdef double min(const real* x, Py_ssize_t n) except? -1 nogil:
    return chosen(MIN, x, n)


cdef double max(const real* x, Py_ssize_t n) except? -1 nogil:
    return chosen(MAX, x, n)


cdef double nanmin(const real* x, Py_ssize_t n) except? -1 nogil:
    return chosen(NANMIN, x, n)


cdef double nanmax(const real* x, Py_ssize_t n) except? -1 nogil:
    return chosen(NANMAX, x, n)
