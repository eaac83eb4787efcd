"""Layer: shm.  The face of a ring for other Cython modules; see `_ring.pyx`."""

from libc.stdint cimport int64_t


cdef class Ring:
    cdef readonly Py_ssize_t capacity   # bytes of records; a power of 2
    cdef readonly Py_ssize_t most       # the longest payload, in bytes
    cdef object _memory                 # keeps the mapping alive
    cdef char* _records
    cdef int64_t* _tail                 # bytes ever published; the producer's
    cdef int64_t* _head                 # bytes ever consumed; the consumer's
    cdef int64_t _seen                  # what this side last read of the other side's counter

    # The producer's side.
    cdef char* claim(self, Py_ssize_t n) noexcept nogil
    cdef int64_t publish(self, Py_ssize_t n) noexcept nogil
    cdef bint withdraw(self, int64_t position) noexcept nogil
    # The consumer's side.
    cdef char* front(self, Py_ssize_t* n) noexcept nogil
    cdef bint take(self) noexcept nogil
    cdef void consume(self) noexcept nogil
    # Either side's.
    cdef bint is_empty(self) noexcept nogil
