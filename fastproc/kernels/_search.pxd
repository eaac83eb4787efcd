"""Layer: kernels.  The C face of the searches in sorted edges: digitize and searchsorted."""

from libc.stdint cimport int64_t

from fastproc.kernels._common cimport N_DTYPES

# Edges in ascending order, none NaN, and a table that says near which of them to look.
#
# The span from the first finite edge to the last is cut into buckets of one width.  The bucket of a
# value grows with the value, whatever is rounded on the way, so edges in lower buckets are less and
# those in higher ones greater, and only those in the value's own bucket are compared with it.
# `starts` has for each bucket how many edges are in lower ones, but no more than n - width, so that
# `width` edges from there are edges; it is NULL if the values are too few to pay for it, and then
# `width` is n.
cdef struct Index:
    const void* edges
    Py_ssize_t n
    const int* starts
    int n_buckets
    double first
    double scale                # buckets per unit
    Py_ssize_t width            # the most edges of one bucket
    int64_t nan_place           # the answer for NaN

# Fill `starts` of an index that has its edges, at least one, and its number of buckets.
ctypedef void (*index_t)(Index* index, int* starts) noexcept nogil

# Return 1 if each edge is at least the one before, else -1 if at most, 0 if neither or one is NaN.
ctypedef int (*order_t)(const void* edges, Py_ssize_t n) noexcept nogil

# Write how many edges are below each of `n` values, with `right` also those that are equal.
ctypedef void (*search_t)(
    const void* x, Py_ssize_t n, const Index* index, bint right, int64_t* places) noexcept nogil

cdef struct SearchTable:
    index_t indexes[N_DTYPES]
    order_t orders[N_DTYPES]
    search_t searches[N_DTYPES]
