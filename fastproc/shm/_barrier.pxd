"""Layer: shm.  The face of `_barrier.pyx` for other Cython modules."""

from libc.stdint cimport int64_t

from fastproc.shm._park cimport Nap, Waited
from fastproc.shm._placed cimport Placed


# What is done with LOCK: changes a room, and returns what there is to tell.  Sets `must_wake` if
# somebody may sleep.
ctypedef int64_t (*Step)(_Room room, int64_t argument, bint* must_wake) noexcept nogil


cdef class _Room(Placed):
    cdef int64_t* _words
    cdef int64_t _vain                      # looks, one after another, that saw nothing
    cdef int64_t _do(self, Step step, int64_t argument) noexcept
    cdef int64_t _do_with_lock(self, Step step, int64_t argument, bint must_wake) noexcept nogil
    cdef bint _change(self, int64_t kind) noexcept nogil
    cdef int64_t _kind(self) noexcept nogil
    cdef int64_t _present(self) noexcept nogil
    cdef bint _settle(self) noexcept nogil
    cdef Waited _nap(self, int64_t state, int64_t place, Nap* nap) except *
    cdef void _look_after(self, int64_t place) noexcept
    cdef int64_t _come(self, bint will_act, bint* is_last) except -1
    cdef bint _await(self, int64_t place, int64_t deadline) except -1
