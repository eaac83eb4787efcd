"""Layer: parallel.  The gates of the scans: cumsum, cumprod, cummax, cummin, push, ewma.

A small array takes a short way, with the GIL held; else lines, or stretches of long ones, are
done as ``_scan_job.pxd`` has it.  A pool, whose processes had better not wait for one another,
finds all states first and then makes all results.
"""
# Safe for free-threaded Python: module state is written at import only.

import operator

import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.number cimport PyIndex_Check
from libc.math cimport exp2, expm1, log, pow
from libc.stdint cimport INT64_MAX, int64_t
from numpy cimport (
    NPY_ARRAY_ALIGNED,
    NPY_ARRAY_C_CONTIGUOUS,
    NPY_ARRAY_WRITEABLE,
    PyArray_BYTES,
    PyArray_CHKFLAGS,
    PyArray_Check,
    PyArray_DATA,
    PyArray_EMPTY,
    PyArray_NDIM,
    PyArray_SIZE,
    import_array,
    ndarray,
    npy_intp,
)

from fastproc.kernels._common cimport CHUNK, FLOAT32, FLOAT64, INT32, INT64
from fastproc.kernels._scans cimport (
    CUMMAX, CUMMIN, CUMPROD, CUMSUM, EWMA, NANCUMPROD, NANCUMSUM, PUSH, ROW, SCAN_CHUNK,
    Parameters, Scan, ScanTable, State,
)
from fastproc.parallel._gate cimport (
    as_input, dtype_code, is_array, item_size, table_of, type_number,
)
from fastproc.parallel._layout cimport is_apart
from fastproc.parallel._lines cimport line_axis
from fastproc.parallel._scan_job cimport (
    STRETCH, ScanJob, advance_over, find_states, first_of, n_scan_units, plan_scan, scan_from,
    scan_lines, scan_stretches,
)
from fastproc.parallel._threads cimport run_units, threads_for

from fastproc.kernels import validate

import_array()

cdef const ScanTable* _table = <const ScanTable*>table_of("scans")

# By kernel number, see kernels/_scans.pxd.
_NAMES = (
    "cumsum", "cumprod", "nancumsum", "nancumprod", "cummax", "cummin", "push", "ewma",
)

# By the number of a compiled dtype.
_DTYPES = ("float64", "float32", "int64", "int32")

# What one thread needs for an element, in nanoseconds: memory sets it, or the wait of a
# multiplication for the one before.
cdef double NS_PER_ELEMENT = 0.5
cdef double NS_PER_PRODUCT = 1.5


cdef inline int _result_dtype(int name, int dtype) noexcept:
    if name == EWMA:
        return FLOAT32 if dtype == FLOAT32 else FLOAT64
    if dtype == INT32 and name != CUMMAX and name != CUMMIN:
        return INT64
    return dtype


cdef object _scan(
    int name, object a, object axis, object dtype, object out, const Parameters* parameters,
    object workers
):
    """Take the short way if the call is a common one on a small array, else the long way."""
    cdef ndarray array, result
    cdef npy_intp size
    cdef int code, result_code
    a = as_input(a)
    if is_array(a) and dtype is None:
        array = <ndarray>a
        code = dtype_code(array)
        size = PyArray_SIZE(array)
        if (
            code >= 0 and 0 < size and size <= CHUNK and _is_plain(array)
            and (axis is None or (PyArray_NDIM(array) == 1 and _is_first_axis(axis)))
            and (workers is None or threads_for(workers, 0, 1) == 1)    # no mistake, that is
        ):
            result_code = _result_dtype(name, code)
            if out is None:
                result = PyArray_EMPTY(1, &size, type_number(result_code), 0)
            elif (
                PyArray_Check(out) and PyArray_NDIM(<ndarray>out) == 1
                and PyArray_SIZE(<ndarray>out) == size and _is_plain(<ndarray>out)
                and _is_target(out, result_code, array)
            ):
                result = <ndarray>out
            else:
                return _scan_array(name, a, axis, dtype, out, parameters, workers)
            _scan_few(&_table.kernels[name][code], PyArray_BYTES(array), size, item_size(code),
                      item_size(result_code), parameters, PyArray_BYTES(result))
            return result
    return _scan_array(name, a, axis, dtype, out, parameters, workers)


