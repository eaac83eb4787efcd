"""Layer: kernels.  Selection: the element of a given rank, without sorting.

The method is that of Floyd and Rivest ("Expected time bounds for selection", 1975), but no element
is moved.  A sample of some n^(2/3) elements says between which two values the wanted one most
probably lies, the *bracket*.  One pass counts what lies below it and on its ends, and keeps what
lies strictly inside, which is a percent or two; among those the search goes on.

    x   ....b..b.k..a..b..a..k.b..a..      b below, k kept, a above;  lo and hi: the bracket
    ranks  [ below | at lo | kept | at hi | above ]

So equal elements are counted, not kept, and where the wanted rank falls onto an end of the
bracket the answer is there.  Fewer elements than 2^15 are split at a pivot instead, all of them
moved, since a sample that tells enough would be too large a part of them.  What many brackets or
pivots fail to find is found by halving the range of values, one pass of counting for each bit: no
input takes more than O(n).

The element of a rank is what it is, so neither cuts nor the order of the elements change bits.  The
sign of a zero could, since zeros are equal; results are made positive zeros (`without_sign`).
"""

from libc.math cimport sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

from fastproc.kernels._common cimport scalar

# A register of elements at a time, where the processor can: they return how many they have done.
cdef extern from "_compress.h" nogil:
    Py_ssize_t split_f64(
        const double* x, Py_ssize_t n, double pivot, double* out, Py_ssize_t* front,
        Py_ssize_t* back)
    Py_ssize_t split_f32(
        const float* x, Py_ssize_t n, float pivot, float* out, Py_ssize_t* front, Py_ssize_t* back)
    Py_ssize_t split_i64(
        const int64_t* x, Py_ssize_t n, int64_t pivot, int64_t* out, Py_ssize_t* front,
        Py_ssize_t* back)
    Py_ssize_t split_i32(
        const int* x, Py_ssize_t n, int pivot, int* out, Py_ssize_t* front, Py_ssize_t* back)

cdef enum:
    # Counters side by side: eight doubles of four counters fill half of the registers of v4.
    SIFT_LANES = 16
    # Elements of a lane that are kept or skipped together, after one look at its counters.
    SIFT_ROWS = 16
    SIFT_BLOCK = SIFT_LANES * SIFT_ROWS
    # Elements of a pass: a lane's counter in float32 can count to 2^24 by ones.
    SIFT_MOST = 1 << 26
    # So few elements are sorted.
    FEW = 16
    # Fewer than this are split in two and not sifted: a sample that told enough would be too large.
    MANY = 1 << 15
    # Brackets that are tried, each among what the one before has left.  A step usually leaves a
    # third or less; where many leave more, the data mean mischief.
    MOST_STEPS = 40

# How many elements have which place to a bracket; NaN has none.
cdef struct Sifted:
    int64_t below            # less than lo
    int64_t up_to_lo         # less than lo, or equal
    int64_t below_hi
    int64_t up_to_hi


# Keys: integers in the order of the values --------------------------------------------------------

cdef inline int64_t key_of(scalar value) noexcept nogil:
    """Return an integer that is greater for greater values, and greatest for NaN."""
    cdef int64_t bits
    cdef int half
    if scalar is double:
        if value != value:
            return <int64_t>((<uint64_t>1 << 63) - 1)
        value = value + 0.0                     # of zeros without regard to the sign
        memcpy(&bits, &value, 8)
        return bits ^ <int64_t>(<uint64_t>(bits >> 63) >> 1)
    elif scalar is float:
        if value != value:
            return 0x7FFFFFFF
        value = value + <float>0.0
        memcpy(&half, &value, 4)
        return half ^ <int>(<unsigned int>(half >> 31) >> 1)
    else:
        return value


cdef inline scalar value_of(int64_t key, scalar tag) noexcept nogil:
    """Return the value that has this key."""
    cdef scalar value = tag
    cdef int half
    if scalar is double:
        key = key ^ <int64_t>(<uint64_t>(key >> 63) >> 1)
        memcpy(&value, &key, 8)
    elif scalar is float:
        half = <int>key
        half = half ^ <int>(<unsigned int>(half >> 31) >> 1)
        memcpy(&value, &half, 4)
    else:
        value = <scalar>key
    return value


cdef inline scalar without_sign(scalar value) noexcept nogil:
    """Return a positive zero for either zero, and all else as it is."""
    return value + <scalar>0


# Passes over all elements -------------------------------------------------------------------------

