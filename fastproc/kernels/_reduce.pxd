"""Layer: kernels.  The loops of the reductions: sum, mean, var, min, max, argmin, argmax.

Every loop runs over LANES accumulators side by side, in an order of operations that is written
out here and that no compiler may change (there is no -ffast-math).  So the compiler can use
registers of any width, and the bits are the same whatever width it takes.

The inline templates take what differs between their kernels as constant arguments (`skip_nan`,
`sign`); the functions named ``<family>_partial``, ``_columns``, ``_merge`` and ``_finalize`` below
them are what the table points to, see ``_reductions.pxd`` for their contract.
"""

from libc.math cimport INFINITY, NAN, sqrt
from libc.stdint cimport int64_t

from fastproc.kernels._common cimport LANES, scalar
from fastproc.kernels._reductions cimport FINE, NO_FREEDOM, NO_VALUE, WIDTH, Finding, State

cdef extern from *:
    """
    #if defined(__GNUC__)
    static inline Py_ssize_t fastproc_unforeseen(Py_ssize_t n) {
        __asm__("" : "+r"(n));
        return n;
    }
    #else
    #define fastproc_unforeseen(n) (n)
    #endif
    """
    # A number that the compiler does not know, so that it leaves a loop over rows as it stands.
    # Unrolled, it would be read column by column, in steps of 256 bytes, which the processor takes
    # for no stream: the sum of 10^7 took 4.3 ms rather than 2.8 (Zen 4, 512-bit registers).
    Py_ssize_t unforeseen "fastproc_unforeseen"(Py_ssize_t n) nogil

# What sums run in: float32 is summed as double; integers as 64-bit ones that wrap around.
ctypedef fused accumulator:
    double
    int64_t


# Sums --------------------------------------------------------------------------------------------
#
# Pairwise in the large, so that the error grows with the logarithm of the size (Higham, "The
# accuracy of floating point summation", 1993): BLOCK_ROWS rows of lanes are added up one after
# another, a chunk's blocks by halving, and the states of chunks by halving too.

cdef enum:
    BLOCK_ROWS = 8
    BLOCK = 256            # BLOCK_ROWS * LANES elements
    BLOCKS = 16            # in a chunk of CHUNK elements


cdef inline accumulator widened(
    scalar value, accumulator tag, bint skip_nan, bint squared
) noexcept nogil:
    """Return `value` or its square in the dtype of `tag`, NaN as zero if `skip_nan`."""
    if squared:
        return <accumulator>value * <accumulator>value
    if skip_nan:
        return <accumulator>value if value == value else <accumulator>0
    return <accumulator>value


cdef inline void sum_rows_of_lanes(
    const scalar* x, Py_ssize_t n_rows, accumulator* sums, bint skip_nan, bint squared
) noexcept nogil:
    """Add up n_rows > 0 rows of LANES contiguous elements, row after row."""
    # A local array that is indexed by constants alone, once the compiler has unrolled the loops
    # over lanes, lives in registers: hence functions as small as this one.
    cdef accumulator lanes[LANES]
    cdef Py_ssize_t i, j
    for j in range(LANES):
        lanes[j] = widened(x[j], sums[0], skip_nan, squared)
    for i in range(1, n_rows):
        for j in range(LANES):
            lanes[j] += widened(x[i * LANES + j], sums[0], skip_nan, squared)
    for j in range(LANES):
        sums[j] = lanes[j]


