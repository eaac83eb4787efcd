"""Layer: kernels.  The k nearest rows: heaps of those found so far, and the screen in float32.

A row's neighbours are kept as a heap, the farthest on top, in the k places where the result will
be; what comes is compared with the top alone.  A pair is farther than another if its distance is
greater or, the distances being equal, its index; NaN is farther than any number.  So the result
does not depend on the order in which pairs come.

The screen, for Euclidean distances: nearly all pairs can be ruled out by an estimate of their
distance in float32, |a|^2 - 2ab + |b|^2, which takes one multiplication and one addition a column,
of twice as many pairs at a time.  Rows are first moved to the middle of `b` and scaled by a power
of two.  How far an estimate can be off is bounded (`doubt`), and what may be nearer than the top is
computed in full.  So the screen decides how soon the result is there, and nothing of what it is:
it may round differently from one CPU level to the next, and is the one place that uses FMA.
"""

from libc.float cimport FLT_MAX
from libc.math cimport INFINITY, fabs, sqrt
from libc.stdint cimport int64_t

from fastproc.kernels._common cimport LANES
from fastproc.kernels._distances cimport NEAREST_ROWS, Rows, Screen, block_t

cdef extern from *:
    """
    #if defined(__AVX512F__)
    #define FASTPROC_ABREAST 4
    #else
    #define FASTPROC_ABREAST 2
    #endif
    #if defined(__FMA__)
    #define FASTPROC_MULTIPLY_ADD(a, b, c) __builtin_fmaf(a, b, c)
    #else
    #define FASTPROC_MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
    #endif
    """
    enum:
        ABREAST "FASTPROC_ABREAST"      # rows of `a` whose sums fill the registers
    float multiply_add "FASTPROC_MULTIPLY_ADD"(float a, float b, float c) nogil

# Columns of a panel of LANES rows that stays in the L1 cache: 16 KiB.
cdef enum:
    SCREEN_PANEL = 128

# Candidates that are computed in full side by side, as each sum is a chain of additions: they wait
# until there are so many.
cdef enum:
    BATCH = 4

cdef struct Candidates:
    Py_ssize_t places[BATCH]
    Py_ssize_t size
    float limit              # the greatest estimate of who could be as near as the top of the heap


# Heaps -------------------------------------------------------------------------------------------

cdef inline bint is_farther(double d, int64_t i, double e, int64_t j) noexcept nogil:
    """Tell whether distance `d`, to row `i`, is farther than `e`, to row `j`."""
    if d == e:
        return i > j
    if d == d and e == e:
        return d > e
    return e == e or (d != d and i > j)


cdef inline void sink(
    double* distances, int64_t* indices, Py_ssize_t k, double d, int64_t i
) noexcept nogil:
    """Put a pair on top of a heap of `k` in place of what is there, and let it sink."""
    cdef Py_ssize_t place = 0, child = 1
    while child < k:
        if child + 1 < k and is_farther(
                distances[child + 1], indices[child + 1], distances[child], indices[child]):
            child += 1
        if not is_farther(distances[child], indices[child], d, i):
            break
        distances[place], indices[place] = distances[child], indices[child]
        place, child = child, 2 * child + 1
    distances[place], indices[place] = d, i


cdef inline void sort_heap(double* distances, int64_t* indices, Py_ssize_t k) noexcept nogil:
    """Turn a heap into a list, the nearest first."""
    cdef double d
    cdef int64_t i
    while k > 1:
        k -= 1
        d, i = distances[k], indices[k]
        distances[k], indices[k] = distances[0], indices[0]
        sink(distances, indices, k, d, i)


cdef inline void start_heaps(
    Py_ssize_t n, Py_ssize_t k, double* distances, int64_t* indices, int64_t n_b
) noexcept nogil:
    """Fill heaps with pairs that are farther than any: a NaN to a row behind the last."""
    cdef Py_ssize_t i
    for i in range(n * k):
        distances[i] = INFINITY - INFINITY
        indices[i] = n_b


# All pairs in full -------------------------------------------------------------------------------

cdef inline bint any_nearer(const double* row, double top) noexcept nogil:
    cdef int nearer = 0
    cdef Py_ssize_t j
    for j in range(LANES):
        nearer |= not row[j] >= top
    return nearer


