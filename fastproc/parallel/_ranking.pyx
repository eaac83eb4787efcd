"""Layer: parallel.  The gates of the k first elements, of partitions and of ranks.

A small array takes a short way; else lines are units of ``_lines.pyx``.  The k first elements of a
long line are looked for by all workers together, one line after another.
"""
# Safe for free-threaded Python: module state is written at import only.

import operator

import numpy as np

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport int64_t
from libc.string cimport memcpy
from numpy cimport (
    NPY_ARRAY_ALIGNED,
    NPY_ARRAY_C_CONTIGUOUS,
    NPY_DOUBLE,
    NPY_INT64,
    PyArray_BYTES,
    PyArray_CHKFLAGS,
    PyArray_DATA,
    PyArray_ITEMSIZE,
    PyArray_NDIM,
    PyArray_SIZE,
    PyArray_SimpleNew,
    import_array,
    ndarray,
    npy_intp,
)

from fastproc.kernels._common cimport CHUNK
from fastproc.kernels._ranking cimport (
    ARGPARTITION, NANRANKDATA, PARTITION, RANKDATA, TOPK, First, FirstKernels, Kths, RankingTable,
    RankMethod, Ranks,
)
from fastproc.kernels._select cimport sample_size
from fastproc.kernels._sort cimport Pair
from fastproc.parallel._gate cimport Item, as_input, dtype_code, is_array, table_of, type_number
from fastproc.parallel._lines cimport LinePlan, apply_to_lines, line_axis
from fastproc.parallel._threads cimport run_units, threads_for, threads_sharing
from fastproc.shm._atomic cimport atomic_fetch_add

from fastproc.kernels import validate

import_array()

cdef const RankingTable* _table = <const RankingTable*>table_of("ranking")

# What one thread needs for an element, in nanoseconds: to look at it, and to do all else.
cdef double NS_LOOK = 0.4
cdef double NS_LINE = 5

# Elements from which on a line is looked at by all workers together.
cdef Py_ssize_t LONG = 1 << 16

cdef enum:
    # Elements with which a kernel works on the stack.
    FEW = 256
    # Chunks of a unit of a long line.
    UNIT_CHUNKS = 16

cdef tuple _METHODS = ("average", "min", "max", "dense", "ordinal")

# A single rank as the kernels take it: the head, and the number behind it.
cdef struct OneKth:
    Kths head
    Py_ssize_t kth


cdef inline Py_ssize_t _scratch(Py_ssize_t n) noexcept nogil:
    """Return the bytes of memory in which each of the kernels can work on a line of `n`."""
    return (6 * n + 256) * 8


cdef inline bint _is_small(object a, object workers) except -1:
    """Tell whether the short way can be taken: few elements of one axis, as kernels want them."""
    return (
        is_array(a)
        and PyArray_NDIM(<ndarray>a) == 1
        and 0 < PyArray_SIZE(<ndarray>a) <= CHUNK
        and PyArray_CHKFLAGS(<ndarray>a, NPY_ARRAY_ALIGNED | NPY_ARRAY_C_CONTIGUOUS)
        and dtype_code(<ndarray>a) >= 0
        and (workers is None or threads_for(workers, 0, 1) == 1)
    )


cdef inline bint _is_first_axis(object axis) noexcept:
    """Tell whether `axis` is the int 0 or -1, without an error for what is no number."""
    return type(axis) is int and (axis == 0 or axis == -1)


cdef ndarray _small(
    int kernel, ndarray array, Py_ssize_t n_out, int out_type, const void* parameters
):
    cdef double scratch[6 * FEW + 256]
    cdef char* memory = <char*>scratch
    cdef Py_ssize_t n = PyArray_SIZE(array)
    cdef npy_intp length = n_out
    cdef ndarray out = PyArray_SimpleNew(1, &length, out_type)
    if n > FEW:
        memory = <char*>PyMem_RawMalloc(_scratch(n))
        if memory == NULL:
            raise MemoryError(f"no memory to rank {n} elements")
    _table.lines.kernels[kernel][dtype_code(array)](
        PyArray_DATA(array), 0, n, PyArray_DATA(out), memory, parameters)
    if n > FEW:
        PyMem_RawFree(memory)
    return out


cdef object _apply(
    int kernel, object array, int axis, Py_ssize_t n_out, object dtype, bytes parameters,
    object workers
):
    """Return what a kernel of lines makes of each line along `axis`."""
    cdef LinePlan plan
    if not array.flags.aligned:
        array = array.copy()
    shape = list(array.shape)
    shape[axis] = n_out
    plan.number, plan.n_out, plan.per_chunk, plan.before = kernel, n_out, False, 0
    plan.chunk = max(1, array.shape[axis])
    plan.scratch = _scratch(array.shape[axis])
    plan.ns_per_element = NS_LINE
    out = np.empty(shape, dtype)
    return apply_to_lines("ranking", &plan, parameters, array, out, axis, workers)


cdef tuple _along(object array, object axis):
    """Return an array and the number of the axis; for None the elements in C order."""
    if axis is None:
        return array.ravel(), 0
    return array, line_axis(axis, array.ndim)


