"""Layer: kernels.  The C face of the distances.

A distance is a sum over the columns of two rows (`accumulate`), from which a root or a quotient is
taken at the end (`finish`).  Some need a number of each row besides (`measure`): the norm of a
cosine, how many elements are not 0.  Rows are contiguous float64 and follow one another.
"""

from libc.stdint cimport int64_t

from fastproc.kernels._common cimport LANES

# Rows of the first array in a block: enough that packing the other side costs a few percent, and
# few enough that their sums (32 KiB) can lie on a thread's stack.
cdef enum:
    BLOCK_ROWS = 128

# Columns of a panel of LANES rows of the second array, 16 KiB, which stays in the L1 cache.
cdef enum:
    PANEL = 64

# Rows whose neighbours are sought together.
cdef enum:
    NEAREST_ROWS = 64

# The metrics.  A Minkowski distance of a whole order below MOST_WHOLE takes products only; that a
# correlation is the cosine of rows less their means is the gate's business.
cdef enum:
    EUCLIDEAN = 0
    SQEUCLIDEAN
    COSINE
    CITYBLOCK
    CHEBYSHEV
    MINKOWSKI
    MINKOWSKI_WHOLE
    HAMMING
    JACCARD
    N_METRICS

cdef enum:
    MOST_WHOLE = 16

# The rows that are compared: `of_a` and `of_b` are what `measure` says of them, `p` is the order.
cdef struct Rows:
    const double* a
    const double* b
    const double* of_a
    const double* of_b
    Py_ssize_t width
    double p

# The distances between rows `first_a`, ... of `a`, at most BLOCK_ROWS, and rows `first_b`, ... of
# `b`, at most `block_columns`.  A row of n_b distances for each of `a` is written to `out`: the
# second `stride` items behind the first, and each one after that `shrink` items less far on.
# `metric` is not read; its type says the metric to the template that the function is made from.
ctypedef void (*block_t)(
    const void* metric, const Rows* rows, Py_ssize_t first_a, Py_ssize_t n_a, Py_ssize_t first_b,
    Py_ssize_t n_b, double* out, Py_ssize_t stride, Py_ssize_t shrink) noexcept nogil

cdef inline Py_ssize_t block_columns(Py_ssize_t width) noexcept nogil:
    """Return how many rows of `b` a block may have: as many as a panel has room for."""
    return LANES * max(1, PANEL // max(width, 1))

# A number for each of `n` rows.
ctypedef void (*measure_t)(
    const void* metric, const double* x, Py_ssize_t n, Py_ssize_t width,
    double* measures) noexcept nogil

# What rules out pairs by an estimate of their Euclidean distance, see ``_nearest``.  The memory
# begins as zeros, `offsets` as infinities.
cdef struct Screen:
    Py_ssize_t width
    const double* middle     # what is taken from each row
    double scale             # a power of two
    double doubt             # how far an estimate can be off, as a share of the squared norms
    double least_doubt       # and at least
    bint is_root             # distances, not their squares, are compared
    float* rows              # of `a`, and some more to make their number a multiple of 8
    double* squares          # of their norms
    float* panels            # `b`, LANES rows side by side
    float* offsets           # half the squared norm of each row, less the doubt

# Fills the memory of a screen with what it needs of rows `first` to `last`.
ctypedef void (*move_t)(
    const Screen* screen, const double* x, Py_ssize_t first, Py_ssize_t last) noexcept nogil

# The k <= n_b nearest of all n_b rows of `b`, for each of `n` <= NEAREST_ROWS rows of `a`: k places
# a row in `distances` and `indices`.
ctypedef void (*nearest_t)(
    block_t block_of, const Rows* rows, Py_ssize_t first, Py_ssize_t n, Py_ssize_t n_b,
    Py_ssize_t k, double* distances, int64_t* indices) noexcept nogil

# The same for Euclidean distances.
ctypedef void (*screened_t)(
    const Screen* screen, const Rows* rows, Py_ssize_t first, Py_ssize_t n, Py_ssize_t n_b,
    Py_ssize_t k, double* distances, int64_t* indices) noexcept nogil

cdef struct DistanceTable:
    block_t blocks[N_METRICS]
    measure_t measures[N_METRICS]        # NULL where none is needed
    nearest_t nearest
    move_t move_a
    move_t move_b
    screened_t screened
