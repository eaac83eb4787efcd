"""Layer: pool.  The face of `_deaths.pyx` for other Cython modules."""

from libc.stdint cimport int64_t

from fastproc.pool._channel cimport Batch, Channel
from fastproc.pool._results cimport Results


cdef class Deaths(Results):
    cdef readonly object memory             # of all slots
    cdef object _mapping
    cdef char* _base
    cdef readonly Py_ssize_t n_slots
    cdef list _born                         # by slot, when its worker was started
    cdef readonly list restarts             # by slot
    cdef readonly object to_kill            # condemned workers' channels, for the manager
    cdef int64_t _next_look                 # when the manager looks for overdue tasks
    cdef int _lose(self, Batch batch, object error) except -1
    cdef bint _condemn(self, Channel channel, object error) except -1
