"""Layer: kernels.  The loops of ranks, partitions and the k first elements.

Ranks are a sort of keys.  The k first elements are those beyond the element of rank k, which
``_select.pxd`` finds, sorted; partitions are what that element divides.  Contract in
``_ranking.pxd``.
"""

# Safe for free-threaded Python: the table is written while the module is imported, and only read
# afterwards.

from libc.math cimport sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from fastproc.kernels._common cimport FLOAT32, FLOAT64, INT32, INT64, scalar, table_capsule
from fastproc.kernels._lines cimport line_t
from fastproc.kernels._ranking cimport (
    ARGPARTITION, AVERAGE, DENSE, GREATEST, LEAST, NANRANKDATA, PARTITION, RANKDATA, TOPK, First,
    Kths, RankingTable, Ranks, find_limit_t, reach_t,
)
from fastproc.kernels._select cimport count_nan, key_of, sample_size, select
from fastproc.kernels._sort cimport (
    HALF_BITS, MERGED, Pair, ascending, sort_by_half, sort_pairs,
)

# A register of elements at a time, where the processor can: they return how many they have done.
cdef extern from "_compress.h" nogil:
    Py_ssize_t divide_f64(
        const double* x, Py_ssize_t n, double pivot, double* out, Py_ssize_t* front,
        Py_ssize_t* back)
    Py_ssize_t divide_places_f64(
        const double* x, Py_ssize_t n, double pivot, int64_t* out, Py_ssize_t* front,
        Py_ssize_t* back)
    Py_ssize_t divide_f32(
        const float* x, Py_ssize_t n, float pivot, float* out, Py_ssize_t* front, Py_ssize_t* back)
    Py_ssize_t divide_places_f32(
        const float* x, Py_ssize_t n, float pivot, int64_t* out, Py_ssize_t* front,
        Py_ssize_t* back)
    Py_ssize_t divide_i64(
        const int64_t* x, Py_ssize_t n, int64_t pivot, int64_t* out, Py_ssize_t* front,
        Py_ssize_t* back)
    Py_ssize_t divide_places_i64(
        const int64_t* x, Py_ssize_t n, int64_t pivot, int64_t* out, Py_ssize_t* front,
        Py_ssize_t* back)
    Py_ssize_t divide_i32(
        const int* x, Py_ssize_t n, int pivot, int* out, Py_ssize_t* front, Py_ssize_t* back)
    Py_ssize_t divide_places_i32(
        const int* x, Py_ssize_t n, int pivot, int64_t* out, Py_ssize_t* front, Py_ssize_t* back)

cdef RankingTable _table

# Of a word: the bits of the place, and so the longest line of which there can be words.
cdef uint64_t LOWER_HALF = 0xFFFFFFFF
cdef Py_ssize_t MOST_WORDS = <Py_ssize_t>1 << 32


# Ranks --------------------------------------------------------------------------------------------

# `scratch` has room for 2n words and 2n pairs.
cdef inline void rank_line(
    const scalar* x, Py_ssize_t before, Py_ssize_t n, double* out, char* scratch,
    const Ranks* ranks
) noexcept nogil:
    rank(x, n, False, ranks, out, scratch)


cdef inline void nanrank_line(
    const scalar* x, Py_ssize_t before, Py_ssize_t n, double* out, char* scratch,
    const Ranks* ranks
) noexcept nogil:
    rank(x, n, True, ranks, out, scratch)


