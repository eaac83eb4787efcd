"""Layer: parallel.  The gates of the elementwise kernels: square, cube, negative, add.

A contiguous array takes a short way; anything else is walked as runs of elements, several
operands in step.  Elements do not depend on one another, so cuts and workers never change bits.
"""
# Safe for free-threaded Python: module state is written at import only.

import numpy as np

from cpython.float cimport PyFloat_AS_DOUBLE
from cpython.long cimport PyLong_AsLongLongAndOverflow
from libc.math cimport isinf
from numpy cimport (
    NPY_ARRAY_ALIGNED,
    NPY_ARRAY_C_CONTIGUOUS,
    NPY_ARRAY_WRITEABLE,
    NPY_CORDER,
    NPY_KEEPORDER,
    NPY_ORDER,
    PyArray_BYTES,
    PyArray_CHKFLAGS,
    PyArray_DATA,
    PyArray_DIMS,
    PyArray_EMPTY,
    PyArray_NDIM,
    PyArray_SIZE,
    PyArray_STRIDES,
    PyArray_TYPE,
    import_array,
    ndarray,
)

cdef extern from "numpy/arrayobject.h":
    ndarray PyArray_NewLikeArray(ndarray prototype, NPY_ORDER order, void* descr, int subok)

from fastproc.kernels._table cimport (
    ADD,
    CHUNK,
    CUBE,
    FLOAT32,
    FLOAT64,
    INT64,
    NEGATIVE,
    SQUARE,
    KernelTable,
    binary_t,
    unary_t,
)
from fastproc.parallel._gate cimport (
    Item,
    dtype_code,
    item_size,
    new_scalar,
    table_in,
)
from fastproc.parallel._threads cimport run_units, threads_for
from fastproc.parallel._walk cimport (
    MAX_OPERANDS,
    Walk,
    flip_dims,
    last_stride,
    merge_dims,
    offset_of,
    order_dims,
    pack,
    run_length,
    unpack,
)

from fastproc import plan
from fastproc.kernels import dispatch, validate

import_array()

cdef const KernelTable* _table = table_in(dispatch.table)

# What one thread needs for a byte it reads or writes, in nanoseconds; memory sets it.
cdef double NS_PER_BYTE = 0.05

cdef Py_ssize_t UNIT = plan.ELEMENTWISE_UNIT

cdef struct ElementwiseJob:
    unary_t unary            # NULL for a binary kernel
    binary_t binary
    Py_ssize_t itemsize
    Walk walk                # operand 0 is the output
    Py_ssize_t size
    bint packed[MAX_OPERANDS]


cdef void _do_unit(void* argument, Py_ssize_t unit) noexcept nogil:
    """Compute UNIT elements: runs as they lie, or chunks of packed elements."""
    cdef ElementwiseJob* job = <ElementwiseJob*>argument
    cdef double scratch[MAX_OPERANDS][CHUNK]
    cdef char* operands[MAX_OPERANDS]
    cdef Py_ssize_t start = unit * UNIT, stop = min(start + UNIT, job.size), n
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
            job.unary(operands[1], operands[0], n)
        else:
            step1 = 1 if job.packed[1] or last_stride(&job.walk, 1) else 0
            step2 = 1 if job.packed[2] or last_stride(&job.walk, 2) else 0
            job.binary(operands[1], step1, operands[2], step2, operands[0], n)
        if job.packed[0]:
            unpack(&job.walk, 0, start, n, job.itemsize, operands[0])
        start += n


