"""Layer: pool.  The face of `_channel.pyx` for other Cython modules."""

from libc.stdint cimport int32_t, int64_t

from fastproc.pool._function cimport Function
from fastproc.pool._job cimport Job, Raw
from fastproc.pool._messages cimport ResultHeader
from fastproc.shm._ring cimport Ring


cdef class Batch:
    cdef Job job
    cdef list items
    cdef int64_t first
    cdef int64_t done
    cdef int64_t count                      # of tasks: one for a chunk, else one per item
    cdef int64_t position                   # in the worker's ring
    cdef object payload                     # as sent, while it is in flight
    cdef bint by_value                      # a worker has missed a name of ours
    cdef Batch part(self, int64_t start, int64_t stop)


cdef class Channel:
    cdef readonly Py_ssize_t slot
    cdef readonly object process
    cdef readonly bint retiring             # it was told to stop
    cdef readonly int64_t received          # results of tasks
    cdef Ring tasks
    cdef Ring results
    cdef int32_t* bell
    cdef int32_t* room
    cdef int64_t* started
    cdef int64_t* since
    cdef int64_t* condemned
    cdef int64_t* ready
    cdef int64_t* overweight
    cdef int64_t* opened_by_parent
    cdef Raw arriving                       # a result in a parcel that is not open yet, or None
    cdef int64_t arriving_ns                # how long its task took
    cdef int64_t opened                     # parcels among the results
    cdef object sentence                    # why the worker is to be killed, or None
    cdef readonly int64_t born              # when it was started, in nanoseconds
    cdef readonly int64_t busy              # nanoseconds in tasks
    cdef readonly int64_t sent_bytes        # in its rings; parcels count by their handles
    cdef readonly int64_t received_bytes
    cdef bint is_full                       # its ring of tasks had no room for the last message
    cdef bint no_prefetch                   # what waited there was withdrawn for an idle worker
    cdef object pipe                        # to its bell, where there are no futexes
    cdef object flight                      # Batches sent and not finished, in order
    cdef dict functions                     # sent, by number
    # For the roster: how many messages it has counted, and in which of its lists this one is.
    cdef Py_ssize_t counted
    cdef bint is_idle_listed
    cdef bint is_ahead_listed
    cdef bint is_loaded_listed
    cdef int64_t left                       # tasks it may yet be sent; negative for any number
    cdef bint put(self, int32_t kind, Function function, int style, int64_t chunk, object payload,
                  int64_t* position)
    cdef int retire(self) except -1
    cdef int count_opened(self) except -1
    cdef int ring(self, int32_t* bell) except -1
    cdef object value_of(self, ResultHeader* header, char* data, Py_ssize_t n)
