"""Layer: parallel.  The gates of the kernels over groups: bincount and group_sum to group_last.

How many groups there are need not be said.  Then the greatest of a few labels is taken for the
greatest of all: a look at every label would be another pass over memory.  While the kernel works it
notices a label that is greater, stops there, and begins again.
"""
# Safe for free-threaded Python: module state is written at import only.

import numpy as np

from libc.stdint cimport int64_t
from numpy cimport (
    NPY_ARRAY_ALIGNED,
    NPY_ARRAY_C_CONTIGUOUS,
    NPY_DOUBLE,
    PyArray_BYTES,
    PyArray_CHKFLAGS,
    PyArray_Cast,
    PyArray_DATA,
    PyArray_DIMS,
    PyArray_EMPTY,
    PyArray_ITEMSIZE,
    PyArray_SIZE,
    import_array,
    ndarray,
    npy_intp,
)

from fastproc.kernels._common cimport FLOAT32, FLOAT64, INT32, INT64
from fastproc.kernels._grouped cimport (
    COUNT, FIRST, LAST, MAX, MEAN, MIN, MOST_NUMBERS, STD, SUM, TABLES, VAR, WEIGHT,
)
from fastproc.kernels._grouped cimport GroupedTable, Number, Outside
from fastproc.parallel._gate cimport (
    dtype_code, is_array, is_short_line, item_size, table_of, type_number,
)
from fastproc.parallel._grouped_job cimport (
    Ending, GroupedJob, do_piece, do_unit, finish, finish_line, table_size,
)
from fastproc.parallel._threads cimport run_units, threads_for

from fastproc import plan
from fastproc.kernels import labels as labels_of, validate

import_array()

cdef const GroupedTable* _table = <const GroupedTable*>table_of("grouped")

# What one thread needs for an element, in nanoseconds.
cdef double NS_PER_ELEMENT = 0.7

cdef enum:
    # Labels that are looked at to guess how many groups there are.
    MANY = 4096
    # Groups for whose tables the stack has room: 64 KiB.
    FEW = 512
    # With more groups than this it is asked whether there is memory for them.
    MANY_GROUPS = 1 << 20

# By the compiled dtypes' numbers.
cdef tuple NAMES_OF_DTYPES = ("float64", "float32", "int64", "int32")


cdef int _prepare(
    GroupedJob* job, int name, ndarray labels, ndarray lines, int n_groups
) except -1:
    """Plan a kernel over the last axis of contiguous arrays, of which `labels` has no other."""
    cdef int code = dtype_code(lines)
    job.kernel = _table.kernels[name][code]
    job.labels = PyArray_BYTES(labels)
    job.label_dtype = dtype_code(labels) == INT32
    job.label_size = item_size(dtype_code(labels))
    job.x = PyArray_BYTES(lines)
    job.itemsize = item_size(code)
    job.length = PyArray_SIZE(labels)
    job.n_groups = n_groups
    job.n_pieces = max(1, plan.histogram_units(job.length, n_groups))
    job.piece = (job.length + job.n_pieces - 1) // job.n_pieces
    job.states = NULL
    job.no_memory = 0
    return 0


cdef int _place_states(GroupedJob* job, ndarray memory, Py_ssize_t n_units) except -1:
    """Share out the memory of `_states_size` bytes: endings, then tables."""
    job.endings = <Ending*>PyArray_DATA(memory)
    job.states = <Number*>(job.endings + n_units)
    return 0


cdef Py_ssize_t _states_size(const GroupedJob* job, Py_ssize_t n_units) noexcept:
    return n_units * (sizeof(Ending) + table_size(job) * sizeof(Number))


