"""Layer: kernels.  Sorting keys together with the places where they stood, stably.

Keys are unsigned integers in the order of the values (`key_of`).  Few of them are sorted in runs by
insertion and the runs merged.  Many are sorted by digits, of the upper half of the key first, the
last digit before the others; that leaves few pairs with the same half, as a rule, which are sorted
by all of the key then.  Where many pairs share a half it is the lower half's digits that sort them,
so that no input takes more than as many moves as a key has digits.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

from fastproc.kernels._common cimport scalar

cdef enum:
    # Up to so many pairs are merged: the tables of digits would cost more than the pairs.
    MERGED = 64
    RUN = 8
    # Bits of a digit: no more places to write to than a core has buffers and pages for.  Digits of
    # 11 bits over the whole key took 1.8 times as long as this for 10^6 pairs.
    DIGIT = 8
    RADIX = 1 << DIGIT
    # Digits of half a key.
    HALF = 4
    HALF_BITS = HALF * DIGIT

cdef struct Pair:
    uint64_t key
    int64_t place

# What digits sort: pairs, or words of the upper half of a key and 32 bits that go with it.
ctypedef fused sortable:
    Pair
    uint64_t


cdef inline uint64_t sort_key(sortable item) noexcept nogil:
    if sortable is Pair:
        return item.key
    else:
        return item


cdef inline uint64_t ascending(int64_t key, scalar tag) noexcept nogil:
    """Return a signed key as an unsigned one in the same order; a short one as the upper half."""
    if scalar is float or scalar is int:
        return <uint64_t>(key + (<int64_t>1 << 31)) << 32
    else:
        return <uint64_t>key ^ (<uint64_t>1 << 63)


cdef inline Pair* sort_pairs(Pair* pairs, Py_ssize_t n, Pair* other) noexcept nogil:
    """Sort by key, equal keys in the order in which they are; return which of the two has them."""
    if n <= MERGED:
        return merge_pairs(pairs, n, other)
    return sort_many(pairs, n, other)


cdef inline Pair* sort_many(Pair* pairs, Py_ssize_t n, Pair* other) noexcept nogil:
    cdef Py_ssize_t first = 0, last
    cdef Pair* found
    cdef Pair* upper = sort_by_half(pairs, n, other, HALF_BITS)
    other = other if upper == pairs else pairs
    while first < n:
        last = first + 1
        while last < n and upper[last].key >> HALF_BITS == upper[first].key >> HALF_BITS:
            last += 1
        if last - first > 1:
            if last - first <= MERGED:
                found = merge_pairs(upper + first, last - first, other)
            else:
                found = sort_by_half(upper + first, last - first, other, 0)
            if found == other:
                memcpy(upper + first, other, (last - first) * sizeof(Pair))
        first = last
    return upper


cdef inline uint64_t* sort_keys(
    uint64_t* keys, Py_ssize_t n, uint64_t* other
) noexcept nogil:
    """Sort keys alone, in the same way; return which of the two has them."""
    cdef Py_ssize_t first = 0, last, i, j
    cdef uint64_t key
    cdef uint64_t* upper = sort_by_half(keys, n, other, HALF_BITS)
    other = other if upper == keys else keys
    while first < n:
        last = first + 1
        while last < n and upper[last] >> HALF_BITS == upper[first] >> HALF_BITS:
            last += 1
        if last - first > MERGED:
            if sort_by_half(upper + first, last - first, other, 0) == other:
                memcpy(upper + first, other, (last - first) * sizeof(uint64_t))
        else:
            for i in range(first + 1, last):
                key = upper[i]
                j = i
                while j > first and key < upper[j - 1]:
                    upper[j] = upper[j - 1]
                    j -= 1
                upper[j] = key
        first = last
    return upper


cdef inline Pair* merge_pairs(Pair* pairs, Py_ssize_t n, Pair* other) noexcept nogil:
    cdef Py_ssize_t width = RUN, start, i, j, k, middle, stop
    cdef Pair pair
    start = 0
    while start < n:
        stop = min(start + RUN, n)
        for i in range(start + 1, stop):
            pair = pairs[i]
            j = i
            while j > start and pair.key < pairs[j - 1].key:
                pairs[j] = pairs[j - 1]
                j -= 1
            pairs[j] = pair
        start = stop
    while width < n:
        start = 0
        while start < n:
            middle, stop = min(start + width, n), min(start + 2 * width, n)
            i, j, k = start, middle, start
            while i < middle and j < stop:
                if pairs[j].key < pairs[i].key:
                    other[k] = pairs[j]
                    j += 1
                else:
                    other[k] = pairs[i]
                    i += 1
                k += 1
            memcpy(&other[k], &pairs[i], (middle - i) * sizeof(Pair))
            memcpy(&other[k + middle - i], &pairs[j], (stop - j) * sizeof(Pair))
            start = stop
        pairs, other = other, pairs
        width *= 2
    return pairs


cdef inline sortable* sort_by_half(
    sortable* items, Py_ssize_t n, sortable* other, int lowest
) noexcept nogil:
    """Sort by the half of the key that begins with bit `lowest`; return which of the two has it."""
    cdef Py_ssize_t counts[HALF][RADIX]
    cdef Py_ssize_t i, total, count
    cdef uint64_t key
    cdef int digit, shift, value
    memset(counts, 0, sizeof(counts))
    for i in range(n):
        key = sort_key(items[i]) >> lowest
        for digit in range(HALF):
            counts[digit][(key >> (digit * DIGIT)) & (RADIX - 1)] += 1
    for digit in range(HALF):
        shift = lowest + digit * DIGIT
        if counts[digit][(sort_key(items[0]) >> shift) & (RADIX - 1)] == n:
            continue                    # all have the same digit
        total = 0
        for value in range(RADIX):
            count = counts[digit][value]
            counts[digit][value] = total
            total += count
        for i in range(n):
            value = (sort_key(items[i]) >> shift) & (RADIX - 1)
            other[counts[digit][value]] = items[i]
            counts[digit][value] += 1
        items, other = other, items
    return items
