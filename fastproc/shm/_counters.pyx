"""Layer: shm.  Atomic int64 counters in a writable buffer, for Python code.

A counter is named by the buffer that it lies in and by its place there, in units of 8 bytes.
The buffer is borrowed for the call alone, so that nothing here keeps a mapping alive.  Layout
and meaning of the counters belong to the caller; the memory orders to `_atomic.h`.
"""

# Safe for free-threaded Python: there is no module state, and the counters are atomic.

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uintptr_t

from fastproc.shm._atomic cimport (
    atomic_compare_exchange, atomic_fetch_add, atomic_load, atomic_store)


cdef int64_t *_address(Py_buffer *view, object buffer, Py_ssize_t index) except NULL:
    """Fill `view` and return the counter's address; the caller releases `view`."""
    PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE)
    if index < 0 or index >= view.len // 8:
        size = view.len
        PyBuffer_Release(view)
        raise IndexError(f"there is no counter {index} in a buffer of {size} bytes")
    if <uintptr_t>view.buf % 8:
        PyBuffer_Release(view)
        raise ValueError("counters must start at an address that is a multiple of 8")
    return <int64_t *>view.buf + index


def load(buffer, Py_ssize_t index):
    """Return the counter's value."""
    cdef Py_buffer view
    cdef int64_t value = atomic_load(_address(&view, buffer, index))
    PyBuffer_Release(&view)
    return value


def store(buffer, Py_ssize_t index, int64_t value):
    """Set the counter to `value`."""
    cdef Py_buffer view
    atomic_store(_address(&view, buffer, index), value)
    PyBuffer_Release(&view)


def add(buffer, Py_ssize_t index, int64_t amount):
    """Add `amount` to the counter and return its new value."""
    cdef Py_buffer view
    cdef int64_t before = atomic_fetch_add(_address(&view, buffer, index), amount)
    PyBuffer_Release(&view)
    return before + amount


def replace_first(buffer, Py_ssize_t start, Py_ssize_t stop, int64_t expected, int64_t desired):
    """Set the first counter of start..stop that is `expected` to `desired`.

    Return its index, or -1 if none is.  Two callers never get the same counter.
    """
    cdef Py_buffer view
    cdef Py_ssize_t index, found = -1
    cdef int64_t *counters = _address(&view, buffer, stop - 1) - (stop - 1)
    for index in range(max(start, 0), stop):
        if (atomic_load(counters + index) == expected
                and atomic_compare_exchange(counters + index, expected, desired)):
            found = index
            break
    PyBuffer_Release(&view)
    return found


def nonzero(buffer, Py_ssize_t start, Py_ssize_t stop):
    """Return the values of those counters of start..stop that are not 0."""
    cdef Py_buffer view
    cdef Py_ssize_t index
    cdef int64_t value
    cdef int64_t *counters = _address(&view, buffer, stop - 1) - (stop - 1)
    values = []
    for index in range(max(start, 0), stop):
        value = atomic_load(counters + index)
        if value != 0:
            values.append(value)
    PyBuffer_Release(&view)
    return values


def compare_exchange(buffer, Py_ssize_t index, int64_t expected, int64_t desired):
    """Set the counter to `desired` if it is `expected`; return whether it was."""
    cdef Py_buffer view
    cdef bint exchanged = atomic_compare_exchange(
        _address(&view, buffer, index), expected, desired)
    PyBuffer_Release(&view)
    return exchanged
