"""Layer: kernels.  Sums and extremes of all windows of a block, made of shorter windows.

The sums of windows of length 4 m are those of length m added up, four at a time and every m
elements: one pass over the block, one vector operation beside another.  Two passes make windows of
sixteen, of which longer ones are made row by row.  No element is ever subtracted, so there is no
drift, and what has left the window has left no trace.  For an extreme, windows may overlap, so that
passes alone, about log4(window) of them, do.

Every function makes ``out[i]`` of ``x[i]`` to ``x[i + window - 1]``, for `n` windows; the arrays to
work in have room for ``n + window + ROOM_GAP`` elements each.
"""

from libc.string cimport memcpy, memset

cdef enum:
    # Elements side by side of which each begins a window of so many: two registers of 512 bits.
    ROW = 16


cdef inline void add_fours(
    const double* x, Py_ssize_t width, Py_ssize_t n, double* out
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (x[i] + x[i + width]) + (x[i + 2 * width] + x[i + 3 * width])


cdef inline void add_parts(
    const double* part, Py_ssize_t width, Py_ssize_t digit, Py_ssize_t n, double* out
) noexcept nogil:
    """Add `digit` windows of `width`, one behind another, to each result."""
    cdef Py_ssize_t i
    if digit == 1:
        for i in range(n):
            out[i] += part[i]
    elif digit == 2:
        for i in range(n):
            out[i] += part[i] + part[i + width]
    elif digit == 3:
        for i in range(n):
            out[i] += part[i] + part[i + width] + part[i + 2 * width]


cdef inline void sum_rows(double* x, Py_ssize_t n_rows, Py_ssize_t k, double* out) noexcept nogil:
    """Add up `k` neighbouring rows of ROW elements, for each of `n_rows` first rows.

    Between two marks, every k rows, the k rows of one sum cross one mark: they are the last rows
    before it and the first behind it, whose sums are made step by step from the mark, both ways.
    """
    cdef double total[ROW]
    cdef double both[ROW]
    cdef Py_ssize_t mark = 0, last, i, j
    while mark < n_rows:
        last = min(k, n_rows - mark)
        for j in range(ROW):
            total[j] = 0
        for i in range(mark + k - 1, mark - 1, -1):
            for j in range(ROW):
                total[j] += x[i * ROW + j]
            for j in range(ROW):
                out[i * ROW + j] = total[j]
        for j in range(ROW):
            total[j] = 0
        for i in range(mark + 1, mark + last):
            for j in range(ROW):
                total[j] += x[(i + k - 1) * ROW + j]
            for j in range(ROW):
                both[j] = out[i * ROW + j] + total[j]
            for j in range(ROW):
                out[i * ROW + j] = both[j]
        mark += k


cdef inline void sum_windows(
    const double* x, Py_ssize_t n, Py_ssize_t window, double* out, double* one, double* other,
    double* third
) noexcept nogil:
    # A window's parts, the widest first: rows apart by sixteen, then the digits of what remains in
    # base 4.
    cdef Py_ssize_t covered = 0, i
    if window >= 4:
        add_fours(x, 1, n + window - 4, one)
    if window >= 16:
        add_fours(one, 4, n + window - 16, other)
        for i in range(n + window - 16, n + window + ROW):
            other[i] = 0                 # read, but for no window
        sum_rows(other, (n + ROW - 1) // ROW, window // ROW, third)
        covered = window // ROW * ROW
        memcpy(out, third, n * sizeof(double))
    else:
        memset(out, 0, n * sizeof(double))
    add_parts(one + covered, 4, (window - covered) // 4, n, out)
    covered += (window - covered) // 4 * 4
    add_parts(x + covered, 1, window - covered, n, out)


cdef inline double extreme(double earlier, double later, bint want_max) noexcept nogil:
    """Return the greater or the lesser of two numbers; of equals (0.0 and -0.0) the later."""
    if want_max:
        return earlier if earlier > later else later
    return earlier if earlier < later else later


cdef inline void extreme_of_fours(
    const double* x, Py_ssize_t width, Py_ssize_t n, double* out, bint want_max
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = extreme(
            extreme(x[i], x[i + width], want_max),
            extreme(x[i + 2 * width], x[i + 3 * width], want_max), want_max)


cdef inline void extreme_windows(
    const double* x, Py_ssize_t n, Py_ssize_t window, double* out, double* one, double* other,
    bint want_max
) noexcept nogil:
    cdef const double* extremes = x
    cdef const double* last
    cdef double* target = one
    cdef Py_ssize_t width = 1, i
    while 4 * width <= window:
        extreme_of_fours(extremes, width, n + window - 4 * width, target, want_max)
        extremes = target
        target = other if target == one else one
        width *= 4
    # Fewer than four parts remain, of which the last may overlap the one before.
    last = extremes + window - width
    if window <= 2 * width:
        for i in range(n):
            out[i] = extreme(extremes[i], last[i], want_max)
    elif window <= 3 * width:
        for i in range(n):
            out[i] = extreme(
                extreme(extremes[i], extremes[i + width], want_max), last[i], want_max)
    else:
        for i in range(n):
            out[i] = extreme(
                extreme(extremes[i], extremes[i + width], want_max),
                extreme(extremes[i + 2 * width], last[i], want_max), want_max)


cdef inline void choose_later(
    const double* x, const double* places, Py_ssize_t step, Py_ssize_t n, double* out,
    double* out_places, bint want_max
) noexcept nogil:
    """Of two windows' extremes `step` apart, keep one and its place; of equals the later."""
    # By arithmetic, exact with such numbers: of a choice between two loads GCC makes a branch for
    # the level v2, which took three times as long.
    cdef Py_ssize_t i
    if want_max:
        for i in range(n):
            out_places[i] = places[i + step] + (places[i] - places[i + step]) * (
                1.0 if x[i] > x[i + step] else 0.0)
            out[i] = extreme(x[i], x[i + step], True)
    else:
        for i in range(n):
            out_places[i] = places[i + step] + (places[i] - places[i + step]) * (
                1.0 if x[i] < x[i + step] else 0.0)
            out[i] = extreme(x[i], x[i + step], False)


cdef inline void place_windows(
    const double* x, Py_ssize_t n, Py_ssize_t window, double* out, double* extremes,
    double** rooms, bint want_max
) noexcept nogil:
    """Write how far from the window's end its extreme is, and to `extremes` which it is.

    Places are kept as doubles, so that a pass moves them in the lanes in which it compares.
    `rooms` are four arrays.
    """
    cdef const double* values = x
    cdef double* places = rooms[1]
    cdef Py_ssize_t width = 1, turn = 1, i
    for i in range(n + window):
        places[i] = <double>i
    while 2 * width <= window:
        choose_later(values, places, width, n + window - 2 * width, rooms[2 * turn],
                     rooms[2 * turn + 1], want_max)
        values, places = rooms[2 * turn], rooms[2 * turn + 1]
        turn = 1 - turn
        width *= 2
    choose_later(values, places, window - width, n, extremes, rooms[2 * turn + 1], want_max)
    places = rooms[2 * turn + 1]
    for i in range(n):
        out[i] = <double>(i + window - 1) - places[i]
