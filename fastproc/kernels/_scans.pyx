"""Layer: kernels.  One CPU level's scans: the loop of push, and the table that callers read.

The loops of the others are in ``_fold.pxd`` and ``_ewma.pxd``.  Contracts in ``_scans.pxd``.
"""
# Safe for free-threaded Python: the table is written while the module is imported, and only read
# afterwards.

from libc.math cimport NAN
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from fastproc.kernels._common cimport FLOAT32, FLOAT64, INT32, INT64, scalar, table_capsule
from fastproc.kernels._ewma cimport ewma_advance, ewma_chunk, ewma_partial
from fastproc.kernels._fold cimport (
    ADD, ADD_NUMBERS, GREATEST, LEAST, MULTIPLY, MULTIPLY_NUMBERS, fold_chunk,
    fold_in_sequence, has_nan, identity, merged, set_value,
)
from fastproc.kernels._scans cimport (
    BLOCK, CUMMAX, CUMMIN, CUMPROD, CUMSUM, EWMA, NANCUMPROD, NANCUMSUM, PUSH, SCAN_CHUNK,
    Parameters, Scan, ScanTable, State, advance_t, partial_t, scan_t,
)

cdef ScanTable _table


# Folds -------------------------------------------------------------------------------------------

# Floats are added and multiplied in float64, integers in int64, and compared as they are.
cdef inline bint wide_fold(
    int operation, bint writes, const scalar* x, Py_ssize_t n, State* carry,
    void* out
) noexcept nogil:
    if scalar is double or scalar is float:
        return fold_chunk(operation, writes, x, n, carry, out, <double>0)
    else:
        return fold_chunk(operation, writes, x, n, carry, out, <int64_t>0)


cdef inline void wide_sequence(
    int operation, const scalar* x, Py_ssize_t n, State* carry, void* out
) noexcept nogil:
    if scalar is double or scalar is float:
        fold_in_sequence(operation, x, n, carry, out, <double>0)
    else:
        fold_in_sequence(operation, x, n, carry, out, <int64_t>0)


cdef bint add_advance(const State* state, const Parameters* p, State* carry) noexcept nogil:
    carry.f += state.f
    carry.i = merged(ADD, carry.i, state.i)
    return True


cdef bint cumsum_partial(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* state
) noexcept nogil:
    return wide_fold(ADD, False, x, n, state, NULL)


cdef void cumsum_scan(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* carry, void* out
) noexcept nogil:
    wide_fold(ADD, True, x, n, carry, out)


cdef bint nancumsum_partial(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* state
) noexcept nogil:
    return wide_fold(ADD_NUMBERS, False, x, n, state, NULL)


cdef void nancumsum_scan(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* carry, void* out
) noexcept nogil:
    wide_fold(ADD_NUMBERS, True, x, n, carry, out)


cdef void cumprod_scan(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* carry, void* out
) noexcept nogil:
    wide_sequence(MULTIPLY, x, n, carry, out)


cdef void nancumprod_scan(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* carry, void* out
) noexcept nogil:
    wide_sequence(MULTIPLY_NUMBERS, x, n, carry, out)


cdef bint cummax_partial(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* state
) noexcept nogil:
    return fold_chunk(GREATEST, False, x, n, state, NULL, <scalar>0)


cdef bint cummax_advance(
    const State* state, const Parameters* p, State* carry
) noexcept nogil:
    carry.f = merged(GREATEST, carry.f, state.f)
    carry.i = merged(GREATEST, carry.i, state.i)
    return True


cdef void cummax_scan(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* carry, void* out
) noexcept nogil:
    fold_chunk(GREATEST, True, x, n, carry, out, <scalar>0)


cdef bint cummin_partial(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* state
) noexcept nogil:
    return fold_chunk(LEAST, False, x, n, state, NULL, <scalar>0)


cdef bint cummin_advance(
    const State* state, const Parameters* p, State* carry
) noexcept nogil:
    carry.f = merged(LEAST, carry.f, state.f)
    carry.i = merged(LEAST, carry.i, state.i)
    return True


cdef void cummin_scan(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* carry, void* out
) noexcept nogil:
    fold_chunk(LEAST, True, x, n, carry, out, <scalar>0)


# Push --------------------------------------------------------------------------------------------

# The carry is the last value and how many elements ago it was.  What no value came before is NaN,
# which is its own value to carry.

cdef bint push_partial(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* state
) noexcept nogil:
    cdef Py_ssize_t i = n - 1
    while i > 0 and x[i] != x[i]:
        i -= 1
    state.f = <double>x[i]
    state.i = n - 1 - i
    return True


cdef bint push_advance(const State* state, const Parameters* p, State* carry) noexcept nogil:
    if state.f == state.f:
        carry[0] = state[0]
    else:
        carry.i += SCAN_CHUNK
    return True


cdef void push_scan(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* carry, scalar* out
) noexcept nogil:
    cdef Py_ssize_t start = 0, size
    while start < n:
        size = min(<Py_ssize_t>BLOCK, n - start)
        if not has_nan(x + start, size):
            memcpy(out + start, x + start, size * sizeof(scalar))
            carry.f = <double>x[start + size - 1]
            carry.i = 0
        elif scalar is double:
            push_block(x + start, size, p.limit, carry, out + start, <uint64_t>0)
        elif scalar is float:
            push_block(x + start, size, p.limit, carry, out + start, <uint32_t>0)
        start += size


