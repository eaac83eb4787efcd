"""Layer: shm.  The face of `_event.pyx` for other Cython modules."""

from libc.stdint cimport int64_t


cdef class Event:
    cdef object __weakref__
    cdef readonly object _block
    cdef int64_t* _word
    cdef int64_t _vain                      # looks, one after another, that saw nothing
    cdef bint _wait(self, int64_t now, int64_t deadline) except -1
