"""Layer: parallel.  The gates of the order statistics: medians, quantiles and percentiles.

The elements along the reduced axes are made lines.  A small array takes a short way; short lines
are units of ``_lines.pyx``; a long line is searched by all workers together (``_order_job.pxd``),
one line after another.
"""
# Safe for free-threaded Python: module state is written at import only.

import operator
import warnings

import numpy as np

from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.string cimport memset
from numpy cimport (
    NPY_ARRAY_ALIGNED,
    NPY_ARRAY_C_CONTIGUOUS,
    NPY_ARRAY_F_CONTIGUOUS,
    PyArray_BYTES,
    PyArray_CHKFLAGS,
    PyArray_DATA,
    PyArray_ITEMSIZE,
    PyArray_NDIM,
    PyArray_SIZE,
    import_array,
    ndarray,
)

from fastproc.kernels._common cimport CHUNK, FLOAT32
from fastproc.kernels._order cimport (
    MOST_SEARCHED, NANQUANTILES, QUANTILES, Bracket, LongKernels, OrderTable, Place, Quantiles,
    find_place,
)
from fastproc.kernels._select cimport sample_size
from fastproc.parallel._gate cimport (
    Item, as_input, dtype_code, is_array, item_size, new_float32, new_float64, table_of,
)
from fastproc.parallel._lines cimport LinePlan, apply_to_lines
from fastproc.parallel._order_job cimport (
    MOST_BRACKETS, UNIT_CHUNKS, Ledger, SiftJob, do_unit, kept_of,
)
from fastproc.parallel._threads cimport run_units, threads_for, threads_sharing

from fastproc.kernels import validate

import_array()

cdef const OrderTable* _table = <const OrderTable*>table_of("order")

# What one thread needs for an element and a quantile, in nanoseconds, in short and long lines.
cdef double NS_SHORT = 2
cdef double NS_LONG = 0.5

# Elements from which on a line is searched by all workers together.
cdef Py_ssize_t LONG = 1 << 16

cdef enum:
    # Elements of a small array, and bytes of the memory in which it is searched.
    SMALL = 512
    # Samples of a long line that are drawn before a quantile is found by halving.
    N_DRAWS = 2
    SMALL_SCRATCH = (5 * SMALL + 128) * 8

# By the name of NumPy's method: alpha and beta, which say how ranks are spread (Hyndman and Fan,
# "Sample quantiles in statistical packages", 1996).
cdef dict _METHODS = {
    "linear": (1.0, 1.0),
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3.0, 1 / 3.0),
    "normal_unbiased": (3 / 8.0, 3 / 8.0),
}

# A single quantile as the kernels take it: the head, and the number behind it.
cdef struct OneQuantile:
    Quantiles head
    double q


cdef inline Py_ssize_t _scratch(Py_ssize_t n) noexcept nogil:
    """Return the elements of memory that a kernel works in for a line of `n`."""
    return 5 * n + 128


cdef object _median(
    str name, object a, object axis, object out, object keepdims, object workers
):
    """Return the median: by the short way for a small array."""
    cdef object result
    a = as_input(a)
    if out is None and keepdims is False and is_array(a) and _takes_all(a, axis):
        result = _small(name, <ndarray>a, True, 0.5, workers)
        if result is not None:
            return result
    return _any_array(name, a, None, axis, out, "linear", keepdims, workers)


cdef object _quantile(
    str name, object a, object q, object axis, object out, object method, object keepdims,
    object workers
):
    """Return quantiles: by the short way if it is one of a small array."""
    cdef object result
    cdef double number
    a = as_input(a)
    if (
        PyFloat_CheckExact(q) and out is None and method == "linear" and keepdims is False
        and is_array(a) and _takes_all(a, axis)
    ):
        number = PyFloat_AS_DOUBLE(q)
        if name.endswith("percentile"):
            number /= 100
        if 0 <= number <= 1:
            result = _small(name, <ndarray>a, False, number, workers)
            if result is not None:
                return result
    return _any_array(name, a, q, axis, out, method, keepdims, workers)


