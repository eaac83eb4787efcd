"""Layer: parallel.  The gates of the elementwise kernels: square, cube, negative, add.

A contiguous array takes a short way; anything else is walked as runs of elements, several
operands in step.  Elements do not depend on one another, so cuts and workers never change bits.
"""
# Safe for free-threaded Python: module state is written at import only.

import numpy as np

from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check
from cpython.long cimport PyLong_AsLongLongAndOverflow
from libc.math cimport isinf
from libc.string cimport memcpy
from numpy cimport (
    NPY_ARRAY_ALIGNED,
    NPY_ARRAY_C_CONTIGUOUS,
    NPY_ARRAY_F_CONTIGUOUS,
    NPY_ARRAY_WRITEABLE,
    NPY_KEEPORDER,
    NPY_ORDER,
    PyArray_CHKFLAGS,
    PyArray_Check,
    PyArray_DATA,
    PyArray_DIMS,
    PyArray_EMPTY,
    PyArray_NDIM,
    PyArray_SIZE,
    PyArray_TYPE,
    import_array,
    ndarray,
    npy_intp,
)

# A descriptor is an owned reference here, which the functions that take one steal.
cdef extern from "numpy/arrayobject.h":
    void* PyArray_DescrFromType(int number)
    ndarray PyArray_CastToType(ndarray array, void* descr, int fortran)
    ndarray PyArray_NewLikeArray(ndarray prototype, NPY_ORDER order, void* descr, int subok)

from fastproc.kernels._common cimport CHUNK, FLOAT32, FLOAT64, INT64
from fastproc.kernels._elementwise cimport (
    ADD, CUBE, NEGATIVE, SQUARE, ElementwiseTable, binary_t, unary_t,
)
from fastproc.parallel._gate cimport (
    Item,
    as_input,
    as_ndarray,
    dtype_code,
    is_array,
    is_narrow_integer,
    item_size,
    new_scalar,
    table_of,
    type_number,
)
from fastproc.parallel._elementwise_job cimport ElementwiseJob, do_unit, plan_walk
from fastproc.parallel._layout cimport broadcast_into, is_apart, same_layout, same_shape
from fastproc.parallel._threads cimport run_units, threads_for
from fastproc.parallel._walk cimport MAX_DIMS

from fastproc import plan
from fastproc.kernels import validate

import_array()

cdef const ElementwiseTable* _table = <const ElementwiseTable*>table_of("elementwise")

cdef object _square = np.square, _multiply = np.multiply, _negative = np.negative, _add = np.add

# What one thread needs for a byte it reads or writes, in nanoseconds; memory sets it.
cdef double NS_PER_BYTE = 0.05

cdef Py_ssize_t UNIT = plan.ELEMENTWISE_UNIT


cdef int _prepare(ElementwiseJob* job, int name, bint is_unary, list arrays) except -1:
    """Plan a kernel over arrays of one compiled dtype: the output, and inputs that broadcast."""
    cdef int code = dtype_code(<ndarray>arrays[0])
    job.unary = _table.unaries[name][code] if is_unary else NULL
    job.binary = NULL if is_unary else _table.binaries[name][code]
    job.unit_size = UNIT
    return plan_walk(job, arrays)


def _elementwise_units(int name, bint is_unary, list arrays, Py_ssize_t first, Py_ssize_t last):
    """Do units `first` to `last` of an elementwise kernel, in a process of a pool."""
    cdef ElementwiseJob job
    cdef Py_ssize_t unit
    _prepare(&job, name, is_unary, arrays)
    with nogil:
        for unit in range(first, last):
            do_unit(&job, unit)


