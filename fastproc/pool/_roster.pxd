"""Layer: pool.  The face of `_roster.pyx` for other Cython modules."""

from fastproc.pool._channel cimport Channel


cdef class Roster:
    cdef readonly list channels             # by slot; None where there is no worker
    cdef readonly Py_ssize_t n_workers
    cdef Py_ssize_t n_busy                  # workers that have a message
    cdef Py_ssize_t n_behind                # messages that wait behind another
    cdef list _idle
    cdef list _ahead
    cdef list _loaded
    cdef int add(self, Channel channel) except -1
    cdef int remove(self, Channel channel) except -1
    cdef int update(self, Channel channel) except -1
    cdef Channel idle(self)
    cdef Channel ahead(self)
    cdef Channel loaded(self)
    cdef int unload(self) except -1
    cdef int _count(self, Channel channel, Py_ssize_t n) except -1
    cdef bint _is_here(self, Channel channel)
