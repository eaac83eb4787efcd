"""Layer: parallel.  The gates of the reductions: from an array and its axes to results.

A gate reads the dtype and the pointers, cuts the work into units, lets this thread, the thread team
or a pool do them, and wraps the results.  An array of one chunk or less takes a short way past all
that, since there a call costs more than the arithmetic; it keeps the GIL, as giving it up and
taking it back takes longer than the loop (some 1 us at the most).
"""
# Safe for free-threaded Python: module state is written at import only.

import warnings

import numpy as np

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.string cimport memset
from numpy cimport (
    NPY_ARRAY_ALIGNED,
    NPY_ARRAY_C_CONTIGUOUS,
    NPY_ARRAY_F_CONTIGUOUS,
    PyArray_BYTES,
    PyArray_CHKFLAGS,
    PyArray_DATA,
    PyArray_DIMS,
    PyArray_Dims,
    PyArray_NDIM,
    PyArray_SIZE,
    PyArray_SimpleNew,
    PyArray_STRIDES,
    PyArray_Transpose,
    import_array,
    ndarray,
    npy_intp,
)

from fastproc.kernels._common cimport CHUNK, FLOAT32, FLOAT64, INT32, INT64
from fastproc.kernels._reductions cimport (
    ALL_FINITE, ALLNAN, ANYNAN, ARGMAX, ARGMIN, LOGSUMEXP, MAX, MEAN, MIN, MINMAX, NANARGMAX,
    NANARGMIN, NANMAX, NANMEAN, NANMIN, NANMINMAX, NANSTD, NANSUM, NANVAR, SS, STD, SUM, VAR,
)
from fastproc.kernels._reductions cimport FINE, NO_FREEDOM, NO_VALUE
from fastproc.kernels._reductions cimport Finding, Reduction, ReductionTable, State
from fastproc.parallel._gate cimport (
    Item,
    as_input,
    dtype_code,
    is_array,
    item_size,
    new_scalar,
    table_of,
    type_number,
)
from fastproc.parallel._reduction_job cimport (
    ReductionJob,
    do_few,
    do_unit,
    finish,
    plan_units,
    write_result,
)
from fastproc.parallel._threads cimport run_units, threads_for
from fastproc.parallel._walk cimport MAX_DIMS, copy_items, flip_dims, magnitude

from fastproc.kernels import validate

import_array()

cdef const ReductionTable* _table = <const ReductionTable*>table_of("reductions")

# By kernel number, see kernels/_reductions.pxd.
_NAMES = (
    "sum", "mean", "var", "std", "min", "max", "minmax", "argmin", "argmax",
    "nansum", "nanmean", "nanvar", "nanstd", "nanmin", "nanmax", "nanminmax", "nanargmin",
    "nanargmax", "ss", "anynan", "allnan", "all_finite", "logsumexp",
)

cdef object _true = np.True_, _false = np.False_


def _as_bool(result):
    return result.astype(np.bool_)


# What one thread needs for a byte it reduces, in nanoseconds; memory sets it, not the kernel.
cdef double NS_PER_BYTE = 0.04

# Where the exponential function sets it.
cdef double NS_PER_BYTE_OF_EXP = 0.12


cdef inline bint _is_arg(int name) noexcept:
    return name == ARGMIN or name == ARGMAX or name == NANARGMIN or name == NANARGMAX


cdef inline bint _is_minmax(int name) noexcept:
    return name == MINMAX or name == NANMINMAX


cdef inline bint _has_identity(int name) noexcept:
    """Tell whether the kernel has a result for no elements at all, if only NaN."""
    return (SUM <= name and name <= STD) or (NANSUM <= name and name <= NANSTD) or name >= SS


cdef inline bint _is_check(int name) noexcept:
    """Tell whether the result is True or False."""
    return name == ANYNAN or name == ALLNAN or name == ALL_FINITE


cdef inline bint _takes_scalar_axis(int name) noexcept:
    """Tell whether NumPy takes axis 0 of an array without axes: not where it counts an axis."""
    return not (MEAN <= name and name <= STD)


cdef inline int _result_dtype(int name, int dtype) noexcept:
    if _is_arg(name) or _is_check(name):
        return INT64
    if name == SUM or name == NANSUM or name == SS:
        return INT64 if dtype == INT32 else dtype
    if _has_identity(name):
        return FLOAT32 if dtype == FLOAT32 else FLOAT64
    return dtype


