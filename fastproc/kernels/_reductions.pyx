"""Layer: kernels.  One CPU level's compiled reductions, filled into the table that callers read.

This source is compiled once per level, each time under another module name and with other compiler
flags (``setup.py``).  Importing a level that the CPU lacks is not safe: go through
``fastproc.kernels.dispatch``.
"""
# Safe for free-threaded Python: the table is written while the module is imported, and only read
# afterwards.

from libc.stdint cimport int64_t

from fastproc.kernels._common cimport FLOAT32, FLOAT64, INT32, INT64, scalar, table_capsule
from fastproc.kernels._checks cimport (
    all_finite_columns,
    all_finite_partial,
    allnan_columns,
    allnan_partial,
    any_finalize,
    anynan_columns,
    anynan_partial,
    check_merge,
    none_finalize,
)
from fastproc.kernels._extremes cimport (
    arg_finalize,
    arg_locate,
    argmax_columns,
    argmax_merge,
    argmax_partial,
    argmin_columns,
    argmin_merge,
    argmin_partial,
    max_finalize,
    max_partial,
    min_finalize,
    min_partial,
    minmax_columns,
    minmax_finalize,
    minmax_merge,
    minmax_partial,
    nanargmax_columns,
    nanargmax_merge,
    nanargmax_partial,
    nanargmin_columns,
    nanargmin_merge,
    nanargmin_partial,
    nanmax_finalize,
    nanmin_finalize,
    nanminmax_finalize,
)
from fastproc.kernels._logsumexp cimport (
    logsumexp_columns,
    logsumexp_finalize,
    logsumexp_merge,
    logsumexp_partial,
)
from fastproc.kernels._reduce cimport (
    mean_columns,
    mean_finalize,
    mean_partial,
    nanmean_columns,
    nanmean_partial,
    nanstd_finalize,
    nansum_columns,
    nansum_partial,
    nanvar_columns,
    nanvar_finalize,
    nanvar_partial,
    ss_columns,
    ss_partial,
    std_finalize,
    sum_columns,
    sum_finalize,
    sum_merge,
    sum_partial,
    var_columns,
    var_finalize,
    var_merge,
    var_partial,
)
from fastproc.kernels._reductions cimport (
    ALL_FINITE,
    ALLNAN,
    ANYNAN,
    ARGMAX,
    ARGMIN,
    LOGSUMEXP,
    MAX,
    MEAN,
    MIN,
    MINMAX,
    NANARGMAX,
    NANARGMIN,
    NANMAX,
    NANMEAN,
    NANMIN,
    NANMINMAX,
    NANSTD,
    NANSUM,
    NANVAR,
    SS,
    STD,
    SUM,
    VAR,
    Reduction,
    ReductionTable,
    columns_t,
    finalize_t,
    locate_t,
    merge_t,
    partial_t,
)

cdef ReductionTable _table


cdef void _reduction(
    int name, int dtype, partial_t partial, columns_t columns, merge_t merge, finalize_t finalize,
    locate_t locate=NULL
) noexcept:
    _table.kernels[name][dtype] = Reduction(partial, columns, merge, finalize, locate)


