"""Layer: shm.  The face of `_park.pyx` for other Cython modules: sleeping until a word changes."""

from libc.stdint cimport int32_t, int64_t

cdef extern from *:
    """
    /* The half of a word of 64 bits on which one can sleep: that with the low 32. */
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define FASTPROC_LOW_HALF(word) ((int32_t *)(word) + 1)
    #else
    #define FASTPROC_LOW_HALF(word) ((int32_t *)(word))
    #endif
    """
    int32_t* low_half "FASTPROC_LOW_HALF"(int64_t* word) nogil

cdef enum:
    # Nanoseconds of the first sleep, and of the longest: each is twice as long as the one before.
    FIRST_NAP = 1_000_000
    LONGEST_NAP = 256_000_000
    # A deadline that never comes.
    NEVER = 0x7FFFFFFFFFFFFFFF
    # How many to wake where all shall wake.
    EVERYBODY = 0x7FFFFFFF

# How a wait ended.
cdef enum Waited:
    WAKED = 0                # the word has changed, or somebody says so
    OVERSLEPT                # nobody has waked for the whole nap
    LATE                     # the deadline is over
    INTERRUPTED              # by a signal, whose handler must run, or maybe


cdef struct Nap:
    int64_t length           # nanoseconds, of the next
    int64_t deadline         # nanoseconds of the monotonic clock


# How long it is worth to look before sleeping, in nanoseconds: 0 on one core.
cdef int64_t look_ns

# Sleeps while `word` is `expected`, for one nap at most.
cdef Waited park(int32_t* word, int32_t expected, Nap* nap) noexcept nogil

# Wakes `count` of those who sleep on `word`, and returns how many there were.
cdef int unpark(int32_t* word, int count) noexcept nogil

# Lets one who sleeps on `word`, which is now `value`, sleep on another word; as `unpark` returns.
cdef int move_sleeper(int32_t* word, int32_t value, int32_t* other) noexcept nogil

# Returns the deadline of a wait by multiprocessing's arguments: at once unless `block`, never if
# `timeout` is None, else in so many seconds.
cdef int64_t deadline_of(object block, object timeout) except? -1

# The two steps of a wait for a word to become other than `seen`, without the GIL.
#
# First looks for a while, unless it was in `vain` too often; returns whether the word has changed.
cdef bint look(int64_t* word, int64_t seen, int64_t* vain) noexcept

# Then sleeps for one nap at most.  Raises what the handlers of signals raise.
cdef Waited doze(int64_t* word, int64_t seen, Nap* nap) except? LATE