cdef int _prepare(ElementwiseJob* job, int name, bint is_unary, list arrays) except -1:
    """Plan a kernel over arrays of one shape and one compiled dtype, the output first."""
    cdef ndarray array = arrays[0]
    cdef int code = dtype_code(array), k, i
    cdef Py_ssize_t stride
    job.unary = _table.unaries[name][code] if is_unary else NULL
    job.binary = NULL if is_unary else _table.binaries[name][code]
    job.itemsize = item_size(code)
    job.size = PyArray_SIZE(array)
    job.walk.n_dims = PyArray_NDIM(array)
    job.walk.n_operands = len(arrays)
    for k in range(job.walk.n_operands):
        array = arrays[k]
        job.walk.data[k] = PyArray_BYTES(array)
        for i in range(job.walk.n_dims):
            job.walk.shape[i] = PyArray_DIMS(array)[i]
            job.walk.strides[k][i] = PyArray_STRIDES(array)[i]
    order_dims(&job.walk)
    flip_dims(&job.walk)
    merge_dims(&job.walk)
    for k in range(job.walk.n_operands):
        stride = last_stride(&job.walk, k)
        job.packed[k] = job.walk.n_dims > 0 and stride != job.itemsize and not (
            stride == 0 and not is_unary and k > 0)
        if not PyArray_CHKFLAGS(<ndarray>arrays[k], NPY_ARRAY_ALIGNED):
            job.packed[k] = True
    return 0


def elementwise_units(int name, bint is_unary, list arrays, Py_ssize_t first, Py_ssize_t last):
    """Do units `first` to `last` of an elementwise kernel, in a process of a pool."""
    cdef ElementwiseJob job
    cdef Py_ssize_t unit
    _prepare(&job, name, is_unary, arrays)
    with nogil:
        for unit in range(first, last):
            _do_unit(&job, unit)


cdef int _run(int name, bint is_unary, list arrays, object workers) except -1:
    """Compute arrays of any strides in this process, the output first; 0 if a pool is wanted."""
    cdef ElementwiseJob job
    cdef Py_ssize_t n_units, unit
    cdef int n_threads
    _prepare(&job, name, is_unary, arrays)
    n_units = (job.size + UNIT - 1) // UNIT
    if job.size <= CHUNK and _stays_here(workers):
        for unit in range(n_units):
            _do_unit(&job, unit)            # with the GIL, as in `_run_flat`
        return 1
    n_threads = threads_for(
        workers, job.size * job.itemsize * len(arrays) * NS_PER_BYTE, n_units)
    if n_threads > 0:
        run_units(_do_unit, &job, n_units, n_threads)
    return n_threads > 0


