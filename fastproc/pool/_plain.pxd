"""Layer: pool.  The face of `_plain.pyx` for other Cython modules."""


# Returns the list that `pack_numbers` packed.
cdef list unpack_numbers(int kind, const char* data, Py_ssize_t n_bytes)