# The k first elements -----------------------------------------------------------------------------


def topk(a, k, axis=-1, largest=True, *, workers=None):
    cdef First first
    cdef ndarray places
    a = as_input(a)
    first.largest = largest if type(largest) is bool else validate.flag("topk", "largest", largest)
    if _is_first_axis(axis) and type(k) is int and _is_small(a, workers) and (
        0 <= k <= PyArray_SIZE(<ndarray>a)
    ):
        first.k = k
        places = _small(TOPK, <ndarray>a, first.k, NPY_INT64, &first)
        return np.asarray(a).take(places), places
    array, line = _along(validate.as_array("topk", a), axis)
    first.k = _checked_k(k, array.shape[line])
    keyed = validate.reducible("topk", array)[0]
    if array.shape[line] >= LONG and 0 < first.k <= array.shape[line] // 64:
        indices = _first_of_long_lines(keyed, line, &first, workers)
    else:
        indices = _apply(TOPK, keyed, line, first.k, np.int64,
                         (<const char*>&first)[:sizeof(First)], workers)
    return np.take_along_axis(array, indices, line), indices


cdef Py_ssize_t _checked_k(object k, Py_ssize_t n) except -1:
    try:
        number = operator.index(k)
    except TypeError:
        raise TypeError(f"topk: k must be an integer, not {k!r}") from None
    if not 0 <= number <= n:
        raise ValueError(f"topk: k must be from 0 to {n}, the length of the axis, not {number}")
    return number


cdef struct FirstJob:
    const FirstKernels* kernels
    const char* x
    Py_ssize_t n
    Py_ssize_t itemsize
    First first
    Item limit
    Py_ssize_t capacity      # pairs for which there is room
    int64_t* count           # how many elements have reached the limit; the pairs lie behind it


cdef void _do_unit(void* argument, Py_ssize_t unit) noexcept nogil:
    """Collect the elements of a unit that reach the limit, as far as there is room for them."""
    cdef FirstJob* job = <FirstJob*>argument
    cdef Pair pairs[CHUNK + 1]
    cdef Py_ssize_t start = unit * UNIT_CHUNKS * CHUNK, n, count
    cdef Py_ssize_t stop = min(start + UNIT_CHUNKS * CHUNK, job.n)
    cdef int64_t room
    while start < stop:
        n = min(<Py_ssize_t>CHUNK, stop - start)
        count = job.kernels.reach(
            job.x + start * job.itemsize, n, start, &job.first, &job.limit, pairs)
        if count > 0:
            room = atomic_fetch_add(job.count, count)
            if room + count <= job.capacity:
                memcpy(<Pair*>(job.count + 1) + room, pairs, count * sizeof(Pair))
        start += n


cdef int _prepare(FirstJob* job, ndarray line, ndarray ledger) except -1:
    job.kernels = &_table.firsts[dtype_code(line)]
    job.x = PyArray_BYTES(line)
    job.n = PyArray_SIZE(line)
    job.itemsize = PyArray_ITEMSIZE(line)
    job.count = <int64_t*>PyArray_DATA(ledger)
    return 0


def _first_units(
    bytes first, bytes limit, Py_ssize_t capacity, list arrays, Py_ssize_t start, Py_ssize_t stop
):
    """Look at units `start` to `stop` of a long line, in a process of a pool."""
    cdef FirstJob job
    cdef Py_ssize_t unit
    job.first = (<const First*><const char*>first)[0]
    job.limit = (<const Item*><const char*>limit)[0]
    job.capacity = capacity
    _prepare(&job, arrays[1], arrays[0])
    with nogil:
        for unit in range(start, stop):
            _do_unit(&job, unit)