def _grouped_units(
    int name, ndarray labels, int n_groups, Py_ssize_t n_units, ndarray lines,
    ndarray memory, Py_ssize_t first, Py_ssize_t last
):
    """Do units `first` to `last` of a kernel over groups, in a process of a pool."""
    cdef GroupedJob job
    cdef Py_ssize_t unit
    _prepare(&job, name, labels, lines, n_groups)
    _place_states(&job, memory, n_units)
    with nogil:
        for unit in range(first, last):
            do_unit(&job, unit)
    if job.no_memory:
        raise MemoryError("no memory for the groups")


cdef Py_ssize_t _run(
    int name, ndarray labels, ndarray lines, int n_groups, double ddof,
    ndarray out, object workers, Outside* outside
) except -1:
    """Compute all lines into `out`; return the first group without a value, or n_groups."""
    cdef GroupedJob job
    cdef Py_ssize_t n_lines = PyArray_DIMS(lines)[0], n_units, i, n_done = n_groups
    cdef int n_threads
    _prepare(&job, name, labels, lines, n_groups)
    job.out, job.out_size, job.ddof = PyArray_BYTES(out), PyArray_ITEMSIZE(out), ddof
    n_units = n_lines * job.n_pieces
    n_threads = threads_for(workers, PyArray_SIZE(lines) * NS_PER_ELEMENT, n_units)
    if n_threads == 0:
        from fastproc.parallel import processes

        memory = processes.run_units(
            workers, _grouped_units,
            (name, processes.shared_like(labels, ()), n_groups, n_units),
            processes.shared_like(lines, ()), (), n_units, _states_size(&job, n_units))
        _place_states(&job, memory, n_units)
    elif job.n_pieces == 1:
        # A table is of no use once its line is finished.
        memory = np.empty(n_units * sizeof(Ending), np.uint8)
        job.endings = <Ending*>PyArray_DATA(<ndarray>memory)
        run_units(do_unit, &job, n_units, n_threads)
    else:
        memory = np.empty(_states_size(&job, n_units), np.uint8)
        _place_states(&job, memory, n_units)
        run_units(do_unit, &job, n_units, n_threads)
    if job.no_memory:
        raise MemoryError("no memory for the groups")

    if job.states != NULL:
        with nogil:
            for i in range(n_lines):
                finish_line(&job, i)
    outside.below = outside.beyond = False
    for i in range(n_units):
        outside.below |= job.endings[i].outside.below
        outside.beyond |= job.endings[i].outside.beyond
    for i in range(n_lines):
        n_done = min(n_done, job.endings[i * job.n_pieces].n_done)
    return n_done


cdef object _greatest_of_some(ndarray labels):
    """Return the greatest of labels looked at here and there; of few labels, of all; or -1."""
    if PyArray_SIZE(labels) <= MANY:
        return int(labels.max(initial=-1))
    # Both ends among them: labels that are sorted have the greatest there.
    step = (PyArray_SIZE(labels) - 1) // MANY + 1
    return max(int(labels[::step].max()), int(labels[PyArray_SIZE(labels) - 1]), -1)


cdef int _checked(str label, object n_groups) except -1:
    if n_groups > labels_of.MOST_GROUPS:
        raise labels_of.too_many(label, n_groups)
    return <int>n_groups


cdef object _compute(
    int name, str label, ndarray labels, ndarray lines, object num_labels,
    int least_groups, double ddof, object dtype, object workers, Outside* outside
):
    """Return an array of lines by groups; `num_labels` None takes as many as labels ask for."""
    cdef Py_ssize_t n_done
    cdef int n_groups
    if num_labels is not None:
        n_groups = labels_of.check_groups(label, "num_labels", num_labels)
    else:
        n_groups = max(least_groups, _checked(label, _greatest_of_some(labels) + 1))
    while True:
        if n_groups > MANY_GROUPS:
            # A result for each line, and at least one table.
            labels_of.check_memory(
                label, n_groups, <Py_ssize_t>n_groups * 8 * (PyArray_DIMS(lines)[0] + MOST_NUMBERS))
        out = np.empty((PyArray_DIMS(lines)[0], n_groups), dtype)
        n_done = _run(name, labels, lines, n_groups, ddof, out, workers, outside)
        if not outside.beyond:
            break
        if num_labels is not None:
            raise labels_of.out_of_range(label, labels.max(), n_groups)
        n_groups = _checked(label, int(labels.max()) + 1)
    if n_done < n_groups:
        raise labels_of.no_value(label, n_done, lines.dtype)
    return out


