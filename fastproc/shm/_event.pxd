"""Layer: shm.  The face of `_event.pyx` for other Cython modules."""

from libc.stdint cimport int64_t

from fastproc.shm._placed cimport Placed


cdef class Event(Placed):
    cdef int64_t* _word
    cdef int64_t _vain                      # looks, one after another, that saw nothing
    cdef bint _wait(self, int64_t now, int64_t deadline) except -1
