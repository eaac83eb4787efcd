"""Layer: parallel.  Units of the distances: a tile of the result, the neighbours of some rows."""

from libc.stdint cimport int64_t
from libc.string cimport memcpy

from fastproc.kernels._common cimport LANES
from fastproc.kernels._distances cimport (
    BLOCK_ROWS, NEAREST_ROWS, Rows, Screen, block_columns, block_t, move_t, nearest_t, screened_t,
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
    move_t move_a
    move_t move_b
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
    cdef Py_ssize_t first = unit // job.tiles * BLOCK_ROWS, column = unit % job.tiles * job.tile
    cdef Py_ssize_t n_rows = min(job.n_a - first, BLOCK_ROWS)
    cdef Py_ssize_t last = min(column + job.tile, job.n_b), size
    cdef Py_ssize_t most = block_columns(job.rows.width)
    cdef double* out
    if not job.condensed:
        while column < last:
            size = min(last - column, most)
            job.block(NULL, &job.rows, first, n_rows, column, size,
                      job.out + first * job.n_b + column, job.n_b, 0)
            column += size
        return
    # Of the pairs i < j, first those on both sides of the diagonal, of which a part is there.
    while column < last and column < first + n_rows:
        size = min(last - column, LANES)
        if column + size > first + 1:
            do_diagonal(job, first, n_rows, column, size)
        column += size
    while column < last:
        size = min(last - column, most)
        # From a pair to that below it, there are as many as follow in the row, less one a row.
        out = job.out + pairs_before(first, job.n_b) + column - (first + 1)
        job.block(NULL, &job.rows, first, n_rows, column, size, out, job.n_b - first - 2, 1)
        column += size


cdef inline void do_diagonal(
    const DistanceJob* job, Py_ssize_t first, Py_ssize_t n_rows, Py_ssize_t column,
    Py_ssize_t size
) noexcept nogil:
    """Compute at most LANES columns of a tile, and keep what is right of the diagonal."""
    cdef double block[BLOCK_ROWS * LANES]
    cdef Py_ssize_t i, row, start
    job.block(NULL, &job.rows, first, n_rows, column, size, block, LANES, 0)
    for i in range(n_rows):
        row = first + i
        start = max(column, row + 1)
        if start < column + size:
            memcpy(job.out + pairs_before(row, job.n_b) + start - (row + 1),
                   block + i * LANES + start - column, (column + size - start) * sizeof(double))


cdef inline void do_move(void* argument, Py_ssize_t unit) noexcept nogil:
    """Prepare the screen of NEAREST_ROWS rows: units of `a`, and after these of `b`."""
    cdef NearestJob* job = <NearestJob*>argument
    cdef Py_ssize_t units_of_a = (job.n_a + NEAREST_ROWS - 1) // NEAREST_ROWS
    cdef Py_ssize_t first = (unit if unit < units_of_a else unit - units_of_a) * NEAREST_ROWS
    if unit < units_of_a:
        job.move_a(&job.screen, job.rows.a, first, min(first + NEAREST_ROWS, job.n_a))
    else:
        job.move_b(&job.screen, job.rows.b, first, min(first + NEAREST_ROWS, job.n_b))


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
