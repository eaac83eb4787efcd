"""Layer: kernels.  The loops over groups.

What differs between the kernels is a state and four small functions on it: ``cleared``, ``take``,
``fold`` and the way to a result.  The loops around them are templates, written once, that are told
which kernel they serve by a constant.  Contracts in ``_grouped.pxd``.
"""

from libc.math cimport NAN, sqrt
from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastproc.kernels._common cimport prefetch, scalar
from fastproc.kernels._grouped cimport (
    COUNT, FIRST, LAST, MAX, MEAN, MIN, MOST_NUMBERS, STD, SUM, TABLES, VAR, WEIGHT, Number,
    Outside,
)

ctypedef fused label_t:
    int64_t
    int

cdef enum:
    # Elements that are looked at together before they are taken: 4 KiB, so that they are still in
    # the first-level cache then.
    BLOCK = 256
    # How far ahead elements are fetched: the processor's own prefetcher stops where a page ends.
    # It is worth a tenth of the time of 10^5 elements and a quarter of that of 10^7.
    AHEAD = 512
    # Elements between two fetches: a cache line of 64 bytes.
    STEP = 8


# States ------------------------------------------------------------------------------------------

cdef inline bint has_nan(scalar tag) noexcept nogil:
    """Tell whether the dtype can say by a NaN that there is no value."""
    return scalar is double or scalar is float


cdef inline int state_size(int kernel, scalar tag) noexcept nogil:
    """Return how many numbers a state has."""
    if kernel == VAR:
        return 4
    if kernel == MEAN:
        return 2
    if kernel == SUM or kernel == COUNT or kernel == WEIGHT:
        return 1
    return 1 if has_nan(tag) else 2


cdef inline void cleared(int kernel, Number* state, scalar tag) noexcept nogil:
    """Make a state that of no elements."""
    cdef int i
    for i in range(state_size(kernel, tag)):
        state[i].i = 0              # which is 0.0, too
    if kernel == VAR or (has_nan(tag) and (
            kernel == MIN or kernel == MAX or kernel == FIRST or kernel == LAST)):
        state[0].f = NAN


cdef inline void take(int kernel, Number* state, scalar x) noexcept nogil:
    """Add an element, which is no NaN unless it counts, to its group's state."""
    cdef double distance
    if kernel == SUM or kernel == WEIGHT:
        if has_nan(x):
            state[0].f += x
        else:
            state[0].i += <int64_t>x
    elif kernel == MEAN:
        state[0].f += <double>x
        state[1].f += 1
    elif kernel == VAR:
        if state[3].f == 0:
            state[0].f = <double>x
        distance = <double>x - state[0].f
        state[1].f += distance
        state[2].f += distance * distance
        state[3].f += 1
    elif kernel == COUNT:
        state[0].i += 1
    elif has_nan(x):
        # What is there may be NaN, to which nothing compares: then the element is taken.
        if kernel == MIN:
            state[0].f = state[0].f if state[0].f < x else x
        elif kernel == MAX:
            state[0].f = state[0].f if state[0].f > x else x
        else:
            state[0].f = x
    else:
        if (kernel == FIRST or kernel == LAST or state[1].i == 0
                or (kernel == MIN and x < state[0].i) or (kernel == MAX and x > state[0].i)):
            state[0].i = <int64_t>x
        state[1].i = 1


cdef inline bint is_empty(const Number* state, scalar tag) noexcept nogil:
    """Tell whether a group has no first or last element yet."""
    if has_nan(tag):
        return state[0].f != state[0].f
    return state[1].i == 0


cdef inline void settled(Number* state) noexcept nogil:
    """Turn a variance's squares into those of distances from the mean.

    The value that distances were taken from is one of the group's own, so the mean is no farther
    from it than sqrt(n) standard deviations, and the subtraction leaves digits to trust.
    """
    cdef double squares
    if state[3].f > 0:
        squares = state[2].f - state[1].f * (state[1].f / state[3].f)
        state[2].f = 0 if squares < 0 else squares      # NaN stays


