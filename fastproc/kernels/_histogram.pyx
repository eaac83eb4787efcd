"""Layer: kernels.  The loop of the histogram with uniform bins.

An element belongs to bin i when ``edges[i] <= x < edges[i + 1]``; the last bin includes its right
edge.  The place ``(x - first) * scale`` gives the bin by one multiplication, except where it is so
near an edge that rounding might have moved it across; ``Bins.margin`` bounds that distance, and
elements within it are compared with the edges themselves.  So the counts are exactly those of the
comparison, at the speed of the multiplication.  Contract in ``_histogram.pxd``.
"""

# Safe for free-threaded Python: the table is written while the module is imported, and only read
# afterwards.

from libc.math cimport fabs
from libc.stdint cimport int64_t
from libc.string cimport memset

from fastproc.kernels._common cimport FLOAT32, FLOAT64, INT32, INT64, LANES, scalar, table_capsule
from fastproc.kernels._histogram cimport HISTOGRAM_TABLES, Bins, HistogramTable, histogram_t

cdef HistogramTable _table

cdef enum:
    # Elements placed before they are counted: places (4 KiB) and elements stay in the L1 cache.
    BATCH = 1024
    # With more bins than this several tables would not fit in the caches.
    MANY_BINS = 4096


cdef inline double place_of(double value, const Bins* bins) noexcept nogil:
    """Return where `value` lies, in bins; half a bin past the last for what is in none."""
    cdef double nowhere = bins.n_bins + 0.5
    cdef double place = (value - bins.first) * bins.scale
    place = place if value >= bins.first else nowhere     # NaN is in no bin
    return place if value <= bins.last else nowhere


cdef inline int compared_bin(double value, int guess, const Bins* bins) noexcept nogil:
    """Return the bin of a value between the first and the last edge, by comparing with edges."""
    guess = max(0, min(guess, bins.n_bins - 1))
    while guess > 0 and value < bins.edges[guess]:
        guess -= 1
    while guess < bins.n_bins - 1 and value >= bins.edges[guess + 1]:
        guess += 1
    return guess


cdef inline void compare_batch(
    const scalar* x, Py_ssize_t n, const Bins* bins, int* indices
) noexcept nogil:
    """Find bins by comparing each element with the edge that is nearest to its place.

    No other edge can be in doubt, as the margin is less than a quarter of a bin.  Data that lie
    on edges, such as integers, take this way always, so it has no branches.
    """
    cdef Py_ssize_t i
    cdef double place
    cdef int nearest
    for i in range(n):
        place = place_of(<double>x[i], bins)
        nearest = min(<int>(place + 0.5), bins.n_bins)
        nearest = min(nearest - (<double>x[i] < bins.edges[nearest]), bins.n_bins - 1)
        # What is in no bin has a place of half a bin past the last.
        indices[i] = nearest if place < bins.n_bins + 0.25 else bins.n_bins


cdef inline void place_batch(
    const scalar* x, Py_ssize_t n, const Bins* bins, int* indices
) noexcept nogil:
    """Write the bin of each element; n_bins for what is in none."""
    # How far a place is from the middle of its bin: beyond `sure` rounding is to be feared.
    cdef double sure = 0.5 - bins.margin
    cdef double farthest[LANES]
    cdef double place, distance
    cdef Py_ssize_t i, j
    cdef bint in_doubt = False

    for j in range(LANES):
        farthest[j] = 0
    i = 0
    while i + LANES <= n:
        for j in range(LANES):
            place = place_of(<double>x[i + j], bins)
            indices[i + j] = <int>place
            distance = fabs(place - <double>indices[i + j] - 0.5)
            farthest[j] = distance if distance > farthest[j] else farthest[j]
        i += LANES
    for j in range(n - i):
        place = place_of(<double>x[i + j], bins)
        indices[i + j] = <int>place
        distance = fabs(place - <double>indices[i + j] - 0.5)
        farthest[j] = distance if distance > farthest[j] else farthest[j]

    for j in range(LANES):
        in_doubt |= not farthest[j] < sure
    if in_doubt and bins.margin < 0.25:
        compare_batch(x, n, bins, indices)
    elif in_doubt:
        for i in range(n):
            if bins.first <= <double>x[i] and <double>x[i] <= bins.last:
                indices[i] = compared_bin(<double>x[i], indices[i], bins)


cdef inline void histogram_chunk(
    const scalar* x, Py_ssize_t n, const Bins* bins, unsigned int* scratch, int64_t* counts
) noexcept nogil:
    cdef int indices[BATCH]
    cdef Py_ssize_t width = bins.n_bins + 1, start = 0, size, i
    cdef Py_ssize_t n_tables = 1 if bins.n_bins > MANY_BINS else HISTOGRAM_TABLES
    cdef unsigned int* second = scratch + width * (n_tables > 1)
    cdef unsigned int* third = scratch + 2 * width * (n_tables > 1)
    cdef unsigned int* fourth = scratch + 3 * width * (n_tables > 1)

    memset(scratch, 0, n_tables * width * sizeof(unsigned int))
    while start < n:
        size = n - start if n - start < BATCH else BATCH
        place_batch(x + start, size, bins, indices)
        i = 0
        while i + 4 <= size:
            scratch[indices[i]] += 1
            second[indices[i + 1]] += 1
            third[indices[i + 2]] += 1
            fourth[indices[i + 3]] += 1
            i += 4
        while i < size:
            scratch[indices[i]] += 1
            i += 1
        start += size
    for i in range(bins.n_bins):
        counts[i] = <int64_t>scratch[i]
        if n_tables > 1:
            counts[i] += <int64_t>second[i] + <int64_t>third[i] + <int64_t>fourth[i]


# The table ---------------------------------------------------------------------------------------

_table.histograms[FLOAT64] = <histogram_t>histogram_chunk[double]
_table.histograms[FLOAT32] = <histogram_t>histogram_chunk[float]
_table.histograms[INT64] = <histogram_t>histogram_chunk[int64_t]
_table.histograms[INT32] = <histogram_t>histogram_chunk[int]

#: The table of this CPU level.
table = table_capsule(&_table)
