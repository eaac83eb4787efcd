"""Layer: pool.  The face of `_results.pyx` for other Cython modules."""

from libc.stdint cimport int64_t

from fastproc.pool._channel cimport Batch, Channel
from fastproc.pool._function cimport Functions
from fastproc.pool._job cimport Job, Raw
from fastproc.pool._waiting cimport Waiting


cdef class Results(Waiting):
    cdef object _names                      # what workers find by name
    cdef Functions _functions
    cdef object _jobs                       # jobs with tasks to hand out
    cdef object _returned                   # batches to be handed out again
    cdef readonly set unfinished            # jobs
    cdef readonly object ended              # a queue of jobs whose `on_end` is to be called
    cdef public object broken               # why no task can run any more, or None
    cdef bint _closing
    # What waits for `_settle`:
    cdef object _unopened                   # channels by which a parcel arrives
    cdef object _misread                    # batches that a worker could not unpickle, and why
    cdef object _failed_starts              # what initializers raised
    cdef object _spent                      # batches that have left a worker, with their payloads
    cdef int _drain(self, Channel channel) except -1
    cdef int _accept(self, Channel channel, int status, object value, int64_t duration) except -1
    cdef int _take(self, Channel channel, Batch batch, object value, int64_t duration) except -1
    cdef int _give(self, Batch batch, object value) except -1
    cdef int _fail(self, Job job, object error) except -1
    cdef int _end(self, Job job) except -1
    cdef int _forget(self, Job job) except -1
    cdef int _settle(self) except -1
    cdef object _pop(self, object waiting)
    cdef int _open(self, Channel channel) except -1
    cdef int _send_by_value(self, Batch batch, Raw value) except -1
    cdef int _break_by(self, Raw value) except -1
