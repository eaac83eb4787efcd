"""Layer: kernels.  The loops of the histograms.

An element belongs to bin i when ``edges[i] <= x < edges[i + 1]``; the last bin includes its right
edge.  Where bins have one width the place ``(x - first) * scale`` gives the bin by one
multiplication, except where it is so near an edge that rounding might have moved it across;
``Bins.margin`` bounds that distance, and elements within it are compared with the edges themselves.
So the counts are exactly those of the comparison, at the speed of the multiplication.  Other bins
are found by the search of ``_find.pxd``.  Contract in ``_histogram.pxd``.
"""

# Safe for free-threaded Python: the table is written while the module is imported, and only read
# afterwards.

from libc.math cimport fabs
from libc.stdint cimport int64_t

from fastproc.kernels._common cimport FLOAT32, FLOAT64, INT32, INT64, LANES, scalar, table_capsule
from fastproc.kernels._find cimport search_batch
from fastproc.kernels._histogram cimport BATCH, Bins, HistogramTable, place_t

cdef HistogramTable _table


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


cdef inline void fixed_batch(
    const scalar* x, Py_ssize_t n, const Bins* bins, int* numbers
) noexcept nogil:
    """Do what `place_batch` does, with places as integers of `shift` bits behind the point.

    What is asked of a place then takes half the registers, or less.  One whose bits behind the
    point are nearly all 0, or all 1, is in doubt.
    """
    # Copies, since for all that the compiler knows `numbers` may be where the bins are.
    cdef int shift = bins.shift
    cdef double one = 1 << shift, first = bins.first, scale = bins.scale * one
    cdef double low = -0.5 * one, high = (bins.n_bins + 0.5) * one, place
    cdef int mask = (1 << shift) - 1, nearest = mask, fixed, distance
    cdef unsigned int number, n_bins = bins.n_bins
    cdef Py_ssize_t i
    for i in range(n):
        place = (<double>x[i] - first) * scale
        place = place if place > low else low           # NaN, too
        place = place if place < high else high
        fixed = <int>place
        number = <unsigned int>(fixed >> shift)         # below the first bin it is large
        numbers[i] = <int>(number if number < n_bins else n_bins)
    # From two before a bin's edge it counts 0, 1, 2 (the edge), 3, 4: one for the cut to an
        # integer and one for the margin.
        distance = (fixed + 2) & mask
        nearest = distance if distance < nearest else nearest
    if nearest <= 4:
        compare_batch(x, n, bins, numbers)


cdef inline void search_bins(
    const scalar* x, Py_ssize_t n, const Bins* bins, int* numbers
) noexcept nogil:
    """Write the bin of each element, of bins of any widths."""
    cdef double values[BATCH]
    cdef int64_t places[BATCH]
    cdef Py_ssize_t i
    cdef int place
    for i in range(n):
        values[i] = <double>x[i]
    search_batch(values, n, bins.index, True, places)
    for i in range(n):
        place = <int>places[i] - 1                  # -1 below the first edge, n_bins from the last
        place = place if place >= 0 else bins.n_bins
        numbers[i] = place if values[i] != bins.last else bins.n_bins - 1


cdef inline void place_elements(
    const scalar* x, Py_ssize_t n, const Bins* bins, int* numbers
) noexcept nogil:
    if bins.shift > 0:
        fixed_batch(x, n, bins, numbers)
    elif bins.index == NULL:
        place_batch(x, n, bins, numbers)
    else:
        search_bins(x, n, bins, numbers)


# Cells -------------------------------------------------------------------------------------------

cdef void combine(
    const int* numbers, Py_ssize_t n, int n_bins, int n_before, int* cells
) noexcept nogil:
    cdef int nowhere = n_before * n_bins
    cdef Py_ssize_t i
    for i in range(n):
        cells[i] = cells[i] * n_bins + numbers[i] if (
            (cells[i] < n_before) & (numbers[i] < n_bins)) else nowhere


cdef void count(const int* cells, Py_ssize_t n, unsigned int** tables) noexcept nogil:
    cdef unsigned int* first = tables[0]
    cdef unsigned int* second = tables[1]
    cdef unsigned int* third = tables[2]
    cdef unsigned int* fourth = tables[3]
    cdef Py_ssize_t i = 0
    while i + 4 <= n:
        first[cells[i]] += 1
        second[cells[i + 1]] += 1
        third[cells[i + 2]] += 1
        fourth[cells[i + 3]] += 1
        i += 4
    while i < n:
        first[cells[i]] += 1
        i += 1


cdef void weigh(
    const int* cells, const double* weights, Py_ssize_t n, double** tables
) noexcept nogil:
    cdef double* first = tables[0]
    cdef double* second = tables[1]
    cdef double* third = tables[2]
    cdef double* fourth = tables[3]
    cdef Py_ssize_t i = 0
    while i + 4 <= n:
        first[cells[i]] += weights[i]
        second[cells[i + 1]] += weights[i + 1]
        third[cells[i + 2]] += weights[i + 2]
        fourth[cells[i + 3]] += weights[i + 3]
        i += 4
    while i < n:
        first[cells[i]] += weights[i]
        i += 1


# The table ---------------------------------------------------------------------------------------

_table.places[FLOAT64] = <place_t>place_elements[double]
_table.places[FLOAT32] = <place_t>place_elements[float]
_table.places[INT64] = <place_t>place_elements[int64_t]
_table.places[INT32] = <place_t>place_elements[int]
_table.combine = combine
_table.count = count
_table.weigh = weigh

#: The table of this CPU level.
table = table_capsule(&_table)
