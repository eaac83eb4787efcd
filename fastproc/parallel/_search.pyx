"""Layer: parallel.  The gates of the searches in sorted edges: digitize and searchsorted.

Values and edges are brought to one dtype, in which they are compared.  Many values are worth a
table of the edges (``kernels/_search.pxd``); where each value belongs depends on nothing else, so
cuts and workers never change a result.
"""
# Safe for free-threaded Python: module state is written at import only.

import numpy as np

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport int64_t
from numpy cimport (
    NPY_ARRAY_ALIGNED,
    NPY_ARRAY_C_CONTIGUOUS,
    NPY_INT64,
    PyArray_BYTES,
    PyArray_CHKFLAGS,
    PyArray_DATA,
    PyArray_DIMS,
    PyArray_EMPTY,
    PyArray_NDIM,
    PyArray_SIZE,
    import_array,
    ndarray,
)

from fastproc.kernels._common cimport CHUNK, FLOAT32
from fastproc.kernels._search cimport Index, SearchTable, search_t
from fastproc.parallel._gate cimport as_ndarray, dtype_code, is_array, item_size, table_of
from fastproc.parallel._threads cimport run_units, threads_for

from fastproc import plan
from fastproc.kernels import edges as edges_of, validate

import_array()

cdef const SearchTable* _table = <const SearchTable*>table_of("search")

# What one thread needs for an element, in nanoseconds.
cdef double NS_PER_ELEMENT = 2

cdef Py_ssize_t UNIT = plan.ELEMENTWISE_UNIT

cdef enum:
    # Fewer edges than this are found in few steps without a table.
    FEW_EDGES = 8
    # Buckets for an edge: two, so that few edges share one.
    MOST_BUCKETS = 1 << 24

cdef struct SearchJob:
    search_t search
    Index index
    bint right
    const char* x
    Py_ssize_t itemsize
    Py_ssize_t size
    int64_t* places


cdef void _do_unit(void* argument, Py_ssize_t unit) noexcept nogil:
    cdef SearchJob* job = <SearchJob*>argument
    cdef Py_ssize_t start = unit * UNIT
    job.search(job.x + start * job.itemsize, min(UNIT, job.size - start), &job.index, job.right,
               job.places + start)


cdef int _prepare(SearchJob* job, ndarray edges, ndarray x, bint right) except -1:
    """Plan a search of contiguous values in contiguous edges of the same dtype, NaN at the end."""
    cdef int code = dtype_code(x)
    cdef Py_ssize_t n = PyArray_SIZE(edges)
    job.search = _table.searches[code]
    job.right = right
    job.x = PyArray_BYTES(x)
    job.itemsize = item_size(code)
    job.size = PyArray_SIZE(x)
    job.index.edges = PyArray_DATA(edges)
    job.index.nan_place = n
    if code <= FLOAT32:
        while n > 0 and _is_nan(edges, code, n - 1):
            n -= 1
        if not right:
            job.index.nan_place = n
    job.index.n = job.index.width = n
    job.index.starts = NULL
    return 0


cdef inline bint _is_nan(ndarray edges, int code, Py_ssize_t i) noexcept:
    cdef double value
    if code == FLOAT32:
        value = (<const float*>PyArray_DATA(edges))[i]
    else:
        value = (<const double*>PyArray_DATA(edges))[i]
    return value != value


cdef int* _make_index(SearchJob* job, int code) except? NULL:
    """Give the job a table of its edges if its values are enough to pay for it."""
    cdef Py_ssize_t n_buckets = 16
    cdef int* starts
    if job.index.n < FEW_EDGES or job.size < job.index.n // 2 or job.index.n > MOST_BUCKETS:
        return NULL
    while n_buckets < 2 * job.index.n and n_buckets < MOST_BUCKETS:
        n_buckets *= 2
    starts = <int*>PyMem_RawMalloc(n_buckets * sizeof(int))
    if starts == NULL:
        raise MemoryError("no memory for a table of the edges")
    job.index.n_buckets = <int>n_buckets
    with nogil:
        _table.indexes[code](&job.index, starts)
    return starts