cdef inline object _reduce(
    int name, object a, object axis, object dtype, object out, object keepdims, double ddof,
    object workers
):
    """Take the short way if the call is a common one on a small array, else the long way."""
    cdef ndarray array
    cdef Py_ssize_t size
    cdef int code
    cdef bint is_plain
    a = as_input(a)
    is_plain = is_array(a) and dtype is None
    if is_plain and out is None and keepdims is False:
        array = <ndarray>a
        size = PyArray_SIZE(array)
        if (
            0 < size and (size <= CHUNK or _is_check(name))
            and (axis is None or (PyArray_NDIM(array) == 1 and _is_first_axis(axis)))
            and PyArray_CHKFLAGS(array, NPY_ARRAY_ALIGNED)
            and (workers is None or threads_for(workers, 0, 1) == 1)    # no mistake, that is
        ):
            code = dtype_code(array)
            if code >= 0 and _lies_in_order(name, array):
                if size <= CHUNK or _is_decided(name, code, PyArray_DATA(array)):
                    size = size if size <= CHUNK else CHUNK
                    return _reduce_chunk(name, code, PyArray_DATA(array), size, ddof)
            elif code >= 0 and PyArray_NDIM(array) == 1 and size <= CHUNK:
                return _reduce_strided(name, code, array, size, ddof)
    return _reduce_array(name, a, is_plain, axis, dtype, out, keepdims, ddof, workers)


cdef inline bint _is_first_axis(object axis) noexcept:
    """Tell whether `axis` is the int 0 or -1, without an error for what is no number."""
    return type(axis) is int and (axis == 0 or axis == -1)


cdef inline bint _lies_in_order(int name, ndarray array) noexcept:
    """Tell whether `plan_units` would have all elements walked as they lie, without a gap.

    What has no index takes either order, since it is walked in that of memory.
    """
    return PyArray_CHKFLAGS(array, NPY_ARRAY_C_CONTIGUOUS) or (
        PyArray_CHKFLAGS(array, NPY_ARRAY_F_CONTIGUOUS) and not _is_arg(name))


cdef bint _is_decided(int name, int code, const void* x) noexcept:
    """Tell whether a check's first chunk says it all, so that there is nothing to be planned."""
    cdef State state
    _table.kernels[name][code].partial(x, CHUNK, 0, &state)
    return state.n > 0


cdef object _reduce_strided(int name, int code, ndarray array, Py_ssize_t size, double ddof):
    """Pack an array of one axis in the order in which `plan_units` would have it walked."""
    cdef double scratch[CHUNK]
    cdef Py_ssize_t stride = PyArray_STRIDES(array)[0]
    cdef char* start = PyArray_BYTES(array)
    if stride < 0 and not _is_arg(name):
        start += (size - 1) * stride
        stride = -stride
    copy_items(<char*>scratch, item_size(code), start, stride, size, item_size(code))
    return _reduce_chunk(name, code, scratch, size, ddof)


cdef object _reduce_chunk(int name, int code, const void* x, Py_ssize_t size, double ddof):
    cdef const Reduction* kernel = &_table.kernels[name][code]
    cdef int result_code = _result_dtype(name, code)
    cdef State state
    cdef Item first, second
    cdef Finding finding
    kernel.partial(x, size, 0, &state)
    if kernel.locate != NULL and state.n >= 0:
        state.n = kernel.locate(x, size, &state)
    finding = kernel.finalize(&state, size, ddof, &first, &second)
    if finding != FINE:
        _report(name, finding == NO_VALUE, finding == NO_FREEDOM)
    if _is_minmax(name):
        return new_scalar(result_code, &first), new_scalar(result_code, &second)
    if _is_check(name):
        return _true if first.i64 else _false
    return new_scalar(result_code, &first)


cdef int _report(int name, bint no_value, bint no_freedom, int stacklevel=1) except -1:
    """Say what NumPy says of results that have no value or no degree of freedom.

    Compiled code has no frame: level 1 is the line that has called the kernel.
    """
    if no_value and _is_arg(name):
        raise ValueError("All-NaN slice encountered")
    if no_value and (name == MEAN or name == NANMEAN):
        warnings.warn("Mean of empty slice", RuntimeWarning, stacklevel=stacklevel)
    elif no_value:
        warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=stacklevel)
    if no_freedom:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=stacklevel)
    return 0


