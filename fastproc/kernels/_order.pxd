"""Layer: kernels.  The C face of the order statistics: medians and quantiles.

A short line is one call of a `LineTable`'s kernel.  A long one is searched in steps that several
workers can share: `brackets` samples it, `sift` looks at a block, `resolve` puts together what all
blocks gave, and where that is nothing `search` does the whole by itself.  ``_select.pxd`` has the
method.
"""

from libc.stdint cimport int64_t

from fastproc.kernels._common cimport N_DTYPES
from fastproc.kernels._lines cimport LineTable
from fastproc.kernels._select cimport Sifted

# The kernels of lines.  Both write float64, or float32 for float32.
cdef enum:
    QUANTILES = 0            # NaN where a line has one, or no element
    NANQUANTILES             # of what is not NaN; NaN where that is nothing

# More quantiles than this are read off a sorted copy of the line.
cdef enum:
    MOST_SEARCHED = 24

# What a kernel of lines is given, followed in memory by `n_q` doubles: the quantiles.
# The place of quantile q among n sorted elements is ``q * (n + 1 - alpha - beta) + alpha - 1``,
# counted from 0; a median is computed as the mean of its two neighbours instead.
cdef struct Quantiles:
    Py_ssize_t n_q
    bint is_median
    double alpha
    double beta

# Where a quantile is: `weight` of the way from rank `rank` to rank `last`, the same or the next.
cdef struct Place:
    Py_ssize_t rank
    Py_ssize_t last
    double weight

# The ends of a bracket, by the kernel's dtype.
cdef union Value:
    double f64
    float f32
    int64_t i64
    int i32

cdef struct Bracket:
    Value lo
    Value hi
    # The share of all elements that is expected inside.
    double share

# Draws a sample of `n` elements, `n_nan` of which are NaN, for the `draw`-th time, and gives the
# bracket of each place.  `scratch` has room for four times the sample's elements, and 128.
ctypedef void (*brackets_t)(
    const void* x, Py_ssize_t n, Py_ssize_t n_nan, int draw, const Place* places,
    Py_ssize_t n_places, Bracket* brackets, char* scratch) noexcept nogil

# Sifts `n` elements; returns how many it kept.  `kept` has room for one more than `n`.
ctypedef Py_ssize_t (*sift_t)(
    const void* x, Py_ssize_t n, const Bracket* bracket, Sifted* found, void* kept) noexcept nogil

# Writes the quantile at `place`, if the bracket had it: else returns False.  `scratch` has room for
# three times the kept elements, and 128.
ctypedef bint (*resolve_t)(
    const Sifted* found, const Bracket* bracket, const Place* place, bint is_median,
    const void* kept, Py_ssize_t count, char* scratch, void* out) noexcept nogil

# Writes the quantile at `place` of `n` elements, in many passes that need no memory.
ctypedef void (*search_t)(
    const void* x, Py_ssize_t n, const Place* place, bint is_median, void* out) noexcept nogil

ctypedef Py_ssize_t (*count_nan_t)(const void* x, Py_ssize_t n) noexcept nogil

cdef struct LongKernels:
    count_nan_t count_nan
    brackets_t brackets
    sift_t sift
    resolve_t resolve
    search_t search

cdef struct OrderTable:
    LineTable lines
    LongKernels longs[N_DTYPES]


cdef inline void find_place(
    const Quantiles* wanted, double q, Py_ssize_t n, Place* place
) noexcept nogil:
    """Find where quantile `q` of `n` > 0 elements is, by NumPy's arithmetic."""
    cdef double at
    if wanted.is_median:
        place.rank, place.last, place.weight = (n - 1) // 2, n // 2, 0.5
        return
    if wanted.alpha == 1 and wanted.beta == 1:
        at = (n - 1) * q
    else:
        at = n * q + (wanted.alpha + q * (1 - wanted.alpha - wanted.beta)) - 1
    at = max(0.0, min(at, <double>(n - 1)))
    place.rank = <Py_ssize_t>at
    place.weight = at - place.rank
    place.last = min(place.rank + 1, n - 1)
