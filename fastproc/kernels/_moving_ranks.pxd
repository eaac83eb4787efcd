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
from libc.stdint cimport uint64_t
from libc.string cimport memset

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
    Py_ssize_t place         # in its block

# Two neighbouring blocks of a window's length, and the set of those of their elements that are in the window.
cdef struct Window:
    Placed* left             # the blocks, sorted
    Placed* right
    Placed* spare
    Py_ssize_t n_left        # how many elements they have that are numbers
    Py_ssize_t n_right
    Py_ssize_t* numbers      # by place, first the left block's: its number or NO_NUMBER
    double* values           # by number
    Py_ssize_t* lows         # by number: the first that has the same value, and
    Py_ssize_t* highs        # the one after the last
    uint64_t* bits
    Py_ssize_t n_words
    Py_ssize_t count         # how many bits are set


cdef inline void lay_out(Window* w, Py_ssize_t window, char* scratch) noexcept nogil:
    """Divide RANK_BYTES for each of `window` + RUN elements."""
    w.left = <Placed*>scratch
    w.right = w.left + window + RUN
    w.spare = w.right + window + RUN
    w.numbers = <Py_ssize_t*>(w.spare + window + RUN)
    w.lows = w.numbers + 2 * window
    w.highs = w.lows + 2 * window
    w.values = <double*>(w.highs + 2 * window)
    w.bits = <uint64_t*>(w.values + 2 * window)
    w.n_words = window // 32 + 2


# Sorting -----------------------------------------------------------------------------------------

cdef inline void sort_run(const Placed* x, Py_ssize_t n, Placed* out) noexcept nogil:
    cdef Py_ssize_t i, j, number
    cdef double values[RUN]
    for i in range(n):
        values[i] = x[i].value
    for i in range(n, RUN):
        values[i] = NAN                  # not less than any
    for i in range(n):
        number = 0
        for j in range(RUN):
            number += values[j] < values[i] or (j < i and values[j] == values[i])
        out[number] = x[i]


cdef inline void merge_runs(
    const Placed* left, Py_ssize_t n_left, const Placed* right, Py_ssize_t n_right, Placed* out
) noexcept nogil:
    """Merge two sorted runs; of equal ones the left come first."""
    cdef Py_ssize_t i = 0, j = 0, k, low_left, low_right
    cdef bint is_right
    if n_left == n_right:
        # From both ends at once, to the middle: two chains of steps that do not wait for another,
        # and neither can leave its run.
        low_left, low_right = n_left - 1, n_right - 1
        for k in range(n_left):
            is_right = right[j].value < left[i].value
            out[k] = right[j] if is_right else left[i]
            j += is_right
            i += not is_right
            is_right = not right[low_right].value < left[low_left].value
            out[2 * n_left - 1 - k] = right[low_right] if is_right else left[low_left]
            low_right -= is_right
            low_left -= not is_right
        return
    k = 0
    while i < n_left and j < n_right:
        is_right = right[j].value < left[i].value
        out[k] = right[j] if is_right else left[i]
        j += is_right
        i += not is_right
        k += 1
    while i < n_left:
        out[k] = left[i]
        i += 1
        k += 1
    while j < n_right:
        out[k] = right[j]
        j += 1
        k += 1


cdef inline void sort_block(Window* w) noexcept nogil:
    """Sort the right block."""
    cdef Py_ssize_t n = w.n_right, width = RUN, start = 0, middle, stop
    cdef Placed* source = w.right
    cdef Placed* target = w.spare
    while start < n:
        sort_run(source + start, min(<Py_ssize_t>RUN, n - start), target + start)
        start += RUN
    source, target = target, source
    while width < n:
        start = 0
        while start < n:
            middle = min(start + width, n)
            stop = min(middle + width, n)
            merge_runs(source + start, middle - start, source + middle, stop - middle,
                       target + start)
            start = stop
        source, target = target, source
        width *= 2
    w.right, w.spare = source, target


# The window's set --------------------------------------------------------------------------------

cdef inline void number_elements(Window* w, Py_ssize_t window) noexcept nogil:
    """Number the elements of both blocks by value, equal ones in any order."""
    cdef Py_ssize_t i = 0, j = 0, k, n = w.n_left + w.n_right
    cdef bint is_right
    for k in range(2 * window):
        w.numbers[k] = NO_NUMBER
    for k in range(n):
        is_right = i == w.n_left or (j < w.n_right and w.right[j].value < w.left[i].value)
        if is_right:
            w.values[k] = w.right[j].value
            w.numbers[window + w.right[j].place] = k
        else:
            w.values[k] = w.left[i].value
            w.numbers[w.left[i].place] = k
        j += is_right
        i += not is_right


