"""Layer: parallel.  The gate of the histogram: edges, units with counts of their own, their sum.

Counts are integers, so the result is the same whichever way the elements are cut.
"""
# Safe for free-threaded Python: module state is written at import only.

import numpy as np

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.math cimport fabs, fmax, isfinite
from libc.stdint cimport int64_t
from numpy cimport (
    PyArray_BYTES,
    PyArray_DATA,
    PyArray_SIZE,
    import_array,
    ndarray,
)

from fastproc.kernels._histogram cimport HISTOGRAM_TABLES, Bins, HistogramTable, histogram_t
from fastproc.parallel._gate cimport dtype_code, item_size, table_of
from fastproc.parallel._threads cimport run_units, threads_for

from fastproc import plan
from fastproc.kernels import validate
from fastproc.parallel._reductions import minmax

import_array()

cdef const HistogramTable* _table = <const HistogramTable*>table_of("histogram")

# What one thread needs for an element, in nanoseconds.
cdef double NS_PER_ELEMENT = 0.8

cdef struct HistogramJob:
    histogram_t count
    Bins bins
    const char* x
    Py_ssize_t itemsize
    Py_ssize_t size
    Py_ssize_t unit_size
    int64_t* counts          # n_units rows of n_bins
    int64_t no_memory


cdef void _do_unit(void* argument, Py_ssize_t unit) noexcept nogil:
    cdef HistogramJob* job = <HistogramJob*>argument
    cdef Py_ssize_t start = unit * job.unit_size
    cdef unsigned int* scratch = <unsigned int*>PyMem_RawMalloc(
        HISTOGRAM_TABLES * (<size_t>job.bins.n_bins + 1) * sizeof(unsigned int))
    if scratch == NULL:
        job.no_memory = 1
        return
    job.count(job.x + start * job.itemsize, min(job.unit_size, job.size - start), &job.bins,
              scratch, job.counts + unit * job.bins.n_bins)
    PyMem_RawFree(scratch)


cdef int _prepare(
    HistogramJob* job, ndarray array, ndarray edges, double margin, Py_ssize_t unit_size
) except -1:
    """Plan the histogram of a contiguous array."""
    cdef int code = dtype_code(array)
    if code < 0:
        raise TypeError(f"there is no compiled histogram for dtype {array.dtype}")
    job.count = _table.histograms[code]
    job.x = PyArray_BYTES(array)
    job.itemsize = item_size(code)
    job.size = PyArray_SIZE(array)
    job.unit_size = unit_size
    job.bins.edges = <const double*>PyArray_DATA(edges)
    job.bins.n_bins = <int>(PyArray_SIZE(edges) - 1)
    job.bins.first = job.bins.edges[0]
    job.bins.last = job.bins.edges[job.bins.n_bins]
    job.bins.scale = _scale(job.bins.first, job.bins.last, job.bins.n_bins)
    job.bins.margin = margin
    job.no_memory = 0
    return 0


def _histogram_units(
    ndarray array, ndarray edges, double margin, Py_ssize_t unit_size, ndarray counts,
    Py_ssize_t first, Py_ssize_t last
):
    """Count units `first` to `last` of a histogram, in a process of a pool."""
    cdef HistogramJob job
    cdef Py_ssize_t unit
    _prepare(&job, array, edges, margin, unit_size)
    job.counts = <int64_t*>PyArray_DATA(counts)
    with nogil:
        for unit in range(first, last):
            _do_unit(&job, unit)
    if job.no_memory:
        raise MemoryError("histogram: no memory for the counts")


cdef double _scale(double first, double last, int n_bins) noexcept:
    """Return bins per unit of the data, 0 where that is out of a double's range."""
    cdef double scale = n_bins / (last - first)
    return scale if isfinite(scale) else 0


cdef double _margin(double first, double last, int n_bins, double epsilon) noexcept:
    """Return how far, in bins, rounding can take a place from where the edges say it is.

    A place is moved by a few units in the last place of what it is made of: itself, up to n_bins,
    and the outer edges measured in bins.  `epsilon` is that of the edges' dtype.
    """
    cdef double scale = _scale(first, last, n_bins)
    if scale == 0:
        return 1                # a place says nothing then
    return 4 * epsilon * (n_bins + fmax(fabs(first), fabs(last)) * scale)


def _edges_of(array, int n_bins, range, workers):
    """Return the edges by NumPy's rules, in NumPy's dtype."""
    if range is None:
        if array.size == 0:
            first, last = 0.0, 1.0
        else:
            first, last = minmax(array, workers=workers)
        first, last = validate.check_range(first, last, False)
    else:
        try:
            first, last = range
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"histogram: range must be (least, greatest), not {range!r}") from None
        first, last = validate.check_range(first, last, True)
    dtype = np.result_type(first, last, array)
    if dtype.kind in "bui":
        dtype = np.dtype(np.float64)
    edges = np.linspace(first, last, n_bins + 1, endpoint=True, dtype=dtype)
    validate.check_edges(edges)
    return edges


def histogram(a, bins=10, range=None, *, workers=None):
    cdef HistogramJob job
    cdef int n_bins, n_threads
    cdef Py_ssize_t n_units
    cdef double margin
    array = validate.as_array("histogram", a)
    n_bins = validate.check_bins(bins)
    # The kernel reads contiguous elements, in any order: an array that has holes is copied.
    flat = array.ravel(order="K")
    edges = _edges_of(flat, n_bins, range, workers)
    flat, _ = validate.reducible("mean", flat)
    wide_edges = edges.astype(np.float64)

    margin = _margin(wide_edges[0], wide_edges[n_bins], n_bins,
                     np.finfo(edges.dtype).eps)
    n_units = plan.histogram_units(flat.size, n_bins)
    unit_size = (flat.size + n_units - 1) // n_units if n_units > 0 else 0
    n_threads = threads_for(workers, flat.size * NS_PER_ELEMENT, n_units)
    if n_threads > 0:
        counts = np.empty((n_units, n_bins), np.int64)
        _prepare(&job, flat, wide_edges, margin, unit_size)
        job.counts = <int64_t*>PyArray_DATA(<ndarray>counts)
        run_units(_do_unit, &job, n_units, n_threads)
        if job.no_memory:
            raise MemoryError("histogram: no memory for the counts")
    else:
        from fastproc.parallel import processes

        memory = processes.run_units(
            workers, _histogram_units, (), processes.shared_like(flat, ()),
            (wide_edges, margin, unit_size), n_units, n_units * n_bins * 8)
        counts = memory.view(np.int64).reshape(n_units, n_bins)
    return (counts[0] if n_units == 1 else counts.sum(axis=0)), edges
