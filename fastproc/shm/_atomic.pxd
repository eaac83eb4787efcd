"""Layer: shm.  64-bit atomic counters for Cython modules; memory orders are in `_atomic.h`."""

from libc.stdint cimport int64_t


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
