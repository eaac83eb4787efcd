"""Layer: parallel.  The gates of the histograms: edges, units with tables of their own, their sum.

Counts are integers, and weights are added in an order that depends on the array alone, so the
result is the same whoever does the units.
"""
# Safe for free-threaded Python: module state is written at import only.

import numpy as np

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.math cimport fabs, fmax, isfinite
from libc.stdint cimport int64_t
from numpy cimport (
    NPY_DOUBLE,
    NPY_FLOAT,
    NPY_INT64,
    PyArray_BYTES,
    PyArray_Cast,
    PyArray_DATA,
    PyArray_EMPTY,
    PyArray_SIZE,
    PyArray_STRIDES,
    PyArray_ZEROS,
    import_array,
    ndarray,
    npy_intp,
)

from fastproc.kernels._common cimport FLOAT32, FLOAT64
from fastproc.kernels._histogram cimport Bins, HistogramTable
from fastproc.kernels._search cimport Index, SearchTable
from fastproc.parallel._gate cimport dtype_code, is_short_line, item_size, table_of
from fastproc.parallel._histogram_job cimport MAX_AXES, HistogramJob, do_few, do_unit
from fastproc.parallel._threads cimport run_units, threads_for

from fastproc import plan
from fastproc.kernels import edges as edges_of, validate
from fastproc.parallel._reductions import minmax

import_array()

cdef const HistogramTable* _table = <const HistogramTable*>table_of("histogram")
cdef const SearchTable* _searches = <const SearchTable*>table_of("search")

# What one thread needs for an element and an axis, in nanoseconds.
cdef double NS_PER_ELEMENT = 0.8

# How far, in bins, given edges may be from where a multiplication puts them.  If they are farther
# too many elements are in doubt, and an index finds their bins sooner.
cdef double MOST_MARGIN = 1e-6

cdef enum:
    # Bits behind the point of a place: with fewer a batch would often have one in doubt.
    LEAST_SHIFT = 15
    MOST_SHIFT = 24
    # Of few elements, which are added straight to the result: 512 KiB.
    FEW_CELLS = 1 << 16


# The job -----------------------------------------------------------------------------------------

cdef int _prepare(
    HistogramJob* job, Index* indexes, list columns, list edges, list margins, object weights,
    Py_ssize_t unit_size
) except -1:
    """Plan the histogram of columns of one length; `edges` are float64, a margin for each."""
    cdef Py_ssize_t i
    cdef ndarray column
    job.table = _table
    job.n_axes = <int>len(columns)
    job.n_cells = 1
    for i in range(job.n_axes):
        column = columns[i]
        job.size = PyArray_SIZE(column)
        job.axes[i].place = _table.places[dtype_code(column)]
        job.axes[i].x = PyArray_BYTES(column)
        job.axes[i].itemsize = item_size(dtype_code(column))
        job.axes[i].stride = PyArray_STRIDES(column)[0]
        _set_bins(&job.axes[i].bins, <ndarray>edges[i], margins[i])
        if job.axes[i].bins.shift == 0 and margins[i] > MOST_MARGIN:
            _make_index(&job.axes[i].bins, &indexes[i])
        job.n_cells *= job.axes[i].bins.n_bins
    job.weights = NULL if weights is None else <const double*>PyArray_DATA(<ndarray>weights)
    job.unit_size = unit_size
    job.no_memory = 0
    return 0


cdef int _set_bins(Bins* bins, ndarray edges, double margin) except -1:
    bins.edges = <const double*>PyArray_DATA(edges)
    bins.n_bins = <int>(PyArray_SIZE(edges) - 1)
    bins.first = bins.edges[0]
    bins.last = bins.edges[bins.n_bins]
    bins.scale = _scale(bins.first, bins.last, bins.n_bins)
    bins.margin = margin
    bins.index = NULL
    bins.shift = MOST_SHIFT
    while bins.shift >= LEAST_SHIFT and (
            (<int64_t>bins.n_bins + 1) << bins.shift >= 1 << 31 or margin * (1 << bins.shift) > 1):
        bins.shift -= 1
    if bins.shift < LEAST_SHIFT or bins.scale == 0 or (
            not isfinite(bins.scale * (1 << bins.shift))):
        bins.shift = 0
    return 0


