"""Layer: parallel.  The gates of the elementwise kernels, from square to replace.

A contiguous array takes a short way; anything else is walked as runs of elements, several
operands in step.  Elements do not depend on one another, so cuts and workers never change bits.
Besides operands, which are broadcast, a kernel may have parameters: numbers for all elements.
"""
# Safe for free-threaded Python: module state is written at import only.

import numpy as np

from numpy cimport (
    NPY_KEEPORDER,
    NPY_ORDER,
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

# A descriptor is an owned reference here, which the function that takes one steals.
cdef extern from "numpy/arrayobject.h":
    ndarray PyArray_NewLikeArray(ndarray prototype, NPY_ORDER order, void* descr, int subok)

from fastproc.kernels._common cimport CHUNK, FLOAT64, INT64
from fastproc.kernels._elementwise cimport (
    ADD, AXPY, CLIP, CUBE, NEGATIVE, POLYVAL, REPLACE, SIGMOID, SQUARE, ElementwiseTable,
    Parameters, binary_t, unary_t,
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
from fastproc.parallel._operands cimport (
    MAX_NUMBERS,
    converted,
    fits,
    is_bound,
    is_compiled,
    is_integer,
    is_operand,
    is_plain,
    is_target,
    most_results,
    number_like,
    take_number,
    take_parameters,
)
from fastproc.parallel._threads cimport run_units, threads_for
from fastproc.parallel._walk cimport MAX_DIMS

from fastproc import plan
from fastproc.kernels import validate

import_array()

cdef const ElementwiseTable* _table = <const ElementwiseTable*>table_of("elementwise")

cdef object _square = np.square, _multiply = np.multiply, _negative = np.negative, _add = np.add
cdef object _clip = np.clip

# What one thread needs for a byte it reads or writes, in nanoseconds; memory sets it.
cdef double NS_PER_BYTE = 0.05

cdef Py_ssize_t UNIT = plan.ELEMENTWISE_UNIT


cdef int _prepare(
    ElementwiseJob* job, int name, bint is_unary, list arrays, const Parameters* parameters
) except -1:
    """Plan a kernel over arrays of one compiled dtype: the output, and inputs that broadcast."""
    cdef int code = dtype_code(<ndarray>arrays[0])
    job.unary = _table.unaries[name][code] if is_unary else NULL
    job.binary = NULL if is_unary else _table.binaries[name][code]
    job.parameters = parameters[0]
    job.unit_size = UNIT
    return plan_walk(job, arrays)


cdef Parameters _parameters_of(ndarray values) noexcept:
    return Parameters(PyArray_DATA(values), PyArray_SIZE(values))


def _elementwise_units(
    int name, bint is_unary, ndarray values, list arrays, Py_ssize_t first, Py_ssize_t last
):
    """Do units `first` to `last` of an elementwise kernel, in a process of a pool."""
    cdef ElementwiseJob job
    cdef Parameters parameters = _parameters_of(values)
    cdef Py_ssize_t unit
    _prepare(&job, name, is_unary, arrays, &parameters)
    with nogil:
        for unit in range(first, last):
            do_unit(&job, unit)


cdef int _run(
    int name, bint is_unary, list arrays, const Parameters* parameters, object workers
) except -1:
    """Compute arrays of any strides in this process, the output first; 0 if a pool is wanted."""
    cdef ElementwiseJob job
    cdef Py_ssize_t n_units, unit
    cdef int n_threads
    _prepare(&job, name, is_unary, arrays, parameters)
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


cdef object _run_anywhere(
    int name, bint is_unary, object target, list arrays, ndarray values, object workers
):
    """Compute arrays in this process or a pool's; return the target, maybe another than given."""
    cdef Parameters parameters = _parameters_of(values)
    if _run(name, is_unary, [target, *arrays], &parameters, workers):
        return target
    from fastproc.parallel import processes

    return processes.compute_elementwise(
        workers, _elementwise_units, (name, is_unary, values), target, arrays,
        (target.size + UNIT - 1) // UNIT)


cdef object _compute(
    int name, bint is_unary, str label, tuple operands, object numbers, object out, object workers
):
    """Compute any operands into `out` or a new array."""
    # A Python number takes part in the choice of the dtype by its kind alone (NEP 50).
    arrays = [validate.as_array(label, operand) for operand in operands]
    weak = [operand if type(operand) in (int, float) else array
            for operand, array in zip(operands, arrays)]
    dtype, computed = validate.elementwise_dtypes(
        label, *weak, *validate.dtype_givers(label, numbers))
    arrays = [
        np.asarray(operand, dtype=dtype) if type(operand) in (int, float) else array
        for operand, array in zip(operands, arrays)
    ]
    shape = np.broadcast_shapes(*[array.shape for array in arrays])
    arrays = [array.astype(computed, copy=False) for array in arrays]
    # A Python integer that the dtype does not hold is an OverflowError, as with operands.
    values = np.array(
        [np.asarray(value, dtype) for value in validate.parameters(numbers, dtype)], dtype
    ).astype(computed, copy=False)
    if out is not None:
        validate.check_out(label, out, shape, dtype)

    if out is not None and out.dtype == computed == dtype and not _overlaps(out, arrays):
        target = out
    else:
        # Like NumPy's, a new array has the memory order of its inputs where they agree.
        in_order = all([
            array.shape == shape and array.strides == arrays[0].strides for array in arrays])
        target = np.empty_like(arrays[0], shape=shape, order="K" if in_order else "C", subok=False)

    target = _run_anywhere(name, is_unary, target, arrays, values, workers)
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


cdef inline bint _stays_here(object workers, Py_ssize_t size, int n_operands) except -1:
    """Tell whether no pool is to compute so many elements; an error if `workers` is nobody."""
    return workers is None or threads_for(
        workers, NS_PER_BYTE * 8 * n_operands * size, (size + UNIT - 1) // UNIT) > 0


cdef int _run_flat(
    unary_t unary, binary_t binary, const void* x1, Py_ssize_t step1, const void* x2,
    Py_ssize_t step2, void* out, Py_ssize_t size, Py_ssize_t itemsize,
    const Parameters* parameters, object workers
) except -1:
    """Compute contiguous elements: the short way around `_prepare`."""
    cdef ElementwiseJob job
    cdef Py_ssize_t n_units
    cdef int n_operands = 2 if unary != NULL else 3
    if size <= CHUNK:
        # Giving up the GIL and taking it back takes longer than the loop.
        if unary != NULL:
            unary(x1, out, size, parameters)
        else:
            binary(x1, step1, x2, step2, out, size, parameters)
        return 0
    job.unary, job.binary, job.parameters = unary, binary, parameters[0]
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


cdef object _unary(int name, str label, object x, object numbers, object out, object workers):
    cdef ndarray array, target
    cdef object into = out if is_array(out) else None
    cdef Item room[MAX_NUMBERS]
    cdef Parameters parameters
    cdef unary_t kernel
    cdef Item item
    cdef int code
    x = as_input(x)
    if not is_array(x) or not _stays_here(workers, PyArray_SIZE(<ndarray>x), 2):
        return _compute(name, True, label, (x,), numbers, out, workers)
    array = <ndarray>x
    code = dtype_code(array)
    # Square, cube and negative, that is.
    if code < 0 and out is None and name <= NEGATIVE and is_narrow_integer(array):
        return _by_numpy(name, as_ndarray(x))
    kernel = _table.unaries[name][code] if code >= 0 else NULL
    if kernel == NULL or not take_parameters(numbers, code, room, &parameters):
        return _compute(name, True, label, (x,), numbers, out, workers)
    if is_plain(x) and (out is None or fits(array, into)):
        if out is None and PyArray_NDIM(array) == 0:
            kernel(PyArray_DATA(array), &item, 1, &parameters)
            return new_scalar(code, &item)
        if out is None:
            out = into = PyArray_EMPTY(
                PyArray_NDIM(array), PyArray_DIMS(array), PyArray_TYPE(array), 0)
        target = <ndarray>into
        _run_flat(kernel, NULL, PyArray_DATA(array), 1, NULL, 0, PyArray_DATA(target),
                  PyArray_SIZE(array), item_size(code), &parameters, workers)
        return out
    if out is None and PyArray_NDIM(array) > 0:
        out = into = PyArray_NewLikeArray(array, NPY_KEEPORDER, NULL, 0)
    if is_target(into, code) and same_shape(<ndarray>into, array) and (
            is_apart(<ndarray>into, array)):
        _run(name, True, [into, array], &parameters, workers)
        return out
    return _compute(name, True, label, (x,), numbers, out, workers)


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
    return _unary(SQUARE, "square", x, None, out, workers)


def cube(x, out=None, *, workers=None):
    return _unary(CUBE, "cube", x, None, out, workers)


def negative(x, out=None, *, workers=None):
    return _unary(NEGATIVE, "negative", x, None, out, workers)


def sigmoid(x, out=None, *, workers=None):
    return _unary(SIGMOID, "sigmoid", x, None, out, workers)


def polyval(p, x, out=None, *, workers=None):
    cdef object coefficients = validate.coefficients(p, x)
    x = as_input(x)
    if is_array(x) and dtype_code(<ndarray>x) == FLOAT64 and dtype_code(coefficients) >= 0:
        coefficients = converted(coefficients, FLOAT64)
    return _unary(POLYVAL, "polyval", x, coefficients, out, workers)


def clip(a, a_min=None, a_max=None, out=None, *, workers=None):
    a = as_input(a)
    if not (is_array(a) and is_compiled(a) and is_bound(a_min) and is_bound(a_max)) and (
            validate.is_clipped_by_numpy(a, a_min, a_max)):
        threads_for(workers, 0, 1)                  # an error if `workers` is nobody
        return _clip(as_ndarray(a), a_min, a_max, out)
    return _unary(CLIP, "clip", a, (a_min, a_max), out, workers)


def replace(a, old, new, *, workers=None):
    cdef Item room[MAX_NUMBERS]
    cdef Parameters parameters
    cdef ndarray array
    cdef int code
    if not (is_array(a) and is_target(a, dtype_code(<ndarray>a))):
        validate.check_in_place("replace", a)
    array = <ndarray>a
    code = dtype_code(array)
    if code < 0:
        threads_for(workers, 0, 1)
        values = validate.replacement(array.dtype, old, new)
        is_old = np.isnan(array) if values[0] != values[0] else array == values[0]
        np.copyto(array, values[1], where=is_old)
        return
    if not take_parameters((old, new), code, room, &parameters):
        old, new = validate.replacement(array.dtype, old, new)
    elif _stays_here(workers, PyArray_SIZE(array), 2):
        if is_plain(a):
            _run_flat(
                _table.unaries[REPLACE][code], NULL, PyArray_DATA(array), 1, NULL, 0,
                PyArray_DATA(array), PyArray_SIZE(array), item_size(code), &parameters, workers)
        else:
            _run(REPLACE, True, [array, array], &parameters, workers)
        return
    values = np.array([old, new], array.dtype)
    target = _run_anywhere(REPLACE, True, as_ndarray(a), [as_ndarray(a)], values, workers)
    if not np.shares_memory(target, array):
        np.copyto(array, target)


cdef object _binary_plain(
    int name, ndarray shaped, object x1, object x2, object numbers, object out, object workers
):
    """Compute plain arrays of one shape and dtype, or one and a number; None if it has others."""
    cdef Item room[MAX_NUMBERS]
    cdef Parameters parameters
    cdef int code = dtype_code(shaped)
    cdef Item number
    cdef const void* left = &number
    cdef const void* right = &number
    cdef Py_ssize_t step1 = 0, step2 = 0
    cdef object into = out if is_array(out) else None
    if PyArray_NDIM(shaped) == 0 or not take_parameters(numbers, code, room, &parameters):
        return None
    if is_plain(x1):
        left, step1 = PyArray_DATA(<ndarray>x1), 1
    if is_plain(x2):
        right, step2 = PyArray_DATA(<ndarray>x2), 1
    if step1 and step2:
        if dtype_code(<ndarray>x1) != dtype_code(<ndarray>x2):
            return None
        if not same_shape(<ndarray>x1, <ndarray>x2):
            return None
    elif not take_number(x1 if step2 else x2, code, &number):
        return None
    if out is None:
        out = into = PyArray_EMPTY(
            PyArray_NDIM(shaped), PyArray_DIMS(shaped), PyArray_TYPE(shaped), 0)
    elif not (fits(shaped, into) and (not step1 or fits(<ndarray>x1, into))):
        return None
    _run_flat(NULL, _table.binaries[name][code], left, step1, right, step2,
              PyArray_DATA(<ndarray>into), PyArray_SIZE(shaped), item_size(code), &parameters,
              workers)
    return out


cdef object _binary_arrays(
    int name, object a1, object a2, object numbers, object out, object workers
):
    """Compute arrays of compiled dtypes, or one and a number; None if they do not broadcast."""
    cdef Item room[MAX_NUMBERS]
    cdef Parameters parameters
    cdef ndarray x1, x2
    cdef int code, n_dims, i
    cdef npy_intp shape[MAX_DIMS]
    cdef object into = out if is_array(out) else None
    if not is_compiled(a1):
        a1 = number_like(a1, <ndarray>a2)
    elif not is_compiled(a2):
        a2 = number_like(a2, <ndarray>a1)
    if a1 is None or a2 is None:
        return None
    x1, x2 = a1, a2
    code = dtype_code(x1)
    if code != dtype_code(x2):
        if PyArray_NDIM(x1) == 0 or PyArray_NDIM(x2) == 0:
            return None                     # NumPy 1 looks at the values of such arrays
        code = INT64 if code >= INT64 and dtype_code(x2) >= INT64 else FLOAT64
        x1, x2 = converted(x1, code), converted(x2, code)
    if not take_parameters(numbers, code, room, &parameters):
        return None
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
    elif not (is_target(into, code) and PyArray_NDIM(<ndarray>into) == n_dims):
        return None
    else:
        for i in range(n_dims):
            if PyArray_DIMS(<ndarray>into)[i] != shape[i]:
                return None
        if not (is_apart(<ndarray>into, x1) and is_apart(<ndarray>into, x2)):
            return None
    _run(name, False, [into, x1, x2], &parameters, workers)
    if out is not None:
        return out
    return (<ndarray>into)[()] if n_dims == 0 else into


cdef object _binary(
    int name, str label, object x1, object x2, object numbers, object out, object workers
):
    cdef object result = None
    x1, x2 = as_input(x1), as_input(x2)
    if is_operand(x1) and is_operand(x2) and _stays_here(workers, most_results(x1, x2), 3):
        if is_plain(x1) or is_plain(x2):
            result = _binary_plain(
                name, <ndarray>(x2 if is_plain(x2) else x1), x1, x2, numbers, out, workers)
        if result is None and (is_compiled(x1) or is_compiled(x2)):
            result = _binary_arrays(name, x1, x2, numbers, out, workers)
        if result is None and name == ADD and out is None and is_integer(x1) and (
                is_integer(x2)) and not (type(x1) is int and type(x2) is int):
            return _add(as_ndarray(x1), as_ndarray(x2))     # as in `_by_numpy`
        if result is not None:
            return result
    return _compute(name, False, label, (x1, x2), numbers, out, workers)


def add(x1, x2, out=None, *, workers=None):
    return _binary(ADD, "add", x1, x2, None, out, workers)


def axpy(alpha, x, y, out=None, *, workers=None):
    return _binary(AXPY, "axpy", x, y, (alpha,), out, workers)
