"""Layer: kernels.  Sums of all windows of a block by sliding, where that is exact enough.

A window's sum is the one before plus the element that comes less the one that goes: that is
faster than ``_moving_windows.pxd``, but each step leaves its rounding behind, and after a huge
element has passed that is all there is.  So a chain of steps begins anew every STRETCH windows, and
a bound of what rounding can have done to any of its sums is compared with a bound of what the
windows' elements amount to.  Where it is more than a share of that, the caller takes the other way.

Eight neighbouring sums are walked side by side: each is the one eight before it plus the eight
elements that come less the eight that go, from sums of four that are made for the whole block
first.  So a step is a vector's, and a chain rounds an eighth as often as a plain running sum.

NaN and Inf are found by the bound, which is not finite then: nobody needs to look for them before.
"""

from libc.math cimport INFINITY, fabs

from fastproc.kernels._moving_windows cimport add_fours

cdef enum:
    STEP = 8
    # Fewer windows are not worth a chain's first sum.
    FEWEST_SLID = 64
    # So few are added up one by one, if they are wide.
    FEW_SUMS = 8
    # Windows of a chain, unless these are longer.
    STRETCH = 512
    # Elements of a piece, of which a block's least and greatest say what any window amounts to.
    PIECE = 32
    # The narrowest windows, which have one whole piece wherever they begin.
    LEAST_SLID = 2 * PIECE - 1
    LANES_OF_SUM = 16
    # What the error of a sum may be, as a share of the sum of magnitudes and in units of a double's
    # rounding, 2**-53: in all 4e-12.  It is thousands of times less with data of one magnitude.
    LEAST_TOLERANCE = 1 << 15


cdef inline double sum_of(const double* x, Py_ssize_t n) noexcept nogil:
    cdef double lanes[LANES_OF_SUM]
    cdef double total = 0
    cdef Py_ssize_t i = 0, j
    for j in range(LANES_OF_SUM):
        lanes[j] = 0
    while i + LANES_OF_SUM <= n:
        for j in range(LANES_OF_SUM):
            lanes[j] += x[i + j]
        i += LANES_OF_SUM
    while i < n:
        total += x[i]
        i += 1
    for j in range(LANES_OF_SUM):
        total += lanes[j]
    return total


cdef inline bint bound_lanes(
    const double* x, Py_ssize_t n, double* least, double* greatest
) noexcept nogil:
    """Bound any piece's sum of magnitudes; False if an element is not finite.

    The least and the greatest are found by lanes, which takes a third of the time of
    `bound_pieces` and is some times less tight.
    """
    cdef double low[LANES_OF_SUM]
    cdef double high[LANES_OF_SUM]
    cdef double total[LANES_OF_SUM]
    cdef double amount, everything = 0
    cdef Py_ssize_t i = 0, j
    for j in range(LANES_OF_SUM):
        low[j], high[j], total[j] = INFINITY, 0, 0
    while True:
        for j in range(LANES_OF_SUM):
            amount = fabs(x[i + j]) + fabs(x[i + LANES_OF_SUM + j])
            low[j] = amount if amount < low[j] else low[j]
            high[j] = high[j] if high[j] > amount else amount
            total[j] += amount           # neither NaN nor Inf is lost here
        if i + PIECE == n:
            break
        i = min(i + PIECE, n - PIECE)
    least[0] = greatest[0] = 0
    for j in range(LANES_OF_SUM):
        least[0] += low[j]
        greatest[0] += high[j]
        everything += total[j]
    return everything < INFINITY


cdef inline void bound_pieces(
    const double* x, Py_ssize_t n, double* least, double* greatest
) noexcept nogil:
    """Find the least and the greatest sum of magnitudes of a piece of `n` elements, all finite.

    The last piece may overlap the one before.
    """
    cdef double lanes[8]
    cdef double total
    cdef Py_ssize_t i = 0, j
    least[0], greatest[0] = INFINITY, 0
    while True:
        for j in range(8):
            lanes[j] = ((fabs(x[i + j]) + fabs(x[i + 8 + j]))
                        + (fabs(x[i + 16 + j]) + fabs(x[i + 24 + j])))
        total = ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + (
            (lanes[2] + lanes[6]) + (lanes[3] + lanes[7]))
        least[0] = total if total < least[0] else least[0]
        greatest[0] = greatest[0] if greatest[0] > total else total
        if i + PIECE == n:
            return
        i = min(i + PIECE, n - PIECE)


cdef inline bint can_slide(Py_ssize_t n, Py_ssize_t window) noexcept nogil:
    return n >= FEWEST_SLID and window >= LEAST_SLID


