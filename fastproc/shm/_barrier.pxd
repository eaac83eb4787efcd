"""Layer: shm.  The face of `_barrier.pyx` for other Cython modules."""

from libc.stdint cimport int64_t

from fastproc.shm._park cimport Nap, Waited
from fastproc.shm._placed cimport Placed


cdef class _Room(Placed):
    cdef int64_t* _words
    cdef int64_t _vain                      # looks, one after another, that saw nothing
    cdef bint _enter(self) noexcept
    cdef void _exit(self, bint must_wake) noexcept
    cdef bint _change(self, int64_t kind) noexcept
    cdef int64_t _present(self) noexcept
    cdef bint _settle(self) noexcept
    cdef Waited _nap(self, int64_t state, int64_t place, Nap* nap) except *
    cdef void _look_after(self, int64_t place) noexcept
    cdef int64_t _come(self, bint will_act, bint* is_last) except -1
    cdef bint _await(self, int64_t place, int64_t deadline) except -1
    cdef void _leave(self, int64_t place) noexcept
    cdef bint _end_action(self, int64_t kind) noexcept
    cdef void _reset(self) noexcept
    cdef void _abort(self) noexcept