cdef inline void fold(int kernel, Number* into, const Number* other, scalar tag) noexcept nogil:
    """Add a state of later elements to one of earlier ones."""
    cdef double n, shift, distance
    if (kernel == SUM or kernel == WEIGHT) and has_nan(tag):
        into[0].f += other[0].f
    elif kernel == SUM or kernel == COUNT or kernel == WEIGHT:
        into[0].i += other[0].i
    elif kernel == MEAN:
        into[0].f += other[0].f
        into[1].f += other[1].f
    elif kernel == VAR:
        # Chan, Golub and LeVeque: what lies between the means is added to the squares.
        if into[3].f == 0:
            into[0], into[1], into[2], into[3] = other[0], other[1], other[2], other[3]
        elif other[3].f > 0:
            n = into[3].f + other[3].f
            shift = other[0].f - into[0].f
            distance = shift + (other[1].f / other[3].f - into[1].f / into[3].f)
            into[2].f += other[2].f + distance * distance * (into[3].f * (other[3].f / n))
            into[1].f += other[1].f + other[3].f * shift
            into[3].f = n
    elif has_nan(tag):
        if kernel == FIRST:
            if into[0].f != into[0].f:
                into[0] = other[0]
        elif other[0].f == other[0].f:
            if (kernel == LAST or (kernel == MIN and not into[0].f < other[0].f)
                    or (kernel == MAX and not into[0].f > other[0].f)):
                into[0] = other[0]
    elif other[1].i != 0:
        if (into[1].i == 0 or kernel == LAST or (kernel == MIN and other[0].i < into[0].i)
                or (kernel == MAX and other[0].i > into[0].i)):
            into[0] = other[0]
        into[1].i = 1


# Loops over elements and groups ------------------------------------------------------------------

cdef inline void clear_states(
    int kernel, Number* table, Py_ssize_t n_groups, scalar tag
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n_groups):
        cleared(kernel, table + i * state_size(kernel, tag), tag)


cdef inline bint is_inside(label_t label, int64_t n_groups) noexcept nogil:
    if label_t is int64_t:
        return <uint64_t>label < <uint64_t>n_groups     # a negative one is large
    else:
        return <uint32_t>label < <uint32_t>n_groups


cdef inline bint are_inside(
    const label_t* labels, Py_ssize_t n, int64_t n_groups, Outside* outside
) noexcept nogil:
    """Tell whether all labels are groups' numbers; note on which side there are others."""
    # Asked of the sign bits, in the labels' own width, which is vectorised best.
    cdef label_t last = <label_t>(n_groups - 1), below = 0, beyond = 0
    cdef Py_ssize_t i
    for i in range(n):
        below |= labels[i]
        beyond |= (last - labels[i]) & ~labels[i]
    outside.below |= below < 0
    outside.beyond |= beyond < 0
    return below >= 0 and beyond >= 0


cdef inline bint are_numbers(const scalar* x, Py_ssize_t n) noexcept nogil:
    cdef int64_t wide = 0
    cdef int narrow = 0
    cdef Py_ssize_t i
    for i in range(n):
        if scalar is double:
            wide |= x[i] != x[i]
        elif scalar is float:
            narrow |= x[i] != x[i]
    return wide == 0 and narrow == 0


cdef inline void take_all(
    int kernel, const scalar* x, const label_t* labels, Py_ssize_t n, Number** tables
) noexcept nogil:
    """Take elements that all are in groups, and no NaN unless it counts."""
    cdef Number* first = tables[0]
    cdef Number* second = tables[1]
    cdef Number* third = tables[2]
    cdef Number* fourth = tables[3]
    cdef int size = state_size(kernel, <scalar>0)
    cdef Py_ssize_t i = 0, j
    while i + STEP <= n:
        prefetch(x + i + AHEAD)
        prefetch(labels + i + AHEAD)
        for j in range(i, i + STEP, 4):
            take(kernel, first + labels[j] * size, x[j])
            take(kernel, second + labels[j + 1] * size, x[j + 1])
            take(kernel, third + labels[j + 2] * size, x[j + 2])
            take(kernel, fourth + labels[j + 3] * size, x[j + 3])
        i += STEP
    for j in range(i, n):
        take(kernel, tables[j % TABLES] + labels[j] * size, x[j])