cdef inline void nearest_of_all(
    block_t block_of, const Rows* rows, Py_ssize_t first, Py_ssize_t n, Py_ssize_t n_b,
    Py_ssize_t k, double* distances, int64_t* indices
) noexcept nogil:
    cdef double block[NEAREST_ROWS * LANES]
    cdef Py_ssize_t column = 0, i, j, size
    start_heaps(n, k, distances, indices, n_b)
    while column < n_b:
        size = min(n_b - column, LANES)
        block_of(NULL, rows, first, n, column, size, block, LANES, 0)
        for i in range(n):
            if not any_nearer(block + i * LANES, distances[i * k]):
                continue
            for j in range(size):
                if is_farther(distances[i * k], indices[i * k], block[i * LANES + j], column + j):
                    sink(distances + i * k, indices + i * k, k, block[i * LANES + j], column + j)
        column += size
    for i in range(n):
        sort_heap(distances + i * k, indices + i * k, k)


# The screen --------------------------------------------------------------------------------------

cdef inline double move_row(
    const double* row, const Screen* screen, Py_ssize_t step, float* moved
) noexcept nogil:
    """Move, scale and round a row, write it by the given step, and return its squared norm."""
    cdef double squares = 0
    cdef float value
    cdef Py_ssize_t k
    for k in range(screen.width):
        value = <float>((row[k] - screen.middle[k]) * screen.scale)
        moved[k * step] = value
        squares += <double>value * <double>value
    return squares


cdef inline void move_rows(
    const Screen* screen, const double* a, Py_ssize_t first, Py_ssize_t last
) noexcept nogil:
    """Write what the screen reads of some rows of `a`."""
    cdef Py_ssize_t i
    for i in range(first, last):
        screen.squares[i] = move_row(
            a + i * screen.width, screen, 1, screen.rows + i * screen.width)


cdef inline void move_to_panels(
    const Screen* screen, const double* b, Py_ssize_t first, Py_ssize_t last
) noexcept nogil:
    """Write what the screen reads of some rows of `b`, LANES side by side."""
    cdef Py_ssize_t i
    cdef float* panel
    for i in range(first, last):
        panel = screen.panels + i // LANES * LANES * screen.width
        screen.offsets[i] = <float>(0.5 * (1.0 - screen.doubt) * move_row(
            b + i * screen.width, screen, LANES, panel + i % LANES))


cdef inline void multiply_rows(
    const float* a, Py_ssize_t stride, const float* panel, Py_ssize_t width, bint is_first,
    float* products
) noexcept nogil:
    """Add some columns to the scalar products of ABREAST rows of `a` and LANES rows of `b`."""
    cdef float lanes[ABREAST][LANES]
    cdef Py_ssize_t i, j, k
    for i in range(ABREAST):
        for j in range(LANES):
            lanes[i][j] = 0 if is_first else products[i * LANES + j]
    for k in range(width):
        for i in range(ABREAST):
            for j in range(LANES):
                lanes[i][j] = multiply_add(
                    a[i * stride + k], panel[k * LANES + j], lanes[i][j])
    for i in range(ABREAST):
        for j in range(LANES):
            products[i * LANES + j] = lanes[i][j]


cdef inline void estimate(
    const Screen* screen, Py_ssize_t first, Py_ssize_t n, Py_ssize_t column, float* estimates
) noexcept nogil:
    """Write half the squared distances between `n` rows and LANES, less what is the row's own."""
    cdef const float* panel = screen.panels + column * screen.width
    cdef Py_ssize_t start = 0, width, i, j
    while start < screen.width:
        width = min(screen.width - start, SCREEN_PANEL)
        i = 0
        while i < n:
            multiply_rows(screen.rows + (first + i) * screen.width + start, screen.width,
                          panel + start * LANES, width, start == 0, estimates + i * LANES)
            i += ABREAST
        start += width
    for i in range(n):
        for j in range(LANES):
            estimates[i * LANES + j] = screen.offsets[column + j] - estimates[i * LANES + j]


cdef inline bint any_at_most(const float* estimates, float limit) noexcept nogil:
    cdef int found = 0
    cdef Py_ssize_t j
    for j in range(LANES):
        found |= estimates[j] <= limit
    return found


