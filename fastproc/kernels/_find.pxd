"""Layer: kernels.  The loops that find the places of values among sorted edges.

A batch of values goes one step of the search together, then the next.  All take the same number of
steps and none branches, so that the steps of different values overlap, in vector registers where a
processor gathers.  Contracts in ``_search.pxd``.
"""

from libc.math cimport isfinite
from libc.stdint cimport int64_t
from libc.string cimport memset

from fastproc.kernels._common cimport scalar
from fastproc.kernels._search cimport Index

cdef enum:
    # Values that go together: they and their places stay in the first-level cache (16 KiB).
    TOGETHER = 1024


cdef inline int bucket_of(double value, const Index* index) noexcept nogil:
    cdef double place = (value - index.first) * index.scale
    cdef double last = index.n_buckets - 1
    place = place if place > 0 else 0       # NaN, too: inf times a scale of 0
    return <int>(place if place < last else last)


cdef inline void fill_index(Index* index, int* starts, scalar tag) noexcept nogil:
    cdef const scalar* edges = <const scalar*>index.edges
    cdef Py_ssize_t low = 0, high = index.n - 1, i
    cdef int count, total = 0
    while low < high and not isfinite(<double>edges[low]):
        low += 1
    while high > low and not isfinite(<double>edges[high]):
        high -= 1
    index.first = <double>edges[low]
    index.scale = index.n_buckets / (<double>edges[high] - index.first)
    if not (isfinite(index.first) and isfinite(index.scale)):
        index.first = index.scale = 0       # one bucket has all
    memset(starts, 0, index.n_buckets * sizeof(int))
    for i in range(index.n):
        starts[bucket_of(<double>edges[i], index)] += 1
    index.width = 0
    for i in range(index.n_buckets):
        index.width = max(index.width, <Py_ssize_t>starts[i])
    for i in range(index.n_buckets):
        count = starts[i]
        starts[i] = <int>min(<Py_ssize_t>total, index.n - index.width)
        total += count
    index.starts = starts


cdef inline int order_of(const scalar* edges, Py_ssize_t n) noexcept nogil:
    cdef bint ascends = n == 0 or edges[0] == edges[0], descends = ascends
    cdef Py_ssize_t i
    for i in range(n - 1):
        ascends &= edges[i] <= edges[i + 1]
        descends &= edges[i] >= edges[i + 1]
    return 1 if ascends else -1 if descends else 0


cdef inline void search_batch(
    const scalar* x, Py_ssize_t n, const Index* index, bint right, int64_t* places
) noexcept nogil:
    """Find the places of n <= TOGETHER values."""
    # A local array cannot be where the edges are, which allows the loops to be vectorised.
    cdef int64_t found[TOGETHER]
    cdef const scalar* edges = <const scalar*>index.edges
    cdef const int* starts = index.starts
    cdef int64_t width = index.width, half, is_further
    cdef Py_ssize_t i
    cdef scalar edge
    if starts != NULL:
        for i in range(n):
            found[i] = starts[bucket_of(<double>x[i], index)]
    else:
        for i in range(n):
            found[i] = 0
    # The answer is between what is found and `width` edges further.
    while width > 0:
        half = (width + 1) // 2
        for i in range(n):
            edge = edges[found[i] + half - 1]
            is_further = edge <= x[i] if right else edge < x[i]
            found[i] += half & -is_further
        width -= half
    for i in range(n):
        places[i] = found[i] if x[i] == x[i] else index.nan_place


cdef inline void search_chunk(
    const scalar* x, Py_ssize_t n, const Index* index, bint right, int64_t* places
) noexcept nogil:
    cdef Py_ssize_t start = 0, size
    while start < n:
        size = min(n - start, <Py_ssize_t>TOGETHER)
        if right:
            search_batch(x + start, size, index, True, places + start)
        else:
            search_batch(x + start, size, index, False, places + start)
        start += size
