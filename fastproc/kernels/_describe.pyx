"""Layer: kernels.  The loop of `describe`: a chunk's extremes, and moments up to the fourth.

The chunk is read twice: for the mean and the extremes, then, from the first-level cache, for the
powers of the deviations.  These are taken from a number near the mean; what it is off by, the sum
of the deviations, is put right at the end.  Lanes as in ``_reduce.pxd``; contracts in
``_lines.pxd`` and ``_describe.pxd``.
"""
# Safe for free-threaded Python: the table is written while the module is imported, and only read
# afterwards.

from libc.math cimport NAN
from libc.stdint cimport int64_t

from fastproc.kernels._common cimport FLOAT32, FLOAT64, INT32, INT64, LANES, scalar, table_capsule
from fastproc.kernels._describe cimport Moments
from fastproc.kernels._extremes cimport extremes_chunk
from fastproc.kernels._lines cimport LineTable, line_t
from fastproc.kernels._reduce cimport fold_lanes, sum_chunk
from fastproc.kernels._reductions cimport State

cdef LineTable _table


cdef inline void powers_of_rows(
    const scalar* x, Py_ssize_t n_rows, double near, double* sums
) noexcept nogil:
    """Add up the first four powers of the deviations of n_rows rows of LANES elements."""
    cdef double first[LANES]
    cdef double second[LANES]
    cdef double third[LANES]
    cdef double fourth[LANES]
    cdef double deviation, square
    cdef Py_ssize_t i, j
    for j in range(LANES):
        first[j] = second[j] = third[j] = fourth[j] = 0
    for i in range(n_rows):
        for j in range(LANES):
            deviation = <double>x[i * LANES + j] - near
            square = deviation * deviation
            first[j] += deviation
            second[j] += square
            third[j] += square * deviation
            fourth[j] += square * square
    sums[0] = fold_lanes(&first[0])
    sums[1] = fold_lanes(&second[0])
    sums[2] = fold_lanes(&third[0])
    sums[3] = fold_lanes(&fourth[0])


cdef inline void describe_chunk(
    const scalar* x, Py_ssize_t before, Py_ssize_t n, Moments* out, char* scratch,
    const void* parameters
) noexcept nogil:
    cdef State extremes
    cdef double sums[4]
    cdef double deviation, square, off
    cdef Py_ssize_t n_rows = n // LANES, i
    extremes_chunk(x, n, &extremes, True, True)
    out.n = <double>n
    out.near = sum_chunk(x, n, <double>0, False, False) / <double>n
    powers_of_rows(x, n_rows, out.near, sums)
    for i in range(n_rows * LANES, n):
        deviation = <double>x[i] - out.near
        square = deviation * deviation
        sums[0] += deviation
        sums[1] += square
        sums[2] += square * deviation
        sums[3] += square * square
    off = sums[0] / <double>n
    out.shift = off
    out.squares = sums[1] - off * sums[0]
    out.cubes = sums[2] - 3 * off * sums[1] + 2 * off * off * sums[0]
    out.fourths = sums[3] - 4 * off * sums[2] + 6 * off * off * sums[1] - (
        3 * off * off * off * sums[0])
    out.least, out.greatest = extremes.a, extremes.b
    if scalar is double or scalar is float:
        if extremes.n > 0:
            out.least.f = out.greatest.f = NAN


# The table ---------------------------------------------------------------------------------------

_table.kernels[0][FLOAT64] = <line_t>describe_chunk[double]
_table.kernels[0][FLOAT32] = <line_t>describe_chunk[float]
_table.kernels[0][INT64] = <line_t>describe_chunk[int64_t]
_table.kernels[0][INT32] = <line_t>describe_chunk[int]

#: The table of this CPU level.
table = table_capsule(&_table)
