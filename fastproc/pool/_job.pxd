"""Layer: pool.  The face of `_job.pyx` for other Cython modules."""

from libc.stdint cimport int32_t, int64_t


cdef class Raw:
    cdef readonly int status
    cdef object data


cdef class Lost(Raw):
    cdef readonly object error


cdef class Function:
    cdef readonly object function
    cdef int32_t number
    cdef object payload


cdef class Job:
    cdef readonly Function function
    cdef readonly object items
    cdef readonly object values             # a list by item, or a dict where items are drawn
    cdef readonly int64_t chunk
    cdef readonly int64_t drawn             # items handed out, or being handed out
    cdef readonly int64_t unfinished        # of those
    cdef readonly bint exhausted            # there are no more items to draw
    cdef readonly bint abandoned
    cdef readonly bint has_raw              # some values are not read yet
    cdef public bint failed
    cdef public object on_end               # called by the manager with the job, if not None
    cdef readonly double timeout            # seconds that a task may run; 0 for any time
    cdef readonly int64_t retries           # times that a task is done again after a death
    cdef dict tries                         # by item, of those that were done again
    cdef public int64_t consumed            # items whose results have been taken, where drawn
    cdef readonly bint is_eager             # items are drawn however few results are taken
    cdef readonly bint is_ordered           # results of drawn items are taken in order
    cdef object iterator
    cdef object iterator_error              # what it raised after the items drawn last
    cdef int style
    cdef bint drawing
    cdef double item_ns                     # a moving mean
    cdef int64_t total
    cdef bint is_done(self)
    cdef bint may_draw(self, Py_ssize_t n_workers)
    cdef int64_t message_items(self, Py_ssize_t n_workers)
    cdef void learn(self, double item_ns)
    cdef bint try_again(self, int64_t item)
    cdef int accept(self, int64_t first, int64_t count, object value) except -1


cdef class Part:
    cdef readonly object value
    cdef readonly int64_t count
