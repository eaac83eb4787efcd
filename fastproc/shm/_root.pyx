"""Layer: shm.  The root: all data bytes of a segment, kept alive by whatever lies over them.

A bare buffer, so that locks and queues need no NumPy; an array over it has it for its `base`.
(A memoryview would not do: NumPy looks through it and keeps what is behind it instead.)
"""
# Safe for free-threaded Python: nothing changes after a root is made.

from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, Py_buffer, PyBuffer_FillInfo, PyBuffer_Release,
    PyObject_GetBuffer,
)
from libc.stdint cimport uintptr_t


cdef class Root:
    """A writable buffer that can be weakly referenced.

    Parameters
    ----------
    mapping : mmap
        Shared memory.
    offset : int
        Where the data begin in it, in bytes.
    """

    def __cinit__(self, mapping, Py_ssize_t offset):
        PyObject_GetBuffer(mapping, &self._view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        if not 0 <= offset <= self._view.len:
            raise ValueError(f"data at {offset} lie outside a mapping of {self._view.len} bytes")
        self._start = <char*>self._view.buf + offset
        self.nbytes = self._view.len - offset

    def __dealloc__(self):
        PyBuffer_Release(&self._view)

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self._start, self.nbytes, False, flags)

    def __len__(self):
        return self.nbytes

    @property
    def address(self):
        """Where the data begin in this process's memory."""
        return <uintptr_t>self._start

    cdef char* at(self, Py_ssize_t offset, Py_ssize_t size) except NULL:
        if offset < 0 or size < 0 or offset > self.nbytes - size:
            raise ValueError(
                f"{size} bytes at {offset} do not lie in a segment of {self.nbytes} bytes")
        return self._start + offset
