"""Layer: kernels.  The loops of the moving windows: their blocks, what is NaN in them, the table.

A stretch of a line is done block by block, in float64.  What stands before the line counts as NaN,
so its first windows are like all others.  Where a block has NaN, each is replaced by what changes
no result (0 in a sum, infinity in a minimum) and the numbers in each window are counted beside.
Contracts in ``_moving.pxd`` and ``_lines.pxd``.

::

    _moving_slides      sums where sliding is exact enough
    _moving_windows     sums, extremes and their places
    _moving_variance    sums of squared deviations
    _moving_short       medians and ranks in short windows
    _moving_ranks       in others
"""

# Safe for free-threaded Python: the table is written while the module is imported, and only read
# afterwards.

from libc.math cimport INFINITY, NAN, sqrt

from fastproc.kernels._common cimport FLOAT32, FLOAT64, table_capsule
from fastproc.kernels._lines cimport LineTable, line_t
from fastproc.kernels._moving cimport (
    MOVE_ARGMAX, MOVE_ARGMIN, MOVE_MAX, MOVE_MEAN, MOVE_MEDIAN, MOVE_MIN, MOVE_RANK, MOVE_STD,
    MOVE_SUM, MOVE_VAR, N_ROOMS, Moving, block_of, floating, is_short, room_of,
)
from fastproc.kernels._moving_ranks cimport (
    Window, find_ties, lay_out, medians_of_block, number_elements, ranks_of_block, read_block,
)
from fastproc.kernels._moving_short cimport short_medians, short_ranks
from fastproc.kernels._moving_slides cimport (
    FEW_SUMS, LEAST_SLID, can_slide, slide_sums, sum_of,
)
from fastproc.kernels._moving_variance cimport square_sum_windows
from fastproc.kernels._moving_windows cimport extreme_windows, place_windows, sum_windows

cdef LineTable _table

