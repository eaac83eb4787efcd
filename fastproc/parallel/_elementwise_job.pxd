"""Layer: parallel.  An elementwise kernel cut into units: several operands walked in step.

A unit is `unit_size` elements in the order in which the output lies.  Runs that are contiguous in
every operand go to the kernel as they are; others are packed into a scratch buffer on the way in,
and unpacked on the way out.
"""

from numpy cimport (
    NPY_ARRAY_ALIGNED, PyArray_BYTES, PyArray_CHKFLAGS, PyArray_DIMS, PyArray_NDIM, PyArray_SIZE,
    PyArray_STRIDES, ndarray,
)

from fastproc.kernels._common cimport CHUNK
from fastproc.kernels._elementwise cimport Parameters, binary_t, unary_t
from fastproc.parallel._gate cimport dtype_code, item_size
from fastproc.parallel._walk cimport (
    MAX_OPERANDS, Walk, flip_dims, last_stride, merge_dims, offset_of, order_dims, pack,
    run_length, unpack,
)

cdef struct ElementwiseJob:
    unary_t unary            # NULL for a binary kernel
    binary_t binary
    Parameters parameters
    Py_ssize_t itemsize
    Walk walk                # operand 0 is the output
    Py_ssize_t size
    Py_ssize_t unit_size     # elements of a unit
    bint packed[MAX_OPERANDS]           # operands whose runs are copied to be contiguous


cdef inline void do_unit(void* argument, Py_ssize_t unit) noexcept nogil:
    """Compute the elements of a unit: runs as they lie, or chunks of packed elements."""
    cdef ElementwiseJob* job = <ElementwiseJob*>argument
    cdef double scratch[MAX_OPERANDS][CHUNK]
    cdef char* operands[MAX_OPERANDS]
    cdef Py_ssize_t start = unit * job.unit_size, n
    cdef Py_ssize_t stop = min(start + job.unit_size, job.size)
    cdef Py_ssize_t step1, step2
    cdef int k
    while start < stop:
        n = stop - start
        for k in range(job.walk.n_operands):
            if not job.packed[k]:
                n = min(n, run_length(&job.walk, start))
            else:
                n = min(n, <Py_ssize_t>CHUNK)
        for k in range(job.walk.n_operands):
            if job.packed[k]:
                operands[k] = <char*>&scratch[k][0]
                if k > 0:
                    pack(&job.walk, k, start, n, job.itemsize, operands[k])
            else:
                operands[k] = job.walk.data[k] + offset_of(&job.walk, k, start)
        if job.unary != NULL:
            job.unary(operands[1], operands[0], n, &job.parameters)
        else:
            step1 = 1 if job.packed[1] or last_stride(&job.walk, 1) else 0
            step2 = 1 if job.packed[2] or last_stride(&job.walk, 2) else 0
            job.binary(
                operands[1], step1, operands[2], step2, operands[0], n, &job.parameters)
        if job.packed[0]:
            unpack(&job.walk, 0, start, n, job.itemsize, operands[0])
        start += n


cdef inline int plan_walk(ElementwiseJob* job, list arrays) except -1:
    """Plan the way through arrays of one compiled dtype: the output, and inputs that broadcast."""
    cdef ndarray array = arrays[0]
    cdef int k, i, missing
    cdef Py_ssize_t stride
    job.itemsize = item_size(dtype_code(array))
    job.size = PyArray_SIZE(array)
    job.walk.n_dims = PyArray_NDIM(array)
    job.walk.n_operands = len(arrays)
    for i in range(job.walk.n_dims):
        job.walk.shape[i] = PyArray_DIMS(array)[i]
    for k in range(job.walk.n_operands):
        array = arrays[k]
        job.walk.data[k] = PyArray_BYTES(array)
        missing = job.walk.n_dims - PyArray_NDIM(array)
        for i in range(job.walk.n_dims):
            if i < missing or PyArray_DIMS(array)[i - missing] != job.walk.shape[i]:
                job.walk.strides[k][i] = 0
            else:
                job.walk.strides[k][i] = PyArray_STRIDES(array)[i - missing]
    order_dims(&job.walk)
    flip_dims(&job.walk)
    merge_dims(&job.walk)
    for k in range(job.walk.n_operands):
        stride = last_stride(&job.walk, k)
        job.packed[k] = job.walk.n_dims > 0 and stride != job.itemsize and not (
            stride == 0 and job.binary != NULL and k > 0)
        if not PyArray_CHKFLAGS(<ndarray>arrays[k], NPY_ARRAY_ALIGNED):
            job.packed[k] = True
    return 0
