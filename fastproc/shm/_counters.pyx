"""Layer: shm.  Atomic int64 counters in a writable buffer, for Python code.

A counter is named by the buffer that it lies in and by its place there, in units of 8 bytes.
The buffer is borrowed for the call alone, so that nothing here keeps a mapping alive.  Layout
and meaning of the counters belong to the caller; the memory orders to `_atomic.h`.
"""

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


def compare_exchange(buffer, Py_ssize_t index, int64_t expected, int64_t desired):
    """Set the counter to `desired` if it is `expected`; return whether it was."""
    cdef Py_buffer view
    cdef bint exchanged = atomic_compare_exchange(
        _address(&view, buffer, index), expected, desired)
    PyBuffer_Release(&view)
    return exchanged
