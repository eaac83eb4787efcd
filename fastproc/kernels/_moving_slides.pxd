"""Layer: kernels.  Sums of all windows of a block by sliding, where that is exact enough.

A window's sum is the one before plus the element that comes less the one that goes: that is
faster than ``_moving_windows.pxd``, but each step leaves its rounding behind, and after a huge
element has passed that is all there is.  So no chain of steps is longer than a fraction of a block,
and a bound of what rounding can have done to any of its sums is compared with a bound of what the
windows' elements amount to.  Where it is more than a share of that, the caller takes the other way.

The chains of a block are walked side by side, so that none waits for its own additions.
"""

from libc.math cimport INFINITY, fabs

cdef enum:
    CHAINS = 8
    # Fewer steps in a chain are not worth its first sum.
    FEW_STEPS = 16
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


cdef inline void bound_pieces(
    const double* x, Py_ssize_t n, double* least, double* greatest
) noexcept nogil:
    """Find the least and the greatest sum of magnitudes of a piece of `n` elements; NaN, if any is.

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


cdef inline void add_up_steps(
    double* steps, Py_ssize_t n, const double* first, Py_ssize_t length
) noexcept nogil:
    """Turn the steps from each sum to the next into the sums; chains of `length` begin at `first`.
    """
    cdef double s0 = first[0], s1 = first[1], s2 = first[2], s3 = first[3]
    cdef double s4 = first[4], s5 = first[5], s6 = first[6], s7 = first[7], step
    cdef double* later = steps + 4 * length
    cdef Py_ssize_t i
    for i in range(length):
        step = steps[i]
        steps[i] = s0
        s0 += step
        step = steps[i + length]
        steps[i + length] = s1
        s1 += step
        step = steps[i + 2 * length]
        steps[i + 2 * length] = s2
        s2 += step
        step = steps[i + 3 * length]
        steps[i + 3 * length] = s3
        s3 += step
        step = later[i]
        later[i] = s4
        s4 += step
        step = later[i + length]
        later[i + length] = s5
        s5 += step
        step = later[i + 2 * length]
        later[i + 2 * length] = s6
        s6 += step
        step = later[i + 3 * length]
        later[i + 3 * length] = s7
        s7 += step
    for i in range(CHAINS * length, n):
        step = steps[i]
        steps[i] = s7
        s7 += step


cdef inline bint can_slide(Py_ssize_t n, Py_ssize_t window) noexcept nogil:
    return n >= CHAINS * FEW_STEPS and window >= LEAST_SLID


cdef inline double drift_of(Py_ssize_t n, Py_ssize_t window, double greatest) noexcept nogil:
    """Return a bound of a sum's error, in units of 2**-53; no piece is above `greatest`."""
    cdef double n_pieces = <double>window / PIECE + 4
    return (<double>n / CHAINS + CHAINS) * n_pieces * greatest


cdef inline bint slide_sums(
    const double* x, Py_ssize_t n, Py_ssize_t window, double* out
) noexcept nogil:
    """Write the sums of `n` windows; False, and nothing of use, if they may be inexact."""
    cdef double first[CHAINS]
    cdef double least, greatest, amount
    cdef Py_ssize_t length = n // CHAINS, i
    bound_pieces(x, n + window - 1, &least, &greatest)
    # As good as adding up the window's elements one by one, at least.
    amount = least * <double>((window + 1) // PIECE - 1) * max(
        <double>window, <double>LEAST_TOLERANCE)
    if not (greatest < INFINITY and drift_of(n, window, greatest) <= amount):
        return False
    for i in range(CHAINS):
        first[i] = sum_of(x + i * length, window)
    for i in range(n - 1):
        out[i] = x[i + window] - x[i]
    out[n - 1] = 0
    add_up_steps(out, n, first, length)
    return True


cdef inline bint slide_square_sums(
    const double* y, const double* squares, Py_ssize_t n, Py_ssize_t window, double* sums,
    double* out
) noexcept nogil:
    """Write the windows' sums of squared deviations, given elements less some centre; or False.

    Of those, s2 - s1 * s1 / window, s2 is made of squares and bounds s1, so that a bound of the
    error of both is three times that of s2.
    """
    cdef double first[CHAINS]
    cdef double least, greatest, drift, inverse = 1.0 / window
    cdef Py_ssize_t length = n // CHAINS, n_bad = 0, i
    bound_pieces(squares, n + window - 1, &least, &greatest)
    if not greatest < INFINITY:
        return False
    for i in range(n - 1):
        sums[i] = y[i + window] - y[i]
        out[i] = squares[i + window] - squares[i]
    sums[n - 1] = out[n - 1] = 0
    for i in range(CHAINS):
        first[i] = sum_of(y + i * length, window)
    add_up_steps(sums, n, first, length)
    for i in range(CHAINS):
        first[i] = sum_of(squares + i * length, window)
    add_up_steps(out, n, first, length)
    # Such that the error is at most 2**-34 of the result.
    drift = 3 * drift_of(n, window, greatest) * (1.0 / (1 << 19))
    for i in range(n):
        out[i] -= sums[i] * sums[i] * inverse
        n_bad += out[i] < drift
    return n_bad == 0
