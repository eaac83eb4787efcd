"""Layer: shm.  Atomic counters and words for Cython modules; memory orders are in `_atomic.h`."""

from libc.stdint cimport int32_t, int64_t


cdef extern from "_atomic.h" nogil:
    # Acquires: sees all that the process or thread wrote which stored this value.
    int64_t atomic_load "fastproc_atomic_load"(const int64_t *address) noexcept
    # Releases: publishes all that was written before.
    void atomic_store "fastproc_atomic_store"(int64_t *address, int64_t value) noexcept
    # Returns the value before the addition.
    int64_t atomic_fetch_add "fastproc_atomic_fetch_add"(int64_t *address, int64_t amount) noexcept
    # Returns whether `expected` stood there and has been replaced by `desired`.
    bint atomic_compare_exchange "fastproc_atomic_compare_exchange"(
        int64_t *address, int64_t expected, int64_t desired) noexcept
    # Returns what stood there before.
    int64_t atomic_exchange "fastproc_atomic_exchange"(int64_t *address, int64_t value) noexcept
    # Sets the bits that `bits` has.
    void atomic_set_bits "fastproc_atomic_set_bits"(int64_t *address, int64_t bits) noexcept
    # The same for words of 32 bits, on which a process can sleep.
    int32_t atomic_load_word "fastproc_atomic_load_word"(const int32_t *address) noexcept
    void atomic_store_word "fastproc_atomic_store_word"(int32_t *address, int32_t value) noexcept
    # Returns what stood there before.
    int32_t atomic_exchange_word "fastproc_atomic_exchange_word"(
        int32_t *address, int32_t value) noexcept
    # Orders each store before it before each load after it.
    void atomic_fence "fastproc_atomic_fence"() noexcept
    # For the body of a loop that waits.
    void pause "FASTPROC_PAUSE"() noexcept
