"""Layer: shm.  The face of `_semaphore.pyx` for other Cython modules."""

from libc.stdint cimport int64_t

from fastproc.shm._placed cimport Placed


cdef class Semaphore(Placed):
    cdef int64_t* _words
    cdef int64_t* _entry                    # where this process's was when last seen, or NULL
    cdef int64_t _enrolled                  # the process in which the end is prepared for
    cdef int64_t _vain                      # looks, one after another, that saw nothing
    cdef int _begin(self, int64_t initial, int64_t limit) except -1
    cdef int _leave(self) except -1
    cdef int _enrol(self) except -1
    # Under LOCK, which those that end with `_and_exit` release.
    cdef void _enter(self) noexcept nogil
    cdef void _repair(self) noexcept nogil
    cdef int64_t* _own_entry(self, bint make) noexcept nogil
    cdef bint _take_and_exit(self, bint will_sleep, int64_t* seen) noexcept nogil
    cdef bint _give_and_exit(self, bint* must_wake) noexcept nogil
    cdef int64_t _take_back_and_exit(self, int64_t* entry, int64_t identity) noexcept nogil
    # With the GIL.
    cdef bint _take(self, bint will_sleep, int64_t* seen) noexcept
    cdef bint _give(self) noexcept
    cdef void _wake(self) noexcept
    cdef bint _acquire(self, int64_t deadline) except -1
    cdef int _recover(self) except -1
    cdef bint _is_holder(self) noexcept nogil
    cdef int _disown(self) except -1


cdef class BoundedSemaphore(Semaphore):
    pass