cdef int _make_index(Bins* bins, Index* index) except -1:
    """Give bins of different widths an index of their edges, which `_release` frees."""
    cdef int* starts
    index.edges = bins.edges
    index.n = index.nan_place = bins.n_bins + 1
    index.n_buckets = <int>min(max(16, 2 * index.n), <Py_ssize_t>1 << 24)
    starts = <int*>PyMem_RawMalloc(index.n_buckets * sizeof(int))
    if starts == NULL:
        raise MemoryError("no memory for a table of the edges")
    _searches.indexes[FLOAT64](index, starts)
    bins.index = index
    return 0


cdef int _release(HistogramJob* job) noexcept:
    cdef int i
    for i in range(job.n_axes):
        if job.axes[i].bins.index != NULL:
            PyMem_RawFree(<void*>job.axes[i].bins.index.starts)
    return 0


cdef double _scale(double first, double last, int n_bins) noexcept:
    """Return bins per unit of the data, 0 where that is out of a double's range."""
    cdef double scale = n_bins / (last - first)
    return scale if isfinite(scale) else 0


cdef double _margin(ndarray edges) noexcept:
    """Return how far, in bins, a place can be from where the edges, float64, say it is.

    An edge may lie elsewhere than a multiplication puts it, and rounding moves a place by a few
    units in the last place of what it is made of: itself, up to n_bins, and the outer edges
    measured in bins.
    """
    cdef const double* edge = <const double*>PyArray_DATA(edges)
    cdef int n_bins = <int>(PyArray_SIZE(edges) - 1), i
    cdef double first = edge[0], last = edge[n_bins], scale = _scale(first, last, n_bins)
    cdef double farthest = 0, distance
    if scale == 0 or not (isfinite(first) and isfinite(last)):
        return 1                # a place says nothing then
    for i in range(n_bins + 1):
        distance = fabs((edge[i] - first) * scale - i)
        farthest = distance if distance > farthest else farthest
    return farthest + 4 * 2.220446049250313e-16 * (
        n_bins + fmax(fabs(first), fabs(last)) * scale)


def _histogram_units(
    list columns, list edges, list margins, weights, Py_ssize_t unit_size, ndarray memory,
    Py_ssize_t first, Py_ssize_t last
):
    """Count units `first` to `last` of a histogram, in a process of a pool."""
    cdef HistogramJob job
    cdef Index indexes[MAX_AXES]
    cdef Py_ssize_t unit
    _prepare(&job, indexes, columns, edges, margins, weights, unit_size)
    job.sums = PyArray_BYTES(memory)
    with nogil:
        for unit in range(first, last):
            do_unit(&job, unit)
    _release(&job)
    if job.no_memory:
        raise MemoryError("histogram: no memory for the counts")


cdef object _count(list columns, list edges, object weights, object workers):
    """Return the cells' counts, or sums of weights, of columns in compiled dtypes, flat."""
    cdef HistogramJob job
    cdef Index indexes[MAX_AXES]
    cdef int n_threads
    cdef Py_ssize_t n_units, size = len(columns[0]), unit_size
    dtype = np.int64 if weights is None else np.float64
    edges = [validate.contiguous(each, np.float64) for each in edges]
    margins = [_margin(each) for each in edges]
    n_cells = edges_of.check_cells("histogram", tuple([len(each) - 1 for each in edges]))
    n_units = plan.histogram_units(size, n_cells)
    unit_size = (size + n_units - 1) // n_units if n_units > 0 else 0
    n_threads = threads_for(workers, size * NS_PER_ELEMENT * len(columns), n_units)
    if n_units == 0:
        return np.zeros(n_cells, dtype)
    if n_threads > 0:
        sums = np.empty((n_units, n_cells), dtype)
        _prepare(&job, indexes, columns, edges, margins, weights, unit_size)
        job.sums = PyArray_BYTES(<ndarray>sums)
        run_units(do_unit, &job, n_units, n_threads)
        _release(&job)
        if job.no_memory:
            raise MemoryError("histogram: no memory for the counts")
    else:
        from fastproc.parallel import processes

        # Columns of one array go with it, since shared memory is recognized by its address.
        columns = [processes.shared_like(column, ()) for column in columns]
        if weights is not None:
            weights = processes.shared_like(weights, ())
        memory = processes.run_units(
            workers, _histogram_units, (columns, edges, margins), weights, (unit_size,), n_units,
            n_units * n_cells * 8)
        sums = memory.view(dtype).reshape(n_units, n_cells)
    return sums[0] if n_units == 1 else sums.sum(axis=0)


