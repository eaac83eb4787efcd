"""Layer: kernels.  The loops of the reductions that look for extremes: min, max, argmin, argmax.

A comparison with NaN is false, so ``v if v < least else least`` passes NaN over; that there was
one is noted beside it and ``finalize`` decides what it means: the result of ``min``, nothing to
``nanmin``.  So the plain and the nan variant of an extreme share their loops.  Only a chunk in
which nothing but NaN may have been found is looked at again, to count them.

Lanes and names as in ``_reduce.pxd``; contracts in ``_reductions.pxd``.
"""

from libc.math cimport INFINITY, NAN
from libc.stdint cimport INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, int64_t

from fastproc.kernels._common cimport LANES, scalar
from fastproc.kernels._reduce cimport count_chunk
from fastproc.kernels._reductions cimport FINE, NO_VALUE, WIDTH, Finding, State

cdef extern from "<math.h>" nogil:
    bint isunordered(double, double)


cdef inline scalar highest(scalar tag) noexcept nogil:
    """Return a value that no value of the dtype is above: where a search for the least starts."""
    if scalar is int64_t:
        return INT64_MAX
    elif scalar is int:
        return INT32_MAX
    else:
        return <scalar>INFINITY


cdef inline scalar lowest(scalar tag) noexcept nogil:
    """Return a value that no value of the dtype is below."""
    if scalar is int64_t:
        return INT64_MIN
    elif scalar is int:
        return INT32_MIN
    else:
        return <scalar>-INFINITY


cdef inline void store_value(scalar value, double* f, int64_t* i) noexcept nogil:
    """Put a value into the half of a Number that its dtype uses."""
    if scalar is double or scalar is float:
        f[0] = value
    else:
        i[0] = value


cdef inline scalar value_of(const State* state, bint second, scalar tag) noexcept nogil:
    """Return a state's first or second value."""
    if scalar is double or scalar is float:
        return <scalar>(state.b.f if second else state.a.f)
    else:
        return <scalar>(state.b.i if second else state.a.i)


# Min and max -------------------------------------------------------------------------------------

cdef inline void extremes_rows_of_lanes(
    const scalar* x, Py_ssize_t n_pairs, scalar* least, scalar* greatest, scalar* nans,
    bint want_min, bint want_max
) noexcept nogil:
    """Find the extremes of each lane in n_pairs pairs of rows of LANES contiguous elements."""
    cdef scalar low[LANES]
    cdef scalar high[LANES]
    # Counted in the element's own dtype (at most CHUNK, so exactly), which vectorises best.
    cdef scalar unordered[LANES]
    cdef scalar one, two
    cdef Py_ssize_t i, j
    for j in range(LANES):
        low[j] = highest(<scalar>0)
        high[j] = lowest(<scalar>0)
        unordered[j] = 0
    for i in range(n_pairs):
        for j in range(LANES):
            one = x[2 * i * LANES + j]
            two = x[2 * i * LANES + LANES + j]
            if want_min:
                low[j] = one if one < low[j] else low[j]
                low[j] = two if two < low[j] else low[j]
            if want_max:
                high[j] = one if one > high[j] else high[j]
                high[j] = two if two > high[j] else high[j]
            if scalar is double or scalar is float:
                # One comparison finds a NaN in either row: it is half of the loop's cost.
                unordered[j] += <scalar>1 if isunordered(one, two) else <scalar>0
    for j in range(LANES):
        least[j] = low[j]
        greatest[j] = high[j]
        nans[j] = unordered[j]


cdef inline void join_lanes(
    scalar* least, scalar* greatest, scalar* nans, bint want_min, bint want_max
) noexcept nogil:
    """Leave in the first lane what all have found, by halving: one by one, each step would wait for
    the one before, together for as long as the rows of half a chunk take.
    """
    cdef Py_ssize_t half = LANES // 2, j
    cdef scalar other
    while half > 0:
        for j in range(half):
            if want_min:
                other = least[j + half]
                least[j] = other if other < least[j] else least[j]
            if want_max:
                other = greatest[j + half]
                greatest[j] = other if other > greatest[j] else greatest[j]
            if scalar is double or scalar is float:
                nans[j] += nans[j + half]
        half //= 2