cdef object _reduce_array(
    int name, object a, bint is_plain, object axis, object dtype, object out, object keepdims,
    double ddof, object workers
):
    """Reduce any array along any axes; `is_plain` says that it is one, and wants no `dtype`."""
    cdef ReductionJob job
    cdef bint reduces[MAX_DIMS]
    cdef int order[MAX_DIMS]
    cdef npy_intp shape[MAX_DIMS]
    cdef ndarray array, result, second
    cdef int code, result_code, n_kept = 0, i, n_threads
    cdef bint keeps = keepdims is not False and validate.flag(_NAMES[name], "keepdims", keepdims)
    cdef object restore = None

    if _is_minmax(name) and out is not None and (not isinstance(out, tuple) or len(out) != 2):
        raise TypeError(f"{_NAMES[name]}: out must be a tuple of two arrays, not {out!r}")
    if not is_plain or dtype_code(<ndarray>a) < 0:
        a, restore = validate.reducible(_NAMES[name], a, dtype)
    if _is_check(name):
        restore = _as_bool
    array = <ndarray?>a
    code = dtype_code(array)
    _mark_axes(name, axis, array, reduces)
    _prepare(&job, name, code, array, reduces, order)
    job.ddof, job.keeps_states = ddof, False
    if job.n_reduced == 0 and not _has_identity(name):
        raise ValueError(validate.no_identity(_NAMES[name]))

    # The results are laid out in the order of the kept axes in memory, like NumPy's.
    result_code = _result_dtype(name, code)
    for i in range(PyArray_NDIM(array)):
        if not reduces[order[i]]:
            shape[n_kept] = PyArray_DIMS(array)[order[i]]
            n_kept += 1
    result = PyArray_SimpleNew(n_kept, shape, type_number(result_code))
    second = PyArray_SimpleNew(n_kept, shape, type_number(result_code)) if (
        _is_minmax(name)) else result
    job.out = PyArray_BYTES(result)
    job.out2 = PyArray_BYTES(second)
    job.out_itemsize = item_size(result_code)

    n_threads = threads_for(
        workers, PyArray_SIZE(array) * job.itemsize * (
            NS_PER_BYTE_OF_EXP if name == LOGSUMEXP else NS_PER_BYTE), job.n_units)
    if n_threads > 0:
        _run(&job, n_threads)
    else:
        _run_on_pool(&job, name, array, reduces, workers)
    if job.no_value or job.no_freedom:
        _report(name, job.no_value, job.no_freedom)

    shaped = _shaped(result, array, reduces, order, keeps, restore)
    if _is_minmax(name):
        pair = shaped, _shaped(second, array, reduces, order, keeps, restore)
        return pair if out is None else validate.store(_NAMES[name], pair, out)
    return shaped if out is None else validate.store(_NAMES[name], (shaped,), (out,))[0]


cdef int _mark_axes(int name, object axis, ndarray array, bint* reduces) except -1:
    """Mark the axes that `axis` names; AxisError, ValueError and TypeError as NumPy's."""
    cdef int n_dims = PyArray_NDIM(array), i
    for i in range(n_dims):
        reduces[i] = axis is None
    if axis is None:
        return 0
    if not isinstance(axis, tuple) or _is_arg(name):
        if n_dims == 0 and _takes_scalar_axis(name) and axis in (0, -1):
            return 0
        return _mark_axis(axis, n_dims, reduces)
    for item in <tuple>axis:
        _mark_axis(item, n_dims, reduces)
    return 0


cdef int _mark_axis(object axis, int n_dims, bint* reduces) except -1:
    cdef Py_ssize_t number = axis
    if number < -n_dims or number >= n_dims:
        raise np.exceptions.AxisError(number, n_dims)
    if number < 0:
        number += n_dims
    if reduces[number]:
        raise ValueError("duplicate value in 'axis'")
    reduces[number] = True
    return 0


cdef tuple _axes_tuple(ndarray array, const bint* reduces):
    return tuple([i for i in range(PyArray_NDIM(array)) if reduces[i]])