cdef inline void find_ties(Window* w) noexcept nogil:
    """Find the numbers of equal values."""
    cdef Py_ssize_t n = w.n_left + w.n_right, low = 0, high, k
    while low < n:
        high = low + 1
        while high < n and w.values[high] == w.values[low]:
            high += 1
        for k in range(low, high):
            w.lows[k], w.highs[k] = low, high
        low = high


cdef inline void fill_set(Window* w) noexcept nogil:
    """Let the window be the left block."""
    cdef Py_ssize_t i, number
    memset(w.bits, 0, w.n_words * sizeof(uint64_t))
    for i in range(w.n_left):
        number = w.numbers[w.left[i].place]
        w.bits[number // 64] |= <uint64_t>1 << (number % 64)
    w.count = w.n_left


cdef inline void clear_bit(Window* w, Py_ssize_t number) noexcept nogil:
    w.bits[<size_t>number // 64] &= ~(<uint64_t>1 << (<size_t>number % 64))
    w.count -= 1


cdef inline void set_bit(Window* w, Py_ssize_t number) noexcept nogil:
    w.bits[<size_t>number // 64] |= <uint64_t>1 << (<size_t>number % 64)
    w.count += 1


cdef inline Py_ssize_t next_set(const Window* w, Py_ssize_t number) noexcept nogil:
    """Return the first number of the set that is not below `number`; there is one."""
    cdef size_t k = <size_t>number // 64
    cdef uint64_t word = w.bits[k] >> (<size_t>number % 64)
    if word != 0:
        return number + lowest_bit(word)
    k += 1
    while w.bits[k] == 0:
        k += 1
    return <Py_ssize_t>(k * 64) + lowest_bit(w.bits[k])


cdef inline Py_ssize_t previous_set(const Window* w, Py_ssize_t number) noexcept nogil:
    """Return the last number of the set below `number`; there is one."""
    cdef size_t k = <size_t>(number - 1) // 64
    cdef uint64_t word = w.bits[k] << (63 - <size_t>(number - 1) % 64)
    if word != 0:
        return number - 1 - (63 - highest_bit(word))
    k -= 1
    while w.bits[k] == 0:
        k -= 1
    return <Py_ssize_t>(k * 64) + highest_bit(w.bits[k])


cdef inline Py_ssize_t count_below(const Window* w, Py_ssize_t number) noexcept nogil:
    cdef Py_ssize_t total = 0
    cdef size_t k
    for k in range(<size_t>number // 64):
        total += count_bits(w.bits[k])
    if number % 64 > 0:
        total += count_bits(w.bits[number // 64] << (64 - <size_t>number % 64))
    return total


# The kernels -------------------------------------------------------------------------------------

# Write the results of the windows that begin at places 0 to `n` - 1 of the left block.
cdef inline void medians_of_block(
    Window* w, Py_ssize_t window, Py_ssize_t min_count, Py_ssize_t n, floating* out
) noexcept nogil:
    # `middle` is the lower median's number, `below` how many of the set are below it.
    cdef Py_ssize_t middle = 0, below = 0, wanted, old, new, i
    if w.count > 0:
        below = (w.count - 1) // 2
        middle = w.numbers[w.left[below].place]
    for i in range(n):
        if i > 0:
            old, new = w.numbers[i - 1], w.numbers[window + i - 1]
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
                        middle = previous_set(w, middle)
                        below -= 1
                else:
                    middle = next_set(w, middle)
                    while below < wanted:
                        middle = next_set(w, middle + 1)
                        below += 1
        if w.count < min_count:
            out[i] = NAN
        elif w.count % 2 == 1:
            out[i] = <floating>w.values[middle]
        else:
            out[i] = <floating>((w.values[middle] + w.values[next_set(w, middle + 1)]) * 0.5)


cdef inline void ranks_of_block(
    Window* w, Py_ssize_t window, Py_ssize_t min_count, Py_ssize_t n, floating* out
) noexcept nogil:
    cdef Py_ssize_t old, new, i
    cdef double less, equal, rank
    new = w.numbers[window - 1]
    for i in range(n):
        if i > 0:
            old, new = w.numbers[i - 1], w.numbers[window + i - 1]
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