ctypedef fused pattern:
    uint64_t
    uint32_t


cdef inline void push_block(
    const scalar* x, Py_ssize_t n, int64_t limit, State* carry, scalar* out, pattern tag
) noexcept nogil:
    """Fill a block.

    Elements are chosen as patterns of bits and by masks: a branch would be guessed wrong at many a
    NaN, each of which takes as long as ten elements.
    """
    cdef scalar value = <scalar>carry.f
    cdef pattern last = bits_of(value, tag), nan = bits_of(<scalar>NAN, tag), bits, mask
    cdef int64_t distance = carry.i
    cdef Py_ssize_t i
    if limit == INT64_MAX:
        for i in range(n):
            bits = bits_of(x[i], tag)
            last = bits ^ ((bits ^ last) & nan_mask(bits))
            memcpy(out + i, &last, sizeof(pattern))
    else:
        for i in range(n):
            bits = bits_of(x[i], tag)
            mask = nan_mask(bits)
            last = bits ^ ((bits ^ last) & mask)
            distance = (distance + 1) & <int64_t>-<int64_t>(mask & 1)
            mask = <pattern>-<int64_t>(distance > limit)
            bits = last ^ ((last ^ nan) & mask)
            memcpy(out + i, &bits, sizeof(pattern))
    memcpy(&value, &last, sizeof(pattern))
    carry.f = <double>value
    carry.i = distance


cdef inline pattern bits_of(scalar value, pattern tag) noexcept nogil:
    memcpy(&tag, &value, sizeof(pattern))
    return tag


cdef inline pattern nan_mask(pattern bits) noexcept nogil:
    """Return all ones if the bits are beyond those of infinity, but for the sign, else zeros."""
    if pattern is uint64_t:
        return -<uint64_t>(<uint64_t>(bits << 1) > <uint64_t>0xFFE0000000000000)
    else:
        return -<uint32_t>(<uint32_t>(bits << 1) > <uint32_t>0xFF000000)


# Ewma --------------------------------------------------------------------------------------------

cdef bint ewma_state(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* state
) noexcept nogil:
    return ewma_partial(x, n, p, state)


cdef bint ewma_move(const State* state, const Parameters* p, State* carry) noexcept nogil:
    return ewma_advance(state, p, carry)


cdef void ewma_scan(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* carry, void* out
) noexcept nogil:
    if scalar is float:
        ewma_chunk(x, n, p, carry, <float*>out)
    else:
        ewma_chunk(x, n, p, carry, <double*>out)


# The table ---------------------------------------------------------------------------------------

cdef void _enter(int name, int dtype, partial_t partial, advance_t advance, scan_t scan) noexcept:
    cdef Scan* entry = &_table.kernels[name][dtype]
    entry.partial, entry.advance, entry.scan = partial, advance, scan
    entry.start.f = entry.start.weight = 0
    entry.start.i = 0


cdef void _begin_with(int name, int dtype, scalar start) noexcept:
    set_value(&_table.kernels[name][dtype].start, start)


cdef void _fill(scalar* tag, int dtype) noexcept:
    """Enter the kernels of one dtype.  The casts only drop the pointers' type."""
    _enter(CUMSUM, dtype, <partial_t>cumsum_partial[scalar], add_advance,
           <scan_t>cumsum_scan[scalar])
    _enter(NANCUMSUM, dtype, <partial_t>nancumsum_partial[scalar], add_advance,
           <scan_t>nancumsum_scan[scalar])
    _enter(CUMPROD, dtype, NULL, NULL, <scan_t>cumprod_scan[scalar])
    _enter(NANCUMPROD, dtype, NULL, NULL, <scan_t>nancumprod_scan[scalar])
    _enter(CUMMAX, dtype, <partial_t>cummax_partial[scalar], cummax_advance,
           <scan_t>cummax_scan[scalar])
    _enter(CUMMIN, dtype, <partial_t>cummin_partial[scalar], cummin_advance,
           <scan_t>cummin_scan[scalar])
    _enter(EWMA, dtype, <partial_t>ewma_state[scalar], ewma_move, <scan_t>ewma_scan[scalar])
    _begin_with(CUMSUM, dtype, identity(ADD, <scalar>0))
    _begin_with(NANCUMSUM, dtype, identity(ADD, <scalar>0))
    _begin_with(CUMPROD, dtype, identity(MULTIPLY, <scalar>0))
    _begin_with(NANCUMPROD, dtype, identity(MULTIPLY, <scalar>0))
    _begin_with(CUMMAX, dtype, identity(GREATEST, <scalar>0))
    _begin_with(CUMMIN, dtype, identity(LEAST, <scalar>0))
    if scalar is double or scalar is float:
        # Integers have nothing to fill.
        _enter(PUSH, dtype, <partial_t>push_partial[scalar], push_advance,
               <scan_t>push_scan[scalar])
        _begin_with(PUSH, dtype, <scalar>NAN)


_fill(<double*>NULL, FLOAT64)
_fill(<float*>NULL, FLOAT32)
_fill(<int64_t*>NULL, INT64)
_fill(<int*>NULL, INT32)

#: The table of this CPU level.
table = table_capsule(&_table)
