"""Layer: shm.  The face of `_mutex.pyx` for other Cython modules."""


cdef class Mutex:
    cdef void* _lock
    cdef unsigned long _holder              # the thread that has it; 0 where none has
    cdef bint try_lock(self)
    cdef int lock(self) except -1
    cdef int unlock(self) except -1
    cdef bint is_held(self)
    cdef bint is_mine(self)


cdef class Guard(Mutex):
    cdef object _notes
    cdef object _settle