cdef inline Py_ssize_t stretch_of(Py_ssize_t window) noexcept nogil:
    return max(window, <Py_ssize_t>STRETCH)


cdef inline double drift_of(Py_ssize_t n, Py_ssize_t window, double greatest) noexcept nogil:
    """Return a bound of a sum's error, in units of 2**-53; no piece is above `greatest`.

    Each step rounds once to a share of the sum, which lies in window / PIECE + 2 pieces at the
    most.  The eights that come and go, and their difference, round eight times, but each to a
    share of other elements of the stretch: together that is less than two pieces at each step.  The
    first sum of a chain rounds window / LANES_OF_SUM + LANES_OF_SUM times.
    """
    cdef double n_steps = <double>min(n, stretch_of(window) + FEWEST_SLID) / STEP
    cdef double n_first = <double>window / LANES_OF_SUM + LANES_OF_SUM
    return (n_steps + n_first + 12) * (<double>window / PIECE + 4) * greatest


cdef inline bint is_exact(
    Py_ssize_t n, Py_ssize_t window, double least, double greatest
) noexcept nogil:
    """Tell whether sliding is as good as adding up each window's elements one by one, at least."""
    cdef double amount = least * <double>((window + 1) // PIECE - 1) * max(
        <double>window, <double>LEAST_TOLERANCE)
    return drift_of(n, window, greatest) <= amount


cdef inline void slide_stretch(
    const double* x, const double* fours, Py_ssize_t n, Py_ssize_t window, double* out
) noexcept nogil:
    """Write the sums of `n` windows, given the sums of four elements from each on."""
    cdef double middle = sum_of(x + STEP - 1, window - (STEP - 1))
    cdef double ends[STEP]
    cdef const double* next_x = x + window
    cdef const double* next_fours = fours + window
    cdef Py_ssize_t i
    # The first windows have all but STEP - 1 elements in common; `ends` are sums of those before.
    ends[STEP - 1] = 0
    for i in range(STEP - 2, -1, -1):
        ends[i] = ends[i + 1] + x[i]
    for i in range(STEP - 1):
        out[i] = middle + ends[i]
        middle += next_x[i]
    out[STEP - 1] = middle
    # Through `out`: sums kept in an array of their own GCC walks one by one more often than not.
    for i in range(STEP, n):
        out[i] = out[i - STEP] + (
            (next_fours[i - STEP] + next_fours[i - STEP // 2])
            - (fours[i - STEP] + fours[i - STEP // 2]))


cdef inline void slide_block(
    const double* x, Py_ssize_t n, Py_ssize_t window, double* out, double* fours
) noexcept nogil:
    cdef Py_ssize_t start = 0, size
    add_fours(x, 1, n + window - 4, fours)
    while start < n:
        size = min(stretch_of(window), n - start)
        if n - start - size < FEWEST_SLID:
            size = n - start             # no chain is too short
        slide_stretch(x + start, fours + start, size, window, out + start)
        start += size


cdef inline bint slide_sums(
    const double* x, Py_ssize_t n, Py_ssize_t window, double* out, double* room
) noexcept nogil:
    """Write the sums of `n` windows; False, and nothing of use, if they may be inexact."""
    cdef double least, greatest
    if not bound_lanes(x, n + window - 1, &least, &greatest):
        return False
    if not is_exact(n, window, least, greatest):
        bound_pieces(x, n + window - 1, &least, &greatest)
        if not is_exact(n, window, least, greatest):
            return False
    slide_block(x, n, window, out, room)
    return True


cdef inline bint slide_square_sums(
    const double* y, const double* squares, Py_ssize_t n, Py_ssize_t window, double* sums,
    double* out, double* room
) noexcept nogil:
    """Write the windows' sums of squared deviations, given elements less some centre; or False.

    Of those, s2 - s1 * s1 / window, s2 is made of squares and bounds s1, so that a bound of the
    error of both is three times that of s2.
    """
    cdef double least, greatest, drift, inverse = 1.0 / window
    cdef Py_ssize_t n_bad = 0, i
    if not bound_lanes(squares, n + window - 1, &least, &greatest):
        return False
    slide_block(y, n, window, sums, room)
    slide_block(squares, n, window, out, room)
    # Such that the error is at most 2**-34 of the result.
    drift = 3 * drift_of(n, window, greatest) * (1.0 / (1 << 19))
    for i in range(n):
        out[i] -= sums[i] * sums[i] * inverse
        n_bad += out[i] < drift
    return n_bad == 0
