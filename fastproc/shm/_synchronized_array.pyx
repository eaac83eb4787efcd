"""Layer: shm.  Arrays with a lock around them, whose numbers can be changed without it.

What `_synchronized.pyx` says of a number holds for each item.
"""
# Safe for free-threaded Python: an object does not change after __init__, its numbers are atomic.

cimport cython
from cpython.buffer cimport Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.number cimport PyNumber_AsSsize_t
from cpython.slice cimport PySlice_AdjustIndices, PySlice_Unpack

from fastproc.shm._number cimport Number, from_number, to_fitting_number, to_number
from fastproc.shm._synchronized cimport (
    SynchronizedBase, change, compare, enter, leave, load, refuse, store,
)


@cython.no_gc_clear
cdef class SynchronizedArray(SynchronizedBase):
    """An array and a lock; see `Array`.

    Items are read and written under the lock, which a loop over all should take itself: ``with
    array:``.  Slices are lists.  ``np.asarray(array)`` is an ndarray over the same memory, which
    the lock does not see.

    The methods of `Synchronized` that change a number at once are here too, with the index before
    their other arguments.

    Examples
    --------
    >>> from fastproc.shm.sharedctypes import Array
    >>> array = Array("i", [1, 2, 3])
    >>> array[1:] = [5, 6]
    >>> array.max(0, 4), array[:]
    (1, [4, 5, 6])
    """

    def __init__(self, obj, lock=None, ctx=None):
        SynchronizedBase.__init__(self, obj, lock, ctx)
        # Not a subclass of the array type, which may read and write otherwise.
        if type(obj) is obj._type_ * obj._length_:
            self._find_numbers(obj._type_, obj._length_)

    def __len__(self):
        return len(self._obj)

    def __getitem__(self, index):
        if self._kind is NULL:
            with self:
                return self._obj[index]
        if isinstance(index, slice):
            return self._get_slice(index)
        return load(self, self._at(index))

    def __setitem__(self, index, value):
        if self._kind is NULL:
            with self:
                self._obj[index] = value
        elif isinstance(index, slice):
            self._set_slice(index, value)
        else:
            store(self, self._at(index), value)

    cdef list _get_slice(self, slice bounds):
        cdef Py_ssize_t start, stop, step, n, i
        cdef bint is_taken
        PySlice_Unpack(bounds, &start, &stop, &step)
        n = PySlice_AdjustIndices(self._length, &start, &stop, step)
        is_taken = enter(self)
        try:
            return [
                from_number(
                    self._kind, self._kind.load(self._start + (start + i * step) * self._kind.size))
                for i in range(n)
            ]
        finally:
            leave(self, is_taken)

    cdef int _set_slice(self, slice bounds, object sequence) except -1:
        cdef Py_ssize_t start, stop, step, n, i
        cdef list values
        cdef bytearray numbers
        cdef Number* converted
        cdef bint is_taken
        PySlice_Unpack(bounds, &start, &stop, &step)
        n = PySlice_AdjustIndices(self._length, &start, &stop, step)
        try:
            items = iter(sequence)
        except TypeError:               # which is a ValueError for ctypes
            raise ValueError(
                f"a slice is set to a sequence, not {type(sequence).__name__!r}") from None
        values = list(items)            # what this raises is the sequence's own
        if n != len(values):
            raise ValueError(
                f"a slice of {n} items cannot be set to {len(values)}: an array keeps its length")
        # All before the first is stored, so that what cannot be converted changes nothing.
        numbers = bytearray(n * sizeof(Number))
        converted = <Number*><char*>numbers
        for i in range(n):
            to_number(self._kind, values[i], &converted[i])
        is_taken = enter(self)
        for i in range(n):
            self._kind.store(self._start + (start + i * step) * self._kind.size, converted[i])
        leave(self, is_taken)
        return 0

    def __getbuffer__(self, Py_buffer* view, int flags):
        cdef Py_buffer theirs
        PyObject_GetBuffer(self._obj, &theirs, flags)
        # The ctypes object's own view: it keeps the memory, and has nothing to do at the end.
        view.buf, view.len, view.itemsize = theirs.buf, theirs.len, theirs.itemsize
        view.readonly, view.ndim, view.format = theirs.readonly, theirs.ndim, theirs.format
        view.shape, view.strides, view.suboffsets = theirs.shape, theirs.strides, theirs.suboffsets
        view.internal = theirs.internal
        view.obj = self._obj
        PyBuffer_Release(&theirs)

    cdef char* _at(self, object index) except NULL:
        cdef Py_ssize_t i
        if self._kind is NULL:
            refuse(self)
        i = PyNumber_AsSsize_t(index, IndexError)
        if i < 0:
            i += self._length
        if not 0 <= i < self._length:
            raise IndexError(f"index {index} is out of range for an array of {self._length}")
        return self._start + i * self._kind.size

    def load(self, index):
        """Return an item."""
        cdef char* place = self._at(index)
        return from_number(self._kind, self._kind.load(place))

    def store(self, index, value):
        """Set an item."""
        cdef Number number
        cdef char* place = self._at(index)
        to_fitting_number(self._kind, value, &number)
        self._kind.store(place, number)

    def exchange(self, index, value):
        """Set an item and return the one before."""
        cdef char* place = self._at(index)
        return change(self, place, self._kind.exchange, value)

    def add(self, index, amount):
        """Add to an item."""
        cdef Number number
        cdef char* place = self._at(index)
        to_fitting_number(self._kind, amount, &number)
        self._kind.fetch_add(place, number)

    def fetch_add(self, index, amount):
        """Add to an item and return the one before."""
        cdef char* place = self._at(index)
        return change(self, place, self._kind.fetch_add, amount)

    def max(self, index, value):
        """Set an item if `value` is greater, or the item is a NaN; return the one before.

        A `value` that is a NaN changes nothing: as for ``np.fmax``, it is one that is missing.
        """
        cdef char* place = self._at(index)
        return change(self, place, self._kind.fetch_max, value)

    def min(self, index, value):
        """Set an item if `value` is less, or the item is a NaN; return the one before.

        A `value` that is a NaN changes nothing: as for ``np.fmin``, it is one that is missing.
        """
        cdef char* place = self._at(index)
        return change(self, place, self._kind.fetch_min, value)

    def compare_exchange(self, index, expected, desired):
        """Set an item to `desired` if it equals `expected`; return whether it did.

        A NaN counts as equal to a NaN, so that what `load` has returned is always found again.
        """
        return compare(self, self._at(index), expected, desired)


@cython.no_gc_clear
cdef class SynchronizedString(SynchronizedArray):
    """An array of characters and a lock; see `Array`.

    Examples
    --------
    >>> from fastproc.shm.sharedctypes import Array
    >>> text = Array("c", b"ab\\0c")
    >>> text.value, text.raw, text[1:]
    (b'ab', b'ab\\x00c', b'b\\x00c')
    """

    @property
    def value(self):
        """The bytes before the first that is zero."""
        with self:
            return self._obj.value

    @value.setter
    def value(self, value):
        with self:
            self._obj.value = value

    @property
    def raw(self):
        """All bytes."""
        with self:
            return self._obj.raw

    @raw.setter
    def raw(self, value):
        with self:
            self._obj.raw = value