cdef inline void rank(
    const scalar* x, Py_ssize_t n, bint skips_nan, const Ranks* ranks, double* out, char* scratch
) noexcept nogil:
    """Sort words of half a key and a place, half as large as pairs; then what has the same half."""
    cdef uint64_t* words = <uint64_t*>scratch
    cdef uint64_t* other = words + n
    cdef Pair* pairs = <Pair*>(other + n)
    cdef Py_ssize_t i, count = 0, first = 0, last, place, n_different = 0
    cdef uint64_t key
    if n <= MERGED or n > MOST_WORDS:
        for i in range(n):
            pairs[count].key, pairs[count].place = ascending(key_of(x[i]), x[0]), i
            count += 1 - (skips_nan and x[i] != x[i])
            out[i] = 0.0 / 0.0
        write_ranks(sort_pairs(pairs, count, pairs + n), count, 0, &n_different, ranks, out)
        return
    for i in range(n):
        key = ascending(key_of(x[i]), x[0])
        words[count] = (key >> HALF_BITS << HALF_BITS) | <uint64_t>i
        count += 1 - (skips_nan and x[i] != x[i])
        out[i] = 0.0 / 0.0
    words = sort_by_half(words, count, other, HALF_BITS)
    while first < count:
        last = first + 1
        while last < count and words[last] >> HALF_BITS == words[first] >> HALF_BITS:
            last += 1
        if last == first + 1:
            n_different += 1
            out[words[first] & LOWER_HALF] = (n_different if ranks.method == DENSE else last)
        else:
            for i in range(first, last):
                place = words[i] & LOWER_HALF
                pairs[i - first].key = ascending(key_of(x[place]), x[0])
                pairs[i - first].place = place
            write_ranks(sort_pairs(pairs, last - first, pairs + n), last - first, first,
                        &n_different, ranks, out)
        first = last


cdef void write_ranks(
    const Pair* pairs, Py_ssize_t n, Py_ssize_t start, Py_ssize_t* n_different,
    const Ranks* ranks, double* out
) noexcept nogil:
    """Write the ranks of sorted pairs, before which are `start` others, to where these stood."""
    cdef Py_ssize_t first = 0, last, i
    cdef double rank
    while first < n:
        last = first
        while last + 1 < n and pairs[last + 1].key == pairs[first].key:
            last += 1
        n_different[0] += 1
        if ranks.method == AVERAGE:
            rank = 0.5 * (first + last) + 1 + start
        elif ranks.method == LEAST:
            rank = first + 1 + start
        elif ranks.method == GREATEST:
            rank = last + 1 + start
        else:
            rank = n_different[0]
        for i in range(first, last + 1):
            out[pairs[i].place] = rank if ranks.method <= DENSE else i + 1 + start
        first = last + 1


# The k first elements -----------------------------------------------------------------------------

cdef inline int64_t order_of(scalar value, bint largest) noexcept nogil:
    """Return an integer that is less for what stands earlier."""
    cdef int64_t key = key_of(value)
    return ~key if largest else key


# `scratch` has room for 4n + 256 integers of 64 bits.
cdef inline void topk_line(
    const scalar* x, Py_ssize_t before, Py_ssize_t n, int64_t* out, char* scratch,
    const First* first
) noexcept nogil:
    cdef int64_t* keys = <int64_t*>scratch
    cdef Pair* pairs = <Pair*>scratch
    cdef int64_t limit, following = 0
    cdef Py_ssize_t i, count = 0, n_before = 0, n_equal
    if first.k * 8 >= n or n <= 64:
        for i in range(n):
            pairs[i].key, pairs[i].place = ascending(order_of(x[i], first.largest), x[0]), i
        write_places(sort_pairs(pairs, n, pairs + n), first.k, out)
        return
    for i in range(n):
        keys[i] = order_of(x[i], first.largest)
    limit = select(<const int64_t*>keys, n, first.k - 1, &following, keys + n)
    for i in range(n):
        n_before += keys[i] < limit
    # Of those that are equal to the last, the first ones.
    n_equal = first.k - n_before
    pairs = <Pair*>(keys + n)
    for i in range(n):
        if keys[i] <= limit and (keys[i] < limit or n_equal > 0):
            n_equal -= keys[i] == limit
            pairs[count].key, pairs[count].place = ascending(keys[i], x[0]), i
            count += 1
    write_places(sort_pairs(pairs, count, pairs + count), first.k, out)


