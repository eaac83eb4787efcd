"""Layer: kernels.  The C face of the histograms."""

from libc.stdint cimport int64_t

from fastproc.kernels._common cimport N_DTYPES

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

cdef struct HistogramTable:
    histogram_t histograms[N_DTYPES]
