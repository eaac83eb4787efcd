"""Layer: pool.  The face of `_mutex.pyx` for other Cython modules."""


cdef class Mutex:
    cdef void* _lock
    cdef bint held
    cdef bint try_lock(self)
    cdef int lock(self) except -1
    cdef int unlock(self) except -1
