"""Layer: kernels.  The loops of the reduction logsumexp: log(sum(exp(x))), without overflow.

A state is the greatest element and the sum of exp(x - greatest), of which no term exceeds 1.  Two
passes over a chunk in the first-level cache find them; to merge two states, the sum of the one
with the lesser greatest element is scaled.  Lanes and names as in ``_reduce.pxd``; contracts in
``_reductions.pxd``.
"""

from libc.math cimport INFINITY, NAN, isfinite, isnan
from libc.stdint cimport int64_t

from fastproc.kernels._common cimport LANES, scalar
from fastproc.kernels._exp cimport exp_of, exp_of_negative, log_of, real
from fastproc.kernels._extremes cimport lowest, max_partial, value_of
from fastproc.kernels._reduce cimport fold_lanes, store_real, unforeseen
from fastproc.kernels._reductions cimport FINE, WIDTH, Finding, State

cdef enum:
    # Rows of lanes that are added up in the element's dtype; then they are widened to double.
    EXP_ROWS = 8


cdef inline void exp_rows_of_lanes(
    const scalar* x, Py_ssize_t n_rows, real greatest, double* sums
) noexcept nogil:
    """Add exp(x - greatest) of n_rows > 0 rows of LANES contiguous elements to `sums`."""
    cdef real lanes[LANES]
    cdef Py_ssize_t i, j
    for j in range(LANES):
        lanes[j] = exp_of_negative(<real>x[j] - greatest)
    for i in range(1, n_rows):
        for j in range(LANES):
            lanes[j] += exp_of_negative(<real>x[i * LANES + j] - greatest)
    for j in range(LANES):
        sums[j] += <double>lanes[j]


cdef inline double exp_chunk(const scalar* x, Py_ssize_t n, real greatest) noexcept nogil:
    """Return the sum of exp(x - greatest) of at most CHUNK elements."""
    cdef double sums[LANES]
    cdef scalar last[LANES]
    cdef Py_ssize_t n_rows = n // LANES, i, j
    for j in range(LANES):
        sums[j] = 0
    i = 0
    while i < n_rows:
        exp_rows_of_lanes(
            x + i * LANES, unforeseen(min(<Py_ssize_t>EXP_ROWS, n_rows - i)), greatest, &sums[0])
        i += EXP_ROWS
    x += n_rows * LANES
    if n % LANES > 0:
        # A whole row takes less time than a few elements one by one; the others add nothing.
        for j in range(LANES):
            last[j] = x[j] if j < n % LANES else lowest(x[0])
        exp_rows_of_lanes(&last[0], unforeseen(1), greatest, &sums[0])
    return fold_lanes(&sums[0])


cdef inline bint settle_greatest(State* state, double greatest, bint has_nan) noexcept nogil:
    """Put the greatest element into a state; True if there is a sum still to be found."""
    state.a.f = NAN if has_nan else greatest
    # Of Inf there may be several, but one or many, the result is Inf; -Inf is the log of nothing,
    # which a NaN is not, whatever stands beside it: a merge leaves out what has no sum.
    state.b.f = 1 if has_nan or greatest > 0 else 0
    return isfinite(state.a.f)


cdef inline void logsumexp_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    cdef State extreme
    cdef double greatest
    max_partial(x, n, start, &extreme)
    greatest = <double>value_of(&extreme, True, x[0])
    if settle_greatest(state, greatest, extreme.n > 0):
        if scalar is float:
            state.b.f = exp_chunk(x, n, <float>greatest)
        else:
            state.b.f = exp_chunk(x, n, greatest)
    state.n = n


cdef inline void logsumexp_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    cdef scalar greatest[WIDTH]
    cdef scalar nans[WIDTH]
    cdef double base[WIDTH]
    cdef double sums[WIDTH]
    cdef Py_ssize_t first, i, j
    cdef const scalar* row
    for j in range(width):
        greatest[j] = rows[0][j]
        nans[j] = 0
        sums[j] = 0
    for i in range(n_rows):
        first = 0
        while first < width:
            row = rows[i] + first
            for j in range(LANES):
                greatest[first + j] = row[j] if row[j] > greatest[first + j] else (
                    greatest[first + j])
                nans[first + j] += <scalar>1 if row[j] != row[j] else <scalar>0
            first += LANES
    for j in range(width):
        base[j] = <double>greatest[j]
        if nans[j] > 0 or not isfinite(base[j]):
            base[j] = 0                 # whatever the sum, it is not used
    for i in range(n_rows):
        first = 0
        while first < width:
            row = rows[i] + first
            for j in range(LANES):
                if scalar is float:
                    sums[first + j] += <double>exp_of_negative(row[j] - <float>base[first + j])
                else:
                    sums[first + j] += exp_of_negative(<double>row[j] - base[first + j])
            first += LANES
    for j in range(width):
        if settle_greatest(&states[j], <double>greatest[j], nans[j] > 0):
            states[j].b.f = sums[j]
        states[j].n = n_rows


cdef inline void logsumexp_merge(State* into, const State* other, void* tag) noexcept nogil:
    into.n += other.n
    if isnan(into.a.f) or other.b.f == 0:
        return
    if isnan(other.a.f) or into.b.f == 0:
        into.a.f, into.b.f = other.a.f, other.b.f
    elif other.a.f > into.a.f:
        into.b.f = into.b.f * exp_of(into.a.f - other.a.f) + other.b.f
        into.a.f = other.a.f
    elif other.a.f < into.a.f:
        into.b.f += other.b.f * exp_of(other.a.f - into.a.f)
    else:
        into.b.f += other.b.f


cdef inline Finding logsumexp_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    store_real(logarithm(state), out)
    return FINE


cdef inline double logarithm(const State* state) noexcept nogil:
    """Return log(sum(exp(x))), with no elements -Inf."""
    if state.b.f == 0:
        return NAN if isnan(state.a.f) else -INFINITY
    return state.a.f + log_of(state.b.f)
