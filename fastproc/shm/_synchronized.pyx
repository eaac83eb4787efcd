"""Layer: shm.  ctypes objects with a lock around them, and numbers that change without it.

The ctypes object and the lock do the work, and travel; see ``sharedctypes.py``.  Where the object
is a plain number of shared memory, or an array of such (`_synchronized_array.pyx`), the classes
read and write the memory themselves (`_number.h`), which is quicker and atomic:

    value, [index]      take the lock, unless this thread has it, as multiprocessing's do
    load, store, add, fetch_add, exchange, compare_exchange, max, min      do not look at the lock

Both read and write a number by one access, so that nobody ever sees half of one.  The lock does not
stop the second kind: who has read `value` under the lock may find that it has changed since.

A process that is killed has changed a number or not.  One that is killed while it has the lock
leaves it to the next, who is warned; `_lock.pyx` has that.
"""
# Safe for free-threaded Python: an object does not change after __init__, its numbers are atomic.

cimport cython
from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.stdint cimport uintptr_t

from fastproc.shm._lock cimport RLock
from fastproc.shm._number cimport Kind, Number, from_number, kind_of, to_fitting_number
from fastproc.shm._park cimport NEVER

import ctypes
from multiprocessing.reduction import ForkingPickler

from fastproc.shm import block as blocks
from fastproc.shm import rawctypes

# The types of plain numbers.  A subclass may read and write otherwise, so it is none.
cdef dict FAMILIES = {
    getattr(ctypes, f"c_{name}"): family
    for family, names in (
        ("i", "byte short int long longlong"),
        ("u", "ubyte ushort uint ulong ulonglong"),
        ("d", "float double"),
    )
    for name in names.split()
}


cdef const Kind* kind_for(object type_) except? NULL:
    """Return the operations for a ctypes type, NULL if it is no plain number's."""
    cdef str family = FAMILIES.get(type_)
    if family is None:
        return NULL
    return kind_of(<char>ord(family), ctypes.sizeof(type_))


