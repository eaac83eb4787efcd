"""Layer: parallel.  What every gate does: tell an array's dtype, wrap a result as a scalar."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t
from cpython.object cimport PyObject, PyObject_TypeCheck, PyTypeObject
from numpy cimport (
    NPY_ARRAY_ALIGNED,
    NPY_ARRAY_C_CONTIGUOUS,
    NPY_BYTE,
    NPY_DOUBLE,
    NPY_FLOAT,
    NPY_INT,
    NPY_INT32,
    NPY_INT64,
    NPY_LONG,
    NPY_LONGLONG,
    NPY_ULONGLONG,
    PyArray_CHKFLAGS,
    PyArray_Check,
    PyArray_FROM_O,
    PyArray_NDIM,
    PyArray_SIZE,
    PyArray_TYPE,
    ndarray,
)

from fastproc.kernels._common cimport CHUNK, FLOAT32, FLOAT64, INT32, INT64


cdef extern from "Python.h":
    PyObject* PyImport_GetModuleDict()

cdef extern from "numpy/arrayobject.h":
    PyTypeObject PyArray_Type
    bint PyArray_ISNOTSWAPPED(ndarray array) nogil
    object PyArray_View(ndarray array, void* descr, PyTypeObject* type)

cdef extern from *:
    """
    #include <numpy/arrayscalars.h>

    /* A NumPy scalar, made directly: PyArray_Scalar would look the type up by a descriptor. */
    #define FASTPROC_NEW_SCALAR(name, Name, ctype)                                            \\
        static PyObject *name(ctype value) {                                                  \\
            PyObject *scalar = Py##Name##ArrType_Type.tp_alloc(&Py##Name##ArrType_Type, 0);   \\
            if (scalar != NULL) PyArrayScalar_VAL(scalar, Name) = value;                      \\
            return scalar;                                                                    \\
        }
    FASTPROC_NEW_SCALAR(fastproc_float64, Double, npy_double)
    FASTPROC_NEW_SCALAR(fastproc_float32, Float, npy_float)
    #if NPY_SIZEOF_LONG == 8
    FASTPROC_NEW_SCALAR(fastproc_int64, Long, npy_long)
    FASTPROC_NEW_SCALAR(fastproc_int32, Int, npy_int)
    #else
    FASTPROC_NEW_SCALAR(fastproc_int64, LongLong, npy_longlong)
    FASTPROC_NEW_SCALAR(fastproc_int32, Long, npy_long)
    #endif
    """
    object new_float64 "fastproc_float64"(double value)
    object new_float32 "fastproc_float32"(float value)
    object new_int64 "fastproc_int64"(int64_t value)
    object new_int32 "fastproc_int32"(int value)


# Room for one item of any compiled dtype.
cdef union Item:
    double f64
    float f32
    int64_t i64
    int i32


cdef inline object new_scalar(int dtype, const Item* item):
    if dtype == FLOAT64:
        return new_float64(item.f64)
    if dtype == FLOAT32:
        return new_float32(item.f32)
    if dtype == INT64:
        return new_int64(item.i64)
    return new_int32(item.i32)


cdef inline int dtype_code(ndarray array) noexcept:
    """Return which of the compiled dtypes the array has in the machine's byte order, or -1."""
    cdef int number = PyArray_TYPE(array)
    if not PyArray_ISNOTSWAPPED(array):
        return -1
    if number == NPY_DOUBLE:
        return FLOAT64
    if number == NPY_FLOAT:
        return FLOAT32
    if number == NPY_LONG:
        return INT64 if sizeof(long) == 8 else INT32
    if number == NPY_LONGLONG:
        return INT64
    if number == NPY_INT:
        return INT32
    return -1


cdef inline bint is_narrow_integer(ndarray array) noexcept:
    """Tell whether the array has integers, but of no compiled dtype; booleans are none."""
    cdef int number = PyArray_TYPE(array)
    return (
        NPY_BYTE <= number and number <= NPY_ULONGLONG and dtype_code(array) < 0
        and PyArray_ISNOTSWAPPED(array)
    )


cdef inline int type_number(int dtype) noexcept:
    """Return NumPy's number of a compiled dtype."""
    if dtype == FLOAT64:
        return NPY_DOUBLE
    if dtype == FLOAT32:
        return NPY_FLOAT
    return NPY_INT64 if dtype == INT64 else NPY_INT32


cdef inline bint is_array(object x) except -1:
    """Tell whether `x` is an array all elements of which count: one that is not masked.

    It may be of a subclass, such as a SharedArray or a np.memmap, whose data are read as they are:
    a view of it as a plain ndarray would cost more than a small array's reduction.
    """
    cdef object masked
    if type(x) is ndarray:
        return True
    if not PyArray_Check(x):
        return False
    # What `validate.is_masked` does, in C.
    masked = getattr((<dict>PyImport_GetModuleDict()).get("numpy.ma"), "MaskedArray", None)
    return masked is None or not PyObject_TypeCheck(x, <PyTypeObject*>masked)


cdef inline bint is_short_line(object x) except -1:
    """Tell whether `x` is a short contiguous array of one axis and a compiled dtype."""
    return (
        is_array(x) and PyArray_NDIM(<ndarray>x) == 1 and PyArray_SIZE(<ndarray>x) <= CHUNK
        and PyArray_CHKFLAGS(<ndarray>x, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED)
        and dtype_code(<ndarray>x) >= 0
    )


cdef inline object as_input(object x):
    """Return a list as an array, and all else as it is."""
    return PyArray_FROM_O(x) if type(x) is list else x


cdef inline object as_ndarray(object x):
    """Return an array of a subclass as a plain ndarray over its data, and all else as it is."""
    if PyArray_Check(x) and type(x) is not ndarray:
        return PyArray_View(<ndarray>x, NULL, &PyArray_Type)
    return x


cdef inline Py_ssize_t item_size(int dtype) noexcept nogil:
    return 8 if dtype == FLOAT64 or dtype == INT64 else 4


cdef inline const void* table_of(str family) except NULL:
    """Return a family's table at the CPU level that ``fastproc.kernels.dispatch`` chose."""
    from fastproc.kernels import dispatch

    return PyCapsule_GetPointer(dispatch.table(family), b"fastproc.kernels.table")
