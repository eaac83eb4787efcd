"""Layer: kernels.  The C face of ranks, of partitions and of the k first elements.

All are kernels of lines.  NaN counts as greater than all else, as where NumPy sorts.
"""

from libc.stdint cimport int64_t

from fastproc.kernels._common cimport N_DTYPES
from fastproc.kernels._lines cimport LineTable
from fastproc.kernels._sort cimport Pair

# The kernels of lines.
cdef enum:
    RANKDATA = 0             # writes float64
    NANRANKDATA
    TOPK                     # writes the places of the first, int64
    PARTITION                # writes the elements
    ARGPARTITION             # writes their places, int64

# What equal elements get.
cdef enum RankMethod:
    AVERAGE = 0              # the mean of the ranks that they have together
    LEAST
    GREATEST
    DENSE                    # the rank among the elements that differ
    ORDINAL                  # ranks of their own, in the order in which they stand

cdef struct Ranks:
    RankMethod method

cdef struct First:
    Py_ssize_t k
    bint largest             # the greatest stand first, else the least

# Followed in memory by `n_kth` ascending ranks, Py_ssize_t each.
cdef struct Kths:
    Py_ssize_t n_kth

# The steps in which many workers find the k first elements of a long line.
#
# Draws a sample and gives the value that all of them reach, most probably; returns how many
# elements are expected to reach it, or 0 if the sample does not tell.  `scratch` has room for twice
# as many pairs as `sample_size` says.
ctypedef Py_ssize_t (*find_limit_t)(
    const void* x, Py_ssize_t n, const First* first, void* limit, char* scratch) noexcept nogil

# Writes the places of those elements that reach the limit, counted from `start`, and their keys;
# returns how many there are.  `n` < 2^31, and `pairs` has room for one more.
ctypedef Py_ssize_t (*reach_t)(
    const void* x, Py_ssize_t n, Py_ssize_t start, const First* first, const void* limit,
    Pair* pairs) noexcept nogil

# Sorts the pairs that reached the limit, in any order, and writes the places of the first.
ctypedef void (*finish_t)(
    Pair* pairs, Py_ssize_t n, Pair* other, Py_ssize_t k, int64_t* out) noexcept nogil

cdef struct FirstKernels:
    find_limit_t find_limit
    reach_t reach

cdef struct RankingTable:
    LineTable lines
    FirstKernels firsts[N_DTYPES]
    finish_t finish
