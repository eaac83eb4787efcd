"""Layer: shm.  The face of `_items.pyx` for other Cython modules."""

from libc.stdint cimport int64_t

from fastproc.shm._fifo cimport Fifo
from fastproc.shm._placed cimport Placed


cdef struct _Part:
    const char* data
    int64_t n_bytes


cdef class _Item:
    """What becomes of an object that is not a scalar."""
    cdef int kind
    cdef int64_t n_bytes                    # of the payload
    cdef object handles
    cdef list _views                        # of the parts, to keep them
    cdef _Part* _parts
    cdef Py_ssize_t _n_parts
    cdef void write(self, char* place) noexcept nogil


cdef class Items(Placed):
    """What all queues have in common."""
    cdef Fifo _fifo
    cdef bint _by_name                      # whether its users are forks
    cdef bint _closed                       # by this process
    cdef object _waitable
    # What this process has got and not returned, since an error or an interrupt came in between:
    # the process, kinds and bytes, or -1 and items.  The next who gets here has it; a fork, which
    # inherits the list, knows by the process that it is not its own.
    cdef list _left
    cdef int _begin(self, int64_t most_items, object ctx) except -1
    # Puts one item; False if the deadline came first.
    cdef bint _put(self, object obj, int64_t deadline) except -1
    # Puts items in their order; returns how many were put before the deadline.
    cdef Py_ssize_t _put_many(self, list objs, int64_t deadline) except -1
    # Gets one item; raises Empty if the deadline comes first.
    cdef object _get(self, int64_t deadline)
    # Gets the items that are there, after waiting for the first of them.
    cdef list _get_many(self, Py_ssize_t most, int64_t deadline)

    cdef bint _put_packed(self, _Item item, int kind, int64_t word, int64_t deadline) except -1
    cdef void _finish(self, char* place, _Item item, int kind, int64_t word) noexcept nogil
    cdef void _write(self, char* place, _Item item, int kind, int64_t word) noexcept nogil
    cdef bint _put_batch(
        self, list objs, list items, Py_ssize_t* done, int64_t deadline) except -1
    cdef object _take(self, int kind, char* place, int64_t n_bytes)
    cdef void _consume(self, char* memory, const char* place, int64_t n_bytes) noexcept nogil
    cdef object _open(self, int kind, object data)
    cdef tuple _next_left(self)
    cdef Py_ssize_t _n_left(self) except -1
    cdef tuple _get_batch(self, list items, Py_ssize_t most)
