"""Layer: kernels.  The loops of the order statistics: quantiles of short lines, steps of long ones.

The search itself is in ``_select.pxd``; here are ranks and the numbers between two of them.
Contract in ``_order.pxd``.
"""

# Safe for free-threaded Python: the table is written while the module is imported, and only read
# afterwards.

from libc.stdint cimport int64_t, uint64_t

from fastproc.kernels._common cimport FLOAT32, FLOAT64, INT32, INT64, scalar, table_capsule
from fastproc.kernels._lines cimport line_t
from fastproc.kernels._order cimport (
    MOST_SEARCHED, NANQUANTILES, QUANTILES, Bracket, OrderTable, Place, Quantiles, brackets_t,
    count_nan_t, find_place, resolve_t, search_t, sift_t,
)
from fastproc.kernels._select cimport (
    FEW, Sifted, bracket_ranks, copy_numbers, count_nan, draw_sample, find_ends, key_of,
    next_above, resolve_pair, sample_size, select, select_by_halving, sift, sort_few, value_of,
    without_sign,
)
from fastproc.kernels._sort cimport HALF_BITS, ascending, sort_keys

cdef OrderTable _table

# How many standard deviations a long line's bracket reaches: one line in four hundred is missed.
cdef double SURE_REACH = 3


# Between two elements -----------------------------------------------------------------------------

cdef inline void write_between(
    scalar low, scalar high, double weight, bint is_median, void* out, Py_ssize_t i
) noexcept nogil:
    """Write what lies `weight` of the way from `low` to `high`: float32 for float32, else float64.

    By NumPy's arithmetic, but for ends that are equal, infinite or out of a float's range when
    added, where NumPy gets NaN or infinity.
    """
    cdef double a = <double>low, b = <double>high, result
    if a == b or weight == 0:
        result = a
    elif is_median:
        result = (a + b) / 2
        if result - result != 0 and a - a == 0 and b - b == 0:
            result = a / 2 + b / 2
    elif weight < 0.5:
        result = a + (b - a) * weight
    else:
        result = b - (b - a) * (1 - weight)
    if scalar is float:
        (<float*>out)[i] = without_sign(<float>result)
    else:
        (<double*>out)[i] = without_sign(result)