cdef inline void take_some(
    int kernel, const scalar* x, const label_t* labels, Py_ssize_t n, int64_t n_groups,
    Number** tables
) noexcept nogil:
    """Take those elements that are in groups, and NaN only if it counts.

    The others go into a state that nobody reads: branches that cannot be foreseen take longer.
    """
    cdef Number nobodys[MOST_NUMBERS]
    cdef Number* table
    cdef label_t label
    cdef bint counts
    cdef Py_ssize_t i
    cleared(kernel, nobodys, <scalar>0)
    for i in range(n):
        counts = is_inside(labels[i], n_groups) & (kernel == WEIGHT or x[i] == x[i])
        table = tables[i % TABLES] if counts else nobodys
        label = labels[i] if counts else 0
        take(kernel, table + label * state_size(kernel, x[i]), x[i])


cdef inline void accumulate(
    int kernel, const scalar* x, const label_t* labels, Py_ssize_t n, int64_t n_groups,
    Number** tables, Outside* outside
) noexcept nogil:
    """Take all elements, or those before a label that is beyond, for which there is no result."""
    cdef Py_ssize_t start = 0, size
    while start < n and not outside.beyond:
        size = min(n - start, <Py_ssize_t>BLOCK)
        if are_inside(labels + start, size, n_groups, outside) and (
                kernel == WEIGHT or are_numbers(x + start, size)):
            take_all(kernel, x + start, labels + start, size, tables)
        else:
            take_some(kernel, x + start, labels + start, size, n_groups, tables)
        start += size


cdef inline void accumulate_ends(
    int kernel, const scalar* x, const label_t* labels, Py_ssize_t n, int64_t n_groups,
    Number* table, Outside* outside
) noexcept nogil:
    """Give each group its first element or, from behind, its last.

    Once all groups have one, which is soon in most data, nothing is left but to check the labels.
    """
    cdef Py_ssize_t n_empty = n_groups, done = 0, i
    cdef Number* state
    are_inside(labels, n, n_groups, outside)
    if outside.beyond:
        return
    while done < n and n_empty > 0:
        i = done if kernel == FIRST else n - 1 - done
        if is_inside(labels[i], n_groups):
            state = table + labels[i] * state_size(kernel, x[i])
            if is_empty(state, x[i]) and x[i] == x[i]:
                take(kernel, state, x[i])
                n_empty -= 1
        done += 1


cdef inline void merge_tables(
    int kernel, Number* into, const Number* other, Py_ssize_t n_groups, scalar tag
) noexcept nogil:
    cdef Py_ssize_t size = state_size(kernel, tag), i
    for i in range(n_groups):
        fold(kernel, into + i * size, other + i * size, tag)


# Results -----------------------------------------------------------------------------------------

cdef inline double variance(const Number* state, double ddof) noexcept nogil:
    return state[2].f / (state[3].f - ddof) if state[3].f > ddof else NAN


cdef inline Py_ssize_t finalize_groups(
    int kernel, const Number* table, Py_ssize_t n_groups, double ddof, scalar* out
) noexcept nogil:
    """Write results in the dtype of the elements."""
    cdef Py_ssize_t size = state_size(VAR if kernel == STD else kernel, out[0]), i
    cdef const Number* state
    for i in range(n_groups):
        state = table + i * size
        if has_nan(out[0]):
            if kernel == MEAN:
                out[i] = <scalar>(state[0].f / state[1].f if state[1].f > 0 else NAN)
            elif kernel == VAR:
                out[i] = <scalar>variance(state, ddof)
            elif kernel == STD:
                out[i] = <scalar>sqrt(variance(state, ddof))
            else:
                out[i] = <scalar>state[0].f
        else:
            if state[1].i == 0:
                return i
            out[i] = <scalar>state[0].i
    return n_groups

cdef inline Py_ssize_t finalize_wholes(
    int kernel, const Number* table, Py_ssize_t n_groups, double ddof, int64_t* out
) noexcept nogil:
    """Write states of one integer: counts, and sums of integers."""
    cdef Py_ssize_t i
    for i in range(n_groups):
        out[i] = table[i].i
    return n_groups
