"""Layer: parallel.  Units of the distances: a tile of the result, the neighbours of some rows."""

from libc.stdint cimport int64_t
from libc.string cimport memcpy

from fastproc.kernels._common cimport LANES
from fastproc.kernels._distances cimport (
    BLOCK_ROWS, NEAREST_ROWS, Rows, Screen, block_t, nearest_t, screened_t,
)

cdef struct DistanceJob:
    block_t block
    Rows rows
    Py_ssize_t n_a
    Py_ssize_t n_b
    Py_ssize_t tile           # rows of `b` in a unit
    Py_ssize_t tiles          # units beside one another
    bint condensed            # the result is the pairs i < j of one array's rows
    double* out

cdef struct NearestJob:
    nearest_t nearest
    screened_t screened
    block_t block
    Rows rows
    Screen screen
    bint is_screened
    Py_ssize_t n_a
    Py_ssize_t n_b
    Py_ssize_t k
    double* distances
    int64_t* indices


cdef inline Py_ssize_t pairs_before(Py_ssize_t row, Py_ssize_t n) noexcept nogil:
    """Return how many pairs i < j < n have i < row."""
    return row * (2 * n - row - 1) // 2


cdef inline void do_tile(void* argument, Py_ssize_t unit) noexcept nogil:
    """Compute the distances between BLOCK_ROWS rows of `a` and a tile's rows of `b`."""
    cdef DistanceJob* job = <DistanceJob*>argument
    cdef double block[BLOCK_ROWS * LANES]
    cdef Py_ssize_t first = unit // job.tiles * BLOCK_ROWS, column = unit % job.tiles * job.tile
    cdef Py_ssize_t n_rows = min(job.n_a - first, BLOCK_ROWS)
    cdef Py_ssize_t last = min(column + job.tile, job.n_b), size
    while column < last:
        size = min(last - column, LANES)
        # Of a condensed result, only what is right of the diagonal is there.
        if not job.condensed or column + size > first + 1:
            job.block(NULL, &job.rows, first, n_rows, column, size, block)
            store_block(job, first, n_rows, column, size, block)
        column += size


cdef inline void store_block(
    const DistanceJob* job, Py_ssize_t first, Py_ssize_t n_rows, Py_ssize_t column,
    Py_ssize_t size, const double* block
) noexcept nogil:
    cdef Py_ssize_t i, row, start
    cdef double* target
    for i in range(n_rows):
        row = first + i
        start = column
        target = job.out + row * job.n_b
        if job.condensed:
            start = max(column, row + 1)
            target = job.out + pairs_before(row, job.n_b) - (row + 1)
        if start < column + size:
            memcpy(target + start, block + i * LANES + start - column,
                   (column + size - start) * sizeof(double))


cdef inline void do_search(void* argument, Py_ssize_t unit) noexcept nogil:
    """Find the neighbours of NEAREST_ROWS rows."""
    cdef NearestJob* job = <NearestJob*>argument
    cdef Py_ssize_t first = unit * NEAREST_ROWS, n = min(job.n_a - first, NEAREST_ROWS)
    cdef double* distances = job.distances + first * job.k
    cdef int64_t* indices = job.indices + first * job.k
    if job.is_screened:
        job.screened(&job.screen, &job.rows, first, n, job.n_b, job.k, distances, indices)
    else:
        job.nearest(job.block, &job.rows, first, n, job.n_b, job.k, distances, indices)
