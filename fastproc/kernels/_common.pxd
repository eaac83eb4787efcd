"""Layer: kernels.  What all compiled kernels share: their dtypes, lanes and chunks.

Each family (reductions, elementwise, ...) is one source, compiled once per CPU level as a module of
its own (``_reductions_v2``, ``_reductions_v3``, ...).  It fills one table of functions and hands it
out as a capsule; the family's ``.pxd`` says what the table has in it, and whoever calls kernels
reads the table that ``dispatch.py`` chose.  Every function is ``noexcept nogil`` and sees one chunk
or line, never an array.
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int64_t

# How many accumulators run side by side.  Fixed, because it decides the order of additions and so
# the bits of the result: 32 doubles fill four 512-bit registers, eight of 256 and sixteen of 128.
cdef enum:
    LANES = 32

# Elements of one chunk, the unit of planning, merging and packing: 32 KiB of float64, so that the
# second pass of a variance finds the chunk in the first-level cache.  It decides bits too.
cdef enum:
    CHUNK = 4096

# The compiled dtypes.
cdef enum:
    FLOAT64 = 0
    FLOAT32 = 1
    INT64 = 2
    INT32 = 3
    N_DTYPES = 4

ctypedef fused scalar:
    double
    float
    int64_t
    int

# The name of every table's capsule.
cdef inline object table_capsule(void* table):
    """Return a family's table as the capsule in which it is handed out."""
    return PyCapsule_New(table, b"fastproc.kernels.table", NULL)

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define fastproc_prefetch(p) __builtin_prefetch(p)
    #else
    #define fastproc_prefetch(p) ((void)(p))
    #endif
    """
    # Fetch the cache line at an address, which may be no memory at all.
    void prefetch "fastproc_prefetch"(const void* address) nogil
