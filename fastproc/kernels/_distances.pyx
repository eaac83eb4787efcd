"""Layer: kernels.  The loops of the distances: one template, and a line or two for each metric.

Rows of the second array are packed side by side, LANES of them column by column, so that the lanes
of a register are different pairs of rows: no sum across a register is ever taken, a width of 2 is
done as well as one of 1000, and each distance is added up column after column, as in the twin.
So its bits depend on the two rows alone, whatever block they are in.

    a row of `a`           .  .  .  A  .  .      one column, broadcast
                                    |
    a panel of `b`,        B  B  B  B ... B      LANES rows, the same column
    packed                 |  |  |  |     |
    sums                   +  +  +  +     +      one for each pair

A panel is PANEL columns wide, 16 KiB, and stays in the L1 cache while all rows of a block pass.
Contract in ``_distances.pxd``.
"""

# Safe for free-threaded Python: the table is written while the module is imported, and only read
# afterwards.

from libc.math cimport copysign, fabs, pow, sqrt

from fastproc.kernels._common cimport LANES, table_capsule
from fastproc.kernels._distances cimport (
    BLOCK_ROWS, CHEBYSHEV, CITYBLOCK, COSINE, EUCLIDEAN, HAMMING, JACCARD,
    MINKOWSKI, MINKOWSKI_WHOLE, PANEL, SQEUCLIDEAN, DistanceTable, Rows, block_t, measure_t,
)
from fastproc.kernels._nearest cimport (
    move_rows, move_to_panels, nearest_by_screen, nearest_of_all,
)

cdef DistanceTable _table

# The metrics -------------------------------------------------------------------------------------

# Types that have no values: each makes the templates below for its metric.
cdef struct Euclidean:
    char unused
cdef struct SqEuclidean:
    char unused
cdef struct Cosine:
    char unused
cdef struct CityBlock:
    char unused
cdef struct Chebyshev:
    char unused
cdef struct Minkowski:
    char unused
cdef struct MinkowskiWhole:
    char unused
cdef struct Hamming:
    char unused
cdef struct Jaccard:
    char unused

ctypedef fused Metric:
    Euclidean
    SqEuclidean
    Cosine
    CityBlock
    Chebyshev
    Minkowski
    MinkowskiWhole
    Hamming
    Jaccard


cdef inline double whole_power(double x, int n) noexcept nogil:
    """Return x to the power n < 16; without branches, so that lanes go side by side."""
    cdef double power = x if n & 1 else 1.0
    x *= x
    power *= x if n & 2 else 1.0
    x *= x
    power *= x if n & 4 else 1.0
    x *= x
    return power * (x if n & 8 else 1.0)


cdef inline double accumulate(
    const Metric* metric, double total, double a, double b, double p
) noexcept nogil:
    """Return the sum with one more column."""
    cdef double distance = fabs(a - b)
    if Metric is Cosine:
        return total + a * b
    elif Metric is CityBlock:
        return total + distance
    elif Metric is Chebyshev:
        return distance if distance > total else total        # SciPy passes over NaN here, too
    elif Metric is Minkowski:
        return total + pow(distance, p)
    elif Metric is MinkowskiWhole:
        return total + whole_power(distance, <int>p)
    elif Metric is Hamming or Metric is Jaccard:
        return total + (1.0 if a != b else 0.0)
    else:
        return total + (a - b) * (a - b)


cdef inline double finish(
    const Metric* metric, double total, double of_a, double of_b, Py_ssize_t width, double p
) noexcept nogil:
    """Return the distance that a whole sum stands for."""
    cdef double cosine
    if Metric is Euclidean:
        return sqrt(total)
    elif Metric is Cosine:
        cosine = total / (of_a * of_b)
        return 1.0 - (copysign(1.0, cosine) if fabs(cosine) > 1.0 else cosine)
    elif Metric is Minkowski or Metric is MinkowskiWhole:
        return pow(total, 1.0 / p)
    elif Metric is Hamming:
        return total / <double>width
    elif Metric is Jaccard:
        # Rows are 0 and 1: twice their union is what both have and what one has alone.
        return total / (0.5 * (of_a + of_b + total)) if of_a + of_b > 0.0 else 0.0
    else:
        return total


# The template ------------------------------------------------------------------------------------

cdef inline void pack(
    const double* x, Py_ssize_t stride, Py_ssize_t n, Py_ssize_t width, double* panel
) noexcept nogil:
    """Lay `n` rows side by side in a panel; lanes that are left over repeat the last row."""
    cdef Py_ssize_t j, k
    cdef const double* row
    for j in range(LANES):
        row = x + (j if j < n else n - 1) * stride
        for k in range(width):
            panel[k * LANES + j] = row[k]