cdef int _run(int name, bint is_unary, list arrays, object workers) except -1:
    """Compute arrays of any strides in this process, the output first; 0 if a pool is wanted."""
    cdef ElementwiseJob job
    cdef Py_ssize_t n_units, unit
    cdef int n_threads
    _prepare(&job, name, is_unary, arrays)
    n_units = (job.size + UNIT - 1) // UNIT
    if job.size <= CHUNK and _stays_here(workers, job.size, len(arrays)):
        for unit in range(n_units):
            do_unit(&job, unit)            # with the GIL, as in `_run_flat`
        return 1
    n_threads = threads_for(
        workers, job.size * job.itemsize * len(arrays) * NS_PER_BYTE, n_units)
    if n_threads > 0:
        run_units(do_unit, &job, n_units, n_threads)
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
    arrays = [array.astype(computed, copy=False) for array in arrays]
    if out is not None:
        validate.check_out(label, out, shape, dtype)

    if out is not None and out.dtype == computed == dtype and not _overlaps(out, arrays):
        target = out
    else:
        # Like NumPy's, a new array has the memory order of its inputs where they agree.
        in_order = all([
            array.shape == shape and array.strides == arrays[0].strides for array in arrays])
        target = np.empty_like(arrays[0], shape=shape, order="K" if in_order else "C", subok=False)

    if not _run(name, is_unary, [target, *arrays], workers):
        from fastproc.parallel import processes

        target = processes.compute_elementwise(
            workers, _elementwise_units, (name, is_unary), target, arrays,
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
        same = (
            array.ctypes.data == out.ctypes.data
            and array.shape == out.shape
            and array.strides == out.strides
        )
        if not same and np.may_share_memory(out, array):
            return True
    return False


# Here an operand may be of a subclass, but is not masked: `is_array` has been asked.


cdef inline bint _is_compiled(object x) noexcept:
    """Tell whether `x` is an array of a compiled dtype, of any strides."""
    return PyArray_Check(x) and dtype_code(<ndarray>x) >= 0


cdef inline bint _is_plain(object x) noexcept:
    """Tell whether `x` is a contiguous array of a compiled dtype."""
    return (
        PyArray_Check(x)
        and PyArray_CHKFLAGS(<ndarray>x, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED)
        and dtype_code(<ndarray>x) >= 0
    )


cdef inline bint _stays_here(object workers, Py_ssize_t size, int n_operands) except -1:
    """Tell whether no pool is to compute so many elements; an error if `workers` is nobody."""
    return workers is None or threads_for(
        workers, NS_PER_BYTE * 8 * n_operands * size, (size + UNIT - 1) // UNIT) > 0


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
    job.itemsize, job.size, job.unit_size = itemsize, size, UNIT
    job.walk.n_dims, job.walk.n_operands = 1, n_operands
    job.walk.shape[0] = size
    job.walk.data[0], job.walk.data[1] = <char*>out, <char*>x1
    job.walk.data[2] = <char*>x2
    job.walk.strides[0][0], job.walk.strides[1][0] = itemsize, step1 * itemsize
    job.walk.strides[2][0] = step2 * itemsize
    job.packed[0] = job.packed[1] = job.packed[2] = False
    n_units = (size + UNIT - 1) // UNIT
    return run_units(do_unit, &job, n_units, threads_for(
        workers, size * itemsize * n_operands * NS_PER_BYTE, n_units))


cdef bint _is_target(object out, int code) noexcept:
    """Tell whether `out` is an array into which a kernel of a dtype may write."""
    return (
        _is_compiled(out) and dtype_code(<ndarray>out) == code
        and PyArray_CHKFLAGS(<ndarray>out, NPY_ARRAY_WRITEABLE)
    )


cdef inline bint _fits(ndarray x, object out) noexcept:
    """Tell whether a kernel may write a plain array's results straight into a plain `out`."""
    return (
        _is_plain(out) and _is_target(out, dtype_code(x)) and same_shape(<ndarray>out, x)
        and is_apart(<ndarray>out, x)
    )


cdef object _unary(int name, str label, object x, object out, object workers):
    cdef ndarray array, target
    cdef object into = out if is_array(out) else None
    cdef Item item
    cdef int code
    x = as_input(x)
    if not is_array(x) or not _stays_here(workers, PyArray_SIZE(<ndarray>x), 2):
        return _compute(name, True, label, (x,), out, workers)
    if _is_plain(x) and (out is None or _fits(<ndarray>x, into)):
        array = <ndarray>x
        code = dtype_code(array)
        if out is None and PyArray_NDIM(array) == 0:
            _table.unaries[name][code](PyArray_DATA(array), &item, 1)
            return new_scalar(code, &item)
        if out is None:
            out = into = PyArray_EMPTY(
                PyArray_NDIM(array), PyArray_DIMS(array), PyArray_TYPE(array), 0)
        target = <ndarray>into
        _run_flat(_table.unaries[name][code], NULL, PyArray_DATA(array), 1, NULL, 0,
                  PyArray_DATA(target), PyArray_SIZE(array), item_size(code), workers)
        return out
    if out is None and is_narrow_integer(<ndarray>x):
        return _by_numpy(name, as_ndarray(x))
    if _is_compiled(x):
        array = <ndarray>x
        if out is None and PyArray_NDIM(array) > 0:
            out = into = PyArray_NewLikeArray(array, NPY_KEEPORDER, NULL, 0)
        if _is_target(into, dtype_code(array)) and same_shape(<ndarray>into, array) and (
                is_apart(<ndarray>into, array)):
            _run(name, True, [into, array], workers)
            return out
    return _compute(name, True, label, (x,), out, workers)


cdef object _by_numpy(int name, object x):
    """Compute integers for which no loop is compiled: NumPy's loop needs no conversion.

    Integers wrap around there as here, so the bits are the same.  Floats stay here, as NumPy warns
    where they overflow and fastproc does not.
    """
    if name == NEGATIVE:
        return _negative(x)
    squares = _square(x)
    return squares if name == SQUARE else _multiply(squares, x)


def square(x, out=None, *, workers=None):
    return _unary(SQUARE, "square", x, out, workers)


def cube(x, out=None, *, workers=None):
    return _unary(CUBE, "cube", x, out, workers)


def negative(x, out=None, *, workers=None):
    return _unary(NEGATIVE, "negative", x, out, workers)


cdef bint _take_number(object value, int code, Item* item):
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


cdef object _add_plain(ndarray shaped, object x1, object x2, object out, object workers):
    """Add plain arrays of one shape and dtype, or one and a number; None if they are neither."""
    cdef int code = dtype_code(shaped)
    cdef Item number
    cdef const void* left = &number
    cdef const void* right = &number
    cdef Py_ssize_t step1 = 0, step2 = 0
    cdef object into = out if is_array(out) else None
    if PyArray_NDIM(shaped) == 0:
        return None
    if _is_plain(x1):
        left, step1 = PyArray_DATA(<ndarray>x1), 1
    if _is_plain(x2):
        right, step2 = PyArray_DATA(<ndarray>x2), 1
    if step1 and step2:
        if dtype_code(<ndarray>x1) != dtype_code(<ndarray>x2):
            return None
        if not same_shape(<ndarray>x1, <ndarray>x2):
            return None
    elif not _take_number(x1 if step2 else x2, code, &number):
        return None
    if out is None:
        out = into = PyArray_EMPTY(
            PyArray_NDIM(shaped), PyArray_DIMS(shaped), PyArray_TYPE(shaped), 0)
    elif not (_fits(shaped, into) and (not step1 or _fits(<ndarray>x1, into))):
        return None
    _run_flat(NULL, _table.binaries[ADD][code], left, step1, right, step2,
              PyArray_DATA(<ndarray>into), PyArray_SIZE(shaped), item_size(code), workers)
    return out


cdef object _add_arrays(object a1, object a2, object out, object workers):
    """Add arrays of compiled dtypes that broadcast, or one and a number; None if they do not."""
    cdef ndarray x1, x2
    cdef int code, n_dims, i
    cdef npy_intp shape[MAX_DIMS]
    cdef object into = out if is_array(out) else None
    if not _is_compiled(a1):
        a1 = _number_like(a1, <ndarray>a2)
    elif not _is_compiled(a2):
        a2 = _number_like(a2, <ndarray>a1)
    if a1 is None or a2 is None:
        return None
    x1, x2 = a1, a2
    code = dtype_code(x1)
    if code != dtype_code(x2):
        if PyArray_NDIM(x1) == 0 or PyArray_NDIM(x2) == 0:
            return None                     # NumPy 1 looks at the values of such arrays
        code = INT64 if code >= INT64 and dtype_code(x2) >= INT64 else FLOAT64
        x1, x2 = _converted(x1, code), _converted(x2, code)
    n_dims = max(PyArray_NDIM(x1), PyArray_NDIM(x2))
    for i in range(n_dims):
        shape[i] = 1
    if not (broadcast_into(shape, n_dims, x1) and broadcast_into(shape, n_dims, x2)):
        return None
    if out is None:
        # Like NumPy's, a new array has the memory order of its inputs where they agree.
        if same_layout(x1, x2) or PyArray_NDIM(x2) == 0:
            into = PyArray_NewLikeArray(x1, NPY_KEEPORDER, NULL, 0)
        elif PyArray_NDIM(x1) == 0:
            into = PyArray_NewLikeArray(x2, NPY_KEEPORDER, NULL, 0)
        else:
            into = PyArray_EMPTY(n_dims, shape, type_number(code), 0)
    elif not (_is_target(into, code) and PyArray_NDIM(<ndarray>into) == n_dims):
        return None
    else:
        for i in range(n_dims):
            if PyArray_DIMS(<ndarray>into)[i] != shape[i]:
                return None
        if not (is_apart(<ndarray>into, x1) and is_apart(<ndarray>into, x2)):
            return None
    _run(ADD, False, [into, x1, x2], workers)
    if out is not None:
        return out
    return (<ndarray>into)[()] if n_dims == 0 else into


cdef object _number_like(object value, ndarray array):
    """Return a Python number as an array of another's dtype, if that is what NumPy does."""
    cdef Item number
    cdef ndarray wrapped
    cdef int code = dtype_code(array)
    if PyArray_NDIM(array) == 0 or not _take_number(value, code, &number):
        return None
    wrapped = PyArray_EMPTY(0, NULL, PyArray_TYPE(array), 0)
    memcpy(PyArray_DATA(wrapped), &number, item_size(code))
    return wrapped


cdef ndarray _converted(ndarray array, int code):
    if dtype_code(array) == code:
        return array
    return PyArray_CastToType(
        as_ndarray(array), PyArray_DescrFromType(type_number(code)),
        PyArray_CHKFLAGS(array, NPY_ARRAY_F_CONTIGUOUS))


cdef inline bint _is_integer(object x) noexcept:
    """Tell whether `x` is an integer, or an array of them, that may be added by NumPy."""
    if type(x) is int:
        return True
    return PyArray_Check(x) and (
        is_narrow_integer(<ndarray>x) or dtype_code(<ndarray>x) >= INT64)


cdef inline bint _is_operand(object x) except -1:
    """Tell whether `x` is an array that is not masked, or no array at all: a number, maybe."""
    return not PyArray_Check(x) or is_array(x)


cdef inline Py_ssize_t _most_sums(object x1, object x2) noexcept:
    """Return how many elements a sum has at the most."""
    cdef Py_ssize_t size1 = PyArray_SIZE(<ndarray>x1) if PyArray_Check(x1) else 1
    cdef Py_ssize_t size2 = PyArray_SIZE(<ndarray>x2) if PyArray_Check(x2) else 1
    if size1 <= 1 or size2 <= 1 or same_shape(<ndarray>x1, <ndarray>x2):
        return max(size1, size2)
    # Broadcast; each is less than 2**31 where the product matters.
    return size1 * size2 if max(size1, size2) < 1 << 31 else max(size1, size2)


def add(x1, x2, out=None, *, workers=None):
    cdef object result = None
    x1, x2 = as_input(x1), as_input(x2)
    if _is_operand(x1) and _is_operand(x2) and _stays_here(workers, _most_sums(x1, x2), 3):
        if _is_plain(x1) or _is_plain(x2):
            result = _add_plain(<ndarray>(x2 if _is_plain(x2) else x1), x1, x2, out, workers)
        if result is None and (_is_compiled(x1) or _is_compiled(x2)):
            result = _add_arrays(x1, x2, out, workers)
        if result is None and out is None and _is_integer(x1) and _is_integer(x2) and not (
                type(x1) is int and type(x2) is int):
            return _add(as_ndarray(x1), as_ndarray(x2))     # as in `_by_numpy`
        if result is not None:
            return result
    return _compute(ADD, False, "add", (x1, x2), out, workers)