# Few elements ------------------------------------------------------------------------------------

cdef bint _read_range(object limits, double* first, double* last) except -1:
    """Read two plain numbers, the second the greater; False if there is anything else."""
    if type(limits) is not tuple or len(<tuple>limits) != 2:
        return False
    low, high = <object>(<tuple>limits)[0], <object>(<tuple>limits)[1]
    for each in (low, high):
        if type(each) is not float and not (type(each) is int and -(1 << 31) < each < 1 << 31):
            return False
    first[0], last[0] = low, high
    return isfinite(first[0]) and isfinite(last[0]) and first[0] < last[0]


cdef object _few(list columns, list edges, object weights, ndarray sums):
    """Add few elements to `sums`, of float64 and 0, the short way around `_count`."""
    cdef HistogramJob job
    cdef Index indexes[MAX_AXES]
    _prepare(&job, indexes, columns, edges, [_margin(each) for each in edges], weights,
             len(columns[0]))
    do_few(&job, <double*>PyArray_DATA(sums))
    _release(&job)
    return sums


cdef bint _are_few(object a, object weights, object density, object workers) except -1:
    """Tell whether the short way leads from these to the result."""
    return (
        is_short_line(a) and density is None
        and (weights is None or (
            is_short_line(weights) and dtype_code(<ndarray>weights) == FLOAT64
            and PyArray_SIZE(<ndarray>weights) == PyArray_SIZE(<ndarray>a)))
        and threads_for(workers, 0, 1) > 0
    )


cdef object _histogram_few(object a, object bins, object range, object weights):
    """Return the histogram of few elements; None if its edges ask for the long way."""
    cdef double first, last
    cdef npy_intp n_bins
    if not (type(bins) is int and 0 < bins <= FEW_CELLS and _read_range(range, &first, &last)):
        return None
    n_bins = bins
    edges = _even_edges(first, last, <int>n_bins, dtype_code(<ndarray>a) == FLOAT32)
    if edges is None:
        return None
    sums = _few([a], [edges], weights, PyArray_ZEROS(1, &n_bins, NPY_DOUBLE, 0))
    if dtype_code(<ndarray>a) == FLOAT32:
        edges = PyArray_Cast(<ndarray>edges, NPY_FLOAT)
    return (sums if weights is not None else PyArray_Cast(<ndarray>sums, NPY_INT64)), edges


cdef object _histogram2d_few(object x, object y, object bins, object range, object weights):
    """Return the histogram of few pairs; None if the edges ask for the long way."""
    cdef double first[2]
    cdef double last[2]
    cdef npy_intp shape[2]
    cdef int i
    if not (is_short_line(y) and PyArray_SIZE(<ndarray>x) == PyArray_SIZE(<ndarray>y)
            and dtype_code(<ndarray>x) == dtype_code(<ndarray>y)):
        return None
    if type(bins) is int:
        bins = (bins, bins)
    if not (type(bins) in (list, tuple) and type(range) in (list, tuple)
            and len(bins) == 2 and len(range) == 2):
        return None
    for i in (0, 1):
        if not (type(bins[i]) is int and 0 < bins[i] <= FEW_CELLS
                and _read_range(range[i], &first[i], &last[i])):
            return None
        shape[i] = bins[i]
    if shape[0] * shape[1] > FEW_CELLS:
        return None
    x_edges = _even_edges(first[0], last[0], <int>shape[0], False)
    y_edges = _even_edges(first[1], last[1], <int>shape[1], False)
    if x_edges is None or y_edges is None:
        return None
    sums = _few([x, y], [x_edges, y_edges], weights, PyArray_ZEROS(2, shape, NPY_DOUBLE, 0))
    return sums, x_edges, y_edges