def _search_units(
    ndarray edges, bint right, ndarray x, ndarray memory, Py_ssize_t first, Py_ssize_t last
):
    """Search for the values of units `first` to `last`, in a process of a pool."""
    cdef SearchJob job
    cdef Py_ssize_t unit
    cdef int* starts
    _prepare(&job, edges, x, right)
    job.places = <int64_t*>PyArray_DATA(memory)
    starts = _make_index(&job, dtype_code(x))
    with nogil:
        for unit in range(first, last):
            _do_unit(&job, unit)
    PyMem_RawFree(starts)


cdef ndarray _search(ndarray edges, ndarray x, bint right, object workers):
    """Return the places of contiguous values of any shape, one int64 for each."""
    cdef SearchJob job
    cdef ndarray places
    cdef int* starts
    cdef int n_threads
    cdef Py_ssize_t n_units
    _prepare(&job, edges, x, right)
    n_units = (job.size + UNIT - 1) // UNIT
    n_threads = threads_for(workers, job.size * NS_PER_ELEMENT, n_units)
    if n_threads == 0:
        from fastproc.parallel import processes

        memory = processes.run_units(
            workers, _search_units, (processes.shared_like(edges, ()), right),
            processes.shared_like(x, ()), (), n_units, job.size * 8)
        return memory.view(np.int64).reshape((<object>x).shape)
    places = PyArray_EMPTY(PyArray_NDIM(x), PyArray_DIMS(x), NPY_INT64, 0)
    job.places = <int64_t*>PyArray_DATA(places)
    if n_units <= 1 and job.size * job.index.n <= CHUNK:
        _do_unit(&job, 0)           # with the GIL: giving it up takes longer
        return places
    starts = _make_index(&job, dtype_code(x))
    try:
        run_units(_do_unit, &job, n_units, n_threads)
    finally:
        PyMem_RawFree(starts)
    return places


cdef inline bint _is_plain(object x) except -1:
    return (
        is_array(x) and dtype_code(<ndarray>x) >= 0
        and PyArray_CHKFLAGS(<ndarray>x, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED)
    )


cdef tuple _same_dtype(str label, object edges, object x):
    """Return edges and values as contiguous arrays of one compiled dtype."""
    if _is_plain(edges) and _is_plain(x) and (
            dtype_code(<ndarray>edges) == dtype_code(<ndarray>x)):
        return as_ndarray(edges), as_ndarray(x)
    edges, x = validate.as_array(label, edges), validate.as_array(label, x)
    dtype = np.result_type(edges, x)
    edges, _ = validate.reducible("min", edges.astype(dtype, copy=False))
    x, _ = validate.reducible("min", x.astype(dtype, copy=False))
    return validate.contiguous(edges), validate.contiguous(x)


cdef inline object _result(ndarray places):
    return places if PyArray_NDIM(places) > 0 else (<object>places)[()]


def digitize(x, bins, right=False, *, workers=None):
    cdef int order
    edges, values = _same_dtype("digitize", bins, x)
    edges_of.check_line("digitize", "bins", edges)
    order = _table.orders[dtype_code(edges)](PyArray_DATA(<ndarray>edges), PyArray_SIZE(edges))
    if order == 0:
        raise edges_of.disordered("digitize", edges, "ascend or descend")
    is_right = not validate.flag("digitize", "right", right)
    if order > 0:
        return _result(_search(edges, values, is_right, workers))
    ascending = np.ascontiguousarray(edges[::-1])
    return len(edges) - _result(_search(ascending, values, is_right, workers))


def searchsorted(a, v, side="left", sorter=None, *, workers=None):
    if type(side) is not str or side not in ("left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', not {side!r}")
    edges, values = _same_dtype("searchsorted", a, v)
    edges_of.check_line("searchsorted", "a", edges)
    if sorter is not None:
        edges = edges[edges_of.as_sorter("searchsorted", sorter, len(edges))]
    return _result(_search(edges, values, side == "right", workers))
