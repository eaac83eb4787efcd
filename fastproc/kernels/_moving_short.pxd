"""Layer: kernels.  Medians and ranks of short windows, without sorting.

A median's window is kept as a sorted row of a fixed length, with infinity behind the numbers.  A
number is put in by ``max(before, min(here, number))`` at every place and taken out by moving those
from it on; no place depends on another, so the row is a few vectors, and no branch on the data.

Ranks compare the last elements of all windows with the elements that are one before, two before and
so on, a vector at a time.

Every function makes ``out[i]`` of ``x[i]`` to ``x[i + window - 1]``, of which NaN are no numbers.
``counts[i]`` are the numbers before ``x[i]``; NULL says that all are numbers.
"""

from libc.math cimport INFINITY, NAN
from libc.string cimport memset

from fastproc.kernels._moving cimport LONG_ROW

cdef enum:
    # The lengths of a row for the shortest windows; for others it is LONG_ROW.
    SHORT_ROW = 8
    MIDDLE_ROW = 16

cdef inline void put_in(const double* row, double number, double* out, int length) noexcept nogil:
    """Put a number into the row ``row[1]`` to ``row[length]``; ``row[0]`` is minus infinity."""
    cdef double here
    cdef int k
    for k in range(length):
        here = row[k + 1] if row[k + 1] < number else number
        out[k + 1] = row[k] if row[k] > here else here


cdef inline void take_out(const double* row, double number, double* out, int length) noexcept nogil:
    cdef int k
    for k in range(length):
        out[k + 1] = row[k + 1] if row[k + 1] < number else row[k + 2]


cdef inline void medians_by_row(
    const double* x, Py_ssize_t n, Py_ssize_t window, double* out, int length
) noexcept nogil:
    cdef double one[LONG_ROW + 2]
    cdef double other[LONG_ROW + 2]
    cdef double* row = one
    cdef double* spare = other
    cdef Py_ssize_t count = 0, i
    for i in range(LONG_ROW + 2):
        one[i] = other[i] = INFINITY
    one[0] = other[0] = -INFINITY
    for i in range(n + window - 1):
        if x[i] == x[i]:
            put_in(row, x[i], spare, length)
            row, spare = spare, row
            count += 1
        if i < window - 1:
            continue
        if count == 0:
            out[i - window + 1] = NAN
        elif count % 2 == 1:
            out[i - window + 1] = row[1 + count // 2]
        else:
            out[i - window + 1] = (row[count // 2] + row[1 + count // 2]) * 0.5
        if x[i - window + 1] == x[i - window + 1]:
            take_out(row, x[i - window + 1], spare, length)
            row, spare = spare, row
            count -= 1


cdef inline void short_medians(
    const double* x, Py_ssize_t n, Py_ssize_t window, double* out
) noexcept nogil:
    if window <= SHORT_ROW:
        medians_by_row(x, n, window, out, SHORT_ROW)
    elif window <= MIDDLE_ROW:
        medians_by_row(x, n, window, out, MIDDLE_ROW)
    else:
        medians_by_row(x, n, window, out, LONG_ROW)


cdef inline void short_ranks(
    const double* x, const Py_ssize_t* counts, Py_ssize_t n, Py_ssize_t window, double* out
) noexcept nogil:
    cdef const double* last = x + window - 1
    cdef Py_ssize_t count, i, j
    memset(out, 0, n * sizeof(double))
    for j in range(window - 1):
        for i in range(n):               # twice the elements below, once the equal ones
            out[i] += (1.0 if x[i + j] < last[i] else 0.0) + (1.0 if x[i + j] <= last[i] else 0.0)
    for i in range(n):
        count = window if counts == NULL else counts[i + window] - counts[i]
        out[i] = 2 * (0.5 * out[i] / <double>(count - 1) - 0.5) if count > 1 else 0
        out[i] = out[i] if last[i] == last[i] else NAN
