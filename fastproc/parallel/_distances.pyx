"""Layer: parallel.  The gates of the distances: cdist, pdist, nearest.

A unit is a tile of the result, or the neighbours of some rows, as the shapes alone decide.  A
distance depends on its two rows only, so cuts and workers never change bits.
"""
# Safe for free-threaded Python: module state is written at import only.

import numpy as np

from libc.math cimport isinf
from libc.stdint cimport int64_t
from numpy cimport (
    NPY_ARRAY_ALIGNED,
    NPY_ARRAY_C_CONTIGUOUS,
    NPY_DOUBLE,
    PyArray_CHKFLAGS,
    PyArray_DATA,
    PyArray_DIM,
    PyArray_EMPTY,
    PyArray_NDIM,
    PyArray_SIZE,
    import_array,
    ndarray,
    npy_intp,
)

from fastproc.kernels._common cimport FLOAT64, LANES
from fastproc.kernels._distances cimport (
    BLOCK_ROWS,
    CHEBYSHEV,
    CITYBLOCK,
    COSINE,
    EUCLIDEAN,
    HAMMING,
    JACCARD,
    MINKOWSKI,
    MINKOWSKI_WHOLE,
    MOST_WHOLE,
    NEAREST_ROWS,
    SQEUCLIDEAN,
    DistanceTable,
    Rows,
    Screen,
)
from fastproc.parallel._distances_job cimport (
    DistanceJob, NearestJob, do_move, do_search, do_tile, pairs_before,
)
from fastproc.parallel._gate cimport dtype_code, is_array, table_of
from fastproc.parallel._threads cimport run_units, threads_for

from fastproc import plan
from fastproc.kernels import validate, validate_distances
from fastproc.parallel._reductions import mean, minmax

import_array()

cdef const DistanceTable* _table = <const DistanceTable*>table_of("distances")

cdef dict _METRICS = {
    "chebyshev": CHEBYSHEV,
    "cityblock": CITYBLOCK,
    "correlation": COSINE,
    "cosine": COSINE,
    "euclidean": EUCLIDEAN,
    "hamming": HAMMING,
    "jaccard": JACCARD,
    "minkowski": MINKOWSKI,
    "sqeuclidean": SQEUCLIDEAN,
}

cdef object _float64 = np.dtype(np.float64)

# What one thread needs for a column of a pair of rows, and for a pair, in nanoseconds.
cdef double NS_PER_COLUMN = 0.1
cdef double NS_PER_POWER = 20
cdef double NS_PER_PAIR = 1
# For an element that is moved for the screen, and what the screen takes of the whole time.
cdef double NS_PER_MOVE = 3
cdef double SCREEN_SHARE = 0.3

# Work for which the GIL is kept: giving it up and taking it back takes about as long.
cdef double SMALL_NS = 10_000

# Rows of the second array in a unit.
cdef Py_ssize_t TILE = plan.DISTANCE_TILE

# Rows of zeros behind those that are screened, of which the loops take up to so many abreast.
cdef Py_ssize_t SPARE_ROWS = 8


cdef Py_ssize_t _prepare(
    DistanceJob* job, int metric, double p, ndarray a, ndarray b, ndarray of_a, ndarray of_b,
    ndarray out
) except -1:
    """Plan the distances of contiguous float64; return how many units there are."""
    job.block = _table.blocks[metric]
    _set_rows(&job.rows, p, a, b, of_a, of_b)
    job.n_a, job.n_b = PyArray_DIM(a, 0), PyArray_DIM(b, 0)
    job.tile = TILE
    job.tiles = (job.n_b + TILE - 1) // TILE
    job.condensed = PyArray_NDIM(out) == 1
    job.out = <double*>PyArray_DATA(out)
    return (job.n_a + BLOCK_ROWS - 1) // BLOCK_ROWS * job.tiles


cdef void _set_rows(
    Rows* rows, double p, ndarray a, ndarray b, ndarray of_a, ndarray of_b
) noexcept:
    rows.a, rows.b = <const double*>PyArray_DATA(a), <const double*>PyArray_DATA(b)
    rows.of_a = <const double*>PyArray_DATA(of_a) if of_a is not None else NULL
    rows.of_b = <const double*>PyArray_DATA(of_b) if of_b is not None else NULL
    rows.width = PyArray_DIM(a, 1)
    rows.p = p


