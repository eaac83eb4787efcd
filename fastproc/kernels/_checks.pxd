"""Layer: kernels.  The loops of the checks: is there a NaN, is all NaN, is all finite.

A state counts elements that decide: NaNs, numbers, or what is not finite; not all of them, as one
is enough, which is why the gate may stop at the first chunk that has one.

Lanes and names as in ``_reduce.pxd``; contracts in ``_reductions.pxd``.
"""

from libc.stdint cimport int64_t

from fastproc.kernels._common cimport LANES, scalar
from fastproc.kernels._reductions cimport FINE, Finding, State

cdef enum Deciding:
    ARE_NAN
    ARE_NUMBERS
    ARE_NOT_FINITE


cdef inline bint decides(scalar value, Deciding which) noexcept nogil:
    if scalar is double or scalar is float:
        if which == ARE_NOT_FINITE:
            return value - value != 0       # Inf - Inf is NaN, which differs from everything
        return value != value if which == ARE_NAN else value == value
    else:
        return which == ARE_NUMBERS


cdef inline void check_chunk(
    const scalar* x, Py_ssize_t n, State* state, Deciding which
) noexcept nogil:
    # Counted in the element's own dtype (at most CHUNK, so exactly), which vectorises best.
    cdef scalar lanes[LANES]
    cdef Py_ssize_t n_rows = n // LANES, i, j
    cdef int64_t total = 0
    # One is enough, and of data that have numbers the first one mostly is.
    if n > 0 and decides(x[0], which):
        state.n = 1
        return
    for j in range(LANES):
        lanes[j] = 0
    for i in range(n_rows):
        for j in range(LANES):
            lanes[j] += <scalar>1 if decides(x[i * LANES + j], which) else <scalar>0
    for j in range(LANES):
        total += <int64_t>lanes[j]
    for i in range(n_rows * LANES, n):
        total += decides(x[i], which)
    state.n = total


cdef inline void check_rows(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, State* states, Deciding which
) noexcept nogil:
    cdef Py_ssize_t i, j
    for j in range(width):
        states[j].n = 0
    for i in range(n_rows):
        for j in range(width):
            states[j].n += decides(rows[i][j], which)


cdef inline void anynan_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    check_chunk(x, n, state, ARE_NAN)


cdef inline void anynan_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    check_rows(rows, n_rows, width, states, ARE_NAN)


cdef inline void allnan_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    check_chunk(x, n, state, ARE_NUMBERS)


cdef inline void allnan_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    check_rows(rows, n_rows, width, states, ARE_NUMBERS)


cdef inline void all_finite_partial(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, State* state
) noexcept nogil:
    check_chunk(x, n, state, ARE_NOT_FINITE)


cdef inline void all_finite_columns(
    const scalar** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start, State* states
) noexcept nogil:
    check_rows(rows, n_rows, width, states, ARE_NOT_FINITE)


cdef inline void check_merge(State* into, const State* other, scalar* tag) noexcept nogil:
    into.n += other.n


cdef inline Finding any_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    (<int64_t*>out)[0] = state.n > 0
    return FINE


cdef inline Finding none_finalize(
    const State* state, int64_t count, double ddof, scalar* out, scalar* out2
) noexcept nogil:
    (<int64_t*>out)[0] = state.n == 0
    return FINE