cdef int _prepare(
    ReductionJob* job, int name, int code, ndarray array, const bint* reduces, int* order
) except -1:
    """Plan the reduction of an array; `order` gets its axes, the largest stride first.

    What is wanted of the states is not the plan's: a job for a pool is planned twice.
    """
    cdef int n_dims = PyArray_NDIM(array), i, j, axis
    cdef Py_ssize_t n_adjacent = 1
    cdef npy_intp* shape = PyArray_DIMS(array)
    cdef npy_intp* strides = PyArray_STRIDES(array)

    for i in range(n_dims):                 # an insertion sort, stable as it must be
        j = i
        while j > 0 and magnitude(strides[order[j - 1]]) < magnitude(strides[i]):
            order[j] = order[j - 1]
            j -= 1
        order[j] = i

    job.kernel = &_table.kernels[name][code]
    job.itemsize = item_size(code)
    job.may_stop = _is_check(name)
    job.kept.n_operands = job.reduced.n_operands = 1
    job.kept.n_dims = job.reduced.n_dims = 0
    job.reduced.data[0] = PyArray_BYTES(array)
    for i in range(n_dims):
        if not reduces[order[i]]:
            n_adjacent *= shape[order[i]]
            job.kept.shape[job.kept.n_dims] = shape[order[i]]
            job.kept.strides[0][job.kept.n_dims] = strides[order[i]]
            job.kept.n_dims += 1
        elif shape[order[i]] != 1:
            n_adjacent = 1
    for i in range(n_dims):
        # An index counts the elements in C order; what has no index is taken as it lies.
        axis = i if _is_arg(name) else order[i]
        if reduces[axis]:
            job.reduced.shape[job.reduced.n_dims] = shape[axis]
            job.reduced.strides[0][job.reduced.n_dims] = strides[axis]
            job.reduced.n_dims += 1
    if not _is_arg(name):
        flip_dims(&job.reduced)
    job.kept.data[0] = job.reduced.data[0]
    plan_units(job, PyArray_CHKFLAGS(array, NPY_ARRAY_ALIGNED), n_adjacent)
    return 0


cdef int _run(ReductionJob* job, int n_threads) except -1:
    """Do all units in this process."""
    cdef State nothing
    cdef Py_ssize_t i
    if job.n_reduced == 0:
        memset(&nothing, 0, sizeof(State))
        for i in range(job.n_out):
            write_result(job, i, &nothing)
        return 0
    if job.n_chunks == 1 and job.n_out * job.n_reduced <= CHUNK:        # with the GIL, see above
        if job.by_columns:
            for i in range(job.n_units):
                do_unit(job, i)
        else:
            do_few(job)
        return 0
    if job.n_chunks > 1:
        job.states = <State*>PyMem_RawMalloc(job.n_out * job.n_chunks * sizeof(State))
        if job.states == NULL:
            raise MemoryError("no memory for the states of the chunks")
    try:
        run_units(do_unit, job, job.n_units, n_threads)
        if job.states != NULL:
            with nogil:
                finish(job)
    finally:
        PyMem_RawFree(job.states)
    return 0


cdef int _run_on_pool(
    ReductionJob* job, int name, ndarray array, const bint* reduces, object pool
) except -1:
    """Do all units in the pool's processes, which write their states into shared memory."""
    from fastproc.parallel import processes

    cdef int order[MAX_DIMS]
    cdef ndarray states
    axes = _axes_tuple(array, reduces)
    shared = processes.shared_like(array, () if _is_arg(name) else axes)
    # Dimensions that could not be joined in the array may be joined in its copy: other units, if
    # with the same bits.  So the plan is made of what the workers see.
    _prepare(job, name, dtype_code(array), shared, reduces, order)
    states = processes.run_units(
        pool, _reduce_units, (name,), shared, (axes,), job.n_units,
        job.n_out * job.n_chunks * sizeof(State))
    job.states = <State*>PyArray_DATA(states)
    with nogil:
        finish(job)
    return 0


def _reduce_units(
    int name, ndarray array, tuple axes, ndarray states, Py_ssize_t first, Py_ssize_t last
):
    """Do units `first` to `last` of a reduction, in a process of a pool.

    The plan is made anew from the array: it depends on the array alone.
    """
    cdef ReductionJob job
    cdef bint reduces[MAX_DIMS]
    cdef int order[MAX_DIMS]
    cdef Py_ssize_t unit
    cdef int i
    for i in range(PyArray_NDIM(array)):
        reduces[i] = i in axes
    _prepare(&job, name, dtype_code(array), array, reduces, order)
    if first < 0 or last > job.n_units or (
            states.nbytes < job.n_out * job.n_chunks * <Py_ssize_t>sizeof(State)):
        raise ValueError(f"units {first} to {last} are not those of this reduction")
    job.states = <State*>PyArray_DATA(states)
    with nogil:
        for unit in range(first, last):
            do_unit(&job, unit)


