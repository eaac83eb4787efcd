"""Layer: shm.  The face of `_condition.pyx` for other Cython modules."""

from libc.stdint cimport int64_t

from fastproc.shm._lock cimport _Holdable
from fastproc.shm._placed cimport Placed


cdef class Condition(Placed):
    cdef _Holdable _lock
    cdef int64_t* _words
    cdef int64_t _vain                      # looks, one after another, that saw nothing
    cdef int64_t* _register(self) noexcept
    cdef bint _leave(self, int64_t* place, bint is_whole) noexcept
    cdef bint _wait(self, int64_t deadline) except -1
    cdef bint _wait_in_crowd(self, int64_t deadline) except -1
    cdef bint _sleep(
        self, int64_t* word, int64_t looking, int64_t sleeping, int64_t deadline) except -1
    cdef int64_t* _oldest(self, int64_t before, int64_t* state) noexcept
    cdef bint _tell(
        self, int64_t* place, int64_t state, int64_t told, bint has_lock) noexcept
    cdef int64_t _notify(self, int64_t n, int64_t before, bint has_lock) noexcept
    cdef void _pass_on(self) noexcept
