"""Layer: pool.  The face of `_job.pyx` for other Cython modules."""

from libc.stdint cimport int64_t

from fastproc.pool._function cimport Function
from fastproc.shm._mutex cimport Mutex


cdef class Raw:
    cdef readonly int status
    cdef object data                        # bytes
    cdef Mutex opening                      # held while a parcel is mapped; None for other bytes
    cdef object opened                      # the parcel, once it is mapped
    cdef object error                       # in place of a value
    cdef object sender                      # the process number of the worker


cdef class Lost(Raw):
    pass


cdef class Ends


cdef class Job:
    cdef readonly Function function
    cdef readonly object items              # a list, or None
    cdef readonly object values             # a list by item, or a dict where items are drawn
    cdef readonly int64_t chunk
    cdef readonly int64_t drawn             # items handed out
    cdef readonly int64_t unfinished        # of those
    cdef readonly bint exhausted            # there are no more items to hand out
    cdef readonly bint abandoned            # nobody wants the results
    cdef readonly bint has_raw              # some values are not read yet
    cdef public object error                # why the job as a whole has failed, or None
    cdef public object on_end               # called with the job when it has ended, if not None
    cdef public object names                # what its items are pickled for, if not as all others
    cdef public Ends ends                   # where it is put when it has ended, if not None
    cdef readonly double timeout            # seconds that a task may run; 0 for any time
    cdef readonly int64_t retries           # times that a task is done again after a death
    cdef dict tries                         # by item, of those that were done again
    cdef public int64_t consumed            # items whose results have been taken, where drawn
    cdef readonly bint is_eager             # items are drawn however few results are taken
    cdef readonly bint is_ordered           # results of drawn items are taken in order
    cdef object iterator                    # of a plain kind, which runs no user's code
    cdef readonly object source             # any other iterator, drawn from by a feeder
    cdef object fed                         # what the feeder has drawn and nobody has had
    cdef bint fed_all
    cdef object iterator_error              # what it raised after the items drawn last
    cdef bint feeder_waits
    cdef object room                        # a lock at which the feeder waits
    cdef int style
    cdef double item_ns                     # a moving mean
    cdef int64_t total
    cdef bint is_done(self)
    cdef bint may_draw(self, Py_ssize_t n_workers, bint closing)
    cdef bint wants_more(self, Py_ssize_t n_workers, bint closing)
    cdef list draw(self, int64_t n)
    cdef int let_feed(self) except -1
    cdef int64_t message_items(self, Py_ssize_t n_workers)
    cdef int learn(self, double item_ns) except -1
    cdef bint try_again(self, int64_t item)
    cdef int accept(self, int64_t first, int64_t count, object value) except -1


cdef class Ends(Job):
    cdef object _ended                      # a deque of jobs
    cpdef put(self, Job job)


cdef class Part:
    cdef readonly object value
    cdef readonly int64_t count
