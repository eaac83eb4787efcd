"""Layer: kernels.  One CPU level's kernels over groups, filled into the table that callers read.

The loops are in ``_group``, the contracts in ``_grouped.pxd``.
"""
# Safe for free-threaded Python: the table is written while the module is imported, and only read
# afterwards.

from libc.stdint cimport int64_t

from fastproc.kernels._common cimport FLOAT32, FLOAT64, INT32, INT64, scalar, table_capsule
from fastproc.kernels._group cimport (
    accumulate,
    accumulate_ends,
    clear_states,
    finalize_groups,
    finalize_wholes,
    has_nan,
    merge_tables,
    label_t,
    settled,
    state_size,
)
from fastproc.kernels._grouped cimport (
    COUNT,
    FIRST,
    LAST,
    MAX,
    MEAN,
    MIN,
    STD,
    SUM,
    VAR,
    WEIGHT,
    Grouped,
    GroupedTable,
    Number,
    Outside,
    accumulate_t,
    clear_t,
    finalize_t,
    limits_t,
    merge_t,
)

cdef GroupedTable _table


# The kernels: each template with its constant ----------------------------------------------------

cdef inline void sum_clear(scalar* table, Py_ssize_t n_groups) noexcept nogil:
    clear_states(SUM, <Number*>table, n_groups, <scalar>0)


cdef inline void sum_accumulate(
    const scalar* x, const label_t* labels, Py_ssize_t n, int64_t n_groups, Number** tables,
    Outside* outside
) noexcept nogil:
    accumulate(SUM, x, labels, n, n_groups, tables, outside)


cdef inline void sum_merge(
    scalar* into, const Number* other, Py_ssize_t n_groups
) noexcept nogil:
    merge_tables(SUM, <Number*>into, other, n_groups, <scalar>0)


cdef inline void weight_clear(scalar* table, Py_ssize_t n_groups) noexcept nogil:
    clear_states(WEIGHT, <Number*>table, n_groups, <scalar>0)


cdef inline void weight_accumulate(
    const scalar* x, const label_t* labels, Py_ssize_t n, int64_t n_groups, Number** tables,
    Outside* outside
) noexcept nogil:
    accumulate(WEIGHT, x, labels, n, n_groups, tables, outside)


cdef inline void weight_merge(
    scalar* into, const Number* other, Py_ssize_t n_groups
) noexcept nogil:
    merge_tables(WEIGHT, <Number*>into, other, n_groups, <scalar>0)


cdef inline void mean_clear(scalar* table, Py_ssize_t n_groups) noexcept nogil:
    clear_states(MEAN, <Number*>table, n_groups, <scalar>0)


cdef inline void mean_accumulate(
    const scalar* x, const label_t* labels, Py_ssize_t n, int64_t n_groups, Number** tables,
    Outside* outside
) noexcept nogil:
    accumulate(MEAN, x, labels, n, n_groups, tables, outside)


cdef inline void mean_merge(
    scalar* into, const Number* other, Py_ssize_t n_groups
) noexcept nogil:
    merge_tables(MEAN, <Number*>into, other, n_groups, <scalar>0)


cdef inline void var_clear(scalar* table, Py_ssize_t n_groups) noexcept nogil:
    clear_states(VAR, <Number*>table, n_groups, <scalar>0)


cdef inline void var_accumulate(
    const scalar* x, const label_t* labels, Py_ssize_t n, int64_t n_groups, Number** tables,
    Outside* outside
) noexcept nogil:
    accumulate(VAR, x, labels, n, n_groups, tables, outside)


cdef inline void var_merge(
    scalar* into, const Number* other, Py_ssize_t n_groups
) noexcept nogil:
    merge_tables(VAR, <Number*>into, other, n_groups, <scalar>0)


cdef inline void min_clear(scalar* table, Py_ssize_t n_groups) noexcept nogil:
    clear_states(MIN, <Number*>table, n_groups, <scalar>0)


cdef inline void min_accumulate(
    const scalar* x, const label_t* labels, Py_ssize_t n, int64_t n_groups, Number** tables,
    Outside* outside
) noexcept nogil:
    accumulate(MIN, x, labels, n, n_groups, tables, outside)


cdef inline void min_merge(
    scalar* into, const Number* other, Py_ssize_t n_groups
) noexcept nogil:
    merge_tables(MIN, <Number*>into, other, n_groups, <scalar>0)


cdef inline void max_clear(scalar* table, Py_ssize_t n_groups) noexcept nogil:
    clear_states(MAX, <Number*>table, n_groups, <scalar>0)


cdef inline void max_accumulate(
    const scalar* x, const label_t* labels, Py_ssize_t n, int64_t n_groups, Number** tables,
    Outside* outside
) noexcept nogil:
    accumulate(MAX, x, labels, n, n_groups, tables, outside)


cdef inline void max_merge(
    scalar* into, const Number* other, Py_ssize_t n_groups
) noexcept nogil:
    merge_tables(MAX, <Number*>into, other, n_groups, <scalar>0)


cdef inline void count_clear(scalar* table, Py_ssize_t n_groups) noexcept nogil:
    clear_states(COUNT, <Number*>table, n_groups, <scalar>0)


cdef inline void count_accumulate(
    const scalar* x, const label_t* labels, Py_ssize_t n, int64_t n_groups, Number** tables,
    Outside* outside
) noexcept nogil:
    accumulate(COUNT, x, labels, n, n_groups, tables, outside)


cdef inline void count_merge(
    scalar* into, const Number* other, Py_ssize_t n_groups
) noexcept nogil:
    merge_tables(COUNT, <Number*>into, other, n_groups, <scalar>0)


cdef inline void first_clear(scalar* table, Py_ssize_t n_groups) noexcept nogil:
    clear_states(FIRST, <Number*>table, n_groups, <scalar>0)


