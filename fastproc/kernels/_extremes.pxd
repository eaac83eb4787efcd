"""Layer: kernels.  The loops of the reductions that look for extremes: min, max, argmin, argmax.

A comparison with NaN is false, so ``v if v < least else least`` passes NaN over; NaNs are counted
beside it and ``finalize`` decides what they mean: the result of ``min``, nothing to ``nanmin``.
So the plain and the nan variant of an extreme share their loops.

Lanes and names as in ``_reduce.pxd``; contracts in ``_table.pxd``.
"""

from libc.math cimport INFINITY, NAN
from libc.stdint cimport INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, int64_t

from fastproc.kernels._reduce cimport scalar
from fastproc.kernels._table cimport FINE, LANES, NO_VALUE, Finding, State


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


# Min and max ---------------------------------------------------------------------------------------

cdef inline void extremes_chunk(
    const scalar* x, Py_ssize_t n, State* state, bint want_min, bint want_max
) noexcept nogil:
    cdef scalar least[LANES]
    cdef scalar greatest[LANES]
    # Counted in the element's own dtype (at most CHUNK, so exactly), which vectorises best.
    cdef scalar nans[LANES]
    cdef scalar value
    cdef Py_ssize_t i, j, half, width = LANES if n >= LANES else 1

    for j in range(LANES):
        least[j] = highest(<scalar>0)
        greatest[j] = lowest(<scalar>0)
        nans[j] = 0
    if n < LANES:
        for i in range(n):
            value = x[i]
            least[0] = value if value < least[0] else least[0]
            greatest[0] = value if value > greatest[0] else greatest[0]
            nans[0] += value != value
    else:
        i = 0
        while i + LANES <= n:
            for j in range(LANES):
                value = x[i + j]
                if want_min:
                    least[j] = value if value < least[j] else least[j]
                if want_max:
                    greatest[j] = value if value > greatest[j] else greatest[j]
                if scalar is double or scalar is float:
                    nans[j] += <scalar>1 if value != value else <scalar>0
            i += LANES
        for j in range(n - i):
            value = x[i + j]
            least[j] = value if value < least[j] else least[j]
            greatest[j] = value if value > greatest[j] else greatest[j]
            nans[j] += value != value
        half = LANES // 2
        while half > 0:
            for j in range(half):
                least[j] = least[j + half] if least[j + half] < least[j] else least[j]
                greatest[j] = (
                    greatest[j + half] if greatest[j + half] > greatest[j] else greatest[j])
                nans[j] += nans[j + half]
            half //= 2
    store_value(least[0], &state.a.f, &state.a.i)
    store_value(greatest[0], &state.b.f, &state.b.i)
    state.n = <int64_t>nans[0]


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
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t start, State* states
) noexcept nogil:
    cdef scalar least[LANES]
    cdef scalar greatest[LANES]
    cdef scalar nans[LANES]
    cdef scalar value
    cdef Py_ssize_t i, j
    for j in range(LANES):
        least[j] = highest(<scalar>0)
        greatest[j] = lowest(<scalar>0)
        nans[j] = 0
    for i in range(n_rows):
        for j in range(LANES):
            value = rows[i][j]
            least[j] = value if value < least[j] else least[j]
            greatest[j] = value if value > greatest[j] else greatest[j]
            if scalar is double or scalar is float:
                nans[j] += <scalar>1 if value != value else <scalar>0
    for j in range(LANES):
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


# Argmin and argmax ---------------------------------------------------------------------------------
#
# The extreme of a chunk first, then where it stands: the second pass finds the chunk in the cache.
# Ties go to the lower index, so states may be merged in any order.

cdef inline Py_ssize_t first_equal(const scalar* x, Py_ssize_t n, scalar value) noexcept nogil:
    """Return the first index at which `value` stands, or that of the first NaN if it is NaN."""
    cdef Py_ssize_t i = 0, j
    cdef bint wants_nan = value != value
    cdef scalar hits
    while i + LANES <= n:
        hits = 0
        if wants_nan:
            for j in range(LANES):
                hits += <scalar>1 if x[i + j] != x[i + j] else <scalar>0
        else:
            for j in range(LANES):
                hits += <scalar>1 if x[i + j] == value else <scalar>0
        if hits > 0:
            break
        i += LANES
    while i < n:
        if x[i] == value or (wants_nan and x[i] != x[i]):
            return i
        i += 1
    return -1


cdef inline void arg_chunk(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state, bint want_max, bint skip_nan
) noexcept nogil:
    cdef scalar extreme
    extremes_chunk(x, n, state, not want_max, want_max)
    extreme = value_of(state, want_max, <scalar>0)
    if scalar is double or scalar is float:
        if state.n == n or (state.n > 0 and not skip_nan):
            extreme = <scalar>NAN
    store_value(extreme, &state.a.f, &state.a.i)
    if skip_nan and extreme != extreme:
        state.n = -1
    else:
        state.n = start + first_equal(x, n, extreme)


cdef inline void arg_rows(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t start, State* states, bint want_max,
    bint skip_nan
) noexcept nogil:
    cdef scalar extremes[LANES]
    cdef int where[LANES]
    cdef scalar value, best
    cdef bint take
    cdef Py_ssize_t i, j
    for j in range(LANES):
        extremes[j] = rows[0][j]
        where[j] = -1 if skip_nan and extremes[j] != extremes[j] else 0
    for i in range(1, n_rows):
        for j in range(LANES):
            value = rows[i][j]
            best = extremes[j]
            take = value > best if want_max else value < best
            if scalar is double or scalar is float:
                if skip_nan:        # the first value that is not NaN beats NaN
                    take |= (value == value) & (best != best)
                else:               # the first NaN beats every value
                    take |= (value != value) & (best == best)
            extremes[j] = value if take else best
            where[j] = <int>i if take else where[j]
    for j in range(LANES):
        store_value(extremes[j], &states[j].a.f, &states[j].a.i)
        states[j].n = start + where[j] if where[j] >= 0 else -1


cdef inline void arg_merge(
    State* into, const State* other, bint want_max, bint skip_nan, scalar tag
) noexcept nogil:
    cdef scalar mine = value_of(into, False, tag), theirs = value_of(other, False, tag)
    cdef bint take = theirs > mine if want_max else theirs < mine
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
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t start, State* states
) noexcept nogil:
    arg_rows(rows, n_rows, start, states, False, False)


cdef inline void argmax_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t start, State* states
) noexcept nogil:
    arg_rows(rows, n_rows, start, states, True, False)


cdef inline void nanargmin_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t start, State* states
) noexcept nogil:
    arg_rows(rows, n_rows, start, states, False, True)


cdef inline void nanargmax_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t start, State* states
) noexcept nogil:
    arg_rows(rows, n_rows, start, states, True, True)


cdef inline void argmin_merge(State* into, const State* other, scalar* tag) noexcept nogil:
    arg_merge(into, other, False, False, <scalar>0)


cdef inline void argmax_merge(State* into, const State* other, scalar* tag) noexcept nogil:
    arg_merge(into, other, True, False, <scalar>0)


cdef inline void nanargmin_merge(State* into, const State* other, scalar* tag) noexcept nogil:
    arg_merge(into, other, False, True, <scalar>0)


cdef inline void nanargmax_merge(State* into, const State* other, scalar* tag) noexcept nogil:
    arg_merge(into, other, True, True, <scalar>0)