# Not cleared by the garbage collector: a finalizer might still use the memory.  What a cycle has
# besides, such as an instance's dictionary, is.
@cython.no_gc_clear
cdef class SynchronizedBase:
    """A ctypes object and a lock; see `Value`, `Array` and `synchronized`.

    Parameters
    ----------
    obj : ctypes object
        In shared memory.
    lock : lock, optional
        A new RLock if None.
    ctx : object, optional
        Not used: all contexts have the same locks.

    Attributes
    ----------
    acquire, release
        The lock's.

    Examples
    --------
    >>> from fastproc.shm.sharedctypes import Value
    >>> isinstance(Value("i"), SynchronizedBase)
    True
    """

    def __init__(self, obj, lock=None, ctx=None):
        if self._obj is not None:
            raise RuntimeError(f"{self!r} is initialised already")
        if lock is None:
            lock = RLock()
        self.acquire, self.release = lock.acquire, lock.release
        self._rlock = <RLock>lock if type(lock) is RLock else None
        self._lock = lock
        self._obj = obj
        # Here, as subclasses are pickled by their exact type too.
        ForkingPickler.register(type(self), SynchronizedBase._reduce)

    cdef int _find_numbers(self, object type_, Py_ssize_t length) except -1:
        cdef const Kind* kind = kind_for(type_)
        cdef Py_buffer view
        # Other memory of ctypes may be misaligned, or moved by ctypes.resize.
        if kind is NULL or not rawctypes.is_shared(self._obj):
            return 0
        PyObject_GetBuffer(self._obj, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        if <uintptr_t>view.buf % kind.size == 0 and view.len >= length * <Py_ssize_t>kind.size:
            self._start, self._length, self._kind = <char*>view.buf, length, kind
        PyBuffer_Release(&view)         # the object stays, and keeps the memory
        return 0

    def _reduce(self):
        """Reduce for a related process, where `synchronized` chooses the class."""
        from fastproc.shm.sharedctypes import _rebuild      # which imports this module

        description = rawctypes.describe(self._obj)
        if description is None:
            raise TypeError(
                f"{self!r} cannot be sent to a process as it does not lie in shared memory; make "
                "it with Value or Array, or with RawValue, RawArray or copy and then synchronized")
        return _rebuild, (self._lock, *description)

    def __enter__(self):
        if self._rlock is not None:
            return self._rlock._acquire(NEVER)
        return self._lock.__enter__()

    def __exit__(self, kind, error, traceback):
        if self._rlock is not None:
            self._rlock._release()
            return None
        return self._lock.__exit__(kind, error, traceback)

    def get_obj(self):
        """Return the ctypes object, whose use the lock does not see."""
        if not self._is_registered:
            rawctypes.register(self._obj)
            self._is_registered = True
        return self._obj

    def get_lock(self):
        """Return the lock."""
        return self._lock

    def __repr__(self):
        return f"<{type(self).__name__} wrapper for {self._obj}>"

    def __reduce__(self):
        blocks.refuse_to_pickle(self)


cdef int refuse(SynchronizedBase self) except -1:
    raise TypeError(
        f"{self!r} has no atomic operations; integers and floats in shared memory have, such as "
        "Value('i') and Array('d', 3)")


@cython.no_gc_clear
cdef class Synchronized(SynchronizedBase):
    """A number, character or the like, and a lock; see `Value`.

    An integer or a float has methods that change it at once, as if under a lock, though nobody
    waits: in a seventh of the time that the lock takes, and right whoever is killed when.  Sums of
    integers wrap around as C's do; an argument that does not fit the type is an OverflowError, and
    one that is no such number, or an object that is none, a TypeError.  The lock does not stop
    them.

    Examples
    --------
    >>> from fastproc.shm.sharedctypes import Value
    >>> value = Value("d", 1.5)
    >>> with value:
    ...     value.value *= 2
    >>> value.fetch_add(1), value.value
    (3.0, 4.0)
    """

    def __init__(self, obj, lock=None, ctx=None):
        SynchronizedBase.__init__(self, obj, lock, ctx)
        self._find_numbers(type(obj), 1)

    @property
    def value(self):
        """The value, which is read and written under the lock."""
        if self._kind is not NULL:
            return load(self, self._start)
        with self:
            return self._obj.value

    @value.setter
    def value(self, value):
        if self._kind is not NULL:
            store(self, self._start, value)
            return
        with self:
            self._obj.value = value

    cdef char* _place(self) except NULL:
        if self._kind is NULL:
            refuse(self)
        return self._start

    def load(self):
        """Return the number."""
        cdef char* place = self._place()
        return from_number(self._kind, self._kind.load(place))

    def store(self, value):
        """Set the number."""
        cdef Number number
        cdef char* place = self._place()
        to_fitting_number(self._kind, value, &number)
        self._kind.store(place, number)

    def exchange(self, value):
        """Set the number and return the one before."""
        cdef char* place = self._place()
        return change(self, place, self._kind.exchange, value)

    def add(self, amount):
        """Add to the number."""
        cdef Number number
        cdef char* place = self._place()
        to_fitting_number(self._kind, amount, &number)
        self._kind.fetch_add(place, number)

    def fetch_add(self, amount):
        """Add to the number and return the one before."""
        cdef char* place = self._place()
        return change(self, place, self._kind.fetch_add, amount)

    def max(self, value):
        """Set the number if `value` is greater, or the number is a NaN; return the one before.

        A `value` that is a NaN changes nothing: as for ``np.fmax``, it is one that is missing.
        """
        cdef char* place = self._place()
        return change(self, place, self._kind.fetch_max, value)

    def min(self, value):
        """Set the number if `value` is less, or the number is a NaN; return the one before.

        A `value` that is a NaN changes nothing: as for ``np.fmin``, it is one that is missing.
        """
        cdef char* place = self._place()
        return change(self, place, self._kind.fetch_min, value)

    def compare_exchange(self, expected, desired):
        """Set the number to `desired` if it equals `expected`; return whether it did.

        A NaN counts as equal to a NaN, so that what `load` has returned is always found again.
        """
        return compare(self, self._place(), expected, desired)