cdef object _shaped(
    ndarray result, ndarray array, const bint* reduces, const int* order, bint keepdims,
    object restore
):
    """Give results the order of axes and the dtype that the caller expects."""
    cdef int n_dims = PyArray_NDIM(array), i, n_kept = 0, last = -1
    cdef bint is_sorted = True
    cdef npy_intp places[MAX_DIMS]
    cdef npy_intp permutation[MAX_DIMS]
    cdef PyArray_Dims dims
    cdef object shaped = result
    for i in range(n_dims):
        if not reduces[order[i]]:
            places[order[i]] = n_kept
            is_sorted = is_sorted and last < order[i]
            last = order[i]
            n_kept += 1
    if not is_sorted:
        dims.ptr, dims.len = permutation, 0
        for i in range(n_dims):
            if not reduces[i]:
                permutation[dims.len] = places[i]
                dims.len += 1
        shaped = PyArray_Transpose(result, &dims)
    if keepdims:
        shaped = shaped.reshape([1 if reduces[i] else array.shape[i] for i in range(n_dims)])
    if restore is not None:
        shaped = restore(shaped)
    # Where `restore` computes, NumPy has made a scalar of an array without axes already.
    return shaped[()] if type(shaped) is not ndarray or PyArray_NDIM(shaped) == 0 else shaped


# States for accumulators -------------------------------------------------------------------------

_STATE = np.dtype((np.void, sizeof(State)))


def _states_of(int name, object a, object axis, object workers):
    """Return an array's states, one a result, and how many elements each is of."""
    cdef ReductionJob job
    cdef bint reduces[MAX_DIMS]
    cdef int order[MAX_DIMS]
    cdef ndarray array = <ndarray?>a, states
    cdef int i, n_threads
    _mark_axes(name, axis, array, reduces)
    _prepare(&job, name, dtype_code(array), array, reduces, order)
    shape = [array.shape[order[i]] for i in range(PyArray_NDIM(array)) if not reduces[order[i]]]
    states = np.empty(shape, _STATE)
    job.out = job.out2 = PyArray_BYTES(states)
    job.out_itemsize = sizeof(State)
    job.keeps_states = True
    n_threads = threads_for(
        workers, PyArray_SIZE(array) * job.itemsize * NS_PER_BYTE, job.n_units)
    if n_threads > 0:
        _run(&job, n_threads)
    else:
        _run_on_pool(&job, name, array, reduces, workers)
    return np.asarray(_shaped(states, array, reduces, order, False, None), order="C"), job.n_reduced


def _merge_states(int name, object dtype, ndarray into, ndarray other, Py_ssize_t before):
    """Merge `other` into `into`, both from `_states_of`; `before` elements came before other's."""
    cdef const Reduction* kernel = &_table.kernels[name][_code_of(dtype)]
    cdef State* target = <State*>PyArray_DATA(into)
    cdef const State* source = <const State*>PyArray_DATA(other)
    cdef State moved
    cdef Py_ssize_t i
    for i in range(PyArray_SIZE(into)):
        moved = source[i]
        if _is_arg(name) and moved.n >= 0:
            moved.n += before
        kernel.merge(&target[i], &moved, NULL)


def _results_of(int name, object dtype, ndarray states, Py_ssize_t count, double ddof):
    """Make results of states from `_states_of`, each of `count` elements: one array, or two."""
    cdef ReductionJob job
    cdef int code = _code_of(dtype), result_code = _result_dtype(name, code)
    cdef ndarray first = PyArray_SimpleNew(
        PyArray_NDIM(states), PyArray_DIMS(states), type_number(result_code))
    cdef ndarray second = first.copy() if _is_minmax(name) else first
    cdef Py_ssize_t i
    if count == 0 and not _has_identity(name):
        raise ValueError(validate.no_identity(_NAMES[name]))
    job.kernel = &_table.kernels[name][code]
    job.n_reduced, job.ddof, job.keeps_states = count, ddof, False
    job.no_value = job.no_freedom = 0
    job.out, job.out2 = PyArray_BYTES(first), PyArray_BYTES(second)
    job.out_itemsize = item_size(result_code)
    for i in range(PyArray_SIZE(states)):
        write_result(&job, i, <const State*>PyArray_DATA(states) + i)
    if job.no_value or job.no_freedom:
        _report(name, job.no_value, job.no_freedom, 2)      # past the accumulator
    return (first, second) if _is_minmax(name) else (first,)