cdef inline bint _takes_all(ndarray a, object axis) noexcept:
    """Tell whether `axis` says that all elements are reduced, without an error if it is wrong."""
    return axis is None or (
        PyArray_NDIM(a) == 1 and type(axis) is int and (axis == 0 or axis == -1))


cdef object _small(str name, ndarray array, bint is_median, double q, object workers):
    """Return a quantile of all elements of a small contiguous array; None if it is no such."""
    cdef OneQuantile wanted
    cdef Item result
    cdef char scratch[SMALL_SCRATCH]
    cdef char* memory = scratch
    cdef Py_ssize_t size = PyArray_SIZE(array)
    cdef int code = dtype_code(array)
    cdef int kernel = NANQUANTILES if name.startswith("nan") else QUANTILES
    if (
        code < 0 or size == 0 or size > CHUNK
        or not PyArray_CHKFLAGS(array, NPY_ARRAY_ALIGNED)
        or not (PyArray_CHKFLAGS(array, NPY_ARRAY_C_CONTIGUOUS)
                or PyArray_CHKFLAGS(array, NPY_ARRAY_F_CONTIGUOUS))
        or not (workers is None or threads_for(workers, 0, 1) == 1)
    ):
        return None
    wanted.head.n_q, wanted.head.is_median = 1, is_median
    wanted.head.alpha = wanted.head.beta = 1
    wanted.q = q
    if size > SMALL:
        memory = <char*>PyMem_RawMalloc(_scratch(size) * 8)
        if memory == NULL:
            raise MemoryError(f"{name}: no memory to search {size} elements")
    _table.lines.kernels[kernel][code](
        PyArray_DATA(array), 0, size, &result, memory, &wanted)
    if size > SMALL:
        PyMem_RawFree(memory)
    if kernel == NANQUANTILES and _is_nan(code, &result):
        return None                      # the long way finds out what there is to warn of
    return new_float32(result.f32) if code == FLOAT32 else new_float64(result.f64)


cdef inline bint _is_nan(int code, const Item* item) noexcept:
    return item.f32 != item.f32 if code == FLOAT32 else item.f64 != item.f64


# Any array ----------------------------------------------------------------------------------------


cdef object _any_array(
    str name, object a, object q, object axis, object out, object method, object keepdims,
    object workers
):
    """Return quantiles of any array along any axes; `q` is None for a median."""
    cdef bint skips_nan = name.startswith("nan")
    cdef bint keeps = keepdims is not False and validate.flag(name, "keepdims", keepdims)
    quantiles = np.array([0.5]) if q is None else _checked_quantiles(name, q)
    wanted = _parameters(name, quantiles, q is None, method)
    array, restore = validate.reducible(name, a)
    axes = _checked_axes(axis, array.ndim)
    shape = [1 if i in axes else n for i, n in enumerate(array.shape) if keeps or i not in axes]
    lines, line_axis = _as_lines(array, axes)
    results = _quantiles(name, lines, line_axis, quantiles.size, wanted, workers)
    _warn(lines, line_axis, results, skips_nan)

    # NumPy's order of axes: those of `q`, then those that are left.
    results = np.moveaxis(results, line_axis, 0)
    results = results.reshape((*(() if q is None else quantiles.shape), *shape))
    if restore is not None:
        results = restore(results)
    if out is not None:
        return validate.store(name, (results,), (out,))[0]
    return results[()] if results.ndim == 0 else results


cdef object _checked_quantiles(str name, object q):
    """Return quantiles between 0 and 1, as float64 of any shape."""
    given = np.asarray(q)
    if given.dtype.kind not in "biuf":
        raise TypeError(f"{name}: q must be real numbers, not {given.dtype}")
    most = 100 if "percentile" in name else 1
    # Not before the division: its result is what counts.
    quantiles = np.asarray(np.true_divide(given, most), np.float64)
    valid = (quantiles >= 0) & (quantiles <= 1)
    if not valid.all():
        raise ValueError(
            f"{name}: q must be in the range [0, {most}], which {given[~valid].flat[0]} is not")
    return quantiles