# Columns, edges and weights ----------------------------------------------------------------------

cdef object _compiled(object column):
    """Return a column in a compiled dtype, in which it is compared with edges as float64."""
    column, _ = validate.reducible("mean", column)
    return column if column.flags.aligned else column.copy()


cdef object _even_edges(double first, double last, int n_bins, bint are_float32):
    """Return edges in float64, as linspace computes them and, perhaps, float32 rounds them.

    None if they do not ascend or are not finite, for which there are messages elsewhere.
    """
    cdef npy_intp size = n_bins + 1
    cdef ndarray edges = PyArray_EMPTY(1, &size, NPY_DOUBLE, 0)
    cdef double* edge = <double*>PyArray_DATA(edges)
    cdef double span = last - first, step = span / n_bins
    cdef bint ascend = isfinite(span)
    cdef int i
    for i in range(n_bins):
        edge[i] = (i * step if step != 0 else <double>i / n_bins * span) + first
    edge[n_bins] = last
    if are_float32:
        for i in range(n_bins + 1):
            edge[i] = <float>edge[i]
    for i in range(n_bins):
        ascend &= edge[i] < edge[i + 1]
    return edges if ascend and isfinite(edge[0]) and isfinite(edge[n_bins]) else None


cdef object _edges_of(str name, object first, object last, int n_bins, object dtype):
    """Return the edges of bins of one width."""
    if isinstance(first, float) and isinstance(last, float) and dtype.char in "df":
        edges = _even_edges(first, last, n_bins, dtype.char == "f")
        if edges is not None:
            return edges.astype(dtype, copy=False)
    edges = np.linspace(first, last, n_bins + 1, dtype=dtype)
    edges_of.check_widths(name, edges)
    return edges


cdef object _limits_of(str name, object column, object range, object workers):
    """Return the outer edges of bins of one width, by NumPy's rules."""
    if range is not None:
        first, last = edges_of.check_range(name, range)
        return edges_of.outer_edges(name, first, last, True)
    if column.size == 0:
        return 0.0, 1.0
    first, last = minmax(column, workers=workers)
    return edges_of.outer_edges(name, first, last, False)


cdef object _weights_of(str name, object weights, tuple shape):
    """Return weights as a line of float64, and the dtype of their sums."""
    if weights is None:
        return None, None
    dtype = validate.asarray(name, weights).dtype
    weights = validate.as_weights(name, weights)
    if weights.shape != shape:
        raise ValueError(
            f"{name}: weights have shape {weights.shape}; they must have that of the elements, "
            f"{shape}")
    sums = np.dtype(np.int64) if dtype.kind == "b" else dtype.newbyteorder("=")
    return weights.reshape(-1), sums


def histogram(a, bins=10, range=None, density=None, weights=None, *, workers=None):
    if _are_few(a, weights, density, workers):
        result = _histogram_few(a, bins, range, weights)
        if result is not None:
            return result
    array = validate.as_array("histogram", a)
    weights, dtype = _weights_of("histogram", weights, array.shape)
    # The kernel reads elements in any order unless weights stand beside them; an array that has
    # holes is copied.
    flat = array.ravel(order="K" if weights is None else "C")
    given = edges_of.as_bins("histogram", "bins", bins)
    if isinstance(given, int):
        first, last = _limits_of("histogram", flat, range, workers)
        kind = np.result_type(first, last, flat)
        edges = _edges_of(
            "histogram", first, last, given, np.dtype(np.float64) if kind.kind in "bui" else kind)
    else:
        edges = given
        if range is not None:
            edges_of.check_range("histogram", range)
    counts = _count([_compiled(flat)], [edges], weights, workers)
    if density:
        return counts / np.diff(edges).astype(float) / counts.sum(), edges
    return (counts if dtype is None else counts.astype(dtype, copy=False)), edges