cdef inline bint _is_plain(ndarray array) noexcept:
    return PyArray_CHKFLAGS(array, NPY_ARRAY_ALIGNED | NPY_ARRAY_C_CONTIGUOUS)


cdef inline bint _is_first_axis(object axis) noexcept:
    """Tell whether `axis` is the int 0 or -1, without an error for what is no number."""
    return type(axis) is int and (axis == 0 or axis == -1)


cdef inline void _scan_few(
    const Scan* kernel, const char* x, Py_ssize_t n, Py_ssize_t itemsize, Py_ssize_t out_itemsize,
    const Parameters* parameters, char* out
) noexcept nogil:
    cdef State carry = kernel.start
    cdef Py_ssize_t start = 0
    while start < n:
        kernel.scan(x + start * itemsize, min(<Py_ssize_t>SCAN_CHUNK, n - start), parameters,
                    &carry, out + start * out_itemsize)
        start += SCAN_CHUNK


cdef object _scan_array(
    int name, object a, object axis, object dtype, object out, const Parameters* parameters,
    object workers
):
    """Scan any array along an axis, or flattened if `axis` is None."""
    cdef ndarray array, target
    cdef int number = 0, result_code
    label = _NAMES[name]
    flat, restore = validate.scannable(label, a, dtype)
    if axis is None:
        flat = flat.ravel()
    elif flat.ndim == 0 and axis in (0, -1) and name < PUSH:
        flat = flat.ravel()                  # as NumPy has it
    else:
        number = line_axis(axis, flat.ndim)
    array = <ndarray>flat
    result_code = _result_dtype(name, dtype_code(array))
    computed = np.dtype(_DTYPES[result_code])
    # What results are restored to is asked of none of them, before there is work to lose.
    final = computed if restore is None else restore(np.empty(0, computed)).dtype
    if out is not None:
        validate.check_out(label, out, flat.shape, final)

    if out is not None and _is_target(out, result_code, array) and final == computed:
        target = <ndarray>out
    else:
        target = <ndarray>np.empty_like(flat, computed)
    result = _run(name, array, target, number, parameters, workers)
    if result is out:
        return out
    if restore is not None:
        result = restore(result)
    if out is not None:
        np.copyto(out, result, casting="same_kind")
        return out
    return result


cdef bint _is_target(object out, int code, ndarray array) noexcept:
    """Tell whether the kernel may write results of an array straight into `out`."""
    return (
        PyArray_Check(out) and dtype_code(<ndarray>out) == code
        and PyArray_CHKFLAGS(<ndarray>out, NPY_ARRAY_WRITEABLE) and is_apart(<ndarray>out, array)
    )


# The work ----------------------------------------------------------------------------------------

cdef object _run(
    int name, ndarray array, ndarray target, int axis, const Parameters* parameters,
    object workers
):
    """Scan an array of a compiled dtype into `target`; return that, or one in shared memory."""
    cdef ScanJob job
    cdef Py_ssize_t n_units, n_stretches, unit
    cdef int n_threads
    cdef double work
    if not plan_scan(
        &job, &_table.kernels[name][dtype_code(array)], parameters, array, target, axis
    ):
        threads_for(workers, 0, 1)          # whose mistakes are mistakes here too
        return target
    n_units = n_scan_units(&job)
    if job.n_lines * job.n <= CHUNK and threads_for(workers, 0, 1) == 1:
        for unit in range(n_units):
            scan_lines(&job, unit)          # with the GIL: to give it up takes longer
        return target
    n_stretches = job.n_lines * job.n_stretches if job.kernel.partial != NULL else 1
    work = NS_PER_PRODUCT if name == CUMPROD or name == NANCUMPROD else NS_PER_ELEMENT
    work *= job.n_lines * job.n
    n_threads = threads_for(workers, work, max(n_units, n_stretches))
    if n_threads == 0:
        return _run_on_pool(&job, name, array, target, axis, workers)
    if n_threads == 1 or n_stretches == 1 or n_units >= 2 * n_threads:
        run_units(scan_lines, &job, n_units, n_threads)
    else:
        run_units(scan_stretches, &job, n_threads, n_threads)
    return target


