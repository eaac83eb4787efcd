"""Layer: parallel.  What the elementwise gates ask of their operands, and how numbers join arrays.

An operand may be of a subclass, but is not masked: `is_array` has been asked.
"""

from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check
from cpython.long cimport PyLong_AsLongLongAndOverflow
from libc.math cimport INFINITY, isinf
from libc.stdint cimport INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN
from libc.string cimport memcpy
from numpy cimport (
    NPY_ARRAY_ALIGNED,
    NPY_ARRAY_C_CONTIGUOUS,
    NPY_ARRAY_F_CONTIGUOUS,
    NPY_ARRAY_WRITEABLE,
    PyArray_CHKFLAGS,
    PyArray_Check,
    PyArray_DATA,
    PyArray_EMPTY,
    PyArray_NDIM,
    PyArray_SIZE,
    PyArray_TYPE,
    ndarray,
)

from fastproc.kernels._common cimport FLOAT32, FLOAT64, INT64
from fastproc.kernels._elementwise cimport Parameters
from fastproc.parallel._gate cimport (
    Item,
    as_ndarray,
    dtype_code,
    is_array,
    is_narrow_integer,
    item_size,
    type_number,
)
from fastproc.parallel._layout cimport is_apart, same_shape

# A descriptor is an owned reference here, which the functions that take one steal.
cdef extern from "numpy/arrayobject.h":
    void* PyArray_DescrFromType(int number)
    ndarray PyArray_CastToType(ndarray array, void* descr, int fortran)


cdef inline bint is_compiled(object x) noexcept:
    """Tell whether `x` is an array of a compiled dtype, of any strides."""
    return PyArray_Check(x) and dtype_code(<ndarray>x) >= 0


cdef inline bint is_plain(object x) noexcept:
    """Tell whether `x` is a contiguous array of a compiled dtype."""
    return (
        PyArray_Check(x)
        and PyArray_CHKFLAGS(<ndarray>x, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED)
        and dtype_code(<ndarray>x) >= 0
    )


cdef inline bint is_target(object out, int code) noexcept:
    """Tell whether `out` is an array into which a kernel of a dtype may write."""
    return (
        is_compiled(out) and dtype_code(<ndarray>out) == code
        and PyArray_CHKFLAGS(<ndarray>out, NPY_ARRAY_WRITEABLE)
    )


cdef inline bint fits(ndarray x, object out) noexcept:
    """Tell whether a kernel may write a plain array's results straight into a plain `out`."""
    return (
        is_plain(out) and is_target(out, dtype_code(x)) and same_shape(<ndarray>out, x)
        and is_apart(<ndarray>out, x)
    )


cdef inline bint take_number(object value, int code, Item* item):
    """Put a number into an item of the array's dtype if that is what NumPy does with it."""
    cdef long long whole = 0
    cdef int overflow
    if type(value) is int:
        whole = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow:
            return False
    elif code == FLOAT64 and PyFloat_Check(value):      # np.float64 is a float, too
        item.f64 = PyFloat_AS_DOUBLE(value)
        return True
    elif code == FLOAT32 and type(value) is float:
        item.f32 = <float>PyFloat_AS_DOUBLE(value)
        return not isinf(item.f32)          # NumPy warns of what is too large
    else:
        return False
    if code == FLOAT64:
        item.f64 = <double>whole
    elif code == FLOAT32:
        item.f32 = <float><double>whole
    elif code == INT64:
        item.i64 = whole
    else:
        item.i32 = <int>whole
        return item.i32 == whole
    return True


cdef inline object number_like(object value, ndarray array):
    """Return a Python number as an array of another's dtype, if that is what NumPy does."""
    cdef Item number
    cdef ndarray wrapped
    cdef int code = dtype_code(array)
    if PyArray_NDIM(array) == 0 or not take_number(value, code, &number):
        return None
    wrapped = PyArray_EMPTY(0, NULL, PyArray_TYPE(array), 0)
    memcpy(PyArray_DATA(wrapped), &number, item_size(code))
    return wrapped


cdef inline ndarray converted(ndarray array, int code):
    if dtype_code(array) == code:
        return array
    return PyArray_CastToType(
        as_ndarray(array), PyArray_DescrFromType(type_number(code)),
        PyArray_CHKFLAGS(array, NPY_ARRAY_F_CONTIGUOUS))


cdef inline bint is_integer(object x) noexcept:
    """Tell whether `x` is an integer, or an array of them, that may be added by NumPy."""
    if type(x) is int:
        return True
    return PyArray_Check(x) and (
        is_narrow_integer(<ndarray>x) or dtype_code(<ndarray>x) >= INT64)


cdef inline bint is_operand(object x) except -1:
    """Tell whether `x` is an array that is not masked, or no array at all: a number, maybe."""
    return not PyArray_Check(x) or is_array(x)


cdef inline Py_ssize_t most_results(object x1, object x2) noexcept:
    """Return how many elements a binary kernel's result has at the most."""
    cdef Py_ssize_t size1 = PyArray_SIZE(<ndarray>x1) if PyArray_Check(x1) else 1
    cdef Py_ssize_t size2 = PyArray_SIZE(<ndarray>x2) if PyArray_Check(x2) else 1
    if size1 <= 1 or size2 <= 1 or same_shape(<ndarray>x1, <ndarray>x2):
        return max(size1, size2)
    # Broadcast; each is less than 2**31 where the product matters.
    return size1 * size2 if max(size1, size2) < 1 << 31 else max(size1, size2)


# Parameters: numbers that are the same for all elements ------------------------------------------

cdef enum:
    MAX_NUMBERS = 2


cdef inline bint take_parameters(
    object numbers, int code, Item* room, Parameters* parameters
) except -1:
    """Put numbers into the array's dtype; False if that is not what NumPy would compute in.

    They are none, a tuple of numbers, for which there is `room`, or an array of one axis.  In a
    tuple, None stands for the bound that bounds nothing: the first from below.
    """
    cdef Py_ssize_t i
    cdef int size = item_size(code)
    cdef Item item
    parameters.values, parameters.n = NULL, 0
    if numbers is None:
        return True
    if type(numbers) is not tuple:
        if dtype_code(<ndarray>numbers) != code or not is_plain(numbers):
            return False
        parameters.values, parameters.n = PyArray_DATA(<ndarray>numbers), PyArray_SIZE(numbers)
        return True
    for i in range(len(<tuple>numbers)):
        if (<tuple>numbers)[i] is None:
            item = no_bound(code, i == 0)
        elif not take_number((<tuple>numbers)[i], code, &item):
            return False
        memcpy(<char*>room + i * size, &item, size)
    parameters.values, parameters.n = room, len(<tuple>numbers)
    return True


cdef inline Item no_bound(int code, bint is_least) noexcept:
    cdef Item item
    if code == FLOAT64:
        item.f64 = -INFINITY if is_least else INFINITY
    elif code == FLOAT32:
        item.f32 = <float>(-INFINITY if is_least else INFINITY)
    elif code == INT64:
        item.i64 = INT64_MIN if is_least else INT64_MAX
    else:
        item.i32 = INT32_MIN if is_least else INT32_MAX
    return item
