"""Layer: pool.  A lock that no signal interrupts.

Acquiring a `threading.Lock` may end with a KeyboardInterrupt.  Between two steps that must both be
done, such as taking a batch out of one queue and putting it into another, it must not.
"""
# Safe for free-threaded Python: `held` changes by the thread that has the lock alone.

cdef extern from "Python.h" nogil:
    void* PyThread_allocate_lock()
    void PyThread_free_lock(void* lock)
    int PyThread_acquire_lock(void* lock, int wait)
    void PyThread_release_lock(void* lock)


cdef class Mutex:
    """A lock for compiled code; usable in a ``with`` statement."""

    def __cinit__(self):
        self._lock = PyThread_allocate_lock()
        if self._lock == NULL:
            raise MemoryError("the system has no lock to give")

    def __dealloc__(self):
        if self._lock != NULL:
            PyThread_free_lock(self._lock)

    cdef bint try_lock(self):
        if not PyThread_acquire_lock(self._lock, 0):
            return False
        self.held = True
        return True

    cdef int lock(self) except -1:
        # Who has the lock may need the GIL to go on, so it is given up before waiting.
        if not PyThread_acquire_lock(self._lock, 0):
            with nogil:
                PyThread_acquire_lock(self._lock, 1)
        self.held = True
        return 0

    cdef int unlock(self) except -1:
        self.held = False
        PyThread_release_lock(self._lock)
        return 0

    def __enter__(self):
        self.lock()

    def __exit__(self, *exception):
        self.unlock()