cdef object _run_on_pool(
    ScanJob* job, int name, ndarray array, ndarray target, int axis, object workers
):
    """Scan by a pool: whole lines if there are enough, else states first and results then."""
    from fastproc.parallel import processes

    cdef ndarray states, carries
    cdef Py_ssize_t n_units = n_scan_units(job)
    cdef Py_ssize_t n_stretches = job.n_lines * job.n_stretches
    parameters = b"" if job.parameters == NULL else (
        <const char*>job.parameters)[:sizeof(Parameters)]
    head = (name, parameters, axis)
    if job.kernel.partial == NULL or n_units >= 2 * processes.count(workers):
        # A copy of what is packed here may need no packing there, and would be grouped otherwise.
        return processes.compute_elementwise(
            workers, _scan_units, (*head, job.group, None), target, [array], n_units)
    shared = processes.shared_like(array, ())
    states = processes.run_units(
        workers, _find_states, head, shared, (), n_stretches, n_stretches * sizeof(Found))
    carries = np.empty(n_stretches * sizeof(State), np.uint8)
    if not _find_carries(job, <const Found*>PyArray_DATA(states), <State*>PyArray_DATA(carries)):
        run_units(scan_lines, job, n_units, 1)
        return target
    return processes.compute_elementwise(
        workers, _scan_units, (*head, 1, carries.tobytes()), target, [shared], n_stretches)


# What a process of a pool finds of a stretch.
cdef struct Found:
    int64_t are_apart
    State states[STRETCH]


cdef bint _find_carries(ScanJob* job, const Found* found, State* carries) noexcept:
    """Find the carry of each stretch; False if one is known only when those before are scanned."""
    cdef State carry = job.kernel.start
    cdef Py_ssize_t stretch
    for stretch in range(job.n_lines * job.n_stretches):
        if stretch % job.n_stretches == 0:
            carry = job.kernel.start
        carries[stretch] = carry
        if (stretch + 1) % job.n_stretches != 0 and not (
                found[stretch].are_apart and advance_over(job, found[stretch].states, &carry)):
            return False
    return True


cdef const Parameters* _plan_again(
    ScanJob* job, int name, bytes parameters, int axis, ndarray array, ndarray target,
    bint as_they_lie
) noexcept:
    cdef const Parameters* given = (
        <const Parameters*>PyBytes_AS_STRING(parameters) if parameters else NULL)
    plan_scan(
        job, &_table.kernels[name][dtype_code(array)], given, array, target, axis, as_they_lie)
    return given