cdef int _code_of(object dtype) except -1:
    return dtype_code(<ndarray>np.empty(0, dtype))


# The public functions ----------------------------------------------------------------------------
#
# Their signatures are NumPy's and `workers`; their docstrings are in docs.py, which says what they
# share once.


def sum(a, axis=None, dtype=None, out=None, keepdims=False, *, workers=None):
    return _reduce(SUM, a, axis, dtype, out, keepdims, 0, workers)


def nansum(a, axis=None, dtype=None, out=None, keepdims=False, *, workers=None):
    return _reduce(NANSUM, a, axis, dtype, out, keepdims, 0, workers)


def mean(a, axis=None, dtype=None, out=None, keepdims=False, *, workers=None):
    return _reduce(MEAN, a, axis, dtype, out, keepdims, 0, workers)


def nanmean(a, axis=None, dtype=None, out=None, keepdims=False, *, workers=None):
    return _reduce(NANMEAN, a, axis, dtype, out, keepdims, 0, workers)


def var(
    a, axis=None, dtype=None, out=None, double ddof=0, keepdims=False, *, workers=None
):
    return _reduce(VAR, a, axis, dtype, out, keepdims, ddof, workers)


def nanvar(
    a, axis=None, dtype=None, out=None, double ddof=0, keepdims=False, *, workers=None
):
    return _reduce(NANVAR, a, axis, dtype, out, keepdims, ddof, workers)


def std(
    a, axis=None, dtype=None, out=None, double ddof=0, keepdims=False, *, workers=None
):
    return _reduce(STD, a, axis, dtype, out, keepdims, ddof, workers)


def nanstd(
    a, axis=None, dtype=None, out=None, double ddof=0, keepdims=False, *, workers=None
):
    return _reduce(NANSTD, a, axis, dtype, out, keepdims, ddof, workers)


def min(a, axis=None, out=None, keepdims=False, *, workers=None):
    return _reduce(MIN, a, axis, None, out, keepdims, 0, workers)


def nanmin(a, axis=None, out=None, keepdims=False, *, workers=None):
    return _reduce(NANMIN, a, axis, None, out, keepdims, 0, workers)


def max(a, axis=None, out=None, keepdims=False, *, workers=None):
    return _reduce(MAX, a, axis, None, out, keepdims, 0, workers)


def nanmax(a, axis=None, out=None, keepdims=False, *, workers=None):
    return _reduce(NANMAX, a, axis, None, out, keepdims, 0, workers)


def minmax(a, axis=None, out=None, keepdims=False, *, workers=None):
    return _reduce(MINMAX, a, axis, None, out, keepdims, 0, workers)


def nanminmax(a, axis=None, out=None, keepdims=False, *, workers=None):
    return _reduce(NANMINMAX, a, axis, None, out, keepdims, 0, workers)


def argmin(a, axis=None, out=None, *, keepdims=False, workers=None):
    return _reduce(ARGMIN, a, axis, None, out, keepdims, 0, workers)


def nanargmin(a, axis=None, out=None, *, keepdims=False, workers=None):
    return _reduce(NANARGMIN, a, axis, None, out, keepdims, 0, workers)


def argmax(a, axis=None, out=None, *, keepdims=False, workers=None):
    return _reduce(ARGMAX, a, axis, None, out, keepdims, 0, workers)


def nanargmax(a, axis=None, out=None, *, keepdims=False, workers=None):
    return _reduce(NANARGMAX, a, axis, None, out, keepdims, 0, workers)


def ss(a, axis=None, out=None, keepdims=False, *, workers=None):
    return _reduce(SS, a, axis, None, out, keepdims, 0, workers)


def anynan(a, axis=None, out=None, keepdims=False, *, workers=None):
    return _reduce(ANYNAN, a, axis, None, out, keepdims, 0, workers)


def allnan(a, axis=None, out=None, keepdims=False, *, workers=None):
    return _reduce(ALLNAN, a, axis, None, out, keepdims, 0, workers)


def all_finite(a, axis=None, out=None, keepdims=False, *, workers=None):
    return _reduce(ALL_FINITE, a, axis, None, out, keepdims, 0, workers)


def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False, *, workers=None):
    if b is not None or return_sign is not False:
        from fastproc.parallel import signed

        return signed.logsumexp(a, axis, b, keepdims, return_sign, workers)
    return _reduce(LOGSUMEXP, a, axis, None, None, keepdims, 0, workers)
