"""Layer: shm.  Numbers of shared memory for Cython modules: Python's to C's and back."""

from cpython.float cimport PyFloat_AsDouble, PyFloat_FromDouble
from cpython.long cimport (
    PyLong_AsLongLongAndOverflow, PyLong_AsUnsignedLongLong, PyLong_AsUnsignedLongLongMask,
    PyLong_FromLongLong, PyLong_FromUnsignedLongLong,
)
from libc.math cimport fabs, isfinite
from libc.stdint cimport int64_t, uint64_t

cdef extern from "Python.h":
    object PyNumber_Index(object)

cdef extern from "_number.h" nogil:
    ctypedef union Number "fastproc_number":
        int64_t i
        uint64_t u
        double d

    # What changes a number and returns the one before.
    ctypedef Number (*Operation "fastproc_operation")(void*, Number) noexcept

    ctypedef struct Kind "fastproc_kind":
        char family
        size_t size
        int64_t least
        uint64_t most
        Number (*load)(const void*) noexcept
        void (*store)(void*, Number) noexcept
        Operation exchange
        Operation fetch_add
        Operation fetch_max
        Operation fetch_min
        # Returns whether `expected` stood there and has been replaced by `desired`.
        bint (*compare_exchange)(void*, Number expected, Number desired) noexcept

    # Returns NULL if there are no such numbers.
    const Kind* kind_of "fastproc_kind_of"(char family, size_t size) noexcept

cdef extern from *:
    """
    /* The least double that rounds to no finite float. */
    #define FASTPROC_TOO_MUCH_FOR_FLOAT 0x1.ffffffp127
    """
    const double TOO_MUCH_FOR_FLOAT "FASTPROC_TOO_MUCH_FOR_FLOAT"


cdef inline object from_number(const Kind* kind, Number number):
    """Return what Python has for a number."""
    if kind.family == b"i":
        return PyLong_FromLongLong(number.i)
    if kind.family == b"d":
        return PyFloat_FromDouble(number.d)
    return PyLong_FromUnsignedLongLong(number.u)


cdef inline int to_number(const Kind* kind, object value, Number* number) except -1:
    """Convert as ctypes does: what does not fit loses its upper bits."""
    if kind.family == b"d":
        number.d = PyFloat_AsDouble(value)
    else:
        number.u = PyLong_AsUnsignedLongLongMask(value)
    return 0


cdef inline int to_fitting_number(const Kind* kind, object value, Number* number) except -1:
    """Convert; OverflowError if it does not fit."""
    cdef int overflow = 0
    if kind.family == b"d":
        number.d = PyFloat_AsDouble(value)
        if kind.size == 8 or fabs(number.d) < TOO_MUCH_FOR_FLOAT or not isfinite(number.d):
            return 0
        return _refuse(kind, value)
    number.i = PyLong_AsLongLongAndOverflow(value, &overflow)
    if kind.family == b"i":
        if not overflow and kind.least <= number.i <= <int64_t>kind.most:
            return 0
    elif not overflow:
        if number.i >= 0 and number.u <= kind.most:
            return 0
    elif overflow > 0 and kind.size == 8:
        try:
            number.u = PyLong_AsUnsignedLongLong(PyNumber_Index(value))
            return 0
        except OverflowError:
            pass
    return _refuse(kind, value)


cdef inline int _refuse(const Kind* kind, object value) except -1:
    if kind.family == b"d":
        raise OverflowError(f"{value!r} does not fit into a float of {kind.size} bytes")
    raise OverflowError(
        f"{value!r} does not fit into an integer of {kind.size} bytes, "
        f"which is from {kind.least} to {kind.most}")