cdef inline void first_accumulate(
    const scalar* x, const label_t* labels, Py_ssize_t n, int64_t n_groups, Number** tables,
    Outside* outside
) noexcept nogil:
    accumulate_ends(FIRST, x, labels, n, n_groups, tables[0], outside)


cdef inline void first_merge(
    scalar* into, const Number* other, Py_ssize_t n_groups
) noexcept nogil:
    merge_tables(FIRST, <Number*>into, other, n_groups, <scalar>0)


cdef inline void last_clear(scalar* table, Py_ssize_t n_groups) noexcept nogil:
    clear_states(LAST, <Number*>table, n_groups, <scalar>0)


cdef inline void last_accumulate(
    const scalar* x, const label_t* labels, Py_ssize_t n, int64_t n_groups, Number** tables,
    Outside* outside
) noexcept nogil:
    accumulate_ends(LAST, x, labels, n, n_groups, tables[0], outside)


cdef inline void last_merge(
    scalar* into, const Number* other, Py_ssize_t n_groups
) noexcept nogil:
    merge_tables(LAST, <Number*>into, other, n_groups, <scalar>0)


cdef inline void var_settle(Number* table, Py_ssize_t n_groups) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n_groups):
        settled(table + 4 * i)


cdef void find_limits(
    const label_t* labels, Py_ssize_t n, int64_t* least, int64_t* greatest
) noexcept nogil:
    cdef label_t low = 0, high = -1
    cdef Py_ssize_t i
    for i in range(n):
        low = labels[i] if labels[i] < low else low
        high = labels[i] if labels[i] > high else high
    least[0], greatest[0] = low, high


# The table ---------------------------------------------------------------------------------------

cdef void _enter(
    int name, int dtype, int n_numbers, clear_t clear, accumulate_t by_int64,
    accumulate_t by_int32, merge_t merge, finalize_t finalize, clear_t settle=NULL
) noexcept:
    _table.kernels[name][dtype] = Grouped(
        name, n_numbers, name == FIRST or name == LAST, clear, [by_int64, by_int32], settle, merge,
        finalize)


cdef void _fill(scalar* tag, int dtype) noexcept:
    """Enter the kernels of one dtype.  The casts only drop the pointers' type."""
    cdef int n_numbers = state_size(MIN, <scalar>0)
    cdef finalize_t values = <finalize_t>finalize_groups[scalar]
    cdef finalize_t wholes = <finalize_t>finalize_wholes
    cdef finalize_t sums = values if has_nan(<scalar>0) else wholes
    # The states of means and variances are doubles for integers, too.
    cdef finalize_t reals = values if has_nan(<scalar>0) else <finalize_t>finalize_groups[double]
    _enter(SUM, dtype, 1, <clear_t>sum_clear[scalar],
           <accumulate_t>sum_accumulate[scalar, int64_t],
           <accumulate_t>sum_accumulate[scalar, int], <merge_t>sum_merge[scalar], sums)
    _enter(WEIGHT, dtype, 1, <clear_t>weight_clear[scalar],
           <accumulate_t>weight_accumulate[scalar, int64_t],
           <accumulate_t>weight_accumulate[scalar, int], <merge_t>weight_merge[scalar],
           <finalize_t>finalize_groups[double] if has_nan(<scalar>0) else wholes)
    _enter(COUNT, dtype, 1, <clear_t>count_clear[scalar],
           <accumulate_t>count_accumulate[scalar, int64_t],
           <accumulate_t>count_accumulate[scalar, int], <merge_t>count_merge[scalar], wholes)
    _enter(MEAN, dtype, 2, <clear_t>mean_clear[scalar],
           <accumulate_t>mean_accumulate[scalar, int64_t],
           <accumulate_t>mean_accumulate[scalar, int], <merge_t>mean_merge[scalar], reals)
    _enter(VAR, dtype, 4, <clear_t>var_clear[scalar],
           <accumulate_t>var_accumulate[scalar, int64_t],
           <accumulate_t>var_accumulate[scalar, int], <merge_t>var_merge[scalar], reals,
           <clear_t>var_settle)
    _enter(STD, dtype, 4, <clear_t>var_clear[scalar],
           <accumulate_t>var_accumulate[scalar, int64_t],
           <accumulate_t>var_accumulate[scalar, int], <merge_t>var_merge[scalar], reals,
           <clear_t>var_settle)
    _enter(MIN, dtype, n_numbers, <clear_t>min_clear[scalar],
           <accumulate_t>min_accumulate[scalar, int64_t],
           <accumulate_t>min_accumulate[scalar, int], <merge_t>min_merge[scalar], values)
    _enter(MAX, dtype, n_numbers, <clear_t>max_clear[scalar],
           <accumulate_t>max_accumulate[scalar, int64_t],
           <accumulate_t>max_accumulate[scalar, int], <merge_t>max_merge[scalar], values)
    _enter(FIRST, dtype, n_numbers, <clear_t>first_clear[scalar],
           <accumulate_t>first_accumulate[scalar, int64_t],
           <accumulate_t>first_accumulate[scalar, int], <merge_t>first_merge[scalar], values)
    _enter(LAST, dtype, n_numbers, <clear_t>last_clear[scalar],
           <accumulate_t>last_accumulate[scalar, int64_t],
           <accumulate_t>last_accumulate[scalar, int], <merge_t>last_merge[scalar], values)


_fill[double](NULL, FLOAT64)
_fill[float](NULL, FLOAT32)
_fill[int64_t](NULL, INT64)
_fill[int](NULL, INT32)
_table.limits[0] = <limits_t>find_limits[int64_t]
_table.limits[1] = <limits_t>find_limits[int]

#: The table of this CPU level.
table = table_capsule(&_table)
