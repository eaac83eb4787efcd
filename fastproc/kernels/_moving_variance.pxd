"""Layer: kernels.  Sums of squared deviations of all windows of a block.

Of ``y = x - c``, with some element c of the block, the windows' sums s1 and their sums of squares
s2 give the sum of squared deviations as ``s2 - s1 * s1 / count``.  They slide, if all windows of
the block are known to keep ten digits then.  If not, sums that are as good as exact lose digits
only where c is far from a window's mean beside the window's own spread.  Where it may have cost
more than nine bits, the block is halved, each half with a c of its own, down to half a window; what
then remains, such as a window of one constant beside a step, is computed from the deviations
themselves.

So an offset of the data costs nothing, and neither does a spike, once it has left the window.
"""

from libc.math cimport INFINITY, NAN, fabs, isfinite

from fastproc.kernels._moving_slides cimport can_slide, slide_square_sums
from fastproc.kernels._moving_windows cimport sum_windows

cdef enum:
    # Fewer windows than this are not halved again: a call would cost more than it saves.
    FEW_WINDOWS = 32
    # How many times the result s2 may be, for rounding not to matter.
    MOST_LOSS = 512


cdef inline double some_centre(const double* x, Py_ssize_t n) noexcept nogil:
    """Return a finite element, the middle one of three unless these are not all finite.

    An element, not a mean: where all are the same the deviations are exactly 0 then.
    """
    cdef double first = x[0], middle = x[n // 2], last = x[n - 1], low, high
    cdef Py_ssize_t i
    low = first if first < middle else middle
    high = middle if first < middle else first
    middle = low if last < low else high if last > high else last
    if isfinite(middle):
        return middle
    for i in range(n):
        if isfinite(x[i]):
            return x[i]
    return 0


cdef inline double direct_square_sum(
    const double* x, Py_ssize_t window, double count
) noexcept nogil:
    """Return one window's sum of squared deviations, in two passes."""
    cdef double total = 0, drift = 0, deviation, mean, centre = some_centre(x, window)
    cdef Py_ssize_t i
    for i in range(window):
        total += x[i] - centre if x[i] == x[i] else 0
    mean = total / count
    total = 0
    for i in range(window):
        deviation = x[i] - centre - mean if x[i] == x[i] else 0
        drift += deviation
        total += deviation * deviation
    # What rounding left in the mean; Chan et al., the corrected two-pass algorithm.
    return total - drift * drift / count


cdef inline double count_at(
    const Py_ssize_t* counts, Py_ssize_t window, Py_ssize_t i
) noexcept nogil:
    return <double>(window if counts == NULL else counts[i + window] - counts[i])


cdef inline void square_sum_windows(
    const double* x, const Py_ssize_t* counts, Py_ssize_t n, Py_ssize_t window, double* out,
    double** rooms
) noexcept nogil:
    """Write the sum of squared deviations of each window's numbers.

    ``counts[i]`` are the numbers before ``x[i]``; NULL says that all are numbers.  `rooms` are six
    arrays.
    """
    cdef double* sums = rooms[0]
    cdef double* squares = rooms[1]
    cdef double* s1 = rooms[4]
    cdef double centre = some_centre(x, n + window - 1), y, share, inverse = 1.0 / window
    # A square that is infinite says nothing where a huge centre may be why.
    cdef double overflow = INFINITY if fabs(centre) > 1e150 else NAN
    cdef Py_ssize_t n_bad = 0, i
    for i in range(n + window - 1):
        y = x[i] - centre if x[i] == x[i] else 0
        sums[i] = y
        squares[i] = y * y
    if counts == NULL and can_slide(n, window) and slide_square_sums(
            sums, squares, n, window, s1, out, rooms[2]):
        return
    sum_windows(sums, n, window, s1, rooms[2], rooms[3], rooms[5])
    sum_windows(squares, n, window, out, rooms[2], rooms[3], rooms[5])
    if counts == NULL:
        for i in range(n):
            share = out[i] * (1.0 / MOST_LOSS)
            out[i] -= s1[i] * s1[i] * inverse
            n_bad += (out[i] <= share and share > 0) or share >= overflow
            rooms[5][i] = share
    else:
        for i in range(n):
            share = out[i] * (1.0 / MOST_LOSS)
            y = count_at(counts, window, i)
            out[i] -= s1[i] * s1[i] / y if y > 0 else 0
            n_bad += (out[i] <= share and share > 0 and y > 1) or share >= overflow
            rooms[5][i] = share
    if n_bad == 0:
        return
    if n > FEW_WINDOWS and 2 * n > window:
        square_sum_windows(x, counts, n // 2, window, out, rooms)
        i = n // 2
        square_sum_windows(x + i, counts + i if counts != NULL else NULL, n - i, window, out + i,
                           rooms)
        return
    for i in range(n):
        if (out[i] <= rooms[5][i] and rooms[5][i] > 0) or rooms[5][i] >= overflow:
            y = count_at(counts, window, i)
            out[i] = direct_square_sum(x + i, window, y) if y > 1 else 0