cdef inline void extremes_chunk(
    const scalar* x, Py_ssize_t n, State* state, bint want_min, bint want_max
) noexcept nogil:
    cdef scalar least[LANES]
    cdef scalar greatest[LANES]
    cdef scalar nans[LANES]
    cdef scalar value, low, high
    cdef int64_t n_nans = 0
    cdef Py_ssize_t n_pairs = n // (2 * LANES), i
    low = highest(<scalar>0)
    high = lowest(<scalar>0)
    if n_pairs > 0:
        extremes_rows_of_lanes(
            x, n_pairs, &least[0], &greatest[0], &nans[0], want_min, want_max)
        join_lanes(&least[0], &greatest[0], &nans[0], want_min, want_max)
        low, high, n_nans = least[0], greatest[0], <int64_t>nans[0]
    for i in range(n_pairs * 2 * LANES, n):
        value = x[i]
        low = value if value < low else low
        high = value if value > high else high
        n_nans += value != value
    if n_nans > 0 and ((want_min and low == highest(<scalar>0))
                       or (want_max and high == lowest(<scalar>0))):
        n_nans = n - count_chunk(x, n)
    store_value(low, &state.a.f, &state.a.i)
    store_value(high, &state.b.f, &state.b.i)
    state.n = n_nans


cdef inline void min_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    extremes_chunk(x, n, state, True, False)


cdef inline void max_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    extremes_chunk(x, n, state, False, True)


cdef inline void minmax_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    extremes_chunk(x, n, state, True, True)


cdef inline void minmax_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    cdef scalar least[WIDTH]
    cdef scalar greatest[WIDTH]
    cdef scalar nans[WIDTH]
    cdef scalar value
    cdef Py_ssize_t first, i, j
    cdef const scalar* row
    for j in range(width):
        least[j] = highest(<scalar>0)
        greatest[j] = lowest(<scalar>0)
        nans[j] = 0
    for i in range(n_rows):
        first = 0
        while first < width:
            row = rows[i] + first
            for j in range(LANES):
                value = row[j]
                least[first + j] = value if value < least[first + j] else least[first + j]
                greatest[first + j] = value if value > greatest[first + j] else greatest[first + j]
                if scalar is double or scalar is float:
                    nans[first + j] += <scalar>1 if value != value else <scalar>0
            first += LANES
    for j in range(width):
        store_value(least[j], &states[j].a.f, &states[j].a.i)
        store_value(greatest[j], &states[j].b.f, &states[j].b.i)
        states[j].n = <int64_t>nans[j]


cdef inline void minmax_merge(State* into, const State* other, scalar* tag) noexcept nogil:
    if scalar is double or scalar is float:
        into.a.f = other.a.f if other.a.f < into.a.f else into.a.f
        into.b.f = other.b.f if other.b.f > into.b.f else into.b.f
    else:
        into.a.i = other.a.i if other.a.i < into.a.i else into.a.i
        into.b.i = other.b.i if other.b.i > into.b.i else into.b.i
    into.n += other.n


cdef inline Finding store_extreme(
    const State* state, int64_t count, bint second, bint skip_nan, scalar* out
) noexcept nogil:
    out[0] = value_of(state, second, <scalar>0)
    if scalar is double or scalar is float:
        if skip_nan and state.n == count:
            out[0] = <scalar>NAN
            return NO_VALUE
        if not skip_nan and state.n > 0:
            out[0] = <scalar>NAN
    return FINE


cdef inline Finding min_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    return store_extreme(state, count, False, False, out)


cdef inline Finding max_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    return store_extreme(state, count, True, False, out)


cdef inline Finding minmax_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    store_extreme(state, count, False, False, out)
    return store_extreme(state, count, True, False, out2)


cdef inline Finding nanmin_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    return store_extreme(state, count, False, True, out)


cdef inline Finding nanmax_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    return store_extreme(state, count, True, True, out)


cdef inline Finding nanminmax_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    store_extreme(state, count, False, True, out)
    return store_extreme(state, count, True, True, out2)


# Argmin and argmax -------------------------------------------------------------------------------
#
# A chunk's state knows its extreme, and of the place only the chunk: its first index.  Once the
# states are merged, `locate` looks for the extreme in the one chunk that has it.  Ties go to the
# lower index, so states may be merged in any order.

cdef inline bint beyond(scalar value, scalar best, bint want_max) noexcept nogil:
    return value > best if want_max else value < best