cdef inline bint _are_labels(object x) except -1:
    """Tell whether `x` is a short line of labels."""
    return is_short_line(x) and dtype_code(<ndarray>x) >= INT64


cdef inline int _find_limits(ndarray labels, int64_t* least, int64_t* greatest) noexcept:
    """Find the least and the greatest label, 0 and -1 included."""
    _table.limits[dtype_code(labels) == INT32](
        PyArray_DATA(labels), PyArray_SIZE(labels), least, greatest)
    return 0


cdef object _few(int name, ndarray values, ndarray labels, npy_intp n_groups, double ddof):
    """Compute few elements of at most FEW groups, the short way around `_compute`.

    None if a group has no value: the long way says so.
    """
    cdef GroupedJob job
    cdef Ending ending
    cdef Number tables[TABLES * FEW * MOST_NUMBERS]
    cdef int code = dtype_code(values)
    cdef ndarray out = PyArray_EMPTY(1, &n_groups, type_number(_result_code(name, code)), 0)
    job.kernel = _table.kernels[name][code]
    job.label_dtype = dtype_code(labels) == INT32
    job.n_groups = <int>n_groups
    job.piece = PyArray_SIZE(labels)
    job.ddof = ddof
    job.out, job.out_size = PyArray_BYTES(out), PyArray_ITEMSIZE(out)
    do_piece(&job, PyArray_BYTES(values), PyArray_BYTES(labels), PyArray_SIZE(labels), tables,
             tables + table_size(&job), &ending.outside)
    finish(&job, tables, 0, &ending)
    return out if ending.n_done == n_groups else None


cdef inline int _result_code(int name, int code) noexcept:
    """Return the dtype of a kernel's results."""
    if name == COUNT or (name == SUM and code > FLOAT32):
        return INT64
    if name == WEIGHT or (code > FLOAT32 and (name == MEAN or name == VAR or name == STD)):
        return FLOAT64
    return code


cdef object _group_few(
    int name, object values, object labels, object num_labels, object axis, double ddof,
    object workers
):
    """Take the short way if it leads to the result; else return None."""
    cdef int64_t least, greatest
    if not (is_short_line(values) and _are_labels(labels)
            and PyArray_SIZE(<ndarray>values) == PyArray_SIZE(<ndarray>labels)):
        return None
    if not (axis is None or (type(axis) is int and (axis == -1 or axis == 0))):
        return None
    if not (num_labels is None or (type(num_labels) is int and 0 <= num_labels <= FEW)):
        return None
    _find_limits(<ndarray>labels, &least, &greatest)
    if greatest >= FEW:
        return None
    if num_labels is None:
        num_labels = greatest + 1
    elif greatest >= num_labels:
        return None
    if threads_for(workers, 0, 1) == 0:
        return None
    return _few(name, <ndarray>values, <ndarray>labels, num_labels, ddof)


cdef object _group(
    int name, str label, object values, object labels, object num_labels, object axis,
    double ddof, object workers
):
    cdef Outside outside
    result = _group_few(name, values, labels, num_labels, axis, ddof, workers)
    if result is not None:
        return result
    numbers = labels_of.as_labels(label, "labels", labels)
    array = validate.as_array(label, values)
    family = "sum" if name == SUM else "mean" if name in (MEAN, VAR, STD) else "min"
    array, restore = validate.reducible(family, array)
    lines, shape = labels_of.as_lines(label, array, numbers, axis)
    dtype = NAMES_OF_DTYPES[_result_code(name, dtype_code(lines))]
    if lines.shape[0] == 0 and num_labels is None:
        num_labels = numbers.max(initial=-1) + 1        # where no line is, no label is looked at
    result = _compute(
        name, label, numbers.reshape(-1), lines, num_labels, 0, ddof, dtype, workers,
        &outside)
    result = result.reshape((*shape, result.shape[1]))
    return result if restore is None or name == COUNT else restore(result)


