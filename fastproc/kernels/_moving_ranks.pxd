"""Layer: kernels.  Medians and ranks of all windows of a stretch, from sorted blocks.

The line is cut into blocks as long as the window, so that a window has the end of one block and the
beginning of the next.  Each block is sorted once; two neighbours' orders, merged, number all their
elements by value.  Then the window is a set of numbers, kept as bits: it moves by clearing the bit
of the element that leaves and setting that of the one that comes (J. Suomela, "Median filtering is
equivalent to sorting", 2014).  The median is a place in that set, which moves by a step or two; a
rank is how many bits are set below one.

NaN, and what stands before the line, is left out when a block is sorted; it has no number.
"""

from libc.math cimport NAN
from libc.stdint cimport uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from fastproc.kernels._moving cimport RUN, floating

cdef extern from *:
    """
    #if defined(_MSC_VER) && !defined(__clang__)
    #include <intrin.h>
    static __inline int fastproc_lowest_bit(unsigned __int64 word) {
        unsigned long place;
        _BitScanForward64(&place, word);
        return (int)place;
    }
    static __inline int fastproc_highest_bit(unsigned __int64 word) {
        unsigned long place;
        _BitScanReverse64(&place, word);
        return (int)place;
    }
    #define fastproc_count_bits(word) ((int)__popcnt64(word))
    #else
    #define fastproc_lowest_bit(word) __builtin_ctzll(word)
    #define fastproc_highest_bit(word) (63 - __builtin_clzll(word))
    #define fastproc_count_bits(word) __builtin_popcountll(word)
    #endif
    """
    int lowest_bit "fastproc_lowest_bit"(uint64_t word) nogil
    int highest_bit "fastproc_highest_bit"(uint64_t word) nogil
    int count_bits "fastproc_count_bits"(uint64_t word) nogil

cdef enum:
    NO_NUMBER = -1

cdef struct Placed:
    double value
    Py_ssize_t place         # in its block, and a window's length further in the right block

# Two neighbouring blocks of a window's length, and which of their elements are in the window.
cdef struct Window:
    Py_ssize_t length
    Placed* blocks           # both, each sorted, the right one behind the left one
    Py_ssize_t n_left        # how many elements they have that are numbers
    Py_ssize_t n_right
    Placed* spare
    Placed* merged           # by number
    Py_ssize_t* numbers      # by place; NO_NUMBER for what is left out
    Py_ssize_t* lows         # by number: the first that has the same value, and
    Py_ssize_t* highs        # the one after the last
    uint64_t* bits
    Py_ssize_t n_words
    Py_ssize_t count         # how many bits are set


cdef inline void lay_out(Window* w, Py_ssize_t length, char* scratch) noexcept nogil:
    """Divide RANK_BYTES for each of `length` + RUN elements."""
    w.length = length
    w.n_right = 0
    w.blocks = <Placed*>scratch
    w.spare = w.blocks + 2 * length
    w.merged = w.spare + length
    w.numbers = <Py_ssize_t*>(w.merged + 2 * length)
    w.lows = w.numbers + 2 * length
    w.highs = w.lows + 2 * length
    w.bits = <uint64_t*>(w.highs + 2 * length)
    w.n_words = length // 32 + 1


# Sorting -----------------------------------------------------------------------------------------

cdef inline void sort_run(const Placed* x, Py_ssize_t n, Placed* out) noexcept nogil:
    # Each is compared with those before it and behind it, the same distance away for all at once;
    # NaN, which no comparison counts, is on both sides.
    cdef double values[3 * RUN]
    cdef Py_ssize_t numbers[RUN]
    cdef const double* here = values + RUN
    cdef Py_ssize_t distance, i
    for i in range(3 * RUN):
        values[i] = NAN
    for i in range(n):
        values[RUN + i] = x[i].value
    for i in range(RUN):
        numbers[i] = 0
    for distance in range(1, RUN):
        for i in range(RUN):
            numbers[i] += <Py_ssize_t>((here - distance)[i] <= here[i])
            numbers[i] += <Py_ssize_t>((here + distance)[i] < here[i])
    for i in range(n):
        out[numbers[i]] = x[i]


cdef inline const Placed* either(
    Py_ssize_t second, const Placed* one, const Placed* other
) noexcept nogil:
    """Return `other` if `second`, else `one`, without a branch: it would be mispredicted each other
    time.
    """
    return <const Placed*>(
        <uintptr_t>one ^ ((<uintptr_t>one ^ <uintptr_t>other) & -<uintptr_t>second))