def _distance_units(int metric, double p, list arrays, Py_ssize_t first, Py_ssize_t last):
    """Do units `first` to `last`, in a process of a pool; the arrays begin with the output."""
    cdef DistanceJob job
    cdef Py_ssize_t unit
    out, a, b, *measures = arrays
    of_a, of_b = measures if measures else (None, None)
    _prepare(&job, metric, p, a, b, of_a, of_b, out)
    with nogil:
        for unit in range(first, last):
            do_tile(&job, unit)


cdef object _measures(int metric, ndarray x):
    """Return what the metric needs to know of each row; None for nothing."""
    cdef npy_intp n = PyArray_DIM(x, 0), width = PyArray_DIM(x, 1)
    cdef const double* rows = <const double*>PyArray_DATA(x)
    cdef ndarray measures
    cdef double* out
    if _table.measures[metric] == NULL:
        return None
    measures = PyArray_EMPTY(1, &n, NPY_DOUBLE, 0)
    out = <double*>PyArray_DATA(measures)
    with nogil:
        _table.measures[metric](NULL, rows, n, width, out)
    return measures


cdef inline bint _is_plain(object x) except -1:
    """Tell whether `x` is a contiguous array of float64 with two axes."""
    return (
        is_array(x) and PyArray_NDIM(<ndarray>x) == 2 and dtype_code(<ndarray>x) == FLOAT64
        and PyArray_CHKFLAGS(<ndarray>x, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED)
    )


cdef object _rows(str label, str argument, object x, str metric):
    """Return rows as the loops want them: contiguous float64, for a correlation less their mean."""
    if not _is_plain(x) or metric == "jaccard":
        x = validate_distances.rows(label, argument, x, metric)
    if metric == "correlation" and PyArray_SIZE(<ndarray>x) > 0:
        with np.errstate(invalid="ignore"):         # infinity less infinity
            x = x - mean(x, axis=1, keepdims=True, workers=1)
    return x


cdef str _name_of(str label, object metric):
    if type(metric) is str and metric in _METRICS:
        return metric
    return validate_distances.check_metric(label, metric)


cdef double _order_of(str label, str metric, object p) except -1:
    if type(p) is int and p == 2:
        return 2
    return validate_distances.check_order(label, metric, p)


cdef int _number_of(str metric, double order) except -1:
    """Return the loops' number of a metric: some orders need no powers."""
    if metric == "minkowski":
        if order == 1:
            return CITYBLOCK
        if order == 2:
            return EUCLIDEAN
        if isinf(order):
            return CHEBYSHEV
        if order < MOST_WHOLE and order == <int>order:
            return MINKOWSKI_WHOLE
    return _METRICS[metric]


cdef double _work(int metric, double pairs, Py_ssize_t width) noexcept:
    """Return what one thread needs for so many pairs of rows, in nanoseconds."""
    cdef bint is_power = metric == MINKOWSKI or metric == MINKOWSKI_WHOLE
    cdef double per_column = NS_PER_POWER if metric == MINKOWSKI else NS_PER_COLUMN
    return pairs * (NS_PER_PAIR + NS_PER_POWER * is_power + width * per_column)


cdef bint _fits(object out, ndarray a, ndarray b) except -1:
    """Tell whether distances may be written straight into `out`, which has their shape."""
    return (
        dtype_code(<ndarray>out) == FLOAT64
        and PyArray_CHKFLAGS(<ndarray>out, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED)
        and not np.may_share_memory(out, a) and not np.may_share_memory(out, b)
    )