cdef Py_ssize_t _length(object bins) except -2:
    """Return how many items `bins` has; -1 if it is one for all axes."""
    if isinstance(bins, str) or (isinstance(bins, np.ndarray) and bins.ndim == 0):
        return -1
    return len(bins) if hasattr(bins, "__len__") else -1


cdef object _histogram_of_columns(
    str name, list columns, object bins, object range, object density, object weights,
    object workers
):
    """Return a histogram of several axes and the list of its edges."""
    cdef int n_axes = len(columns)
    if not 1 <= n_axes <= MAX_AXES:
        raise ValueError(f"{name}: there must be from 1 to {MAX_AXES} axes, not {n_axes}")
    bins = list(bins) if _length(bins) >= 0 else [bins] * n_axes
    if len(bins) != n_axes:
        raise ValueError(f"{name}: bins must be one for each of {n_axes} axes, not {len(bins)}")
    ranges = [None] * n_axes if range is None else list(range)
    if len(ranges) != n_axes:
        raise ValueError(
            f"{name}: range must have one for each of {n_axes} axes, not {len(ranges)}")
    weights, _ = _weights_of(name, weights, columns[0].shape)
    edges = [edges_of.as_bins(name, f"bins[{i}]", each) for i, each in enumerate(bins)]
    shape = tuple([each if isinstance(each, int) else len(each) - 1 for each in edges])
    edges_of.check_cells(name, shape)       # before there are edges, of which there may be millions
    for i, column in enumerate(columns):
        if isinstance(edges[i], int):
            first, last = _limits_of(name, column, ranges[i], workers)
            edges[i] = _edges_of(name, first, last, edges[i], np.dtype(np.float64))
    counts = _count([_compiled(column) for column in columns], edges, weights, workers)
    counts = counts.astype(np.float64, copy=False).reshape(shape)
    if density:
        total = counts.sum()
        for i, each in enumerate(edges):
            widths = np.diff(each).astype(float)
            counts = counts / widths.reshape([-1 if j == i else 1 for j in np.arange(n_axes)])
        counts /= total
    return counts, edges


def histogram2d(x, y, bins=10, range=None, density=None, weights=None, *, workers=None):
    if _are_few(x, weights, density, workers):
        result = _histogram2d_few(x, y, bins, range, weights)
        if result is not None:
            return result
    columns = [validate.as_array("histogram2d", each) for each in (x, y)]
    if columns[0].ndim != 1 or columns[0].shape != columns[1].shape:
        raise ValueError(
            f"histogram2d: x and y must be lines of one length, but their shapes are "
            f"{columns[0].shape} and {columns[1].shape}")
    dtype = np.result_type(*columns)
    if _length(bins) > 2:
        bins = [bins, bins]             # the edges of both
    counts, edges = _histogram_of_columns(
        "histogram2d", [column.astype(dtype, copy=False) for column in columns], bins, range,
        density, weights, workers)
    return counts, edges[0], edges[1]


def histogramdd(sample, bins=10, range=None, density=None, weights=None, *, workers=None):
    if len(getattr(sample, "shape", ())) == 2:         # an array or a DataFrame, as NumPy has it
        columns = validate.as_array("histogramdd", sample).T
    else:
        columns = np.atleast_2d(validate.as_array("histogramdd", sample))   # a row for each axis
    if columns.ndim != 2:
        raise ValueError(f"histogramdd: sample must have one axis or two, not {columns.ndim}")
    counts, edges = _histogram_of_columns(
        "histogramdd", list(columns), bins, range, density, weights, workers)
    return counts, tuple(edges)
