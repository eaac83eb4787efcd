"""Layer: kernels.  The loops of scans that fold: cumsum, cumprod, cummax, cummin.

Each result is the fold of all elements before it and its own.  To fold one by one is to wait, for
each element, until the one before is done; so a block of 256 is walked as 8 rows of 32 in step::

      local[r, j]  = x[r, 0] o ... o x[r, j]          8 chains side by side
      offset[r]    = the fold of all rows of the chunk before row r
      out[r, j]    = carry o (offset[r] o local[r, j])

In sums errors grow with the number of chunks and not of elements, and as each step is monotone
in its right operand, sums of elements that are not negative never decrease.

What a chain does not get right it does not do.  A sum that is not finite (NaN, Inf, or an overflow
that would not be one beside the carry) and a NaN among extremes send the rest of the chunk the
other way, element by element.  Products always go that way: where they leave the range of their
dtype on their way, and come back, depends on all elements before them.
"""

from libc.math cimport INFINITY
from libc.stdint cimport INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, int64_t, uint64_t

from fastproc.kernels._common cimport LANES, scalar
from fastproc.kernels._scans cimport BLOCK, ROW, ROWS, State

# The dtype in which elements are folded.
ctypedef fused wide:
    double
    float
    int64_t
    int

cdef enum:
    ADD = 0
    ADD_NUMBERS              # which passes NaN over, and so does the next but one
    MULTIPLY
    MULTIPLY_NUMBERS
    GREATEST
    LEAST

cdef enum:
    # A block of fewer elements is folded row by row, and not filled up to its eight rows.
    FEW = 3 * ROW


cdef inline bint adds(int operation) noexcept nogil:
    return operation == ADD or operation == ADD_NUMBERS


cdef inline bint multiplies(int operation) noexcept nogil:
    return operation == MULTIPLY or operation == MULTIPLY_NUMBERS


cdef inline wide identity(int operation, wide tag) noexcept nogil:
    """Return the value that changes no other one."""
    if multiplies(operation):
        return 1
    if wide is int64_t:
        return 0 if adds(operation) else INT64_MIN if operation == GREATEST else INT64_MAX
    elif wide is int:
        return 0 if adds(operation) else INT32_MIN if operation == GREATEST else INT32_MAX
    else:
        # 0.0 would make 0.0 of -0.0.
        return <wide>(
            -0.0 if adds(operation) else -INFINITY if operation == GREATEST else INFINITY)


cdef inline wide merged(int operation, wide total, wide value) noexcept nogil:
    """Return the fold of two folds.  A NaN in the first stays; extremes pass over one in the other.
    """
    if operation == GREATEST:
        return value if value > total else total
    if operation == LEAST:
        return value if value < total else total
    if wide is int64_t or wide is int:
        # Integers wrap around, for which C wants unsigned ones.
        if adds(operation):
            return <wide>(<uint64_t>total + <uint64_t>value)
        return <wide>(<uint64_t>total * <uint64_t>value)
    else:
        return total + value if adds(operation) else total * value


cdef inline wide folded(int operation, wide total, scalar element) noexcept nogil:
    """Return the fold of all elements up to one."""
    cdef wide value = <wide>element
    if operation == ADD_NUMBERS or operation == MULTIPLY_NUMBERS:
        value = value if value == value else identity(operation, value)
    return merged(operation, total, value)


cdef inline wide value_of(const State* state, wide tag) noexcept nogil:
    if wide is double or wide is float:
        return <wide>state.f
    else:
        return <wide>state.i


cdef inline void set_value(State* state, wide value) noexcept nogil:
    if wide is double or wide is float:
        state.f = value
    else:
        state.i = value


cdef inline void put(void* out, Py_ssize_t i, scalar tag, wide value) noexcept nogil:
    """Store a result: floats in the dtype of the elements, integers in that of the fold."""
    if wide is double:
        (<scalar*>out)[i] = <scalar>value
    else:
        (<wide*>out)[i] = value


cdef inline void fold_rows(
    int operation, const scalar* x, wide* local, wide* totals
) noexcept nogil:
    """Fold the rows of a whole block."""
    cdef wide total[ROWS]
    cdef wide one, two, three, four
    cdef Py_ssize_t r, i = 0, k
    for r in range(ROWS):
        total[r] = identity(operation, <wide>0)
    while i < ROW:
        for r in range(ROWS):
            # By fours, as four results are stored together in less time than one by one.
            k = r * ROW + i
            one = folded(operation, total[r], x[k])
            two = folded(operation, one, x[k + 1])
            three = folded(operation, two, x[k + 2])
            four = folded(operation, three, x[k + 3])
            local[k] = one
            local[k + 1] = two
            local[k + 2] = three
            local[k + 3] = four
            total[r] = four
        i += 4
    for r in range(ROWS):
        totals[r] = total[r]


