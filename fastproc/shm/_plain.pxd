"""Layer: shm.  The face of `_plain.pyx` for other Cython modules, and what a payload is."""

from libc.stdint cimport int64_t

# What a payload is.
cdef enum:
    PICKLE = 0
    PARCEL = 1
    NONE = 2
    FALSE = 3
    TRUE = 4
    INTEGER = 5              # 8 bytes
    REAL = 6                 # 8 bytes
    INTEGERS = 7             # a list of them
    REALS = 8                # a list of them


# Returns the kind of a value that is its kind and at most 8 bytes, and stores those in `word`;
# PICKLE of any other.
cdef int pack_scalar(object value, int64_t* word) noexcept
# Returns what `pack_scalar` or `pack_numbers` packed.
cdef object unpack_plain(int kind, const char* data, Py_ssize_t n_bytes)


cdef inline bint is_plain_kind(int kind) noexcept nogil:
    """Tell whether `unpack_plain` reads a payload of this kind."""
    return kind >= NONE