def _find_states(
    int name, bytes parameters, int axis, ndarray array, ndarray memory, Py_ssize_t first,
    Py_ssize_t last
):
    """Find the states of stretches `first` to `last`, in a process of a pool."""
    cdef ScanJob job
    cdef Found* found = <Found*>PyArray_DATA(memory)
    cdef Py_ssize_t stretch
    # Where results will lie is not known here, so lines are numbered by their indices.
    _plan_again(&job, name, parameters, axis, array, array, False)
    with nogil:
        for stretch in range(first, last):
            # At the end of a line there are fewer chunks, and nobody asks for their state.
            found[stretch].are_apart = (stretch + 1) % job.n_stretches != 0 and find_states(
                &job, stretch // job.n_stretches, first_of(&job, stretch), found[stretch].states)


def _scan_units(
    int name, bytes parameters, int axis, Py_ssize_t group, object carries, list arrays,
    Py_ssize_t first, Py_ssize_t last
):
    """Scan units of `group` lines, or stretches if their carries are known, in a pool's process."""
    cdef ScanJob job
    cdef const State* known = NULL
    cdef State carry
    cdef Py_ssize_t unit
    if carries is not None:
        known = <const State*>PyBytes_AS_STRING(carries)
    _plan_again(&job, name, parameters, axis, arrays[1], arrays[0], known == NULL)
    job.group = group
    with nogil:
        for unit in range(first, last):
            if known == NULL:
                scan_lines(&job, unit)
                continue
            carry = known[unit]
            scan_from(&job, unit // job.n_stretches, first_of(&job, unit), &carry)


# The kernels -------------------------------------------------------------------------------------

def cumsum(a, axis=None, dtype=None, out=None, *, workers=None):
    return _scan(CUMSUM, a, axis, dtype, out, NULL, workers)


def cumprod(a, axis=None, dtype=None, out=None, *, workers=None):
    return _scan(CUMPROD, a, axis, dtype, out, NULL, workers)


def nancumsum(a, axis=None, dtype=None, out=None, *, workers=None):
    return _scan(NANCUMSUM, a, axis, dtype, out, NULL, workers)


def nancumprod(a, axis=None, dtype=None, out=None, *, workers=None):
    return _scan(NANCUMPROD, a, axis, dtype, out, NULL, workers)


def cummax(a, axis=None, out=None, *, workers=None):
    return _scan(CUMMAX, a, axis, None, out, NULL, workers)


def cummin(a, axis=None, out=None, *, workers=None):
    return _scan(CUMMIN, a, axis, None, out, NULL, workers)


def push(a, n=None, axis=-1, *, workers=None):
    cdef Parameters parameters
    cdef object array = as_input(a)
    parameters.limit = _limit(n)
    if not is_array(array) or dtype_code(<ndarray>array) not in (FLOAT64, FLOAT32):
        array = validate.as_array("push", a)
        if array.dtype.kind != "f":
            threads_for(workers, 0, 1)
            line_axis(_one_axis("push", axis), array.ndim)
            return array.copy(order="K")        # integers are never NaN
    return _scan(PUSH, array, _one_axis("push", axis), None, None, &parameters, workers)


cdef object _one_axis(str label, object axis):
    if axis is None:
        raise ValueError(f"{label}: axis must be an integer, not None; pass a.ravel() to flatten")
    return axis


cdef int64_t _limit(object n) except -1:
    if n is None:
        return INT64_MAX
    if not PyIndex_Check(n):
        raise TypeError(f"push: n must be None or an integer, not {n!r}")
    number = operator.index(n)
    if number < 0:
        raise ValueError(f"push: n must not be negative, but it is {number}")
    return <int64_t>min(number, INT64_MAX)


def ewma(a, alpha=None, halflife=None, *, adjust=True, axis=-1, workers=None):
    cdef Parameters parameters
    cdef object array = as_input(a)
    cdef Py_ssize_t n
    parameters.adjust = adjust if type(adjust) is bool else validate.flag("ewma", "adjust", adjust)
    parameters.decay = _decay(alpha, halflife)
    # Of a small array few rows have a weight to be known.
    n = min(PyArray_SIZE(<ndarray>array) if PyArray_Check(array) else SCAN_CHUNK,
            <Py_ssize_t>SCAN_CHUNK)
    _weigh(&parameters, n)
    return _scan(EWMA, array, _one_axis("ewma", axis), None, None, &parameters, workers)


cdef double _decay(object alpha, object halflife) except -1:
    """Return the weight of an element beside the next one's."""
    cdef double decay
    if (alpha is None) == (halflife is None):
        raise ValueError("ewma: pass either alpha or halflife")
    name, value = ("alpha", alpha) if halflife is None else ("halflife", halflife)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"ewma: {name} must be a number, not {value!r}") from None
    if halflife is None and not 0 < number <= 1:
        raise ValueError(f"ewma: alpha must be more than 0 and at most 1, not {value!r}")
    if alpha is None and not number > 0:
        raise ValueError(f"ewma: halflife must be more than 0, not {value!r}")
    decay = 1 - <double>number if halflife is None else exp2(-1 / <double>number)
    if decay == 1:
        raise ValueError(f"ewma: with {name}={value!r} no weight differs from the next in float64")
    return decay


cdef void _weigh(Parameters* p, Py_ssize_t n) noexcept:
    """Find the powers of the decay and their sums, as far as `n` elements need them."""
    cdef double logarithm = log(p.decay)
    cdef Py_ssize_t i
    p.full = 1 / (1 - p.decay)
    for i in range(min(n, <Py_ssize_t>ROW) + 1):
        p.power[i] = pow(p.decay, i)
        p.weights[i] = _sum_of_powers(p, logarithm, i)
    p.power[ROW] = pow(p.decay, ROW)
    for i in range((n + ROW - 1) // ROW + 1):
        p.row_power[i] = pow(p.decay, i * ROW)
        p.row_weight[i] = _sum_of_powers(p, logarithm, i * ROW)


cdef inline double _sum_of_powers(const Parameters* p, double logarithm, Py_ssize_t n) noexcept:
    """Return decay ** 0 + ... + decay ** (n - 1), without the cancellation of 1 - decay ** n."""
    return -expm1(n * logarithm) * p.full if n > 0 else 0