cdef inline accumulator sum_chunk(
    const scalar* x, Py_ssize_t n, accumulator zero, bint skip_nan, bint squared
) noexcept nogil:
    """Return the sum of at most CHUNK elements."""
    cdef accumulator sums[BLOCKS + 2][LANES]
    cdef accumulator total = zero
    cdef Py_ssize_t n_blocks = n // BLOCK, n_rows = n % BLOCK // LANES, block, half, i, j
    if n < LANES:
        for i in range(n):
            total += widened(x[i], zero, skip_nan, squared)
        return total

    for block in range(n_blocks):
        sum_rows_of_lanes(
            x + block * BLOCK, unforeseen(BLOCK_ROWS), &sums[block][0], skip_nan, squared)
    x += n_blocks * BLOCK
    if n_rows > 0:
        sum_rows_of_lanes(x, n_rows, &sums[n_blocks][0], skip_nan, squared)
        x += n_rows * LANES
        n_blocks += 1
    if n % LANES > 0:
        for j in range(LANES):
            sums[n_blocks][j] = (
                widened(x[j], zero, skip_nan, squared) if j < n % LANES else zero)
        n_blocks += 1

    while n_blocks > 1:
        half = (n_blocks + 1) // 2
        for block in range(n_blocks - half):
            for j in range(LANES):
                sums[block][j] += sums[block + half][j]
        n_blocks = half
    return fold_lanes(&sums[0][0])


cdef inline accumulator fold_lanes(accumulator* lanes) noexcept nogil:
    """Return the sum of the lanes, by halving."""
    cdef Py_ssize_t half = LANES // 2, j
    while half > 0:
        for j in range(half):
            lanes[j] += lanes[j + half]
        half //= 2
    return lanes[0]


cdef inline int64_t count_chunk(const scalar* x, Py_ssize_t n) noexcept nogil:
    """Return how many of at most CHUNK elements are not NaN."""
    # Counted in the element's own dtype, exactly, since that vectorises best.
    cdef scalar lanes[LANES]
    cdef int64_t total = 0
    cdef Py_ssize_t n_rows = n // LANES, i, j
    if scalar is double or scalar is float:
        if n_rows > 0:
            for j in range(LANES):
                lanes[j] = 0
            for i in range(n_rows):
                for j in range(LANES):
                    lanes[j] += <scalar>1 if x[i * LANES + j] == x[i * LANES + j] else <scalar>0
            for j in range(LANES):
                total += <int64_t>lanes[j]
        for i in range(n_rows * LANES, n):
            total += x[i] == x[i]
    else:
        total = n
    return total


cdef inline void sum_rows(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, accumulator* sums, int64_t* counts,
    bint skip_nan, bint squared
) noexcept nogil:
    """Add up each column; `counts` gets how many were not NaN."""
    cdef Py_ssize_t first, i, j
    cdef const scalar* row
    for j in range(width):
        sums[j] = 0
        counts[j] = 0 if skip_nan else n_rows
    for i in range(n_rows):
        first = 0
        while first < width:
            row = rows[i] + first
            for j in range(LANES):
                sums[first + j] += widened(row[j], sums[0], skip_nan, squared)
            first += LANES
        if skip_nan:
            for j in range(width):
                counts[j] += rows[i][j] == rows[i][j]


cdef inline void sum_chunk_state(
    const scalar* x, Py_ssize_t n, State* state, bint skip_nan, bint squared
) noexcept nogil:
    if scalar is double or scalar is float:
        state.a.f = sum_chunk(x, n, <double>0, skip_nan, squared)
    else:
        state.a.i = sum_chunk(x, n, <int64_t>0, skip_nan, squared)
    state.n = n


cdef inline void sum_rows_states(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, State* states, bint skip_nan,
    bint squared
) noexcept nogil:
    cdef double floats[WIDTH]
    cdef int64_t wholes[WIDTH]
    cdef int64_t counts[WIDTH]
    cdef Py_ssize_t j
    if scalar is double or scalar is float:
        sum_rows(rows, n_rows, width, &floats[0], &counts[0], skip_nan, squared)
        for j in range(width):
            states[j].a.f = floats[j]
            states[j].n = counts[j]
    else:
        sum_rows(rows, n_rows, width, &wholes[0], &counts[0], skip_nan, squared)
        for j in range(width):
            states[j].a.i = wholes[j]
            states[j].n = counts[j]


cdef inline void sum_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    sum_chunk_state(x, n, state, False, False)


cdef inline void nansum_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    sum_chunk_state(x, n, state, True, False)


