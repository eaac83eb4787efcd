"""Layer: parallel.  What every gate does: tell an array's dtype, wrap a result as a scalar."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t
from numpy cimport (
    NPY_ARRAY_ALIGNED,
    NPY_ARRAY_C_CONTIGUOUS,
    NPY_DOUBLE,
    NPY_FLOAT,
    NPY_INT,
    NPY_LONG,
    NPY_LONGLONG,
    PyArray_CHKFLAGS,
    PyArray_DESCR,
    PyArray_TYPE,
    ndarray,
)

from fastproc.kernels._table cimport FLOAT32, FLOAT64, INT32, INT64, KernelTable


cdef extern from "numpy/arrayobject.h":
    bint PyArray_ISNOTSWAPPED(ndarray array) nogil

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


cdef inline Py_ssize_t item_size(int dtype) noexcept nogil:
    return 8 if dtype == FLOAT64 or dtype == INT64 else 4


cdef inline const KernelTable* table_in(object capsule) except NULL:
    """Return the table in the capsule of ``fastproc.kernels.dispatch``."""
    return <const KernelTable*>PyCapsule_GetPointer(capsule, b"fastproc.kernels.table")