cdef void _fill(scalar* tag, int dtype) noexcept:
    """Enter the kernels of one dtype.  The casts only drop the pointers' type."""
    cdef partial_t partial
    cdef columns_t columns
    cdef merge_t merge

    merge = <merge_t>sum_merge[scalar]
    _reduction(SUM, dtype, <partial_t>sum_partial[scalar], <columns_t>sum_columns[scalar],
               merge, <finalize_t>sum_finalize[scalar])
    _reduction(NANSUM, dtype, <partial_t>nansum_partial[scalar],
               <columns_t>nansum_columns[scalar], merge, <finalize_t>sum_finalize[scalar])

    _reduction(SS, dtype, <partial_t>ss_partial[scalar], <columns_t>ss_columns[scalar], merge,
               <finalize_t>sum_finalize[scalar])

    # A mean's state is a sum in double for every dtype, and merges as such.
    merge = <merge_t>sum_merge[double]
    _reduction(MEAN, dtype, <partial_t>mean_partial[scalar], <columns_t>mean_columns[scalar],
               merge, <finalize_t>mean_finalize[scalar])
    _reduction(NANMEAN, dtype, <partial_t>nanmean_partial[scalar],
               <columns_t>nanmean_columns[scalar], merge, <finalize_t>mean_finalize[scalar])

    partial = <partial_t>var_partial[scalar]
    columns = <columns_t>var_columns[scalar]
    merge = <merge_t>var_merge[scalar]
    _reduction(VAR, dtype, partial, columns, merge, <finalize_t>var_finalize[scalar])
    _reduction(STD, dtype, partial, columns, merge, <finalize_t>std_finalize[scalar])
    partial = <partial_t>nanvar_partial[scalar]
    columns = <columns_t>nanvar_columns[scalar]
    _reduction(NANVAR, dtype, partial, columns, merge, <finalize_t>nanvar_finalize[scalar])
    _reduction(NANSTD, dtype, partial, columns, merge, <finalize_t>nanstd_finalize[scalar])

    columns = <columns_t>minmax_columns[scalar]
    merge = <merge_t>minmax_merge[scalar]
    partial = <partial_t>min_partial[scalar]
    _reduction(MIN, dtype, partial, columns, merge, <finalize_t>min_finalize[scalar])
    _reduction(NANMIN, dtype, partial, columns, merge, <finalize_t>nanmin_finalize[scalar])
    partial = <partial_t>max_partial[scalar]
    _reduction(MAX, dtype, partial, columns, merge, <finalize_t>max_finalize[scalar])
    _reduction(NANMAX, dtype, partial, columns, merge, <finalize_t>nanmax_finalize[scalar])
    partial = <partial_t>minmax_partial[scalar]
    _reduction(MINMAX, dtype, partial, columns, merge, <finalize_t>minmax_finalize[scalar])
    _reduction(NANMINMAX, dtype, partial, columns, merge, <finalize_t>nanminmax_finalize[scalar])

    _reduction(LOGSUMEXP, dtype, <partial_t>logsumexp_partial[scalar],
               <columns_t>logsumexp_columns[scalar], <merge_t>logsumexp_merge,
               <finalize_t>logsumexp_finalize[scalar])

    _reduction(ARGMIN, dtype, <partial_t>argmin_partial[scalar],
               <columns_t>argmin_columns[scalar], <merge_t>argmin_merge[scalar],
               <finalize_t>arg_finalize[scalar], <locate_t>arg_locate[scalar])
    _reduction(ARGMAX, dtype, <partial_t>argmax_partial[scalar],
               <columns_t>argmax_columns[scalar], <merge_t>argmax_merge[scalar],
               <finalize_t>arg_finalize[scalar], <locate_t>arg_locate[scalar])
    _reduction(NANARGMIN, dtype, <partial_t>nanargmin_partial[scalar],
               <columns_t>nanargmin_columns[scalar], <merge_t>nanargmin_merge[scalar],
               <finalize_t>arg_finalize[scalar], <locate_t>arg_locate[scalar])
    _reduction(NANARGMAX, dtype, <partial_t>nanargmax_partial[scalar],
               <columns_t>nanargmax_columns[scalar], <merge_t>nanargmax_merge[scalar],
               <finalize_t>arg_finalize[scalar], <locate_t>arg_locate[scalar])

    merge = <merge_t>check_merge[scalar]
    _reduction(ANYNAN, dtype, <partial_t>anynan_partial[scalar],
               <columns_t>anynan_columns[scalar], merge, <finalize_t>any_finalize[scalar])
    _reduction(ALLNAN, dtype, <partial_t>allnan_partial[scalar],
               <columns_t>allnan_columns[scalar], merge, <finalize_t>none_finalize[scalar])
    _reduction(ALL_FINITE, dtype, <partial_t>all_finite_partial[scalar],
               <columns_t>all_finite_columns[scalar], merge, <finalize_t>none_finalize[scalar])


_fill(<double*>NULL, FLOAT64)
_fill(<float*>NULL, FLOAT32)
_fill(<int64_t*>NULL, INT64)
_fill(<int*>NULL, INT32)

#: The table of this CPU level.
table = table_capsule(&_table)