cdef inline void fold_few(
    int operation, const scalar* x, Py_ssize_t n, wide* local, wide* totals
) noexcept nogil:
    """Fold the rows of a block of few elements, one after another."""
    cdef Py_ssize_t first = 0, r = 0, i
    cdef wide total
    while first < n:
        total = identity(operation, <wide>0)
        for i in range(first, min(first + ROW, n)):
            total = folded(operation, total, x[i])
            local[i] = total
        totals[r] = total
        first += ROW
        r += 1


cdef inline void fold_block(
    int operation, const scalar* x, Py_ssize_t n, wide* local, wide* totals
) noexcept nogil:
    cdef scalar filled[BLOCK]
    cdef Py_ssize_t i
    if n == BLOCK:
        fold_rows(operation, x, local, totals)
    elif n < FEW:
        fold_few(operation, x, n, local, totals)
    else:
        for i in range(n):
            filled[i] = x[i]
        for i in range(n, BLOCK):
            filled[i] = 0                 # of which nothing is read that counts
        fold_rows(operation, filled, local, totals)


cdef inline bint has_nan(const scalar* x, Py_ssize_t n) noexcept nogil:
    # Counted in the element's own dtype and in lanes, since that vectorises best.
    cdef scalar nans[LANES]
    cdef scalar n_nans = 0
    cdef Py_ssize_t i = 0, j
    if scalar is double or scalar is float:
        for j in range(LANES):
            nans[j] = 0
        while i + LANES <= n:
            for j in range(LANES):
                nans[j] += <scalar>1 if x[i + j] != x[i + j] else <scalar>0
            i += LANES
        for j in range(n - i):
            n_nans += <scalar>1 if x[i + j] != x[i + j] else <scalar>0
        for j in range(LANES):
            n_nans += nans[j]
    return n_nans != 0


cdef inline void fold_in_sequence(
    int operation, const scalar* x, Py_ssize_t n, State* carry, void* out, wide tag
) noexcept nogil:
    """Fold element by element; the first NaN stays, if none is skipped."""
    cdef wide total = value_of(carry, tag)
    cdef Py_ssize_t i
    for i in range(n):
        if adds(operation) or multiplies(operation) or total != total or x[i] == x[i]:
            total = folded(operation, total, x[i])
        else:
            total = <wide>x[i]
        put(out, i, <scalar>0, total)
    set_value(carry, total)


cdef inline bint fold_chunk(
    int operation, bint writes, const scalar* x, Py_ssize_t n, State* carry,
    void* out, wide tag
) noexcept nogil:
    """Fold a chunk: its results after `carry`, or its state alone.

    False if it is the state that is asked for, and the chunk has none.
    """
    cdef wide local[BLOCK]
    cdef wide totals[ROWS]
    cdef wide before = value_of(carry, tag) if writes else identity(operation, tag)
    cdef wide offset = identity(operation, tag), after
    cdef Py_ssize_t start = 0, size, n_rows, r
    cdef bint is_sound
    while start < n:
        size = min(<Py_ssize_t>BLOCK, n - start)
        n_rows = (size + ROW - 1) // ROW
        fold_block(operation, x + start, size, local, totals)
        after = offset
        for r in range(n_rows):
            after = merged(operation, after, totals[r])
        is_sound = True
        if wide is double or wide is float:
            if adds(operation):
                is_sound = after - after == 0
            else:
                is_sound = not has_nan(x + start, size)
        if not is_sound:
            break
        if writes and size == BLOCK:
            write_rows(operation, local, totals, ROWS, BLOCK, before, offset, out, start,
                       <scalar>0)
        elif writes:
            write_rows(operation, local, totals, n_rows, size, before, offset, out, start,
                       <scalar>0)
        offset = after
        start += size
    set_value(carry, merged(operation, before, offset))
    if start < n and writes:
        fold_in_sequence(
            operation, x + start, n - start, carry,
            <char*>out + start * (sizeof(scalar) if wide is double else sizeof(wide)), tag)
    return start >= n


cdef inline void write_rows(
    int operation, const wide* local, const wide* totals, Py_ssize_t n_rows, Py_ssize_t n,
    wide before, wide offset, void* out, Py_ssize_t start, scalar tag
) noexcept nogil:
    cdef Py_ssize_t r, i
    for r in range(n_rows):
        for i in range(r * ROW, min((r + 1) * ROW, n)):
            put(out, start + i, tag,
                merged(operation, before, merged(operation, offset, local[i])))
        offset = merged(operation, offset, totals[r])
