"""Layer: pool.  The face of `_function.pyx` for other Cython modules."""

from libc.stdint cimport int32_t, int64_t


cdef class Function:
    cdef readonly object function
    cdef int32_t number
    cdef bytes name                         # for those who look at the workers
    cdef object payload


cdef class Functions:
    cdef object _names
    cdef dict _known
    cdef int64_t _n_named
    cdef int64_t _n_others
    cdef Function find(self, object function)
    cdef Function by_value(self, object function, object names)
