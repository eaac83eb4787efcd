"""Layer: tests.  What the bytes of a stress's record are: they follow from its number."""

from libc.stdint cimport int64_t, uint64_t


cdef inline uint64_t mix(uint64_t number) noexcept nogil:
    """Return 64 bits that look random (a step of xorshift, and one of multiplication)."""
    number = (number + 1) * 0x9E3779B97F4A7C15ULL
    number ^= number >> 30
    number *= 0xBF58476D1CE4E5B9ULL
    return number ^ (number >> 27)


cdef inline char byte_of(int64_t number, Py_ssize_t i) noexcept nogil:
    return <char>((mix(number) >> ((i & 7) * 8)) + <uint64_t>i)