cdef inline void write_places(const Pair* pairs, Py_ssize_t k, int64_t* out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(k):
        out[i] = pairs[i].place


cdef inline Py_ssize_t find_limit(
    const scalar* x, Py_ssize_t n, const First* first, scalar* limit, char* scratch
) noexcept nogil:
    cdef Pair* pairs = <Pair*>scratch
    cdef Py_ssize_t size = sample_size(n), rank, i
    cdef double expected = <double>first.k * size / n
    cdef uint64_t turn = 0
    # Of the k first so many are in the sample, most probably; see `draw_sample` for its places.
    rank = <Py_ssize_t>(expected + 4 * sqrt(expected) + 6)
    if rank >= size // 4:
        return 0
    for i in range(size):
        turn += <uint64_t>0x9E3779B97F4A7C15
        pairs[i].place = min(n - 1, <Py_ssize_t>(
            (i + (turn >> 11) * (1.0 / 9007199254740992.0)) * (<double>n / size)))
        pairs[i].key = ascending(order_of(x[pairs[i].place], first.largest), x[0])
    pairs = sort_pairs(pairs, size, pairs + size)
    limit[0] = x[pairs[rank].place]
    if limit[0] != limit[0]:
        return 0                        # more of them are NaN than are wanted
    return rank * (n // size)


cdef enum:
    LANES = 16
    ROWS = 16


cdef inline Py_ssize_t reach_chunk(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, const First* first, const scalar* limit,
    Pair* pairs
) noexcept nogil:
    if first.largest:
        return reach_largest(x, n, start, limit[0], pairs)
    return reach_least(x, n, start, limit[0], pairs)


cdef inline Py_ssize_t reach_largest(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, scalar limit, Pair* pairs
) noexcept nogil:
    """Look at whole rows side by side, and closer where a lane has something; NaN reaches all."""
    cdef scalar reached[LANES]
    cdef const scalar* row
    cdef Py_ssize_t block = 0, count = 0, i, j
    while block + LANES * ROWS <= n:
        for j in range(LANES):
            reached[j] = 0
        for i in range(ROWS):
            row = x + block + i * LANES
            for j in range(LANES):
                reached[j] += <scalar>0 if row[j] < limit else <scalar>1
        for j in range(1, LANES):
            reached[0] += reached[j]
        if reached[0] > 0:
            for i in range(block, block + LANES * ROWS):
                if not x[i] < limit:
                    pairs[count].key = ascending(~key_of(x[i]), x[0])
                    pairs[count].place = start + i
                    count += 1
        block += LANES * ROWS
    for i in range(block, n):
        if not x[i] < limit:
            pairs[count].key, pairs[count].place = ascending(~key_of(x[i]), x[0]), start + i
            count += 1
    return count


cdef inline Py_ssize_t reach_least(
    const scalar* x, Py_ssize_t n, Py_ssize_t start, scalar limit, Pair* pairs
) noexcept nogil:
    cdef scalar reached[LANES]
    cdef const scalar* row
    cdef Py_ssize_t block = 0, count = 0, i, j
    while block + LANES * ROWS <= n:
        for j in range(LANES):
            reached[j] = 0
        for i in range(ROWS):
            row = x + block + i * LANES
            for j in range(LANES):
                reached[j] += <scalar>1 if row[j] <= limit else <scalar>0
        for j in range(1, LANES):
            reached[0] += reached[j]
        if reached[0] > 0:
            for i in range(block, block + LANES * ROWS):
                if x[i] <= limit:
                    pairs[count].key = ascending(key_of(x[i]), x[0])
                    pairs[count].place = start + i
                    count += 1
        block += LANES * ROWS
    for i in range(block, n):
        if x[i] <= limit:
            pairs[count].key, pairs[count].place = ascending(key_of(x[i]), x[0]), start + i
            count += 1
    return count


cdef void finish_first(
    Pair* pairs, Py_ssize_t n, Pair* other, Py_ssize_t k, int64_t* out
) noexcept nogil:
    # By place first, as which of several workers was quicker must not decide between equal ones.
    cdef Py_ssize_t i
    cdef uint64_t key
    cdef Pair* by_place
    for i in range(n):
        key = pairs[i].key
        pairs[i].key, pairs[i].place = <uint64_t>pairs[i].place, <int64_t>key
    by_place = sort_pairs(pairs, n, other)
    other = other if by_place == pairs else pairs
    for i in range(n):
        key = by_place[i].key
        by_place[i].key, by_place[i].place = <uint64_t>by_place[i].place, <int64_t>key
    write_places(sort_pairs(by_place, n, other), k, out)


# Partitions ---------------------------------------------------------------------------------------

cdef inline Py_ssize_t gather_equal(
    scalar* x, Py_ssize_t n, scalar value
) noexcept nogil:
    """Move elements equal to `value`, below which there is none, to the front."""
    cdef Py_ssize_t i, count = 0
    cdef scalar other
    for i in range(n):
        if x[i] == value:
            other = x[count]
            x[count] = x[i]
            x[i] = other
            count += 1
    return count


cdef inline Py_ssize_t divide(
    const scalar* x, Py_ssize_t n, scalar value, scalar* out
) noexcept nogil:
    """Copy what is less than `value` to the front, all else behind; return how many are less."""
    cdef Py_ssize_t i, first = 0, front = 0, back = n - 1
    cdef bint is_less
    if scalar is double:
        first = divide_f64(x, n, value, out, &front, &back)
    elif scalar is float:
        first = divide_f32(x, n, value, out, &front, &back)
    elif scalar is int64_t:
        first = divide_i64(x, n, value, out, &front, &back)
    else:
        first = divide_i32(x, n, value, out, &front, &back)
    for i in range(first, n):
        is_less = x[i] < value
        out[front] = x[i]
        out[back] = x[i]
        front += is_less
        back -= 1 - is_less
    return front


cdef inline Py_ssize_t divide_places(
    const scalar* x, Py_ssize_t n, scalar value, int64_t* out, Py_ssize_t back
) noexcept nogil:
    """Put the places of what is less than `value` to the front, of all else from `back` on
    downwards; return how many are less.
    """
    cdef Py_ssize_t i, first = 0, front = 0
    cdef bint is_less
    if scalar is double:
        first = divide_places_f64(x, n, value, out, &front, &back)
    elif scalar is float:
        first = divide_places_f32(x, n, value, out, &front, &back)
    elif scalar is int64_t:
        first = divide_places_i64(x, n, value, out, &front, &back)
    else:
        first = divide_places_i32(x, n, value, out, &front, &back)
    for i in range(first, n):
        is_less = x[i] < value
        out[front] = i
        out[back] = i
        front += is_less
        back -= 1 - is_less
    return front


# `scratch` has room for 4n + 256 elements.
cdef inline void partition_line(
    const scalar* x, Py_ssize_t before, Py_ssize_t n, scalar* out, char* scratch,
    const Kths* kths
) noexcept nogil:
    cdef const Py_ssize_t* kth = <const Py_ssize_t*>(kths + 1)
    cdef scalar* buffer = <scalar*>scratch
    cdef const scalar* source = x
    cdef Py_ssize_t n_numbers = n - count_nan(x, n), start = 0, i, front = 0, back = n_numbers
    cdef scalar value, following = x[0]
    if n_numbers < n:
        for i in range(n):
            if x[i] == x[i]:
                out[front] = x[i]
                front += 1
            else:
                out[back] = x[i]
                back += 1
        source = out
    for i in range(kths.n_kth):
        if kth[i] < start or kth[i] >= n_numbers:
            continue                    # what stands there is in its place
        value = select(
            source + start, n_numbers - start, kth[i] - start, &following, buffer + n)
        if source == x:
            front = divide(x, n, value, out)
        else:
            memcpy(buffer, out + start, (n_numbers - start) * sizeof(scalar))
            front = divide(<const scalar*>buffer, n_numbers - start, value, out + start)
        source = out
        start += front
        start += gather_equal(out + start, n_numbers - start, value)
    if source == x:
        memcpy(out, x, n * sizeof(scalar))


# `scratch` has room for 4n + 256 elements and n places.
cdef inline void argpartition_line(
    const scalar* x, Py_ssize_t before, Py_ssize_t n, int64_t* out, char* scratch,
    const Kths* kths
) noexcept nogil:
    cdef const Py_ssize_t* kth = <const Py_ssize_t*>(kths + 1)
    cdef int64_t* places = <int64_t*>scratch
    cdef scalar* values = <scalar*>(places + n)
    cdef Py_ssize_t n_numbers = n - count_nan(x, n), start = 0, i, j, front, back, size
    cdef scalar value, following = x[0]
    cdef int64_t place
    cdef bint is_less
    if n_numbers < n or kths.n_kth == 0:
        front, back = 0, n_numbers
        for i in range(n):
            if x[i] == x[i]:
                out[front] = i
                front += 1
            else:
                out[back] = i
                back += 1
    for i in range(kths.n_kth):
        if kth[i] < start or kth[i] >= n_numbers:
            continue
        size = n_numbers - start
        front, back = start, n_numbers - 1
        if size == n:                   # no place has been written yet
            value = select(x, n, kth[i], &following, values + n)
            front = divide_places(x, n, value, out, n - 1)
        else:
            memcpy(places, out + start, size * sizeof(int64_t))
            for j in range(size):
                values[j] = x[places[j]]
            value = select(
                <const scalar*>values, size, kth[i] - start, &following, values + n)
            for j in range(size):
                out[front] = places[j]
                out[back] = places[j]
                is_less = values[j] < value
                front += is_less
                back -= 1 - is_less
        start = front
        for j in range(front, n_numbers):
            if x[out[j]] == value:
                place = out[start]
                out[start] = out[j]
                out[j] = place
                start += 1


# The table ----------------------------------------------------------------------------------------

_table.finish = finish_first

_table.lines.kernels[RANKDATA][FLOAT64] = <line_t>rank_line[double]
_table.lines.kernels[RANKDATA][FLOAT32] = <line_t>rank_line[float]
_table.lines.kernels[RANKDATA][INT64] = <line_t>rank_line[int64_t]
_table.lines.kernels[RANKDATA][INT32] = <line_t>rank_line[int]
_table.lines.kernels[NANRANKDATA][FLOAT64] = <line_t>nanrank_line[double]
_table.lines.kernels[NANRANKDATA][FLOAT32] = <line_t>nanrank_line[float]
_table.lines.kernels[NANRANKDATA][INT64] = <line_t>rank_line[int64_t]
_table.lines.kernels[NANRANKDATA][INT32] = <line_t>rank_line[int]
_table.lines.kernels[TOPK][FLOAT64] = <line_t>topk_line[double]
_table.lines.kernels[TOPK][FLOAT32] = <line_t>topk_line[float]
_table.lines.kernels[TOPK][INT64] = <line_t>topk_line[int64_t]
_table.lines.kernels[TOPK][INT32] = <line_t>topk_line[int]
_table.lines.kernels[PARTITION][FLOAT64] = <line_t>partition_line[double]
_table.lines.kernels[PARTITION][FLOAT32] = <line_t>partition_line[float]
_table.lines.kernels[PARTITION][INT64] = <line_t>partition_line[int64_t]
_table.lines.kernels[PARTITION][INT32] = <line_t>partition_line[int]
_table.lines.kernels[ARGPARTITION][FLOAT64] = <line_t>argpartition_line[double]
_table.lines.kernels[ARGPARTITION][FLOAT32] = <line_t>argpartition_line[float]
_table.lines.kernels[ARGPARTITION][INT64] = <line_t>argpartition_line[int64_t]
_table.lines.kernels[ARGPARTITION][INT32] = <line_t>argpartition_line[int]

_table.firsts[FLOAT64].find_limit = <find_limit_t>find_limit[double]
_table.firsts[FLOAT64].reach = <reach_t>reach_chunk[double]
_table.firsts[FLOAT32].find_limit = <find_limit_t>find_limit[float]
_table.firsts[FLOAT32].reach = <reach_t>reach_chunk[float]
_table.firsts[INT64].find_limit = <find_limit_t>find_limit[int64_t]
_table.firsts[INT64].reach = <reach_t>reach_chunk[int64_t]
_table.firsts[INT32].find_limit = <find_limit_t>find_limit[int]
_table.firsts[INT32].reach = <reach_t>reach_chunk[int]

#: The table of this CPU level.
table = table_capsule(&_table)