cdef inline void arg_chunk(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state, bint want_max, bint skip_nan
) noexcept nogil:
    cdef scalar extreme
    cdef int64_t n_nans
    extremes_chunk(x, n, state, not want_max, want_max)
    n_nans = state.n
    extreme = value_of(state, want_max, <scalar>0)
    state.n = start
    if scalar is double or scalar is float:
        if n_nans == n or (n_nans > 0 and not skip_nan):
            extreme = <scalar>NAN
            state.n = -1 if skip_nan else start
    store_value(extreme, &state.a.f, &state.a.i)


cdef inline Py_ssize_t arg_locate(
    const scalar* x, Py_ssize_t n, const State* state
) noexcept nogil:
    cdef scalar value = value_of(state, False, <scalar>0)
    cdef scalar hits
    cdef Py_ssize_t i = 0, j
    cdef bint wants_nan = value != value
    while not wants_nan and i + LANES <= n:
        hits = 0
        for j in range(LANES):
            hits += <scalar>1 if x[i + j] == value else <scalar>0
        if hits > 0:
            break
        i += LANES
    while i < n and x[i] != value and not (wants_nan and x[i] != x[i]):
        i += 1
    return i


cdef inline void arg_rows(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states,
    bint want_max, bint skip_nan
) noexcept nogil:
    cdef scalar extremes[WIDTH]
    cdef scalar where[WIDTH]
    cdef scalar value, best, number = 0
    cdef Py_ssize_t first, i, j
    cdef const scalar* row
    cdef bint take
    for j in range(width):
        extremes[j] = rows[0][j]
        where[j] = <scalar>-1 if skip_nan and extremes[j] != extremes[j] else <scalar>0
    for i in range(1, n_rows):
        number += 1
        first = 0
        while first < width:
            row = rows[i] + first
            for j in range(LANES):
                value = row[j]
                best = extremes[first + j]
                take = beyond(value, best, want_max)
                if scalar is double or scalar is float:
                    if skip_nan:        # the first value that is not NaN beats NaN
                        take |= (value == value) & (best != best)
                    else:               # the first NaN beats every value
                        take |= (value != value) & (best == best)
                extremes[first + j] = value if take else best
                where[first + j] = number if take else where[first + j]
            first += LANES
    for j in range(width):
        store_value(extremes[j], &states[j].a.f, &states[j].a.i)
        states[j].n = start + <int64_t>where[j] if where[j] >= 0 else -1


cdef inline void arg_merge(
    State* into, const State* other, bint want_max, bint skip_nan, scalar tag
) noexcept nogil:
    cdef scalar mine = value_of(into, False, tag), theirs = value_of(other, False, tag)
    cdef bint take = beyond(theirs, mine, want_max)
    if skip_nan and (into.n < 0 or other.n < 0):
        take = into.n < 0
    elif mine != mine or theirs != theirs:
        take = mine == mine or (theirs != theirs and other.n < into.n)
    elif mine == theirs:
        take = other.n < into.n
    if take:
        into[0] = other[0]


cdef inline Finding arg_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    (<int64_t*>out)[0] = state.n
    return FINE if state.n >= 0 else NO_VALUE


cdef inline void argmin_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    arg_chunk(x, n, start, state, False, False)


cdef inline void argmax_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    arg_chunk(x, n, start, state, True, False)


cdef inline void nanargmin_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    arg_chunk(x, n, start, state, False, True)


cdef inline void nanargmax_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    arg_chunk(x, n, start, state, True, True)


cdef inline void argmin_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    arg_rows(rows, n_rows, width, start, states, False, False)


cdef inline void argmax_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    arg_rows(rows, n_rows, width, start, states, True, False)


cdef inline void nanargmin_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    arg_rows(rows, n_rows, width, start, states, False, True)


cdef inline void nanargmax_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    arg_rows(rows, n_rows, width, start, states, True, True)


cdef inline void argmin_merge(State* into, const State* other, scalar* tag) noexcept nogil:
    arg_merge(into, other, False, False, <scalar>0)


cdef inline void argmax_merge(State* into, const State* other, scalar* tag) noexcept nogil:
    arg_merge(into, other, True, False, <scalar>0)


cdef inline void nanargmin_merge(State* into, const State* other, scalar* tag) noexcept nogil:
    arg_merge(into, other, False, True, <scalar>0)


cdef inline void nanargmax_merge(State* into, const State* other, scalar* tag) noexcept nogil:
    arg_merge(into, other, True, True, <scalar>0)