cdef object _compute(
    str label, str metric, double order, ndarray a, ndarray b, int n_dims, npy_intp* shape,
    object out, object workers
):
    """Compute the distances of all rows (two axes) or of pairs (one), to `out` or a new array."""
    cdef DistanceJob job
    cdef int number = _number_of(metric, order), n_threads
    cdef Py_ssize_t n_units, unit
    cdef double work
    cdef ndarray target
    if out is not None:
        validate.check_out(label, out, tuple([shape[i] for i in range(n_dims)]), _float64)
    if out is None or not _fits(out, a, b):
        target = PyArray_EMPTY(n_dims, shape, NPY_DOUBLE, 0)
    else:
        target = out
    of_a = _measures(number, a)
    of_b = of_a if b is a else _measures(number, b)
    n_units = _prepare(&job, number, order, a, b, of_a, of_b, target)
    work = _work(number, PyArray_SIZE(target), job.rows.width)
    n_threads = threads_for(workers, work, n_units)
    if n_threads == 1 and work < SMALL_NS:
        for unit in range(n_units):
            do_tile(&job, unit)            # with the GIL: giving it up takes longer
    elif n_threads > 0:
        run_units(do_tile, &job, n_units, n_threads)
    else:
        from fastproc.parallel import processes

        measures = [] if of_a is None else [of_a, of_b]
        target = processes.compute_elementwise(
            workers, _distance_units, (number, order), target, [a, b, *measures], n_units)
    if out is None or target is out:
        return target
    np.copyto(out, target, casting="same_kind")
    return out


def cdist(XA, XB, metric="euclidean", *, out=None, p=2, workers=None):
    cdef npy_intp shape[2]
    cdef str name = _name_of("cdist", metric)
    cdef double order = _order_of("cdist", name, p)
    cdef ndarray a = _rows("cdist", "XA", XA, name)
    cdef ndarray b = a if XB is XA else _rows("cdist", "XB", XB, name)
    if PyArray_DIM(a, 1) != PyArray_DIM(b, 1):
        validate_distances.check_widths("cdist", a, b)
    shape[0], shape[1] = PyArray_DIM(a, 0), PyArray_DIM(b, 0)
    return _compute("cdist", name, order, a, b, 2, shape, out, workers)


def pdist(X, metric="euclidean", *, out=None, p=2, workers=None):
    cdef npy_intp n_pairs
    cdef str name = _name_of("pdist", metric)
    cdef double order = _order_of("pdist", name, p)
    cdef ndarray a = _rows("pdist", "X", X, name)
    n_pairs = pairs_before(PyArray_DIM(a, 0), PyArray_DIM(a, 0))
    return _compute("pdist", name, order, a, a, 1, &n_pairs, out, workers)


# Nearest rows ------------------------------------------------------------------------------------

cdef Py_ssize_t _prepare_nearest(
    NearestJob* job, int metric, double p, Py_ssize_t k, ndarray found, ndarray a, ndarray b,
    ndarray of_a, ndarray of_b, tuple screen
) except -1:
    """Plan a search, whose result goes to `found`; return how many units there are."""
    job.move_a, job.move_b = _table.move_a, _table.move_b
    job.nearest, job.screened = _table.nearest, _table.screened
    job.block = _table.blocks[metric]
    _set_rows(&job.rows, p, a, b, of_a, of_b)
    job.n_a, job.n_b, job.k = PyArray_DIM(a, 0), PyArray_DIM(b, 0), k
    job.distances = <double*>PyArray_DATA(found)
    job.indices = <int64_t*>(job.distances + job.n_a * k)
    job.is_screened = screen is not None
    if screen is not None:
        _set_screen(&job.screen, metric, screen)
    return (job.n_a + NEAREST_ROWS - 1) // NEAREST_ROWS


cdef int _set_screen(Screen* screen, int metric, tuple parts) except -1:
    cdef ndarray middle, rows, squares, panels, offsets
    screen.scale, middle, rows, squares, panels, offsets = parts
    screen.width = PyArray_SIZE(middle)
    screen.middle = <const double*>PyArray_DATA(middle)
    # Shares of the squared norms, in units of 2**-24: 1 for each column's product and sum, 4 for
    # rounding the rows, 3 for the offset and the difference; all of it twice, and some more.  What
    # underflows is below 2**-149 for each column.
    screen.doubt = 2.0 * (screen.width + 24) * 2.0 ** -24
    screen.least_doubt = screen.width * 2.0 ** -140
    screen.is_root = metric == EUCLIDEAN
    screen.rows = <float*>PyArray_DATA(rows)
    screen.squares = <double*>PyArray_DATA(squares)
    screen.panels = <float*>PyArray_DATA(panels)
    screen.offsets = <float*>PyArray_DATA(offsets)
    return 0