cdef inline void sum_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    sum_rows_states(rows, n_rows, width, states, False, False)


cdef inline void nansum_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    sum_rows_states(rows, n_rows, width, states, True, False)


cdef inline void ss_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    sum_chunk_state(x, n, state, False, True)


cdef inline void ss_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    sum_rows_states(rows, n_rows, width, states, False, True)


cdef inline void sum_merge(State* into, const State* other, scalar* tag) noexcept nogil:
    if scalar is double or scalar is float:
        into.a.f += other.a.f
    else:
        into.a.i += other.a.i
    into.n += other.n


cdef inline Finding sum_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    if scalar is double or scalar is float:
        out[0] = <scalar>state.a.f
    else:
        (<int64_t*>out)[0] = state.a.i
    return FINE


# Means: sums in double, whatever the dtype -------------------------------------------------------

cdef inline void mean_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    state.a.f = sum_chunk(x, n, <double>0, False, False)
    state.n = n


cdef inline void nanmean_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    state.a.f = sum_chunk(x, n, <double>0, True, False)
    state.n = count_chunk(x, n)


cdef inline void mean_rows_states(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, State* states, bint skip_nan
) noexcept nogil:
    cdef double sums[WIDTH]
    cdef int64_t counts[WIDTH]
    cdef Py_ssize_t j
    sum_rows(rows, n_rows, width, &sums[0], &counts[0], skip_nan, False)
    for j in range(width):
        states[j].a.f = sums[j]
        states[j].n = counts[j]


cdef inline void mean_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    mean_rows_states(rows, n_rows, width, states, False)


cdef inline void nanmean_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    mean_rows_states(rows, n_rows, width, states, True)


cdef inline Finding mean_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    cdef double mean = state.a.f / <double>state.n if state.n > 0 else NAN
    store_real(mean, out)
    return FINE if state.n > 0 else NO_VALUE


cdef inline void store_real(double value, scalar* out) noexcept nogil:
    """Store what is float64 for integers and the input's own dtype for floats."""
    if scalar is float:
        out[0] = <float>value
    else:
        (<double*>out)[0] = value


# Variances: two passes over a chunk in the first-level cache, chunks merged by the formula of
# Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
# variances" (1979).  With an offset that is large beside the deviations, the rounding of a chunk's
# mean would spoil its distance from another's.  So a mean is kept as two numbers: one near it, and
# the shift from there to the mean, which the second pass finds as the sum of the deviations.

cdef inline void deviate_rows_of_lanes(
    const scalar* x, Py_ssize_t n_rows, double near, double* sums, double* squares, bint skip_nan
) noexcept nogil:
    """Add up deviations from `near` and their squares, of n_rows rows of contiguous elements."""
    cdef double total[LANES]
    cdef double square[LANES]
    cdef double deviation
    cdef Py_ssize_t i, j
    for j in range(LANES):
        total[j] = 0
        square[j] = 0
    for i in range(n_rows):
        for j in range(LANES):
            deviation = deviation_of(x[i * LANES + j], near, skip_nan)
            total[j] += deviation
            square[j] += deviation * deviation
    for j in range(LANES):
        sums[j] = total[j]
        squares[j] = square[j]


cdef inline void deviate_chunk(
    const scalar* x, Py_ssize_t n, State* state, bint skip_nan
) noexcept nogil:
    """Find shift and squares of a chunk, of which `n` and `a` are known."""
    cdef double sums[LANES]
    cdef double squares[LANES]
    cdef double deviation
    cdef Py_ssize_t n_rows = n // LANES, j
    if n < LANES:
        sums[0] = squares[0] = 0
        for j in range(n):
            deviation = deviation_of(x[j], state.a.f, skip_nan)
            sums[0] += deviation
            squares[0] += deviation * deviation
        settle_shift(state, sums[0], squares[0])
        return
    deviate_rows_of_lanes(x, n_rows, state.a.f, &sums[0], &squares[0], skip_nan)
    x += n_rows * LANES
    for j in range(n % LANES):
        deviation = deviation_of(x[j], state.a.f, skip_nan)
        sums[j] += deviation
        squares[j] += deviation * deviation
    settle_shift(state, fold_lanes(&sums[0]), fold_lanes(&squares[0]))