cdef inline Py_ssize_t count_nans(const floating* x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t n_nans = 0, i
    for i in range(n):
        n_nans += x[i] != x[i]
    return n_nans


cdef inline double neutral_of(int kernel) noexcept nogil:
    """Return what changes no window's result in the place of NaN; NaN where the loops can tell."""
    if kernel == MOVE_SUM or kernel == MOVE_MEAN:
        return 0
    if kernel == MOVE_MIN or kernel == MOVE_ARGMIN:
        return INFINITY
    if kernel == MOVE_MAX or kernel == MOVE_ARGMAX:
        return -INFINITY
    return NAN


cdef inline const double* widened(
    const floating* x, Py_ssize_t n, double* room
) noexcept nogil:
    cdef Py_ssize_t i
    if floating is double:
        return <const double*>x
    else:
        for i in range(n):
            room[i] = x[i]
        return room


cdef inline const double* block_values(
    const floating* x, Py_ssize_t missing, Py_ssize_t n, double neutral, double* room,
    Py_ssize_t* counts, bint* has_gaps
) noexcept nogil:
    """Return the `n` elements of a block as doubles without NaN, its first `missing` are none.

    If any is none, ``counts[i]`` is how many of those before the i-th are numbers.
    """
    cdef Py_ssize_t n_numbers = 0, i
    has_gaps[0] = missing > 0 or count_nans(x, n - missing) > 0
    if not has_gaps[0]:
        return widened(x, n, room)
    for i in range(missing):
        room[i] = neutral
        counts[i] = 0
    for i in range(missing, n):
        room[i] = x[i - missing] if x[i - missing] == x[i - missing] else neutral
        counts[i] = n_numbers
        n_numbers += x[i - missing] == x[i - missing]
    counts[n] = n_numbers
    return room


cdef inline void find_infinite_places(
    const double* x, const Py_ssize_t* counts, const double* extremes, double infinite,
    Py_ssize_t n, Py_ssize_t window, double* out
) noexcept nogil:
    """Mend places in windows of infinities, which NaN has been replaced by as well."""
    cdef Py_ssize_t i, j
    for i in range(n):
        if extremes[i] == infinite and counts[i + window] > counts[i]:
            j = i + window - 1
            while counts[j + 1] == counts[j]:
                j -= 1
            out[i] = <double>(i + window - 1 - j)


cdef inline void divide_sums(
    double* out, const Py_ssize_t* counts, Py_ssize_t n, Py_ssize_t window, double ddof
) noexcept nogil:
    """Divide each sum by the number of its terms less `ddof`.

    A full window's is multiplied by the inverse, also where others are not full: NaN that has left
    the window must not change a bit.
    """
    cdef double inverse = 1.0 / (<double>window - ddof)
    cdef Py_ssize_t count, i
    if counts == NULL:
        for i in range(n):
            out[i] *= inverse
    else:
        for i in range(n):
            count = counts[i + window] - counts[i]
            out[i] = out[i] * inverse if count == window else out[i] / (<double>count - ddof)


cdef void move_block(
    const double* x, const Py_ssize_t* counts, Py_ssize_t n, double* out, double** rooms,
    const Moving* moving
) noexcept nogil:
    """Write the results of `n` windows of a block.  `counts` is NULL if all are numbers."""
    cdef Py_ssize_t window = moving.window, i
    cdef int kernel = moving.kernel
    cdef bint want_max = kernel == MOVE_MAX or kernel == MOVE_ARGMAX
    if kernel == MOVE_SUM or kernel == MOVE_MEAN:
        if n < FEW_SUMS and window >= LEAST_SLID:
            for i in range(n):
                out[i] = sum_of(x + i, window)
        # Where nothing had to be replaced, `move_line` has tried it.
        elif not (counts != NULL and can_slide(n, window) and slide_sums(
                x, n, window, out, rooms[0])):
            sum_windows(x, n, window, out, rooms[0], rooms[1], rooms[2])
        if kernel == MOVE_MEAN:
            divide_sums(out, counts, n, window, 0)
    elif kernel == MOVE_VAR or kernel == MOVE_STD:
        square_sum_windows(x, counts, n, window, out, rooms)
        divide_sums(out, counts, n, window, moving.ddof)
        if kernel == MOVE_STD:
            for i in range(n):
                out[i] = sqrt(out[i])
    elif kernel == MOVE_MIN:
        extreme_windows(x, n, window, out, rooms[0], rooms[1], False)
    elif kernel == MOVE_MAX:
        extreme_windows(x, n, window, out, rooms[0], rooms[1], True)
    elif kernel == MOVE_MEDIAN:
        short_medians(x, n, window, out)
    elif kernel == MOVE_RANK:
        short_ranks(x, counts, n, window, out)
    else:
        if want_max:
            place_windows(x, n, window, out, rooms[4], rooms, True)
        else:
            place_windows(x, n, window, out, rooms[4], rooms, False)
        if counts != NULL:
            find_infinite_places(
                x, counts, rooms[4], neutral_of(kernel), n, window, out)
    if counts != NULL:
        for i in range(n):
            out[i] = out[i] if counts[i + window] - counts[i] >= moving.min_count else NAN


cdef void move_line(
    const floating* x, Py_ssize_t before, Py_ssize_t n, floating* out, char* scratch,
    const Moving* moving
) noexcept nogil:
    cdef Py_ssize_t window = moving.window, block = block_of(window), room = room_of(window, n)
    cdef Py_ssize_t start = 0, missing, size, i
    cdef double* rooms[N_ROOMS]
    cdef Py_ssize_t* counts
    cdef const double* values
    cdef double* results
    cdef const floating* first
    cdef bint is_sum = moving.kernel == MOVE_SUM or moving.kernel == MOVE_MEAN, has_gaps
    for i in range(N_ROOMS):
        rooms[i] = <double*>scratch + i * room
    counts = <Py_ssize_t*>rooms[8]
    while start < n:
        size = min(block, n - start)
        missing = max(0, window - 1 - before - start)
        if missing > 0:                  # a block of its own for the windows that are not full
            size = min(size, missing)
            if moving.min_count == window:
                for i in range(start, start + size):
                    out[i] = <floating>NAN
                start += size
                continue
        first = x + (start + missing - (window - 1))
        results = <double*>(out + start) if floating is double else rooms[6]
        # Sums that can slide find NaN by themselves, in passing.
        if missing == 0 and is_sum and can_slide(size, window) and slide_sums(
                widened(first, window - 1 + size, rooms[7]), size, window, results, rooms[0]):
            if moving.kernel == MOVE_MEAN:
                divide_sums(results, NULL, size, window, 0)
        else:
            values = block_values(
                first, missing, window - 1 + size, neutral_of(moving.kernel), rooms[7], counts,
                &has_gaps)
            move_block(values, counts if has_gaps else NULL, size, results, rooms, moving)
        if floating is float:
            for i in range(size):
                out[start + i] = <float>results[i]
        start += size


cdef void rank_line(
    const floating* x, Py_ssize_t before, Py_ssize_t n, floating* out, char* scratch,
    const Moving* moving
) noexcept nogil:
    cdef Py_ssize_t window = moving.window, start = 0, size
    cdef Window w
    if is_short(moving.kernel, window):
        move_line(x, before, n, out, scratch, moving)
        return
    lay_out(&w, window, scratch)
    read_block(&w, x, 1 - window, -before, n)
    while start < n:
        read_block(&w, x, start + 1, -before, n)
        number_elements(&w)
        size = min(window, n - start)
        if moving.kernel == MOVE_MEDIAN:
            medians_of_block(&w, moving.min_count, size, out + start)
        else:
            find_ties(&w)
            ranks_of_block(&w, moving.min_count, size, out + start)
        start += size


# The table ---------------------------------------------------------------------------------------

for _kernel in range(MOVE_SUM, MOVE_MEDIAN):
    _table.kernels[_kernel][FLOAT64] = <line_t>move_line[double]
    _table.kernels[_kernel][FLOAT32] = <line_t>move_line[float]
for _kernel in (MOVE_MEDIAN, MOVE_RANK):
    _table.kernels[_kernel][FLOAT64] = <line_t>rank_line[double]
    _table.kernels[_kernel][FLOAT32] = <line_t>rank_line[float]

#: The table of this CPU level.
table = table_capsule(&_table)
