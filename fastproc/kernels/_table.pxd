"""Layer: kernels.  The C face of the compiled kernels: one table of functions per CPU level.

Each level's module (``_kernels_v2``, ``_kernels_v3``, ...) fills one `KernelTable` and hands it
out as a capsule named ``TABLE_NAME``; whoever calls kernels reads the table that
``dispatch.py`` chose.  Every function is ``noexcept nogil`` and sees one chunk, never an array.

A reduction is a mergeable triple.  For a chunk of contiguous elements ``partial`` gives a state;
for a few rows of columns ``columns`` gives a state per column; ``merge`` folds one
state into another; ``finalize`` turns a state into the result.
"""

from libc.stdint cimport int64_t

# How many accumulators run side by side.  Fixed, because it decides the order of additions and so
# the bits of the result: 32 doubles fill four 512-bit registers, eight of 256 and sixteen of 128.
cdef enum:
    LANES = 32

# Elements of one chunk, the unit of planning, merging and packing: 32 KiB of float64, so that the
# second pass of a variance finds the chunk in the first-level cache.  It decides bits too.
cdef enum:
    CHUNK = 4096

# What `columns` is given at a time: rows, no more than the streams that a core's prefetcher
# follows, of so many columns that each stream is worth following (1 KiB of float64).
cdef enum:
    ROWS = 32
    WIDTH = 128

# The compiled dtypes.
cdef enum:
    FLOAT64 = 0
    FLOAT32 = 1
    INT64 = 2
    INT32 = 3
    N_DTYPES = 4

# The kernels, by family.
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
    N_REDUCTIONS

cdef enum:
    SQUARE = 0
    CUBE
    NEGATIVE
    N_UNARIES

cdef enum:
    ADD = 0
    N_BINARIES

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

# `n` contiguous elements to `n` contiguous elements; `x` and `out` are the same or disjoint.
ctypedef void (*unary_t)(const void* x, void* out, Py_ssize_t n) noexcept nogil

# The same for two inputs; a `step` of 0 says that the operand is one element, used throughout.
ctypedef void (*binary_t)(
    const void* x1, Py_ssize_t step1, const void* x2, Py_ssize_t step2, void* out,
    Py_ssize_t n) noexcept nogil

# The bins of a histogram: `edges` has n_bins + 1 ascending values, evenly spaced but for rounding.
# `margin`, in bins, bounds how far rounding can put `(x - first) * scale` from the true place.
cdef struct Bins:
    const double* edges
    int n_bins
    double first
    double last
    double scale
    double margin

# Consecutive elements are counted in different tables, so that a run of elements of one bin is not
# a chain of additions each of which waits for the one before.
cdef enum:
    HISTOGRAM_TABLES = 4

# Counts `n` < 2**31 contiguous elements into `counts`, which has n_bins items.  `scratch` has room
# for HISTOGRAM_TABLES * (n_bins + 1) items.

ctypedef void (*histogram_t)(
    const void* x, Py_ssize_t n, const Bins* bins, unsigned int* scratch,
    int64_t* counts) noexcept nogil

cdef struct KernelTable:
    Reduction reductions[N_REDUCTIONS][N_DTYPES]
    unary_t unaries[N_UNARIES][N_DTYPES]
    binary_t binaries[N_BINARIES][N_DTYPES]
    histogram_t histograms[N_DTYPES]
