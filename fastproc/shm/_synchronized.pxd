"""Layer: shm.  The face of `_synchronized.pyx` for other Cython modules, and its quick half."""

from fastproc.shm._lock cimport RLock
from fastproc.shm._number cimport (
    Kind, Number, Operation, from_number, to_fitting_number, to_number,
)
from fastproc.shm._park cimport NEVER


cdef class SynchronizedBase:
    cdef object __weakref__
    cdef readonly object _obj
    cdef readonly object _lock
    cdef readonly object acquire
    cdef readonly object release
    cdef RLock _rlock                   # the lock, if it is one that is known here
    cdef const Kind* _kind              # NULL if not of plain numbers in shared memory
    cdef char* _start                   # of the numbers
    cdef Py_ssize_t _length             # how many
    cdef bint _is_registered            # whether the ctypes object can travel by itself
    # Sees whether the object has `length` plain numbers of a type.
    cdef int _find_numbers(self, object type_, Py_ssize_t length) except -1


# Raises the error of an atomic operation on what is no number.
cdef int refuse(SynchronizedBase self) except -1


cdef inline bint enter(SynchronizedBase self) except -1:
    """Take the lock; return whether it has to be released."""
    if self._rlock is None:
        self.acquire()
        return True
    if self._rlock._is_mine():
        return False
    return self._rlock._acquire(NEVER)


cdef inline int leave(SynchronizedBase self, bint is_taken) except -1:
    if is_taken:
        if self._rlock is None:
            self.release()
        else:
            self._rlock._release()
    return 0


cdef inline object load(SynchronizedBase self, char* place):
    cdef bint is_taken = enter(self)
    cdef Number number = self._kind.load(place)
    leave(self, is_taken)
    return from_number(self._kind, number)


cdef inline int store(SynchronizedBase self, char* place, object value) except -1:
    cdef Number number
    cdef bint is_taken
    to_number(self._kind, value, &number)       # Python code may run, thus before the lock
    is_taken = enter(self)
    self._kind.store(place, number)
    leave(self, is_taken)
    return 0


cdef inline object change(
    SynchronizedBase self, char* place, Operation operation, object argument
):
    """Convert the argument of an atomic operation, do it, and return the number before."""
    cdef Number number
    to_fitting_number(self._kind, argument, &number)
    return from_number(self._kind, operation(place, number))


cdef inline bint compare(
    SynchronizedBase self, char* place, object expected, object desired
) except -1:
    """Put `desired` where `expected` stands; return whether it stood there."""
    cdef Number old, new
    to_fitting_number(self._kind, expected, &old)
    to_fitting_number(self._kind, desired, &new)
    return self._kind.compare_exchange(place, old, new)