cdef inline void merge_runs(
    const Placed* x, Py_ssize_t middle, Py_ssize_t n, Placed* out
) noexcept nogil:
    """Merge the runs ``x[:middle]`` and ``x[middle:n]``; of equal ones the left come first."""
    cdef const Placed* left = x
    cdef const Placed* right = x + middle
    cdef const Placed* last_left = right - 1
    cdef const Placed* last_right = x + n - 1
    cdef Placed* last = out + n - 1
    cdef Py_ssize_t shorter = min(middle, n - middle), is_right, k
    if n - 2 * shorter <= 1:
        # From both ends at once, to the middle: two chains of steps that do not wait for another,
        # and neither can leave its run.
        for k in range(shorter):
            is_right = right.value < left.value
            out[k] = either(is_right, left, right)[0]
            right += is_right
            left += 1 - is_right
            is_right = not last_right.value < last_left.value
            last[-k] = either(is_right, last_left, last_right)[0]
            last_right -= is_right
            last_left -= 1 - is_right
        if n > 2 * shorter:
            out[shorter] = (left if left <= last_left else right)[0]
        return
    while left <= last_left and right <= last_right:
        is_right = right.value < left.value
        out[0] = either(is_right, left, right)[0]
        right += is_right
        left += 1 - is_right
        out += 1
    memcpy(out, left, (last_left + 1 - left) * sizeof(Placed))
    memcpy(out + (last_left + 1 - left), right, (last_right + 1 - right) * sizeof(Placed))