def group_sum(values, labels, num_labels=None, axis=-1, *, workers=None):
    return _group(SUM, "group_sum", values, labels, num_labels, axis, 0, workers)


def group_mean(values, labels, num_labels=None, axis=-1, *, workers=None):
    return _group(MEAN, "group_mean", values, labels, num_labels, axis, 0, workers)


def group_var(values, labels, num_labels=None, axis=-1, *, ddof=1, workers=None):
    return _group(VAR, "group_var", values, labels, num_labels, axis, ddof, workers)


def group_std(values, labels, num_labels=None, axis=-1, *, ddof=1, workers=None):
    return _group(STD, "group_std", values, labels, num_labels, axis, ddof, workers)


def group_min(values, labels, num_labels=None, axis=-1, *, workers=None):
    return _group(MIN, "group_min", values, labels, num_labels, axis, 0, workers)


def group_max(values, labels, num_labels=None, axis=-1, *, workers=None):
    return _group(MAX, "group_max", values, labels, num_labels, axis, 0, workers)


def group_count(values, labels, num_labels=None, axis=-1, *, workers=None):
    return _group(COUNT, "group_count", values, labels, num_labels, axis, 0, workers)


def group_first(values, labels, num_labels=None, axis=-1, *, workers=None):
    return _group(FIRST, "group_first", values, labels, num_labels, axis, 0, workers)


def group_last(values, labels, num_labels=None, axis=-1, *, workers=None):
    return _group(LAST, "group_last", values, labels, num_labels, axis, 0, workers)


def bincount(x, weights=None, minlength=0, *, workers=None):
    cdef Outside outside
    cdef int64_t smallest, greatest
    if _are_labels(x) and (weights is None or (
            is_short_line(weights)
            and PyArray_SIZE(<ndarray>weights) == PyArray_SIZE(<ndarray>x))):
        _find_limits(<ndarray>x, &smallest, &greatest)
        if (smallest == 0 and greatest < FEW and type(minlength) is int
                and 0 <= minlength <= FEW and threads_for(workers, 0, 1) > 0):
            if weights is not None and dtype_code(<ndarray>weights) > FLOAT32:
                weights = PyArray_Cast(<ndarray>weights, NPY_DOUBLE)
            return _few(COUNT if weights is None else WEIGHT,
                        <ndarray>(x if weights is None else weights), <ndarray>x,
                        max(greatest + 1, <int64_t>minlength), 0)
    numbers = labels_of.as_labels("bincount", "x", x)
    if numbers.ndim != 1:
        raise ValueError(f"bincount: x must have one axis, but its shape is {numbers.shape}")
    least = labels_of.check_groups("bincount", "minlength", minlength)
    if weights is None:
        counts = _compute(COUNT, "bincount", numbers, numbers.reshape(1, -1), None, least,
                          0, np.int64, workers, &outside)
    else:
        if not (is_array(weights) and dtype_code(<ndarray>weights) == FLOAT32
                and PyArray_CHKFLAGS(
                    <ndarray>weights, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED)):
            weights = validate.as_weights("bincount", weights)
        if weights.shape != numbers.shape:
            raise ValueError(
                f"bincount: weights have shape {weights.shape}; like x they must have shape "
                f"{numbers.shape}")
        counts = _compute(WEIGHT, "bincount", numbers, weights.reshape(1, -1), None, least,
                          0, np.float64, workers, &outside)
    if outside.below:
        raise ValueError(f"bincount: x must not be negative, but its least is {numbers.min()}")
    return counts[0]
