"""Layer: shm.  The face of `_semaphore.pyx` for other Cython modules."""

from libc.stdint cimport int64_t

from fastproc.shm._placed cimport Placed


cdef class Semaphore(Placed):
    cdef int64_t* _words
    cdef int64_t* _entry                    # where this process's was when last seen, or NULL
    cdef int64_t _enrolled                  # the process in which the end is prepared for
    cdef int64_t _vain                      # looks, one after another, that saw nothing
    cdef int _begin(self, int64_t initial, int64_t limit) except -1
    cdef int _enrol(self) except -1
    cdef void _repair(self) noexcept
    cdef int64_t* _find(self, bint make) noexcept
    cdef bint _take(self, bint will_sleep, int64_t* seen) noexcept
    cdef bint _give(self) noexcept
    cdef void _wake(self) noexcept
    cdef bint _acquire(self, int64_t deadline) except -1
    cdef int _recover(self) except -1
    cdef int64_t _held(self) noexcept
    cdef int _disown(self) except -1


cdef class BoundedSemaphore(Semaphore):
    pass
