"""Layer: parallel.  A histogram as units of work, each with a table of its own."""

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport int64_t
from libc.string cimport memset

from fastproc.kernels._common cimport CHUNK, prefetch
from fastproc.kernels._histogram cimport (
    BATCH, HISTOGRAM_TABLES, Bins, HistogramTable, count_t, place_t, weigh_t,
)
from fastproc.parallel._walk cimport copy_items
from fastproc.shm._atomic cimport atomic_store

cdef enum:
    MAX_AXES = 32
    # With more cells than this several tables would not fit in the caches.
    MANY_CELLS = 4096
    # How far ahead a batch is fetched, in bytes: the processor's own prefetcher stops where a page
    # ends.
    AHEAD = 4096
    LINE = 64

cdef struct HistogramAxis:
    place_t place
    Bins bins
    const char* x
    Py_ssize_t stride             # in bytes
    Py_ssize_t itemsize

cdef struct HistogramJob:
    const HistogramTable* table
    HistogramAxis axes[MAX_AXES]
    int n_axes
    int n_cells
    const double* weights         # NULL if elements are counted
    Py_ssize_t size
    Py_ssize_t unit_size
    char* sums                    # a row of n_cells int64 or double for each unit
    int64_t no_memory


cdef inline int n_tables(const HistogramJob* job) noexcept nogil:
    """Return how many tables take turns: one if several would be large, or not worth merging."""
    return 1 if job.n_cells > MANY_CELLS or job.size <= CHUNK else HISTOGRAM_TABLES


cdef inline Py_ssize_t scratch_size(const HistogramJob* job) noexcept nogil:
    """Return how many bytes a unit's tables take."""
    cdef Py_ssize_t itemsize = sizeof(unsigned int) if job.weights == NULL else sizeof(double)
    return n_tables(job) * (<Py_ssize_t>job.n_cells + 1) * itemsize


cdef inline void find_numbers(
    const HistogramAxis* axis, Py_ssize_t start, Py_ssize_t n, int* numbers
) noexcept nogil:
    """Write the bins of a batch of elements along one axis."""
    cdef char packed[BATCH * 8]
    cdef const char* x = axis.x + start * axis.stride
    cdef Py_ssize_t i
    if axis.stride == axis.itemsize:
        for i in range(n * axis.itemsize // LINE):
            prefetch(x + AHEAD + i * LINE)
    else:
        copy_items(packed, axis.itemsize, x, axis.stride, n, axis.itemsize)
        x = packed
    axis.place(x, n, &axis.bins, numbers)


cdef inline void find_cells(
    const HistogramJob* job, Py_ssize_t start, Py_ssize_t n, int* cells
) noexcept nogil:
    cdef int numbers[BATCH]
    cdef int n_before = job.axes[0].bins.n_bins, i
    find_numbers(&job.axes[0], start, n, cells)
    for i in range(1, job.n_axes):
        find_numbers(&job.axes[i], start, n, numbers)
        job.table.combine(numbers, n, job.axes[i].bins.n_bins, n_before, cells)
        n_before *= job.axes[i].bins.n_bins


cdef inline void add_up(const HistogramJob* job, const void* scratch, char* row) noexcept nogil:
    """Write the sum of a unit's tables."""
    cdef const unsigned int* counts = <const unsigned int*>scratch
    cdef const double* sums = <const double*>scratch
    cdef Py_ssize_t width = <Py_ssize_t>job.n_cells + 1, i
    cdef int table
    for i in range(job.n_cells):
        if job.weights == NULL:
            (<int64_t*>row)[i] = counts[i]
            for table in range(1, n_tables(job)):
                (<int64_t*>row)[i] += counts[table * width + i]
        else:
            (<double*>row)[i] = sums[i]
            for table in range(1, n_tables(job)):
                (<double*>row)[i] += sums[table * width + i]


cdef inline void do_elements(
    const HistogramJob* job, Py_ssize_t start, Py_ssize_t stop, void* scratch, char* row
) noexcept nogil:
    """Count elements `start` to `stop`."""
    cdef int cells[BATCH]
    cdef unsigned int* counts[HISTOGRAM_TABLES]
    cdef double* sums[HISTOGRAM_TABLES]
    cdef Py_ssize_t width = <Py_ssize_t>job.n_cells + 1, n
    cdef int i, table
    memset(scratch, 0, scratch_size(job))
    for i in range(HISTOGRAM_TABLES):
        table = i if n_tables(job) > 1 else 0
        counts[i] = <unsigned int*>scratch + table * width
        sums[i] = <double*>scratch + table * width
    while start < stop:
        n = min(stop - start, <Py_ssize_t>BATCH)
        find_cells(job, start, n, cells)
        if job.weights == NULL:
            job.table.count(cells, n, counts)
        else:
            job.table.weigh(cells, job.weights + start, n, sums)
        start += n
    add_up(job, scratch, row)


cdef inline void do_few(const HistogramJob* job, double* row) noexcept nogil:
    """Add few elements to sums that are 0, one for each cell; in a double a count is exact, too."""
    cdef int cells[BATCH]
    cdef Py_ssize_t start = 0, n, i
    while start < job.size:
        n = min(job.size - start, <Py_ssize_t>BATCH)
        find_cells(job, start, n, cells)
        for i in range(n):
            if cells[i] < job.n_cells:
                row[cells[i]] += 1 if job.weights == NULL else job.weights[start + i]
        start += n


cdef inline void do_unit(void* argument, Py_ssize_t unit) noexcept nogil:
    cdef HistogramJob* job = <HistogramJob*>argument
    cdef Py_ssize_t start = unit * job.unit_size
    cdef void* scratch = PyMem_RawMalloc(scratch_size(job))
    if scratch == NULL:
        atomic_store(&job.no_memory, 1)
        return
    do_elements(job, start, min(job.size, start + job.unit_size), scratch,
                job.sums + unit * job.n_cells * 8)
    PyMem_RawFree(scratch)
