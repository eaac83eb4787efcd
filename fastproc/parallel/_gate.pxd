"""Layer: parallel.  What every gate does: tell an array's dtype, wrap a result as a scalar."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t
from cpython.object cimport PyTypeObject
from numpy cimport (
    NPY_BYTE,
    NPY_DOUBLE,
    NPY_FLOAT,
    NPY_INT,
    NPY_INT32,
    NPY_INT64,
    NPY_LONG,
    NPY_LONGLONG,
    NPY_ULONGLONG,
    PyArray_Check,
    PyArray_FROM_O,
    PyArray_TYPE,
    ndarray,
)

from fastproc.kernels._table cimport FLOAT32, FLOAT64, INT32, INT64, KernelTable


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


cdef inline bint is_serial(object workers) noexcept:
    """Tell whether `workers` leaves a small array to this thread and is no mistake."""
    return workers is None or (type(workers) is int and workers == 1)


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


cdef inline object plain_view(object x, object is_masked):
    """Return the ndarray under an array of a subclass, such as a SharedArray or a np.memmap.

    Masked arrays, of which not all elements count, and all else are returned as they are.
    """
    if PyArray_Check(x) and type(x) is not ndarray and not is_masked(x):
        return PyArray_View(<ndarray>x, NULL, &PyArray_Type)
    return x


cdef inline object as_plain(object x, object is_masked):
    """Return an input that is a list or of a subclass as a plain ndarray, all else as it is."""
    return PyArray_FROM_O(x) if type(x) is list else plain_view(x, is_masked)


cdef inline Py_ssize_t item_size(int dtype) noexcept nogil:
    return 8 if dtype == FLOAT64 or dtype == INT64 else 4


cdef inline const KernelTable* table_in(object capsule) except NULL:
    """Return the table in the capsule of ``fastproc.kernels.dispatch``."""
    return <const KernelTable*>PyCapsule_GetPointer(capsule, b"fastproc.kernels.table")