cdef object _first_of_long_lines(object array, int axis, const First* first, object workers):
    """Return the places of the first elements of each line."""
    rows = validate.contiguous(np.moveaxis(array, axis, -1))
    n = array.shape[axis]
    flat = np.empty((array.size // n, first.k), np.int64)
    for i, row in enumerate(rows.reshape(-1, n)):
        if not _first_of_line(row, flat[i], first, workers):
            # Many are equal, or many NaN: a look at every one, whose memory is the line's.
            flat[i] = _apply(TOPK, row, 0, first.k, np.int64,
                             (<const char*>first)[:sizeof(First)], workers)
    shape = [length for i, length in enumerate(array.shape) if i != axis]
    return np.moveaxis(flat.reshape(*shape, first.k), -1, axis)


cdef bint _first_of_line(
    ndarray line, ndarray out, const First* first, object workers
) except -1:
    """Find the places of the first elements; False if no limit is known that a few reach."""
    cdef FirstJob job
    cdef Py_ssize_t n = PyArray_SIZE(line), expected
    cdef Py_ssize_t n_units = (n + UNIT_CHUNKS * CHUNK - 1) // (UNIT_CHUNKS * CHUNK)
    cdef int n_threads = threads_sharing(workers, n * NS_LOOK, n_units)
    cdef const FirstKernels* kernels = &_table.firsts[dtype_code(line)]
    cdef char* scratch = <char*>PyMem_RawMalloc(2 * sample_size(n) * sizeof(Pair))
    if scratch == NULL:
        raise MemoryError(f"topk: no memory for a sample of {n} elements")
    job.first = first[0]
    with nogil:
        expected = kernels.find_limit(PyArray_DATA(line), n, first, &job.limit, scratch)
    PyMem_RawFree(scratch)
    if expected == 0:
        return False
    job.capacity = 4 * expected + CHUNK
    n_bytes = sizeof(int64_t) + job.capacity * sizeof(Pair)
    if n_threads > 0:
        ledger = np.empty(n_bytes, np.uint8)
        _prepare(&job, line, ledger)
        job.count[0] = 0
        run_units(_do_unit, &job, n_units, n_threads)
    else:
        from fastproc.parallel import processes

        ledger = processes.shared_empty((n_bytes,), np.uint8)
        _prepare(&job, line, ledger)
        job.count[0] = 0
        head = ((<const char*>&job.first)[:sizeof(First)],
                (<const char*>&job.limit)[:sizeof(Item)], job.capacity)
        processes.compute_elementwise(workers, _first_units, head, ledger, [line], n_units)
    if job.count[0] < first.k or job.count[0] > job.capacity:
        return False
    other = np.empty(job.count[0] * sizeof(Pair), np.uint8)
    _table.finish(<Pair*>(job.count + 1), job.count[0], <Pair*>PyArray_DATA(<ndarray>other),
                  first.k, <int64_t*>PyArray_DATA(out))
    return True


# Partitions ---------------------------------------------------------------------------------------


def partition(a, kth, axis=-1, *, workers=None):
    cdef OneKth one
    a = as_input(a)
    if _is_first_axis(axis) and type(kth) is int and _is_small(a, workers) and (
        0 <= kth < PyArray_SIZE(<ndarray>a)
    ):
        one.head.n_kth, one.kth = 1, kth
        return _small(PARTITION, <ndarray>a, PyArray_SIZE(<ndarray>a),
                      type_number(dtype_code(<ndarray>a)), &one)
    array, restore = validate.reducible("partition", a)
    array, line = _along(array, axis)
    n = array.shape[line]
    result = _apply(
        PARTITION, array, line, n, array.dtype, _checked_kths("partition", kth, n), workers)
    return result if restore is None else restore(result)


def argpartition(a, kth, axis=-1, *, workers=None):
    cdef OneKth one
    a = as_input(a)
    if _is_first_axis(axis) and type(kth) is int and _is_small(a, workers) and (
        0 <= kth < PyArray_SIZE(<ndarray>a)
    ):
        one.head.n_kth, one.kth = 1, kth
        return _small(ARGPARTITION, <ndarray>a, PyArray_SIZE(<ndarray>a), NPY_INT64, &one)
    array, line = _along(validate.reducible("argpartition", a)[0], axis)
    n = array.shape[line]
    return _apply(
        ARGPARTITION, array, line, n, np.int64, _checked_kths("argpartition", kth, n), workers)


cdef bytes _checked_kths(str name, object kth, Py_ssize_t n):
    """Return what the kernels are given: a `Kths` and the ranks behind it, ascending."""
    cdef Kths head
    given = np.asarray(kth)
    if given.size and (given.dtype.kind not in "iu" or given.ndim > 1):
        raise TypeError(f"{name}: kth must be an integer or a sequence of integers, not {kth!r}")
    ranks = []
    for number in given.ravel().tolist():
        if n > 0 and not -n <= number < n:
            raise ValueError(f"{name}: kth(={number}) out of bounds ({n})")
        ranks.append(number + n if number < 0 else number)
    ranks = np.array(sorted(ranks), np.intp)
    head.n_kth = ranks.size
    return (<const char*>&head)[:sizeof(Kths)] + ranks.tobytes()


# Ranks --------------------------------------------------------------------------------------------


def rankdata(a, method="average", axis=None, *, workers=None):
    return _ranked("rankdata", RANKDATA, a, method, axis, workers)


def nanrankdata(a, method="average", axis=None, *, workers=None):
    return _ranked("nanrankdata", NANRANKDATA, a, method, axis, workers)


cdef object _ranked(str name, int kernel, object a, object method, object axis, object workers):
    cdef Ranks ranks
    a = as_input(a)
    if type(method) is not str or method not in _METHODS:
        raise ValueError(f"{name}: method must be one of {', '.join(_METHODS)}, not {method!r}")
    ranks.method = <RankMethod><int>_METHODS.index(method)
    if (axis is None or _is_first_axis(axis)) and _is_small(a, workers):
        return _small(kernel, <ndarray>a, PyArray_SIZE(<ndarray>a), NPY_DOUBLE, &ranks)
    array, line = _along(validate.reducible(name, a)[0], axis)
    return _apply(kernel, array, line, array.shape[line], np.float64,
                  (<const char*>&ranks)[:sizeof(Ranks)], workers)
