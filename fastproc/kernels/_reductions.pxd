"""Layer: kernels.  The C face of the reductions, whose loops are in ``_reduce`` and ``_extremes``.

A reduction is a mergeable triple.  For a chunk of contiguous elements ``partial`` gives a state;
for a few rows of columns ``columns`` gives a state per column; ``merge`` folds one
state into another; ``finalize`` turns a state into the result.
"""

from libc.stdint cimport int64_t

from fastproc.kernels._common cimport N_DTYPES

# What `columns` is given at a time: rows, no more than the streams that a core's prefetcher
# follows, of so many columns that each stream is worth following (1 KiB of float64).
cdef enum:
    ROWS = 32
    WIDTH = 128

# The kernels.
cdef enum:
    SUM = 0
    MEAN
    VAR
    STD
    MIN
    MAX
    MINMAX
    ARGMIN
    ARGMAX
    NANSUM
    NANMEAN
    NANVAR
    NANSTD
    NANMIN
    NANMAX
    NANMINMAX
    NANARGMIN
    NANARGMAX
    SS
    ANYNAN
    ALLNAN
    ALL_FINITE
    LOGSUMEXP
    N_REDUCTIONS

# What `finalize` found; the gate turns it into NumPy's warning or exception.
cdef enum Finding:
    FINE = 0
    NO_VALUE = 1          # no element, or none that is not NaN
    NO_FREEDOM = 2        # count - ddof <= 0

# A floating or an integer quantity, by the kernel's dtype.
cdef union Number:
    double f
    int64_t i

# What is known of the elements seen so far.  By family:
#   sum, mean    a: the sum                    n: how many were not NaN (nan variants only)
#   var, std     a: near their mean   shift: from there to the mean   n: how many
#                b: the sum of squared deviations from the mean
#   min, max     a: least       b: greatest    n: how many were NaN: exactly if all were, else at
#                                                 least one if any was
#   anynan, ...                                n: how many elements decide the answer
#   logsumexp    a: greatest    b: the sum of exp(x - greatest)     n: how many
#   argmin/max   a: the extreme                n: where it first stands, -1 for nowhere; by
#                                                 `partial` only where the chunk begins
cdef struct State:
    Number a
    Number b
    double shift
    int64_t n

# A chunk of `n` > 0 contiguous elements, the first of which has index `start` in its reduction.
ctypedef void (*partial_t)(
    const void* x, Py_ssize_t n, Py_ssize_t start, State* state) noexcept nogil

# 0 < `n_rows` <= ROWS rows of `width` contiguous elements each, a multiple of LANES and at most
# WIDTH; the first row has index `start`.  A state for each column.
ctypedef void (*columns_t)(
    const void** rows, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t start,
    State* states) noexcept nogil

# Returns where in the chunk of `n` contiguous elements its extreme first stands, for argmin/max
# after `partial`; NULL for other kernels.
ctypedef Py_ssize_t (*locate_t)(
    const void* x, Py_ssize_t n, const State* state) noexcept nogil

# `tag` is not read; its type says the dtype to the template that the function is made from.
ctypedef void (*merge_t)(State* into, const State* other, void* tag) noexcept nogil

# `count` elements were reduced.  Writes one item to `out` (`minmax` its second to `out2`).
ctypedef Finding (*finalize_t)(
    const State* state, int64_t count, double ddof, void* out, void* out2) noexcept nogil

cdef struct Reduction:
    partial_t partial
    columns_t columns
    merge_t merge
    finalize_t finalize
    locate_t locate

cdef struct ReductionTable:
    Reduction kernels[N_REDUCTIONS][N_DTYPES]