cdef inline void write_nan(const scalar* tag, void* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        if scalar is float:
            (<float*>out)[i] = <float>(0.0 / 0.0)
        else:
            (<double*>out)[i] = 0.0 / 0.0


# Short lines --------------------------------------------------------------------------------------

cdef inline void quantiles_of_numbers(
    const scalar* x, Py_ssize_t n, const Quantiles* wanted, void* out, scalar* scratch
) noexcept nogil:
    cdef const double* q = <const double*>(wanted + 1)
    cdef uint64_t* words = NULL
    cdef Place place
    cdef scalar low, high
    cdef Py_ssize_t i
    if n == 0:
        write_nan(x, out, wanted.n_q)
        return
    if n <= FEW:
        for i in range(n):
            scratch[i] = x[i]
        sort_few(scratch, n)
    elif wanted.n_q > MOST_SEARCHED:
        words = sorted_words(x, n, <uint64_t*>scratch)
    for i in range(wanted.n_q):
        find_place(wanted, q[i], n, &place)
        if words != NULL:
            low, high = value_at(words[place.rank], x[0]), value_at(words[place.last], x[0])
        elif n <= FEW:
            low, high = scratch[place.rank], scratch[place.last]
        else:
            low = high = x[0]
            low = select(x, n, place.rank, &high, scratch)
            if place.last == place.rank:
                high = low
        write_between(low, high, place.weight, wanted.is_median, out, i)


cdef inline uint64_t* sorted_words(const scalar* x, Py_ssize_t n, uint64_t* words) noexcept nogil:
    """Return the elements' keys in ascending order; there is room for twice as many."""
    cdef Py_ssize_t i
    for i in range(n):
        words[i] = ascending(key_of(x[i]), x[0])
    return sort_keys(words, n, words + n)


cdef inline scalar value_at(uint64_t word, scalar tag) noexcept nogil:
    """Return the value that has this key in `ascending` form."""
    if scalar is float or scalar is int:
        return value_of(<int64_t>(word >> HALF_BITS) - (<int64_t>1 << 31), tag)
    else:
        return value_of(<int64_t>(word ^ (<uint64_t>1 << 63)), tag)


# `scratch` has room for 5n + 128 elements.
cdef inline void quantiles_line(
    const scalar* x, Py_ssize_t before, Py_ssize_t n, void* out, char* scratch,
    const Quantiles* wanted
) noexcept nogil:
    if count_nan(x, n) > 0:
        write_nan(x, out, wanted.n_q)
    else:
        quantiles_of_numbers(x, n, wanted, out, <scalar*>scratch)


cdef inline void nanquantiles_line(
    const scalar* x, Py_ssize_t before, Py_ssize_t n, void* out, char* scratch,
    const Quantiles* wanted
) noexcept nogil:
    cdef scalar* numbers = <scalar*>scratch
    cdef Py_ssize_t count
    if count_nan(x, n) == 0:
        quantiles_of_numbers(x, n, wanted, out, <scalar*>scratch)
        return
    count = copy_numbers(x, n, numbers)
    quantiles_of_numbers(<const scalar*>numbers, count, wanted, out, numbers + n + (n & 1))


# The steps of a long line -------------------------------------------------------------------------

cdef inline void find_brackets(
    const scalar* x, Py_ssize_t n, Py_ssize_t n_nan, int draw, const Place* places,
    Py_ssize_t n_places, Bracket* brackets, char* scratch
) noexcept nogil:
    cdef scalar* sample = <scalar*>scratch
    cdef Py_ssize_t size = sample_size(n), first, last, i
    size = draw_sample(x, n, size, draw, sample)
    for i in range(n_places):
        bracket_ranks(
            size, n - n_nan, places[i].rank, places[i].last, SURE_REACH, &first, &last)
        find_ends(sample, size, first, last, <scalar*>&brackets[i].lo, <scalar*>&brackets[i].hi,
                  sample + size)
        brackets[i].share = <double>(min(last, size) - max(first, <Py_ssize_t>0)) / (size + 1)


cdef inline Py_ssize_t sift_block(
    const scalar* x, Py_ssize_t n, const Bracket* bracket, Sifted* found, scalar* kept
) noexcept nogil:
    return sift(x, n, (<const scalar*>&bracket.lo)[0], (<const scalar*>&bracket.hi)[0], found, kept)


cdef inline bint resolve_quantile(
    const Sifted* found, const Bracket* bracket, const Place* place, bint is_median,
    const scalar* kept, Py_ssize_t count, char* scratch, void* out
) noexcept nogil:
    cdef scalar lo = (<const scalar*>&bracket.lo)[0], hi = (<const scalar*>&bracket.hi)[0]
    cdef scalar low = lo, high = lo
    if not resolve_pair(found, place.rank, place.last, lo, hi, kept, count, <scalar*>scratch,
                        &low, &high):
        return False
    write_between(low, high, place.weight, is_median, out, 0)
    return True


cdef inline void search_quantile(
    const scalar* x, Py_ssize_t n, const Place* place, bint is_median, void* out
) noexcept nogil:
    cdef scalar low = select_by_halving(x, n, place.rank), high = low
    if place.last != place.rank:
        high = next_above(x, n, low, place.last, low)
    write_between(low, high, place.weight, is_median, out, 0)


# The table ----------------------------------------------------------------------------------------

_table.lines.kernels[QUANTILES][FLOAT64] = <line_t>quantiles_line[double]
_table.lines.kernels[QUANTILES][FLOAT32] = <line_t>quantiles_line[float]
_table.lines.kernels[QUANTILES][INT64] = <line_t>quantiles_line[int64_t]
_table.lines.kernels[QUANTILES][INT32] = <line_t>quantiles_line[int]
_table.lines.kernels[NANQUANTILES][FLOAT64] = <line_t>nanquantiles_line[double]
_table.lines.kernels[NANQUANTILES][FLOAT32] = <line_t>nanquantiles_line[float]
_table.lines.kernels[NANQUANTILES][INT64] = <line_t>quantiles_line[int64_t]
_table.lines.kernels[NANQUANTILES][INT32] = <line_t>quantiles_line[int]

_table.longs[FLOAT64].count_nan = <count_nan_t>count_nan[double]
_table.longs[FLOAT64].brackets = <brackets_t>find_brackets[double]
_table.longs[FLOAT64].sift = <sift_t>sift_block[double]
_table.longs[FLOAT64].resolve = <resolve_t>resolve_quantile[double]
_table.longs[FLOAT64].search = <search_t>search_quantile[double]
_table.longs[FLOAT32].count_nan = <count_nan_t>count_nan[float]
_table.longs[FLOAT32].brackets = <brackets_t>find_brackets[float]
_table.longs[FLOAT32].sift = <sift_t>sift_block[float]
_table.longs[FLOAT32].resolve = <resolve_t>resolve_quantile[float]
_table.longs[FLOAT32].search = <search_t>search_quantile[float]
_table.longs[INT64].count_nan = <count_nan_t>count_nan[int64_t]
_table.longs[INT64].brackets = <brackets_t>find_brackets[int64_t]
_table.longs[INT64].sift = <sift_t>sift_block[int64_t]
_table.longs[INT64].resolve = <resolve_t>resolve_quantile[int64_t]
_table.longs[INT64].search = <search_t>search_quantile[int64_t]
_table.longs[INT32].count_nan = <count_nan_t>count_nan[int]
_table.longs[INT32].brackets = <brackets_t>find_brackets[int]
_table.longs[INT32].sift = <sift_t>sift_block[int]
_table.longs[INT32].resolve = <resolve_t>resolve_quantile[int]
_table.longs[INT32].search = <search_t>search_quantile[int]

#: The table of this CPU level.
table = table_capsule(&_table)