cdef inline void sort_block(Placed* x, Py_ssize_t n, Placed* spare) noexcept nogil:
    # The runs are 2 ** n_merges, whose lengths differ by one at the most at each level: a merge of
    # unequal ones has an end that cannot be foreseen, and took twice the time.
    cdef Py_ssize_t n_runs = 1, start, middle, stop, k
    cdef Placed* source = spare
    cdef Placed* target = x
    while n_runs * RUN < n:
        n_runs *= 2
    for k in range(n_runs):
        start = k * n // n_runs
        sort_run(x + start, (k + 1) * n // n_runs - start, spare + start)
    while n_runs > 1:
        n_runs //= 2
        start = 0
        for k in range(n_runs):
            middle = (2 * k + 1) * n // (2 * n_runs)
            stop = (k + 1) * n // n_runs
            merge_runs(source + start, middle - start, stop - start, target + start)
            start = stop
        source, target = target, source
    if source == spare:
        memcpy(x, spare, n * sizeof(Placed))


# The window's set --------------------------------------------------------------------------------

cdef inline void read_block(
    Window* w, const floating* x, Py_ssize_t first, Py_ssize_t low, Py_ssize_t high
) noexcept nogil:
    """Let the right block be the left one, and the next one in the line the right one.

    It begins at ``x[first]``; of the line, ``x[low]`` to ``x[high - 1]`` can be read.
    """
    cdef Placed* right
    cdef Py_ssize_t n = 0, i
    for i in range(w.n_right):
        w.blocks[i] = w.blocks[w.n_left + i]
        w.blocks[i].place -= w.length
    w.n_left = w.n_right
    right = w.blocks + w.n_left
    for i in range(max(first, low), min(first + w.length, high)):
        right[n].value = x[i]
        right[n].place = w.length + i - first
        n += x[i] == x[i]
    w.n_right = n
    sort_block(right, n, w.spare)


cdef inline void number_elements(Window* w) noexcept nogil:
    """Number the elements of both blocks by value, and let the window be the left block."""
    cdef Py_ssize_t i
    merge_runs(w.blocks, w.n_left, w.n_left + w.n_right, w.merged)
    for i in range(2 * w.length):
        w.numbers[i] = NO_NUMBER
    for i in range(w.n_left + w.n_right):
        w.numbers[w.merged[i].place] = i
    memset(w.bits, 0, w.n_words * sizeof(uint64_t))
    w.count = 0
    for i in range(w.n_left):
        set_bit(w, w.numbers[w.blocks[i].place])


cdef inline void find_ties(Window* w) noexcept nogil:
    """Find the numbers of equal values."""
    cdef Py_ssize_t n = w.n_left + w.n_right, low = 0, high, k
    while low < n:
        high = low + 1
        while high < n and w.merged[high].value == w.merged[low].value:
            high += 1
        for k in range(low, high):
            w.lows[k], w.highs[k] = low, high
        low = high


cdef inline void clear_bit(Window* w, Py_ssize_t number) noexcept nogil:
    w.bits[<size_t>number // 64] &= ~(<uint64_t>1 << (<size_t>number % 64))
    w.count -= 1


cdef inline void set_bit(Window* w, Py_ssize_t number) noexcept nogil:
    w.bits[<size_t>number // 64] |= <uint64_t>1 << (<size_t>number % 64)
    w.count += 1


cdef inline Py_ssize_t next_set(const uint64_t* bits, Py_ssize_t number) noexcept nogil:
    """Return the first number of the set that is not below `number`; there is one."""
    cdef size_t k = <size_t>number // 64
    cdef uint64_t word = bits[k] >> (<size_t>number % 64)
    if word != 0:
        return number + lowest_bit(word)
    k += 1
    while bits[k] == 0:
        k += 1
    return <Py_ssize_t>(k * 64) + lowest_bit(bits[k])


cdef inline Py_ssize_t previous_set(const uint64_t* bits, Py_ssize_t number) noexcept nogil:
    """Return the last number of the set below `number`; there is one."""
    cdef size_t k = <size_t>(number - 1) // 64
    cdef uint64_t word = bits[k] << (63 - <size_t>(number - 1) % 64)
    if word != 0:
        return number - 1 - (63 - highest_bit(word))
    k -= 1
    while bits[k] == 0:
        k -= 1
    return <Py_ssize_t>(k * 64) + highest_bit(bits[k])


cdef inline Py_ssize_t count_below(const Window* w, Py_ssize_t number) noexcept nogil:
    cdef Py_ssize_t total = 0
    cdef size_t k
    for k in range(<size_t>number // 64):
        total += count_bits(w.bits[k])
    if number % 64 > 0:
        total += count_bits(w.bits[number // 64] << (64 - <size_t>number % 64))
    return total


# The kernels -------------------------------------------------------------------------------------

cdef inline void full_medians_of_block(Window* w, Py_ssize_t n, floating* out) noexcept nogil:
    """Do what `medians_of_block` does where all elements are numbers, so that no window has less.

    The pointers are copied: after each store to the bits they would be read from `w` again.
    """
    cdef const Py_ssize_t* leaving = w.numbers
    cdef const Py_ssize_t* coming = w.numbers + w.length
    cdef const Placed* merged = w.merged
    cdef uint64_t* bits = w.bits
    cdef Py_ssize_t wanted = (w.length - 1) // 2, middle = leaving[w.blocks[wanted].place]
    cdef Py_ssize_t excess = 0, old, new, i
    cdef bint is_even = w.length % 2 == 0
    for i in range(n):
        if i > 0:
            old, new = leaving[i - 1], coming[i - 1]
            bits[<size_t>old // 64] &= ~(<uint64_t>1 << (<size_t>old % 64))
            bits[<size_t>new // 64] |= <uint64_t>1 << (<size_t>new % 64)
            # How many more are below `middle` than should be.
            excess = <Py_ssize_t>(new < middle) - <Py_ssize_t>(old < middle)
            if excess > 0:
                middle = previous_set(bits, middle)
            elif excess < 0 or old == middle:
                middle = next_set(bits, middle + 1)
        if is_even:
            out[i] = <floating>((
                merged[middle].value + merged[next_set(bits, middle + 1)].value) * 0.5)
        else:
            out[i] = <floating>merged[middle].value


# Write the results of the windows that begin at places 0 to `n` - 1 of the left block.
cdef inline void medians_of_block(
    Window* w, Py_ssize_t min_count, Py_ssize_t n, floating* out
) noexcept nogil:
    # `middle` is the lower median's number, `below` how many of the set are below it.
    cdef Py_ssize_t middle = 0, below = 0, wanted, upper, old, new, i
    if w.n_left + w.n_right == 2 * w.length:
        full_medians_of_block(w, n, out)
        return
    if w.count > 0:
        below = (w.count - 1) // 2
        middle = w.numbers[w.blocks[below].place]
    for i in range(n):
        if i > 0:
            old, new = w.numbers[i - 1], w.numbers[w.length + i - 1]
            if old != NO_NUMBER:
                clear_bit(w, old)
                below -= old < middle
            if new != NO_NUMBER:
                set_bit(w, new)
                below += new < middle
            if w.count > 0:
                wanted = (w.count - 1) // 2
                if below > wanted:
                    while below > wanted:
                        middle = previous_set(w.bits, middle)
                        below -= 1
                else:
                    middle = next_set(w.bits, middle)
                    while below < wanted:
                        middle = next_set(w.bits, middle + 1)
                        below += 1
        if w.count < min_count:
            out[i] = NAN
        elif w.count % 2 == 1:
            out[i] = <floating>w.merged[middle].value
        else:
            upper = next_set(w.bits, middle + 1)
            out[i] = <floating>((w.merged[middle].value + w.merged[upper].value) * 0.5)


cdef inline void ranks_of_block(
    Window* w, Py_ssize_t min_count, Py_ssize_t n, floating* out
) noexcept nogil:
    cdef Py_ssize_t old, new, i
    cdef double less, equal, rank
    new = w.numbers[w.length - 1]
    for i in range(n):
        if i > 0:
            old, new = w.numbers[i - 1], w.numbers[w.length + i - 1]
            if old != NO_NUMBER:
                clear_bit(w, old)
            if new != NO_NUMBER:
                set_bit(w, new)
        if new == NO_NUMBER or w.count < min_count:
            out[i] = NAN
        elif w.count == 1:
            out[i] = 0
        else:
            less = count_below(w, w.lows[new])
            equal = 0
            if w.highs[new] - w.lows[new] > 1:
                equal = count_below(w, w.highs[new]) - less - 1
            rank = (less + 0.5 * equal) / <double>(w.count - 1)
            out[i] = <floating>(2 * (rank - 0.5))