cdef inline Py_ssize_t place_of_least(const float* estimates) noexcept nogil:
    cdef float least[LANES]
    cdef Py_ssize_t half = LANES // 2, j
    for j in range(LANES):
        least[j] = estimates[j]
    while half > 0:
        for j in range(half):
            least[j] = least[j + half] if least[j + half] < least[j] else least[j]
        half //= 2
    for j in range(LANES):
        if estimates[j] == least[0]:
            return j
    return 0                                # never: an estimate is no NaN


cdef inline void squared_distances(
    const double* a, const double** b, Py_ssize_t width, double* totals
) noexcept nogil:
    """Compute squares of distances from one row to BATCH, column after column as in a block."""
    cdef Py_ssize_t i, k
    cdef double sums[BATCH]
    for i in range(BATCH):
        sums[i] = 0
    for k in range(width):
        for i in range(BATCH):
            sums[i] += (a[k] - b[i][k]) * (a[k] - b[i][k])
    for i in range(BATCH):
        totals[i] = sums[i]


cdef inline float limit_of(const Screen* screen, double top, double squares) noexcept nogil:
    """Return the greatest estimate of a pair that could be as near as the top of the heap."""
    cdef double limit
    if top != top:
        return FLT_MAX
    if screen.is_root:
        top = top * top
    # What is added here and there is more than the roundings in this function.
    limit = 0.5 * (top * screen.scale * screen.scale * (1.0 + 1e-12)
                   - squares * (1.0 - screen.doubt) + screen.least_doubt)
    limit += 1e-6 * fabs(limit)
    return <float>limit if limit < FLT_MAX else FLT_MAX


cdef inline void nearest_by_screen(
    const Screen* screen, const Rows* rows, Py_ssize_t first, Py_ssize_t n, Py_ssize_t n_b,
    Py_ssize_t k, double* distances, int64_t* indices
) noexcept nogil:
    cdef float estimates[(NEAREST_ROWS + ABREAST) * LANES]
    cdef Candidates candidates[NEAREST_ROWS]
    cdef Py_ssize_t column = 0, i
    start_heaps(n, k, distances, indices, n_b)
    for i in range(n):
        candidates[i].size = 0
        candidates[i].limit = FLT_MAX           # what is beyond is padding
    while column < n_b:
        estimate(screen, first, n, column, estimates)
        for i in range(n):
            take_candidates(screen, rows, first + i, column, estimates + i * LANES, k,
                            distances + i * k, indices + i * k, &candidates[i])
        column += LANES
    for i in range(n):
        compute_candidates(screen, rows, first + i, k, distances + i * k, indices + i * k,
                           &candidates[i])
        sort_heap(distances + i * k, indices + i * k, k)


cdef inline void take_candidates(
    const Screen* screen, const Rows* rows, Py_ssize_t row, Py_ssize_t column, float* estimates,
    Py_ssize_t k, double* distances, int64_t* indices, Candidates* candidates
) noexcept nogil:
    """Take those of LANES rows of `b` that could be near enough, the likeliest first."""
    cdef Py_ssize_t j
    if not any_at_most(estimates, candidates.limit):
        return
    j = place_of_least(estimates)
    while estimates[j] <= candidates.limit:
        candidates.places[candidates.size] = column + j
        candidates.size += 1
        estimates[j] = INFINITY
        if candidates.size == BATCH:
            compute_candidates(screen, rows, row, k, distances, indices, candidates)
        j = place_of_least(estimates)


cdef inline void compute_candidates(
    const Screen* screen, const Rows* rows, Py_ssize_t row, Py_ssize_t k, double* distances,
    int64_t* indices, Candidates* candidates
) noexcept nogil:
    """Compute the distances of the candidates of one row, keep the nearest, and forget them."""
    cdef const double* b[BATCH]
    cdef double totals[BATCH]
    cdef Py_ssize_t i
    if candidates.size == 0:
        return
    for i in range(BATCH):
        b[i] = rows.b + candidates.places[min(i, candidates.size - 1)] * screen.width
    squared_distances(rows.a + row * screen.width, b, screen.width, totals)
    for i in range(candidates.size):
        if screen.is_root:
            totals[i] = sqrt(totals[i])
        if is_farther(distances[0], indices[0], totals[i], candidates.places[i]):
            sink(distances, indices, k, totals[i], candidates.places[i])
    candidates.size = 0
    candidates.limit = limit_of(screen, distances[0], screen.squares[row])
