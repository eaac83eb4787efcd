"""Layer: shm.  Copying large buffers: past the caches, by more than one thread, without the GIL."""
# Safe for free-threaded Python: nothing is kept.

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.string cimport memcpy

import threading

cdef extern from "_copy.h" nogil:
    void stream_copy "fastproc_stream_copy"(char* to, const char* source, size_t n) noexcept

cdef enum:
    # Bytes from which on a copy goes past the caches.  Less may still be in a cache that the
    # receiver shares when it comes to read it.
    LEAST_STREAMED = 1 << 24
    # Bytes from which on a second thread, some 100 us to start, is worth it: it saves a quarter.
    LEAST_SHARED = 1 << 24


def copy(to, source, Py_ssize_t threads=1):
    """Copy the bytes of one contiguous buffer into another of the same length.

    Parameters
    ----------
    to : buffer
        Writable; it must not overlap with `source`.
    source : buffer
    threads : int, default 1
        How many may work on it; no more than two do, which is what memory can serve.

    Raises
    ------
    ValueError
        If the lengths differ.
    BufferError
        If one of them is not contiguous, or `to` is read-only.
    """
    cdef Py_buffer target, origin
    cdef Py_ssize_t half = 0
    PyObject_GetBuffer(to, &target, PyBUF_SIMPLE | PyBUF_WRITABLE)
    try:
        PyObject_GetBuffer(source, &origin, PyBUF_SIMPLE)
        try:
            if target.len != origin.len:
                raise ValueError(
                    f"{origin.len} bytes cannot be copied into a buffer of {target.len}")
            helper = None
            if threads > 1 and origin.len >= LEAST_SHARED:
                half = origin.len // 2 & ~63
                helper = threading.Thread(
                    target=copy, args=(memoryview(to).cast("B")[:half],
                                       memoryview(source).cast("B")[:half]))
                try:
                    helper.start()
                except RuntimeError:        # the system has no thread to give, or this is the exit
                    helper, half = None, 0
            with nogil:
                _copy(<char*>target.buf + half, <char*>origin.buf + half, origin.len - half)
            if helper is not None:
                helper.join()
        finally:
            PyBuffer_Release(&origin)
    finally:
        PyBuffer_Release(&target)


cdef void _copy(char* to, const char* source, Py_ssize_t n) noexcept nogil:
    # A half of something large is as large to the caches.
    if n >= LEAST_STREAMED // 2:
        stream_copy(to, source, n)
    else:
        memcpy(to, source, n)
