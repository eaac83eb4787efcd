"""Layer: shm.  Plain values: numbers and short strings, which can take short ways.

Whatever pickler does for them, and a list of numbers needs none: it travels as the numbers.
"""
# Safe for free-threaded Python: nothing is kept.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.float cimport PyFloat_AS_DOUBLE
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t
from libc.string cimport memcpy

cdef enum:
    MOST_ITEMS = 2048        # of a container; looking at more would cost more than it gains
    MOST_LENGTH = 4096       # of a string


def is_plain(value):
    """Tell whether pickling `value` needs neither reducers nor out-of-band buffers."""
    return _is_plain(value, 4)


cdef bint _is_plain(object value, int depth):
    cdef object kind = type(value)
    if kind is int or kind is float or value is None or kind is bool:
        return True
    if kind is str:
        return len(<str>value) <= MOST_LENGTH
    if kind is bytes:
        return PyBytes_GET_SIZE(value) <= MOST_LENGTH
    if depth == 0:
        return False
    if kind is tuple:
        if len(<tuple>value) > MOST_ITEMS:
            return False
        for item in <tuple>value:
            if not _is_plain(item, depth - 1):
                return False
        return True
    if kind is list:
        if len(<list>value) > MOST_ITEMS:
            return False
        for item in <list>value:
            if not _is_plain(item, depth - 1):
                return False
        return True
    return kind is dict and not <dict>value


def pack_numbers(list values):
    """Return (INTEGERS or REALS, bytes) of a list of such numbers alone; None of any other."""
    cdef Py_ssize_t n = len(values), i
    cdef int overflow = 0
    cdef object value, kind = type(values[0]) if n else None
    cdef bytes data
    cdef int64_t* integers
    cdef double* reals
    if kind is int:
        data = PyBytes_FromStringAndSize(NULL, 8 * n)
        integers = <int64_t*>PyBytes_AS_STRING(data)
        for i in range(n):
            value = values[i]
            if type(value) is not int:
                return None
            integers[i] = PyLong_AsLongLongAndOverflow(value, &overflow)
            if overflow:
                return None
        return INTEGERS, data
    if kind is float:
        data = PyBytes_FromStringAndSize(NULL, 8 * n)
        reals = <double*>PyBytes_AS_STRING(data)
        for i in range(n):
            value = values[i]
            if type(value) is not float:
                return None
            reals[i] = PyFloat_AS_DOUBLE(value)
        return REALS, data
    return None


cdef int pack_scalar(object value, int64_t* word) noexcept:
    cdef int overflow = 0
    cdef double real
    if value is None:
        return NONE
    if value is True:
        return TRUE
    if value is False:
        return FALSE
    if type(value) is int:
        word[0] = PyLong_AsLongLongAndOverflow(value, &overflow)
        return PICKLE if overflow else INTEGER
    if type(value) is float:
        real = PyFloat_AS_DOUBLE(value)
        memcpy(word, &real, 8)
        return REAL
    return PICKLE


cdef object unpack_plain(int kind, const char* data, Py_ssize_t n_bytes):
    if kind == INTEGER:
        return (<const int64_t*>data)[0]
    if kind == REAL:
        return (<const double*>data)[0]
    if kind == INTEGERS or kind == REALS:
        return _unpack_numbers(kind, data, n_bytes)
    return None if kind == NONE else kind == TRUE


cdef list _unpack_numbers(int kind, const char* data, Py_ssize_t n_bytes):
    cdef Py_ssize_t n = n_bytes // 8, i
    cdef list values = PyList_New(n)
    cdef object value
    for i in range(n):
        if kind == INTEGERS:
            value = (<const int64_t*>data)[i]
        else:
            value = (<const double*>data)[i]
        Py_INCREF(value)                    # which the list steals
        PyList_SET_ITEM(values, i, value)
    return values
