"""Layer: shm.  Locks that no signal interrupts.

Python code cannot take a lock and be sure to release it: a Ctrl-C may come between any two of its
steps, the one after acquiring and the one that begins a ``try`` included.  Compiled code is
interrupted only where it looks for signals itself, and these locks do not.
"""
# Safe for free-threaded Python: `_holder` changes by the thread that has the lock alone, and any
# other compares it with itself only, which it is not before and not after.

cdef extern from "Python.h" nogil:
    void* PyThread_allocate_lock()
    void PyThread_free_lock(void* lock)
    int PyThread_acquire_lock(void* lock, int wait)
    void PyThread_release_lock(void* lock)
    unsigned long PyThread_get_thread_ident()


cdef class Mutex:
    """A lock usable in a ``with`` statement.

    Finalizers and signal handlers may run inside the code that has the lock, in its own thread.
    One that comes back to take it gets a RuntimeError, as waiting would never end.
    """

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
        self._holder = PyThread_get_thread_ident()
        return True

    cdef int lock(self) except -1:
        # Who has the lock may need the GIL to go on, so it is given up before waiting.
        if not PyThread_acquire_lock(self._lock, 0):
            if self.is_mine():
                raise RuntimeError(
                    "a signal handler or __del__ method interrupted fastproc in this thread and "
                    "now calls what was interrupted; do that elsewhere")
            with nogil:
                PyThread_acquire_lock(self._lock, 1)
        self._holder = PyThread_get_thread_ident()
        return 0

    cdef int unlock(self) except -1:
        self._holder = 0
        PyThread_release_lock(self._lock)
        return 0

    cdef bint is_held(self):
        """Tell whether any thread has the lock."""
        return self._holder != 0

    cdef bint is_mine(self):
        """Tell whether this thread has the lock."""
        return self._holder == PyThread_get_thread_ident()

    def __enter__(self):
        self.lock()

    def __exit__(self, *exception):
        self.unlock()


cdef class Guard(Mutex):
    """A lock over a state about which finalizers, which must not wait for it, leave notes.

    Parameters
    ----------
    notes : collection
        True while something is to be settled.
    settle : callable
        Takes all notes into account; called with the lock held, at each acquiring of it and, if
        notes have come since, after its release.
    """

    def __init__(self, notes, settle):
        self._notes, self._settle = notes, settle

    def acquire(self):
        """Take the lock, where the release is in another function."""
        self.lock()

    def release(self):
        """Release the lock if this thread has it: an interrupt may have come before `acquire`."""
        if self.is_mine():
            self.unlock()

    def try_settle(self):
        """Settle what was noted unless somebody has the lock, who then will."""
        # Looks again after the release: what is noted before that, nobody else settles.
        while self._notes and self.try_lock():
            try:
                self._settle()
            finally:
                self.unlock()

    def __enter__(self):
        self.lock()
        try:
            self._settle()
        except BaseException:
            self.unlock()
            raise

    def __exit__(self, *exception):
        self.unlock()
        self.try_settle()