cdef tuple _screen(int metric, ndarray a, ndarray b, Py_ssize_t k):
    """Return the parts of a screen, the moved rows yet to be filled in; None if it won't pay."""
    cdef Py_ssize_t n_a = PyArray_DIM(a, 0), n_b = PyArray_DIM(b, 0), width = PyArray_DIM(b, 1)
    cdef Py_ssize_t n_panels = (n_b + LANES - 1) // LANES
    cdef double most
    if metric != EUCLIDEAN and metric != SQEUCLIDEAN or not plan.is_screened(n_a, n_b, width, k):
        return None
    # A bound on what the moved rows can be.  Without NaN, and far from where squares are 0 or Inf.
    most = 2 * np.abs([minmax(a, workers=1), minmax(b, workers=1)]).max()
    if not 1e-100 < most < 1e150:
        return None
    return (
        2.0 ** -int(np.frexp(most)[1]),
        mean(b, axis=0, workers=1),
        np.zeros((n_a + SPARE_ROWS, width), np.float32),
        np.empty(n_a),
        np.zeros((n_panels, width, LANES), np.float32),
        np.full(n_panels * LANES, np.inf, np.float32),
    )


def _nearest_units(
    int metric, double p, Py_ssize_t k, object scale, list arrays, Py_ssize_t first,
    Py_ssize_t last
):
    """Do units `first` to `last`, in a process of a pool; the arrays begin with the output."""
    cdef NearestJob job
    cdef Py_ssize_t unit
    found, a, b, *more = arrays
    of_a, of_b = more if more and scale is None else (None, None)
    _prepare_nearest(&job, metric, p, k, found, a, b, of_a, of_b,
                     None if scale is None else (scale, *more))
    with nogil:
        for unit in range(first, last):
            do_search(&job, unit)


def nearest(XA, XB, k=1, metric="euclidean", *, p=2, workers=None):
    cdef NearestJob job
    cdef str name = _name_of("nearest", metric)
    cdef double order = _order_of("nearest", name, p), work
    cdef int number = _number_of(name, order), n_threads
    cdef ndarray a = _rows("nearest", "XA", XA, name)
    cdef ndarray b = a if XB is XA else _rows("nearest", "XB", XB, name)
    cdef Py_ssize_t n_units, unit, n_neighbours, moves
    cdef npy_intp shape[3]
    if PyArray_DIM(a, 1) != PyArray_DIM(b, 1):
        validate_distances.check_widths("nearest", a, b)
    n_neighbours = validate_distances.check_neighbours("nearest", k, PyArray_DIM(b, 0))
    # Distances and indices side by side, so that a pool's processes write to one array.
    shape[0], shape[1], shape[2] = 2, PyArray_DIM(a, 0), n_neighbours
    cdef ndarray found = PyArray_EMPTY(3, shape, NPY_DOUBLE, 0)
    of_a = _measures(number, a)
    of_b = of_a if b is a else _measures(number, b)
    screen = _screen(number, a, b, n_neighbours)
    n_units = _prepare_nearest(
        &job, number, order, n_neighbours, found, a, b, of_a, of_b, screen)
    work = _work(number, job.n_a * <double>job.n_b, job.rows.width)
    if screen is not None:
        work *= SCREEN_SHARE
        moves = n_units + (job.n_b + NEAREST_ROWS - 1) // NEAREST_ROWS
        n_threads = threads_for(workers, (job.n_a + job.n_b) * job.rows.width * NS_PER_MOVE, moves)
        # For a pool's processes, which will read it, it is done by this thread.
        run_units(do_move, &job, moves, max(n_threads, 1))
    n_threads = threads_for(workers, work, n_units)
    if n_threads == 1 and work < SMALL_NS:
        for unit in range(n_units):
            do_search(&job, unit)
    elif n_threads > 0:
        run_units(do_search, &job, n_units, n_threads)
    else:
        from fastproc.parallel import processes

        scale, *more = screen if screen is not None else (None, of_a, of_b)
        more = [array for array in more if array is not None]
        found = processes.compute_elementwise(
            workers, _nearest_units, (number, order, n_neighbours, scale), found, [a, b, *more],
            n_units)
    return found[0], found[1].view(np.int64)
