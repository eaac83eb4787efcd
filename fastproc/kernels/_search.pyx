"""Layer: kernels.  One CPU level's searches, filled into the table that callers read.

The loops are in ``_find``, the contracts in ``_search.pxd``.
"""
# Safe for free-threaded Python: the table is written while the module is imported, and only read
# afterwards.

from libc.stdint cimport int64_t

from fastproc.kernels._common cimport FLOAT32, FLOAT64, INT32, INT64, scalar, table_capsule
from fastproc.kernels._find cimport fill_index, order_of, search_chunk
from fastproc.kernels._search cimport Index, SearchTable, index_t, order_t, search_t

cdef SearchTable _table


cdef void _fill_starts(Index* index, scalar* starts) noexcept nogil:
    fill_index(index, <int*>starts, <scalar>0)


cdef void _fill(scalar* tag, int dtype) noexcept:
    """Enter the kernels of one dtype.  The casts only drop the pointers' type."""
    _table.indexes[dtype] = <index_t>_fill_starts[scalar]
    _table.orders[dtype] = <order_t>order_of[scalar]
    _table.searches[dtype] = <search_t>search_chunk[scalar]


_fill[double](NULL, FLOAT64)
_fill[float](NULL, FLOAT32)
_fill[int64_t](NULL, INT64)
_fill[int](NULL, INT32)

#: The table of this CPU level.
table = table_capsule(&_table)