cdef bytes _parameters(str name, object quantiles, bint is_median, object method):
    """Return what the kernels are given: a `Quantiles` and the numbers behind it."""
    cdef Quantiles head
    memset(&head, 0, sizeof(head))
    if type(method) is not str or method not in _METHODS:
        raise ValueError(
            f"{name}: method must be one of {', '.join(_METHODS)}, not {method!r}")
    head.n_q, head.is_median = quantiles.size, is_median
    head.alpha, head.beta = _METHODS[method]
    return (<const char*>&head)[:sizeof(Quantiles)] + quantiles.tobytes()


cdef tuple _checked_axes(object axis, int n_dims):
    """Return the reduced axes in ascending order; errors as the reductions have them."""
    if axis is None:
        return tuple(range(n_dims))
    axes = []
    for each in axis if isinstance(axis, tuple) else (axis,):
        number = operator.index(each)
        if not -n_dims <= number < n_dims:
            raise np.exceptions.AxisError(number, n_dims)
        axes.append(number % n_dims)
    if len(set(axes)) < len(axes):
        raise ValueError("duplicate value in 'axis'")
    return tuple(sorted(axes))


cdef tuple _as_lines(object array, tuple axes):
    """Return an aligned array that has what is reduced along one axis, and that axis."""
    if not array.flags.aligned:
        array = array.copy()
    if len(axes) == 1:
        return array, axes[0]
    if len(axes) == array.ndim:
        return array.ravel(order="K"), 0          # the order of the elements does not matter
    moved = np.moveaxis(array, axes, range(-len(axes), 0))
    kept = moved.shape[:array.ndim - len(axes)]
    # Not -1, which NumPy cannot find where there are no elements.
    n = int(np.prod(moved.shape[array.ndim - len(axes):]))
    return moved.reshape(*kept, n), len(kept)


cdef object _quantiles(
    str name, object lines, int axis, Py_ssize_t n_q, bytes wanted, object workers
):
    """Return the quantiles of lines, along the axis that the lines had."""
    cdef LinePlan plan
    cdef Py_ssize_t n = lines.shape[axis]
    cdef int code = dtype_code(<ndarray>lines)
    # As NumPy's, of the order of the axes that are left.
    shape = [n_q if i == axis else length for i, length in enumerate(lines.shape)]
    results = np.empty(shape, np.float32 if code == FLOAT32 else np.float64)
    if n == 0:
        threads_for(workers, 0, 1)                # no mistake, that is
        results.fill(np.nan)
        return results
    if n < LONG or n_q > MOST_SEARCHED:
        plan.number = NANQUANTILES if name.startswith("nan") else QUANTILES
        plan.n_out, plan.per_chunk, plan.chunk, plan.before = n_q, False, n, 0
        plan.scratch = _scratch(n) * item_size(code)
        plan.ns_per_element = NS_SHORT * max(1, min(n_q, <Py_ssize_t>MOST_SEARCHED))
        return apply_to_lines("order", &plan, wanted, lines, results, axis, workers)
    rows = np.ascontiguousarray(np.moveaxis(lines, axis, -1)).reshape(-1, n)
    found = np.empty((rows.shape[0], n_q), results.dtype)
    for i in range(rows.shape[0]):
        _search_line(name, rows[i], wanted, found[i], workers)
    moved = np.moveaxis(results, axis, -1)
    moved[...] = found.reshape(moved.shape)
    return results


cdef int _warn(object lines, int axis, object results, bint skips_nan) except -1:
    """Say what NumPy says of lines that have no element, or none that is not NaN."""
    if results.size == 0:
        return 0
    if lines.shape[axis] == 0:
        warnings.warn("Mean of empty slice", RuntimeWarning, stacklevel=1)
    elif skips_nan and np.isnan(results).any() and np.isnan(lines).all(axis=axis).any():
        warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=1)
    return 0


