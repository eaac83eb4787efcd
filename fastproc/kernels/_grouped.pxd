"""Layer: kernels.  The C face of the kernels over groups: bincount, group_sum, group_mean, ...

A group's elements are met in any order, so each group has a state in a table, and an element
changes the state of its group.  An element whose label is negative is in no group, as is a NaN.
"""

from libc.stdint cimport int64_t

from fastproc.kernels._common cimport N_DTYPES

# Consecutive elements change states of different tables if these are small, so that a run of
# elements of one group is not a chain of additions each of which waits for the one before.
cdef enum:
    TABLES = 4

# The most numbers that a state has.
cdef enum:
    MOST_NUMBERS = 4

# The kernels.
cdef enum:
    SUM = 0
    MEAN
    VAR
    STD
    MIN
    MAX
    COUNT
    FIRST
    LAST
    WEIGHT              # a sum to which NaN counts, for bincount; of floats it is written in double
    N_GROUPED

# A floating or an integer quantity, by the kernel's dtype.
cdef union Number:
    double f
    int64_t i

# Whether there were labels that are no group's number: negative ones, and ones of n_groups or more.
cdef struct Outside:
    bint below
    bint beyond

# States for n_groups empty groups.
ctypedef void (*clear_t)(Number* table, Py_ssize_t n_groups) noexcept nogil

# Change the states of `n` elements' groups, in TABLES tables, some of which or all may be one.  It
# may stop at a label that is beyond.
ctypedef void (*accumulate_t)(
    const void* x, const void* labels, Py_ssize_t n, int64_t n_groups, Number** tables,
    Outside* outside) noexcept nogil

# Fold the states of elements that come later into those of earlier ones.
ctypedef void (*merge_t)(Number* into, const Number* other, Py_ssize_t n_groups) noexcept nogil

# Write each group's result; return the first group that has no value, where the dtype cannot say
# so by a NaN, else n_groups.  `kernel` is the number of the kernel, some of which share it.
ctypedef Py_ssize_t (*finalize_t)(
    int kernel, const Number* table, Py_ssize_t n_groups, double ddof, void* out) noexcept nogil

# `n_numbers` is the size of a state.  It holds, by kernel:
#   sum            the sum: in double, for integers in int64
#   mean           the sum in double, how many
#   var, std       a value near the mean, the sum and the sum of squares of distances from it, how
#                  many; `settle` turns the squares into those of distances from the mean
#   min, max       the extreme; for integers also how many
#   count          how many
#   first, last    the value; for integers also whether there was one
# `settle` is called once all elements of a table are in, before it is merged; NULL if not needed.
# `has_order` says that it matters which element comes first, so that one table must take all.
cdef struct Grouped:
    int number
    int n_numbers
    bint has_order
    clear_t clear
    accumulate_t accumulate[2]        # by the dtype of the labels: int64, int32
    clear_t settle
    merge_t merge
    finalize_t finalize

# Find the least and the greatest of `n` labels, 0 and -1 included.
ctypedef void (*limits_t)(
    const void* labels, Py_ssize_t n, int64_t* least, int64_t* greatest) noexcept nogil

cdef struct GroupedTable:
    limits_t limits[2]                # by the dtype of the labels
    Grouped kernels[N_GROUPED][N_DTYPES]
