"""Layer: shm.  The face of `_core.pyx`, `_core.h`: which core a thread runs on, and leaving it."""

from libc.stdint cimport int32_t, int64_t

cdef extern from "_core.h" nogil:
    int this_core "fastproc_this_core"() noexcept


# What one who sleeps remembers of who wakes it; zeros to begin with.
cdef struct Company:
    int64_t together         # times, one after another, waked on the waker's core
    int64_t moved            # to another core, when last
    int64_t move_every       # nanoseconds


# After a sleep: moves this thread to another core if again and again waked on the waker's.
cdef void part_company(Company* company, int32_t wakers_core) noexcept nogil
