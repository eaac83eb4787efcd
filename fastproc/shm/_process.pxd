"""Layer: shm.  The face of `_process.pyx` for other Cython modules."""

from libc.stdint cimport int64_t

cdef enum:
    PID_BITS = 31

# This process: its number in the low PID_BITS bits, when it began above bit 32.  Positive, and
# the same in no other process that lives or has lived; a fork has its own.
cdef int64_t this_process


# Tells whether the process of an identity has ended; some microseconds.
cdef bint has_ended(int64_t identity) noexcept nogil


cdef inline int64_t pid_of(int64_t identity) noexcept nogil:
    """Return a process's number."""
    return identity & ((<int64_t>1 << PID_BITS) - 1)