cdef inline void accumulate_row(
    const Metric* metric, const double* a, const double* panel, Py_ssize_t width, double p,
    bint is_first, double* totals
) noexcept nogil:
    """Add the columns of a panel to the sums of one row of `a`, which begin with its first."""
    # Indexed by constants once the loops over lanes are unrolled, so it lives in registers.
    cdef double lanes[LANES]
    cdef Py_ssize_t j, k
    for j in range(LANES):
        lanes[j] = 0 if is_first else totals[j]
    for k in range(width):
        for j in range(LANES):
            lanes[j] = accumulate(metric, lanes[j], a[k], panel[k * LANES + j], p)
    for j in range(LANES):
        totals[j] = lanes[j]


cdef inline void finish_row(
    const Metric* metric, const Rows* rows, Py_ssize_t row, Py_ssize_t column, Py_ssize_t size,
    const double* totals, double* out
) noexcept nogil:
    """Write the distances of one row of `a` from `size` rows of `b`."""
    cdef double of_a = 0, of_b = 0
    cdef Py_ssize_t j
    if Metric is Cosine or Metric is Jaccard:
        of_a = rows.of_a[row]
    # By itself, a loop over all lanes is one without a remainder.
    if size == LANES:
        for j in range(LANES):
            if Metric is Cosine or Metric is Jaccard:
                of_b = rows.of_b[column + j]
            out[j] = finish(metric, totals[j], of_a, of_b, rows.width, rows.p)
    else:
        for j in range(size):
            if Metric is Cosine or Metric is Jaccard:
                of_b = rows.of_b[column + j]
            out[j] = finish(metric, totals[j], of_a, of_b, rows.width, rows.p)


cdef inline void block_of(
    const Metric* metric, const Rows* rows, Py_ssize_t first_a, Py_ssize_t n_a,
    Py_ssize_t first_b, Py_ssize_t n_b, double* out, Py_ssize_t stride, Py_ssize_t shrink
) noexcept nogil:
    cdef double panels[PANEL * LANES]
    cdef double totals[BLOCK_ROWS * LANES]
    cdef double* sums
    cdef const double* a = rows.a + first_a * rows.width
    cdef const double* b = rows.b + first_b * rows.width
    cdef Py_ssize_t n_panels = (n_b + LANES - 1) // LANES
    cdef Py_ssize_t start = 0, width, i, panel, column
    cdef bint is_last = False
    # Narrow rows are done in one go, several panels side by side, so that long runs of the result
    # are written; of wide ones there is one panel, which goes on from column to column.
    while not is_last:
        width = min(rows.width - start, PANEL)
        is_last = start + width == rows.width
        for panel in range(n_panels):
            column = panel * LANES
            pack(b + column * rows.width + start, rows.width, min(n_b - column, LANES), width,
                 panels + column * width)
        for i in range(n_a):
            sums = totals + i * LANES
            for panel in range(n_panels):
                column = panel * LANES
                accumulate_row(metric, a + i * rows.width + start, panels + column * width, width,
                               rows.p, start == 0, sums)
                if is_last:
                    finish_row(metric, rows, first_a + i, first_b + column,
                               min(n_b - column, LANES), sums, out + column)
            if is_last:
                out += stride - i * shrink
        start += width


cdef inline void measure_of(
    const Metric* metric, const double* x, Py_ssize_t n, Py_ssize_t width, double* measures
) noexcept nogil:
    """Add up the squares of each row in the order of a distance; take the root for a norm."""
    cdef double panel[PANEL * LANES]
    cdef double lanes[LANES]
    cdef Py_ssize_t i = 0, j, k, start, size
    while i < n:
        for j in range(LANES):
            lanes[j] = 0
        start = 0
        while start < width:
            size = min(width - start, PANEL)
            pack(x + i * width + start, width, min(n - i, LANES), size, panel)
            for k in range(size):
                for j in range(LANES):
                    lanes[j] += panel[k * LANES + j] * panel[k * LANES + j]
            start += size
        for j in range(min(n - i, LANES)):
            measures[i + j] = sqrt(lanes[j]) if Metric is Cosine else lanes[j]
        i += LANES


# The table ---------------------------------------------------------------------------------------

_table.blocks[EUCLIDEAN] = <block_t>block_of[Euclidean]
_table.blocks[SQEUCLIDEAN] = <block_t>block_of[SqEuclidean]
_table.blocks[COSINE] = <block_t>block_of[Cosine]
_table.blocks[CITYBLOCK] = <block_t>block_of[CityBlock]
_table.blocks[CHEBYSHEV] = <block_t>block_of[Chebyshev]
_table.blocks[MINKOWSKI] = <block_t>block_of[Minkowski]
_table.blocks[MINKOWSKI_WHOLE] = <block_t>block_of[MinkowskiWhole]
_table.blocks[HAMMING] = <block_t>block_of[Hamming]
_table.blocks[JACCARD] = <block_t>block_of[Jaccard]
_table.measures[COSINE] = <measure_t>measure_of[Cosine]
_table.measures[JACCARD] = <measure_t>measure_of[Jaccard]

_table.nearest = nearest_of_all
_table.move_a = move_rows
_table.move_b = move_to_panels
_table.screened = nearest_by_screen

#: The table of this CPU level.
table = table_capsule(&_table)