# A long line --------------------------------------------------------------------------------------


cdef int _search_line(
    str name, ndarray line, bytes wanted, ndarray out, object workers
) except -1:
    """Write the quantiles of one contiguous line, MOST_BRACKETS of them at a time."""
    cdef const Quantiles* head = <const Quantiles*><const char*>wanted
    cdef const double* q = <const double*>(head + 1)
    cdef _Search search = _Search(line, workers)
    cdef Place places[MOST_BRACKETS]
    cdef char* results[MOST_BRACKETS]
    cdef Py_ssize_t first = 0, count, i
    cdef int draw
    search.is_median = head.is_median
    if name.startswith("nan"):
        search.look(0, places, results, 0)
    while first < head.n_q and search.n_nan < search.n:
        count = min(<Py_ssize_t>MOST_BRACKETS, head.n_q - first)
        for i in range(count):
            find_place(head, q[first + i], search.n - search.n_nan, &places[i])
            results[i] = PyArray_BYTES(out) + (first + i) * PyArray_ITEMSIZE(out)
        first += count
        for draw in range(N_DRAWS):
            count = search.look(draw, places, results, count)
            if count == 0:
                break
        with nogil:
            for i in range(count):
                search.kernels.search(
                    PyArray_DATA(line), search.n, &places[i], search.is_median, results[i])
        if search.n_nan > 0 and not name.startswith("nan"):
            search.n_nan = search.n      # one is enough
    if search.n_nan == search.n:
        out.fill(np.nan)
    return 0


cdef class _Search:
    """The search of a long line: the line, in shared memory if a pool is to look at it."""

    cdef const LongKernels* kernels
    cdef ndarray line
    cdef object workers
    cdef Py_ssize_t n
    cdef Py_ssize_t n_nan                # as far as it is known
    cdef bint is_median

    def __cinit__(self, ndarray line, object workers):
        self.kernels = &_table.longs[dtype_code(line)]
        self.line = line
        self.workers = workers
        self.n = PyArray_SIZE(line)

    cdef Py_ssize_t look(
        self, int draw, Place* places, char** results, Py_ssize_t n_places
    ) except -1:
        """Look at all elements, write what is found; what is not stands first, and is counted."""
        cdef Bracket brackets[MOST_BRACKETS]
        cdef SiftJob job
        cdef Py_ssize_t n_units = (self.n + UNIT_CHUNKS * CHUNK - 1) // (UNIT_CHUNKS * CHUNK)
        cdef int n_threads = threads_sharing(
            self.workers, self.n * NS_LONG * (1 + n_places), n_units)
        job.brackets, job.n_brackets = brackets, n_places
        job.capacity = self._draw(draw, places, brackets, n_places)
        n_bytes = sizeof(Ledger) + n_places * job.capacity * PyArray_ITEMSIZE(self.line)
        if n_threads > 0:
            ledger = np.empty(n_bytes, np.uint8)
            _prepare(&job, self.line, ledger)
            memset(job.ledger, 0, sizeof(Ledger))
            run_units(do_unit, &job, n_units, n_threads)
        else:
            from fastproc.parallel import processes

            self.line = processes.shared_like(self.line, ())
            ledger = processes.shared_empty((n_bytes,), np.uint8)
            _prepare(&job, self.line, ledger)
            memset(job.ledger, 0, sizeof(Ledger))
            head = ((<const char*>brackets)[:sizeof(brackets)], n_places, job.capacity)
            processes.compute_elementwise(
                self.workers, _order_units, head, ledger, [self.line], n_units)
        self.n_nan = job.ledger.n_nan
        return self._resolve(&job, places, results)

    cdef Py_ssize_t _draw(
        self, int draw, const Place* places, Bracket* brackets, Py_ssize_t n_places
    ) except -1:
        """Draw a sample and the brackets from it; return for how many elements there is room.

        That is twice what is expected in the widest, so that what lies unevenly finds room too.
        """
        cdef double share = 0
        cdef Py_ssize_t i
        cdef char* scratch
        if n_places == 0:
            return 0
        scratch = _memory(_scratch(sample_size(self.n)) * PyArray_ITEMSIZE(self.line))
        with nogil:
            self.kernels.brackets(PyArray_DATA(self.line), self.n, self.n_nan, draw, places,
                                  n_places, brackets, scratch)
        PyMem_RawFree(scratch)
        for i in range(n_places):
            share = max(share, brackets[i].share)
        return <Py_ssize_t>(2 * share * self.n) + CHUNK

    cdef Py_ssize_t _resolve(
        self, const SiftJob* job, Place* places, char** results
    ) except -1:
        cdef Py_ssize_t n_missed = 0, most = 0, i
        cdef char* scratch
        cdef bint found
        for i in range(job.n_brackets):
            most = max(most, <Py_ssize_t>job.ledger.entries[i].n_kept)
        scratch = _memory((3 * min(most, job.capacity) + 128) * job.itemsize)
        with nogil:
            for i in range(job.n_brackets):
                found = job.ledger.entries[i].n_kept <= job.capacity and self.kernels.resolve(
                    &job.ledger.entries[i].sifted, &job.brackets[i], &places[i], self.is_median,
                    kept_of(job, i), job.ledger.entries[i].n_kept, scratch, results[i])
                if not found:
                    places[n_missed], results[n_missed] = places[i], results[i]
                    n_missed += 1
        PyMem_RawFree(scratch)
        return n_missed


