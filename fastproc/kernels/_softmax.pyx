"""Layer: kernels.  The loops of softmax and log_softmax.

Nothing overflows, since the greatest element is taken away before exp.  Where it is not finite,
because there is NaN or Inf or nothing but -Inf, softmax is NaN throughout, as x - greatest is for
the greatest itself.  Contracts in ``_softmax.pxd``.
"""

# Safe for free-threaded Python: the table is written while the module is imported, and only read
# afterwards.

from libc.math cimport INFINITY, NAN, isfinite
from libc.string cimport memset

from fastproc.kernels._common cimport FLOAT32, FLOAT64, LANES, table_capsule
from fastproc.kernels._exp cimport exp_of, exp_of_negative, log_of, real
from fastproc.kernels._extremes cimport max_partial
from fastproc.kernels._logsumexp cimport (
    EXP_ROWS, logarithm, logsumexp_merge, logsumexp_partial, settle_greatest,
)
from fastproc.kernels._reduce cimport fold_lanes, unforeseen
from fastproc.kernels._reductions cimport State
from fastproc.kernels._softmax cimport (
    TILE, SoftmaxTable, exps_t, finish_t, scale_t, side_by_side_t, sums_t,
)

cdef SoftmaxTable _table


cdef inline void exps_of_rows(
    const real* x, real* out, Py_ssize_t n_rows, real greatest, double* sums
) noexcept nogil:
    """Write exp(x - greatest) of n_rows > 0 rows of LANES elements and add them to `sums`."""
    cdef real lanes[LANES]
    cdef real y
    cdef Py_ssize_t i, j
    for j in range(LANES):
        lanes[j] = 0
    for i in range(n_rows):
        for j in range(LANES):
            y = exp_of(x[i * LANES + j] - greatest)
            out[i * LANES + j] = y
            lanes[j] += y
    for j in range(LANES):
        sums[j] += <double>lanes[j]


cdef inline void exps_line(const real* x, real* out, Py_ssize_t n, State* state) noexcept nogil:
    cdef State extreme
    cdef double sums[LANES]
    cdef real last[LANES]
    cdef real exps[LANES]
    cdef Py_ssize_t n_rows = n // LANES, i, j
    max_partial(x, n, 0, &extreme)
    state.n = n
    if not settle_greatest(state, extreme.b.f, extreme.n > 0):
        memset(out, 0, n * sizeof(real))
        return
    for j in range(LANES):
        sums[j] = 0
    i = 0
    while i < n_rows:
        exps_of_rows(
            x + i * LANES, out + i * LANES, unforeseen(min(<Py_ssize_t>EXP_ROWS, n_rows - i)),
            <real>state.a.f, &sums[0])
        i += EXP_ROWS
    x += n_rows * LANES
    out += n_rows * LANES
    if n % LANES > 0:
        # A whole row takes less time than a few elements one by one; the others add 0.
        for j in range(LANES):
            last[j] = x[j] if j < n % LANES else <real>-INFINITY
        exps_of_rows(&last[0], &exps[0], unforeseen(1), <real>state.a.f, &sums[0])
        for j in range(n % LANES):
            out[j] = exps[j]
    state.b.f = fold_lanes(&sums[0])


cdef inline void sums_line(const real* x, Py_ssize_t n, State* state) noexcept nogil:
    logsumexp_partial(x, n, 0, state)


cdef inline void scale_line(real* out, Py_ssize_t n, const State* whole) noexcept nogil:
    cdef real factor = <real>(1 / whole.b.f if isfinite(whole.a.f) else NAN)
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = out[i] * factor


cdef inline void ratio_line(
    const real* x, real* out, Py_ssize_t n, const State* whole
) noexcept nogil:
    cdef real factor = <real>(1 / whole.b.f)
    cdef real greatest = <real>whole.a.f
    cdef Py_ssize_t i
    if not isfinite(whole.a.f):
        for i in range(n):
            out[i] = <real>NAN
        return
    for i in range(n):
        out[i] = exp_of(x[i] - greatest) * factor


cdef inline void shift_line(
    const real* x, real* out, Py_ssize_t n, const State* whole
) noexcept nogil:
    # In two steps: near the greatest element the logarithm has more digits than their sum.
    cdef real greatest = <real>whole.a.f if isfinite(whole.a.f) else <real>0
    cdef real rest = <real>rest_of(whole)
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (x[i] - greatest) - rest


cdef inline double rest_of(const State* state) noexcept nogil:
    """Return log(sum(exp(x))) less the greatest element, where that is finite."""
    return log_of(state.b.f) if isfinite(state.a.f) else logarithm(state)


cdef inline void side_by_side(
    const real* x, real* out, Py_ssize_t n_rows, Py_ssize_t stride, Py_ssize_t width, bint is_log
) noexcept nogil:
    cdef real greatest[TILE]
    cdef real nans[TILE]
    cdef real base[TILE]
    cdef real rest[TILE]             # what is taken away at the end, or multiplied by
    cdef double sums[TILE]
    cdef const real* row
    cdef real* target
    cdef State state
    cdef real y
    cdef Py_ssize_t i, j
    for j in range(width):
        greatest[j] = <real>-INFINITY
        nans[j] = 0
        sums[j] = 0
    for i in range(n_rows):
        row = x + i * stride
        for j in range(width):
            greatest[j] = row[j] if row[j] > greatest[j] else greatest[j]
            nans[j] += <real>1 if row[j] != row[j] else <real>0
    for j in range(width):
        # Where the greatest is not finite the sum is not used.
        base[j] = greatest[j] if nans[j] == 0 and isfinite(greatest[j]) else <real>0
    for i in range(n_rows):
        row = x + i * stride
        target = out + i * stride
        for j in range(width):
            if is_log:
                sums[j] += <double>exp_of_negative(row[j] - base[j])
            else:
                y = exp_of(row[j] - base[j])
                target[j] = y
                sums[j] += <double>y
    for j in range(width):
        if settle_greatest(&state, greatest[j], nans[j] > 0):
            state.b.f = sums[j]
            rest[j] = <real>rest_of(&state) if is_log else <real>(1 / sums[j])
        else:
            rest[j] = <real>rest_of(&state) if is_log else <real>NAN
    for i in range(n_rows):
        row = x + i * stride
        target = out + i * stride
        for j in range(width):
            target[j] = (row[j] - base[j]) - rest[j] if is_log else target[j] * rest[j]


# The table ---------------------------------------------------------------------------------------

cdef void _fill(real* tag, int dtype) noexcept:
    """Enter the kernels of one dtype.  The casts only drop the pointers' type."""
    _table.exps[dtype] = <exps_t>exps_line[real]
    _table.sums[dtype] = <sums_t>sums_line[real]
    _table.scale[dtype] = <scale_t>scale_line[real]
    _table.ratio[dtype] = <finish_t>ratio_line[real]
    _table.shift[dtype] = <finish_t>shift_line[real]
    _table.side_by_side[dtype] = <side_by_side_t>side_by_side[real]


_fill(<double*>NULL, FLOAT64)
_fill(<float*>NULL, FLOAT32)
_table.merge = logsumexp_merge

#: The table of this CPU level.
table = table_capsule(&_table)