cdef inline Py_ssize_t count_nan(const scalar* x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, count = 0
    if scalar is double or scalar is float:
        for i in range(n):
            count += x[i] != x[i]
    return count


cdef inline Py_ssize_t copy_numbers(const scalar* x, Py_ssize_t n, scalar* out) noexcept nogil:
    """Copy what is not NaN, without branches; `out` has room for `n` elements."""
    cdef Py_ssize_t i, count = 0
    for i in range(n):
        out[count] = x[i]
        count += x[i] == x[i]
    return count


cdef inline Py_ssize_t sift(
    const scalar* x, Py_ssize_t n, scalar lo, scalar hi, Sifted* found, scalar* kept
) noexcept nogil:
    """Count elements by their place to the bracket, keep what is inside; return how many that is.

    There are SIFT_MOST at most.  `kept` has room for one element more than can be inside.
    """
    # Counters of the elements' own type: then a comparison's mask is an addend as it is.
    cdef scalar below[SIFT_LANES]
    cdef scalar up_to_lo[SIFT_LANES]
    cdef scalar below_hi[SIFT_LANES]
    cdef scalar up_to_hi[SIFT_LANES]
    cdef scalar seen[SIFT_LANES]
    cdef const scalar* row
    cdef scalar value
    cdef Py_ssize_t start = 0, count = 0, i, j
    for j in range(SIFT_LANES):
        below[j] = up_to_lo[j] = below_hi[j] = up_to_hi[j] = seen[j] = 0
    while start + SIFT_BLOCK <= n:
        for i in range(SIFT_ROWS):
            row = x + start + i * SIFT_LANES
            for j in range(SIFT_LANES):
                below[j] += <scalar>1 if row[j] < lo else <scalar>0
                up_to_lo[j] += <scalar>1 if row[j] <= lo else <scalar>0
                below_hi[j] += <scalar>1 if row[j] < hi else <scalar>0
                up_to_hi[j] += <scalar>1 if row[j] <= hi else <scalar>0
        for j in range(SIFT_LANES):
            # Where lo == hi nothing is inside, and this number falls.
            if below_hi[j] - up_to_lo[j] > seen[j]:
                for i in range(SIFT_ROWS):
                    value = x[start + i * SIFT_LANES + j]
                    kept[count] = value
                    count += (lo < value) & (value < hi)
            seen[j] = below_hi[j] - up_to_lo[j]
        start += SIFT_BLOCK
    for j in range(SIFT_LANES):
        found.below += <int64_t>below[j]
        found.up_to_lo += <int64_t>up_to_lo[j]
        found.below_hi += <int64_t>below_hi[j]
        found.up_to_hi += <int64_t>up_to_hi[j]
    for i in range(start, n):
        value = x[i]
        found.below += value < lo
        found.up_to_lo += value <= lo
        found.below_hi += value < hi
        found.up_to_hi += value <= hi
        kept[count] = value
        count += (lo < value) & (value < hi)
    return count


cdef inline Py_ssize_t split(
    const scalar* x, Py_ssize_t n, scalar pivot, scalar* out, Py_ssize_t* n_above
) noexcept nogil:
    """Put what is below the pivot at the front of `out`, which has room for `n`, and what is above
    at the back; return how many are below.  Equal elements are dropped.
    """
    cdef Py_ssize_t i, first = 0, front = 0, back = n - 1
    cdef scalar value
    if scalar is double:
        first = split_f64(x, n, pivot, out, &front, &back)
    elif scalar is float:
        first = split_f32(x, n, pivot, out, &front, &back)
    elif scalar is int64_t:
        first = split_i64(x, n, pivot, out, &front, &back)
    else:
        first = split_i32(x, n, pivot, out, &front, &back)
    for i in range(first, n):
        value = x[i]
        out[front] = value
        out[back] = value
        front += value < pivot
        back -= value > pivot
    n_above[0] = n - 1 - back
    return front


cdef inline Py_ssize_t keep_below(
    const scalar* x, Py_ssize_t n, scalar limit, scalar* kept
) noexcept nogil:
    cdef Py_ssize_t i, count = 0
    for i in range(n):
        kept[count] = x[i]
        count += x[i] < limit
    return count


cdef inline Py_ssize_t keep_above(
    const scalar* x, Py_ssize_t n, scalar limit, scalar* kept
) noexcept nogil:
    cdef Py_ssize_t i, count = 0
    for i in range(n):
        kept[count] = x[i]
        count += x[i] > limit
    return count


# Brackets -----------------------------------------------------------------------------------------

cdef inline Py_ssize_t sample_size(Py_ssize_t n) noexcept nogil:
    """Return the power of two from n^(2/3) on, with which both parts of the work are small."""
    cdef Py_ssize_t size = 16
    while <double>size * size * size < <double>n * n:
        size *= 2
    return size


cdef inline Py_ssize_t draw_sample(
    const scalar* x, Py_ssize_t n, Py_ssize_t size, int draw, scalar* sample
) noexcept nogil:
    """Take an element that is not NaN from each of `size` stretches; return how many there were.

    Places are scattered, the same for each array of a length, so that no period of the data is
    met; by Weyl's sequence, the golden ratio's multiples.
    """
    cdef uint64_t place = <uint64_t>draw << 62
    cdef double width = <double>n / size
    cdef Py_ssize_t i, at, count = 0
    for i in range(size):
        place += <uint64_t>0x9E3779B97F4A7C15
        at = <Py_ssize_t>((i + (place >> 11) * (1.0 / 9007199254740992.0)) * width)
        at = min(at, n - 1)
        sample[count] = x[at]
        count += x[at] == x[at]
    return count


cdef inline void bracket_ranks(
    Py_ssize_t size, Py_ssize_t n, Py_ssize_t rank, Py_ssize_t last, double reach,
    Py_ssize_t* first_rank, Py_ssize_t* last_rank
) noexcept nogil:
    """Find the sample's ranks between which ranks `rank` to `last` of all are, most probably.

    They are `reach` standard deviations away.  A rank outside of the sample says there is no end.
    """
    cdef double share = (rank + 0.5) / n, last_share = (last + 0.5) / n
    cdef double least = share * size - reach * sqrt(size * share * (1 - share)) - 1
    cdef double most = last_share * size + reach * sqrt(size * last_share * (1 - last_share)) + 1
    first_rank[0] = <Py_ssize_t>least if least >= 0 else -1
    last_rank[0] = <Py_ssize_t>most if most < size else size


# The search ---------------------------------------------------------------------------------------

cdef inline void sort_few(scalar* x, Py_ssize_t n) noexcept nogil:
    """Sort a few elements, none of them NaN, by insertion."""
    cdef Py_ssize_t i, j
    cdef scalar value
    for i in range(1, n):
        value = x[i]
        j = i
        while j > 0 and value < x[j - 1]:
            x[j] = x[j - 1]
            j -= 1
        x[j] = value


cdef inline scalar select_by_halving(
    const scalar* x, Py_ssize_t n, Py_ssize_t rank
) noexcept nogil:
    """Find the element of a rank, NaN having none, in as many passes as a key has bits."""
    cdef scalar least = greatest_of(x[0]), greatest = least_of(x[0]), middle
    cdef int64_t low, high, key
    cdef Py_ssize_t i, count
    for i in range(n):
        least = x[i] if x[i] < least else least
        greatest = x[i] if x[i] > greatest else greatest
    low, high = key_of(least), key_of(greatest)
    while low < high:
        key = low + <int64_t>((<uint64_t>high - <uint64_t>low) >> 1)
        middle = value_of(key, least)
        count = 0
        for i in range(n):
            count += x[i] <= middle
        if count > rank:
            high = key
        else:
            low = key + 1
    return value_of(low, least)


cdef inline scalar select(
    const scalar* x, Py_ssize_t n, Py_ssize_t rank, scalar* following, scalar* scratch
) noexcept nogil:
    """Return the element of rank `rank` < `n`, and give that of the next, if there is one.

    No element is NaN.  `scratch` has room for 3n + 128 elements: two buffers in turn for what is
    left of the elements, and samples.
    """
    cdef scalar* left = scratch
    cdef scalar* other = scratch + n + 1
    cdef scalar* sample = scratch + 2 * n + 2
    cdef Py_ssize_t size, first, last, start, count, n_above
    cdef scalar lo, hi
    cdef scalar above = x[0]             # the least element above those that are left
    cdef Sifted found
    cdef int step
    for step in range(MOST_STEPS):
        if n <= FEW:
            memcpy(left, x, n * sizeof(scalar))
            sort_few(left, n)
            following[0] = left[rank + 1] if rank + 1 < n else above
            return left[rank]
        if n < MANY:
            lo = middle_of_nine(x, n)
            count = split(x, n, lo, left, &n_above)
            if count <= rank and rank < n - n_above:
                if rank + 1 == n - n_above:
                    following[0] = least_above(left + n - n_above, n_above, lo, above)
                else:
                    following[0] = lo
                return lo
            if rank < count:
                above = lo
                x, n = left, count
            else:
                rank -= n - n_above
                x, n = left + n - n_above, n_above
            left, other = other, left
            continue
        size = sample_size(n)
        draw_sample(x, n, size, step, sample)
        bracket_ranks(size, n, rank, rank, 2, &first, &last)
        lo = hi = x[0]
        find_ends(sample, size, first, last, &lo, &hi, sample + size)
        memset(&found, 0, sizeof(Sifted))
        count = start = 0
        while start < n:
            count += sift(
                x + start, min(n - start, <Py_ssize_t>SIFT_MOST), lo, hi, &found, left + count)
            start += SIFT_MOST
        if found.below <= rank and rank < found.up_to_lo:
            following[0] = lo if rank + 1 < found.up_to_lo else least_above(x, n, lo, above)
            return lo
        if found.below_hi <= rank and rank < found.up_to_hi:
            following[0] = hi if rank + 1 < found.up_to_hi else least_above(x, n, hi, above)
            return hi
        if rank < found.below:
            count = keep_below(x, n, lo, left)
            above = lo
        elif rank >= found.up_to_hi:
            count = keep_above(x, n, hi, left)
            rank -= found.up_to_hi
        else:
            rank -= found.up_to_lo
            if last < size:
                above = hi
        x, n = left, count
        left, other = other, left
    lo = select_by_halving(x, n, rank)
    following[0] = next_above(x, n, lo, rank + 1, above)
    return lo


cdef inline scalar middle_of_three(scalar a, scalar b, scalar c) noexcept nogil:
    cdef scalar low = a if a < b else b, high = b if a < b else a
    high = high if high < c else c
    return low if high < low else high


cdef inline scalar middle_of_nine(const scalar* x, Py_ssize_t n) noexcept nogil:
    """Return an element near the middle: of nine in three groups (Tukey's ninther)."""
    cdef Py_ssize_t step = n // 9
    return middle_of_three(
        middle_of_three(x[0], x[step], x[2 * step]),
        middle_of_three(x[3 * step], x[4 * step], x[5 * step]),
        middle_of_three(x[6 * step], x[7 * step], x[n - 1]))


cdef inline scalar least_above(
    const scalar* x, Py_ssize_t n, scalar value, scalar above
) noexcept nogil:
    """Return the least element above `value`; `above` if there is none."""
    cdef Py_ssize_t i
    cdef scalar least = greatest_of(value)
    cdef bint is_any = False
    for i in range(n):
        is_any |= value < x[i]
        least = x[i] if value < x[i] and x[i] < least else least
    return least if is_any else above


cdef inline scalar next_above(
    const scalar* x, Py_ssize_t n, scalar value, Py_ssize_t rank, scalar above
) noexcept nogil:
    """Return the element of `rank`, given that of the rank before; `above` if there is none."""
    cdef Py_ssize_t i, count = 0
    for i in range(n):
        count += x[i] <= value
    return value if count > rank else least_above(x, n, value, above)


cdef inline bint resolve(
    const Sifted* found, Py_ssize_t rank, scalar lo, scalar hi, const scalar* kept,
    Py_ssize_t count, scalar* following, scalar* scratch, scalar* value
) noexcept nogil:
    """Find the element of a rank by what `sift` found; False if the bracket missed it.

    `following` gets that of the next rank if both are among the kept.
    """
    if found.up_to_lo <= rank and rank < found.below_hi:
        value[0] = select(kept, count, rank - found.up_to_lo, following, scratch)
    elif found.below <= rank and rank < found.up_to_lo:
        value[0] = lo
    elif found.below_hi <= rank and rank < found.up_to_hi:
        value[0] = hi
    else:
        return False
    return True


cdef inline bint resolve_pair(
    const Sifted* found, Py_ssize_t rank, Py_ssize_t last, scalar lo, scalar hi,
    const scalar* kept, Py_ssize_t count, scalar* scratch, scalar* value, scalar* following
) noexcept nogil:
    """Find the elements of `rank` and `last`, which is the same or the next."""
    cdef scalar beyond = lo
    if not resolve(found, rank, lo, hi, kept, count, following, scratch, value):
        return False
    if last == rank:
        following[0] = value[0]
    elif not (found.up_to_lo <= rank and last < found.below_hi):
        return resolve(found, last, lo, hi, kept, count, &beyond, scratch, following)
    return True


cdef inline void find_ends(
    scalar* sample, Py_ssize_t size, Py_ssize_t first, Py_ssize_t last, scalar* lo, scalar* hi,
    scalar* scratch
) noexcept nogil:
    """Find the bracket's ends in the sample; where there is none, the dtype's least or greatest."""
    cdef scalar following = sample[0]
    if size <= FEW:
        sort_few(sample, size)
        lo[0] = sample[first] if first >= 0 else least_of(sample[0])
        hi[0] = sample[last] if last < size else greatest_of(sample[0])
        return
    lo[0] = least_of(sample[0])
    hi[0] = greatest_of(sample[0])
    if first >= 0:
        lo[0] = select(sample, size, first, &following, scratch)
    if last < size:
        hi[0] = select(sample, size, last, &following, scratch)


cdef inline scalar least_of(scalar tag) noexcept nogil:
    if scalar is double or scalar is float:
        return <scalar>(-1.0 / 0.0)
    elif scalar is int64_t:
        return <int64_t>(<uint64_t>1 << 63)
    else:
        return <int>(<unsigned int>1 << 31)


cdef inline scalar greatest_of(scalar tag) noexcept nogil:
    if scalar is double or scalar is float:
        return <scalar>(1.0 / 0.0)
    elif scalar is int64_t:
        return <int64_t>((<uint64_t>1 << 63) - 1)
    else:
        return 0x7FFFFFFF