cdef char* _memory(Py_ssize_t n_bytes) except NULL:
    cdef char* memory = <char*>PyMem_RawMalloc(n_bytes)
    if memory == NULL:
        raise MemoryError(f"no memory to search a line: {n_bytes} bytes")
    return memory


cdef int _prepare(SiftJob* job, ndarray line, ndarray ledger) except -1:
    job.kernels = &_table.longs[dtype_code(line)]
    job.x = PyArray_BYTES(line)
    job.n = PyArray_SIZE(line)
    job.itemsize = PyArray_ITEMSIZE(line)
    job.ledger = <Ledger*>PyArray_DATA(ledger)
    return 0


def _order_units(
    bytes brackets, Py_ssize_t n_brackets, Py_ssize_t capacity, list arrays, Py_ssize_t first,
    Py_ssize_t last
):
    """Look at units `first` to `last` of a long line, in a process of a pool."""
    cdef SiftJob job
    cdef Py_ssize_t unit
    job.brackets, job.n_brackets = <const Bracket*><const char*>brackets, n_brackets
    job.capacity = capacity
    _prepare(&job, arrays[1], arrays[0])
    with nogil:
        for unit in range(first, last):
            do_unit(&job, unit)


# The public functions -----------------------------------------------------------------------------


def median(a, axis=None, out=None, keepdims=False, *, workers=None):
    return _median("median", a, axis, out, keepdims, workers)


def nanmedian(a, axis=None, out=None, keepdims=False, *, workers=None):
    return _median("nanmedian", a, axis, out, keepdims, workers)


def quantile(a, q, axis=None, out=None, method="linear", keepdims=False, *, workers=None):
    return _quantile("quantile", a, q, axis, out, method, keepdims, workers)


def nanquantile(a, q, axis=None, out=None, method="linear", keepdims=False, *, workers=None):
    return _quantile("nanquantile", a, q, axis, out, method, keepdims, workers)


def percentile(a, q, axis=None, out=None, method="linear", keepdims=False, *, workers=None):
    return _quantile("percentile", a, q, axis, out, method, keepdims, workers)


def nanpercentile(a, q, axis=None, out=None, method="linear", keepdims=False, *, workers=None):
    return _quantile("nanpercentile", a, q, axis, out, method, keepdims, workers)