cdef object _compute(int name, bint is_unary, str label, tuple operands, object out,
                     object workers):
    """Compute any operands into `out` or a new array."""
    # A Python number takes part in the choice of the dtype by its kind alone (NEP 50).
    arrays = [validate.as_array(label, operand) for operand in operands]
    weak = [operand if type(operand) in (int, float) else array
            for operand, array in zip(operands, arrays)]
    dtype, computed = validate.elementwise_dtypes(label, *weak)
    arrays = [
        np.asarray(operand, dtype=dtype) if type(operand) in (int, float) else array
        for operand, array in zip(operands, arrays)
    ]
    shape = np.broadcast_shapes(*[array.shape for array in arrays])
    arrays = [np.broadcast_to(array.astype(computed, copy=False), shape) for array in arrays]
    if out is not None:
        validate.check_out(label, out, shape, dtype)

    if out is not None and out.dtype == computed == dtype and not _overlaps(out, arrays):
        target = out
    else:
        # Like NumPy's, a new array has the memory order of its inputs where they agree.
        in_order = all([array.strides == arrays[0].strides for array in arrays])
        target = np.empty_like(arrays[0], shape=shape, order="K" if in_order else "C", subok=False)

    if not _run(name, is_unary, [target, *arrays], workers):
        from fastproc.parallel import processes

        target = processes.compute_elementwise(
            workers, elementwise_units, (name, is_unary), target, arrays,
            (target.size + UNIT - 1) // UNIT)

    if target is out:
        return out
    target = target.astype(dtype, copy=False)       # narrow integers wrap around here
    if out is not None:
        np.copyto(out, target, casting="same_kind")
        return out
    return target[()] if target.ndim == 0 else target


def _overlaps(out, arrays):
    """Tell whether writing `out` could change an input before it is read."""
    for array in arrays:
        same = (array.ctypes.data == out.ctypes.data and array.strides == out.strides)
        if not same and np.may_share_memory(out, array):
            return True
    return False


cdef inline bint _is_compiled(object x) noexcept:
    """Tell whether `x` is an array of a compiled dtype, of any strides."""
    return (
        type(x) is ndarray and PyArray_NDIM(<ndarray>x) > 0 and dtype_code(<ndarray>x) >= 0
    )


cdef inline bint _is_plain(object x) noexcept:
    """Tell whether `x` is a contiguous array of a compiled dtype."""
    return (
        type(x) is ndarray
        and PyArray_CHKFLAGS(<ndarray>x, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED)
        and dtype_code(<ndarray>x) >= 0
    )


cdef inline bint _stays_here(object workers) noexcept:
    """Tell whether `workers` is neither a pool nor a mistake."""
    return workers is None or (type(workers) is int and workers > 0)


cdef int _run_flat(
    unary_t unary, binary_t binary, const void* x1, Py_ssize_t step1, const void* x2,
    Py_ssize_t step2, void* out, Py_ssize_t size, Py_ssize_t itemsize, object workers
) except -1:
    """Compute contiguous elements: the short way around `_prepare`."""
    cdef ElementwiseJob job
    cdef Py_ssize_t n_units
    cdef int n_operands = 2 if unary != NULL else 3
    if size <= CHUNK:
        # Giving up the GIL and taking it back takes longer than the loop.
        if unary != NULL:
            unary(x1, out, size)
        else:
            binary(x1, step1, x2, step2, out, size)
        return 0
    job.unary, job.binary = unary, binary
    job.itemsize, job.size = itemsize, size
    job.walk.n_dims, job.walk.n_operands = 1, n_operands
    job.walk.shape[0] = size
    job.walk.data[0], job.walk.data[1] = <char*>out, <char*>x1
    job.walk.data[2] = <char*>x2
    job.walk.strides[0][0], job.walk.strides[1][0] = itemsize, step1 * itemsize
    job.walk.strides[2][0] = step2 * itemsize
    job.packed[0] = job.packed[1] = job.packed[2] = False
    n_units = (size + UNIT - 1) // UNIT
    return run_units(_do_unit, &job, n_units, threads_for(
        workers, size * itemsize * n_operands * NS_PER_BYTE, n_units))


cdef inline bint _fits(ndarray x, object out) noexcept:
    """Tell whether a kernel may write `x`'s results straight into `out`."""
    cdef ndarray target
    cdef Py_ssize_t size, distance
    cdef int i
    if not _is_plain(out):
        return False
    target = <ndarray>out
    if PyArray_TYPE(target) != PyArray_TYPE(x) or PyArray_NDIM(target) != PyArray_NDIM(x):
        return False
    if not PyArray_CHKFLAGS(target, NPY_ARRAY_WRITEABLE):
        return False
    for i in range(PyArray_NDIM(x)):
        if PyArray_DIMS(target)[i] != PyArray_DIMS(x)[i]:
            return False
    size = PyArray_SIZE(x) * item_size(dtype_code(x))
    distance = PyArray_BYTES(target) - PyArray_BYTES(x)
    return distance == 0 or distance >= size or distance <= -size


cdef object _unary(int name, str label, object x, object out, object workers):
    cdef ndarray array, target
    cdef Item item
    cdef int code
    if _stays_here(workers) and _is_plain(x) and (out is None or _fits(<ndarray>x, out)):
        array = <ndarray>x
        code = dtype_code(array)
        if out is None and PyArray_NDIM(array) == 0:
            _table.unaries[name][code](PyArray_DATA(array), &item, 1)
            return new_scalar(code, &item)
        if out is None:
            target = PyArray_EMPTY(
                PyArray_NDIM(array), PyArray_DIMS(array), PyArray_TYPE(array), 0)
        else:
            target = <ndarray>out
        _run_flat(_table.unaries[name][code], NULL, PyArray_DATA(array), 1, NULL, 0,
                  PyArray_DATA(target), PyArray_SIZE(array), item_size(code), workers)
        return target
    if _stays_here(workers) and out is None and _is_compiled(x):
        target = PyArray_NewLikeArray(<ndarray>x, NPY_KEEPORDER, NULL, 0)
        _run(name, True, [target, x], workers)
        return target
    return _compute(name, True, label, (x,), out, workers)


cdef inline bint _same_shape(ndarray x1, ndarray x2) noexcept:
    cdef int i
    if PyArray_NDIM(x1) != PyArray_NDIM(x2) or PyArray_NDIM(x1) == 0:
        return False
    for i in range(PyArray_NDIM(x1)):
        if PyArray_DIMS(x1)[i] != PyArray_DIMS(x2)[i]:
            return False
    return True


cdef inline bint _same_strides(ndarray x1, ndarray x2) noexcept:
    cdef int i
    for i in range(PyArray_NDIM(x1)):
        if PyArray_STRIDES(x1)[i] != PyArray_STRIDES(x2)[i]:
            return False
    return True


def square(x, out=None, *, workers=None):
    return _unary(SQUARE, "square", x, out, workers)


def cube(x, out=None, *, workers=None):
    return _unary(CUBE, "cube", x, out, workers)


def negative(x, out=None, *, workers=None):
    return _unary(NEGATIVE, "negative", x, out, workers)


cdef bint _take_number(object value, int code, Item* item):
    """Put a Python number into an item of the array's dtype if that is what NumPy does with it."""
    cdef long long whole
    cdef int overflow
    if code == FLOAT64 or code == FLOAT32:
        if type(value) is not float:
            return False
        if code == FLOAT64:
            item.f64 = value
            return True
        item.f32 = <float>PyFloat_AS_DOUBLE(value)
        return not isinf(item.f32)          # NumPy warns of what is too large
    if type(value) is not int:
        return False
    whole = PyLong_AsLongLongAndOverflow(value, &overflow)
    if code == INT64:
        item.i64 = whole
        return not overflow
    item.i32 = <int>whole
    return not overflow and item.i32 == whole


cdef object _add_plain(ndarray shaped, object x1, object x2, object out, object workers):
    """Add arrays of one shape and dtype, or an array and a number; None if they are neither."""
    cdef int code = dtype_code(shaped)
    cdef Item number
    cdef const void* left = &number
    cdef const void* right = &number
    cdef Py_ssize_t step1 = 0, step2 = 0
    cdef ndarray target
    if _is_plain(x1):
        left, step1 = PyArray_DATA(<ndarray>x1), 1
    if _is_plain(x2):
        right, step2 = PyArray_DATA(<ndarray>x2), 1
    if step1 and step2:
        if PyArray_TYPE(<ndarray>x1) != PyArray_TYPE(<ndarray>x2):
            return None
        if not _same_shape(<ndarray>x1, <ndarray>x2):
            return None
    elif PyArray_NDIM(shaped) == 0 or not _take_number(x1 if step2 else x2, code, &number):
        return None
    if out is None:
        target = PyArray_EMPTY(
            PyArray_NDIM(shaped), PyArray_DIMS(shaped), PyArray_TYPE(shaped), 0)
    elif _fits(shaped, out) and (not step1 or _fits(<ndarray>x1, out)):
        target = <ndarray>out
    else:
        return None
    _run_flat(NULL, _table.binaries[ADD][code], left, step1, right, step2, PyArray_DATA(target),
              PyArray_SIZE(shaped), item_size(code), workers)
    return target


def add(x1, x2, out=None, *, workers=None):
    cdef object result
    cdef ndarray target
    cdef NPY_ORDER order
    if _stays_here(workers) and (_is_plain(x1) or _is_plain(x2)):
        result = _add_plain(<ndarray>(x2 if _is_plain(x2) else x1), x1, x2, out, workers)
        if result is not None:
            return result
    if (
        _stays_here(workers) and out is None and _is_compiled(x1) and _is_compiled(x2)
        and PyArray_TYPE(<ndarray>x1) == PyArray_TYPE(<ndarray>x2)
        and _same_shape(<ndarray>x1, <ndarray>x2)
    ):
        order = NPY_KEEPORDER if _same_strides(<ndarray>x1, <ndarray>x2) else NPY_CORDER
        target = PyArray_NewLikeArray(<ndarray>x1, order, NULL, 0)
        _run(ADD, False, [target, x1, x2], workers)
        return target
    return _compute(ADD, False, "add", (x1, x2), out, workers)