cdef inline void settle_shift(State* state, double sum, double squares) noexcept nogil:
    """Turn sums of deviations from near the mean into those from the mean itself."""
    state.shift = sum / <double>state.n if state.n > 0 else 0
    state.b.f = squares - sum * state.shift
    # Where all elements are the same the difference of two roundings may be below zero.
    if state.b.f < 0:
        state.b.f = 0


cdef inline double deviation_of(scalar value, double mean, bint skip_nan) noexcept nogil:
    if skip_nan:
        return <double>value - mean if value == value else 0
    return <double>value - mean


cdef inline void var_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    state.n = n
    state.a.f = sum_chunk(x, n, <double>0, False, False) / <double>n
    deviate_chunk(x, n, state, False)


cdef inline void nanvar_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    state.n = count_chunk(x, n)
    state.a.f = sum_chunk(x, n, <double>0, True, False) / <double>state.n if state.n > 0 else 0
    deviate_chunk(x, n, state, True)


cdef inline void var_rows_states(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, State* states, bint skip_nan
) noexcept nogil:
    cdef double means[WIDTH]
    cdef double sums[WIDTH]
    cdef double squares[WIDTH]
    cdef int64_t counts[WIDTH]
    cdef double deviation
    cdef Py_ssize_t first, i, j
    cdef const scalar* row
    sum_rows(rows, n_rows, width, &means[0], &counts[0], skip_nan, False)
    for j in range(width):
        means[j] = means[j] / <double>counts[j] if counts[j] > 0 else 0
        sums[j] = 0
        squares[j] = 0
    for i in range(n_rows):
        first = 0
        while first < width:
            row = rows[i] + first
            for j in range(LANES):
                deviation = deviation_of(row[j], means[first + j], skip_nan)
                sums[first + j] += deviation
                squares[first + j] += deviation * deviation
            first += LANES
    for j in range(width):
        states[j].a.f = means[j]
        states[j].n = counts[j]
        settle_shift(&states[j], sums[j], squares[j])


cdef inline void var_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    var_rows_states(rows, n_rows, width, states, False)


cdef inline void nanvar_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    var_rows_states(rows, n_rows, width, states, True)


cdef inline void var_merge(State* into, const State* other, scalar* tag) noexcept nogil:
    cdef double total, delta, weight
    if other.n == 0:
        return
    if into.n == 0:
        into[0] = other[0]
        return
    total = <double>into.n + <double>other.n
    weight = <double>other.n / total
    delta = (other.a.f - into.a.f) + (other.shift - into.shift)
    into.shift += delta * weight
    into.b.f += other.b.f + delta * delta * (<double>into.n * weight)
    into.n += other.n


cdef inline double variance(const State* state, double ddof, bint skip_nan) noexcept nogil:
    """Return the variance; without degrees of freedom, what NumPy gives (NaN or Inf)."""
    cdef double freedom = <double>state.n - ddof
    if not freedom <= 0:        # a `ddof` of NaN makes the result NaN, without a warning
        return state.b.f / freedom
    if skip_nan or state.n == 0 or not state.b.f > 0:
        return NAN
    return INFINITY


cdef inline Finding var_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    store_real(variance(state, ddof, False), out)
    return NO_FREEDOM if <double>state.n <= ddof else FINE


cdef inline Finding nanvar_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    store_real(variance(state, ddof, True), out)
    return NO_FREEDOM if <double>state.n <= ddof else FINE


cdef inline Finding std_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    store_real(sqrt(variance(state, ddof, False)), out)
    return NO_FREEDOM if <double>state.n <= ddof else FINE


cdef inline Finding nanstd_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    store_real(sqrt(variance(state, ddof, True)), out)
    return NO_FREEDOM if <double>state.n <= ddof else FINE
