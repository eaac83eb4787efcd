"""Layer: kernels.  The C face of the histograms.

A batch of elements gets the numbers of their bins, one axis after the other; these become the
number of a *cell*, which is counted.  With one axis the cells are the bins.
"""

from libc.stdint cimport int64_t

from fastproc.kernels._common cimport N_DTYPES
from fastproc.kernels._search cimport Index

# Elements placed before they are counted: few, so that they and their numbers (6 KiB for two axes)
# leave the first-level cache to the tables.
cdef enum:
    BATCH = 256

# The bins of an axis: `edges` has n_bins + 1 ascending values.  If they are evenly spaced but for
# little, `index` is NULL and `margin`, in bins, bounds how far an edge is from where
# `(edge - first) * scale` says, rounding included; else edges are looked for in the index.  `shift`
# is not 0 if places, times 2**shift, fit into 32 bits and the margin is then at most 1.
cdef struct Bins:
    const double* edges
    int n_bins
    double first
    double last
    double scale
    double margin
    int shift
    const Index* index

# Consecutive elements are counted in different tables, so that a run of elements of one cell is not
# a chain of additions each of which waits for the one before.
cdef enum:
    HISTOGRAM_TABLES = 4

# Write the bin of each of `n` <= BATCH contiguous elements; n_bins for what is in none.
ctypedef void (*place_t)(
    const void* x, Py_ssize_t n, const Bins* bins, int* numbers) noexcept nogil

# Go on from cells of the axes so far, of which there are `n_before`, to those of one more axis.
# What is in no cell has the number of cells in place of a cell's, before and after.
ctypedef void (*combine_t)(
    const int* numbers, Py_ssize_t n, int n_bins, int n_before, int* cells) noexcept nogil

# Count cells in HISTOGRAM_TABLES tables, which may be one; each has one more place than cells.
ctypedef void (*count_t)(
    const int* cells, Py_ssize_t n, unsigned int** tables) noexcept nogil

# The same for weights, which are added up.
ctypedef void (*weigh_t)(
    const int* cells, const double* weights, Py_ssize_t n, double** tables) noexcept nogil

cdef struct HistogramTable:
    place_t places[N_DTYPES]
    combine_t combine
    count_t count
    weigh_t weigh
