"""Layer: shm.  The face of `_root.pyx` for other Cython modules."""

from cpython.buffer cimport Py_buffer


cdef class Root:
    cdef object __weakref__
    cdef Py_buffer _view                    # of the whole mapping, which it keeps where it is
    cdef char* _start
    cdef readonly Py_ssize_t nbytes
    # Returns the address of byte `offset`, from which on there are `size` bytes.
    cdef char* at(self, Py_ssize_t offset, Py_ssize_t size) except NULL
