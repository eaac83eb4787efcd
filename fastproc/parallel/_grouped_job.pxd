"""Layer: parallel.  A kernel over groups as units of work, each with a table of its own.

Lines of values share the labels.  A line that is long is cut into pieces; how many depends on its
length and on the number of groups alone, as does what a piece's elements are added to, so the bits
are the same whoever does the units.
"""

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport int64_t

from fastproc.kernels._grouped cimport TABLES, Grouped, Number, Outside
from fastproc.shm._atomic cimport atomic_store

cdef enum:
    # Bytes of tables that are used in turn: most of a first-level cache.
    TABLES_BYTES = 1 << 15
    # Elements for each state that is cleared and merged.
    LEAST_PER_STATE = 4

# What a unit leaves besides its table.
cdef struct Ending:
    Outside outside
    Py_ssize_t n_done             # groups finished, fewer than there are if one has no value

cdef struct GroupedJob:
    Grouped kernel
    const char* labels
    int label_dtype               # 0 for int64, 1 for int32
    Py_ssize_t label_size
    const char* x                 # n_lines lines of `length` elements
    Py_ssize_t itemsize
    Py_ssize_t length
    int n_groups
    Py_ssize_t n_pieces           # of a line
    Py_ssize_t piece
    Ending* endings               # one per unit
    Number* states                # a table per unit; NULL if each unit finishes a line:
    char* out
    Py_ssize_t out_size           # of an item
    double ddof
    int64_t no_memory


cdef inline Py_ssize_t table_size(const GroupedJob* job) noexcept nogil:
    """Return how many numbers a table has."""
    return <Py_ssize_t>job.n_groups * job.kernel.n_numbers


cdef inline int n_tables(const GroupedJob* job) noexcept nogil:
    """Return how many tables take turns: as many as stay in the cache and are worth merging."""
    cdef int count = 1 if job.kernel.has_order else TABLES
    while count > 1 and (count * table_size(job) * <Py_ssize_t>sizeof(Number) > TABLES_BYTES
                         or LEAST_PER_STATE * count * <Py_ssize_t>job.n_groups > job.piece):
        count //= 2
    return count


cdef inline void do_piece(
    const GroupedJob* job, const char* x, const char* labels, Py_ssize_t n, Number* table,
    Number* scratch, Outside* outside
) noexcept nogil:
    """Turn the elements of a piece into a table; `scratch` has room for those besides it."""
    cdef Number* tables[TABLES]
    cdef int count = n_tables(job), i
    outside.below = outside.beyond = False
    for i in range(TABLES):
        tables[i] = table if i % count == 0 else scratch + (i % count - 1) * table_size(job)
        if i < count:
            job.kernel.clear(tables[i], job.n_groups)
    job.kernel.accumulate[job.label_dtype](x, labels, n, job.n_groups, tables, outside)
    for i in range(count):
        if job.kernel.settle != NULL:
            job.kernel.settle(tables[i], job.n_groups)
        if i > 0:
            job.kernel.merge(table, tables[i], job.n_groups)


cdef inline void do_unit(void* argument, Py_ssize_t unit) noexcept nogil:
    cdef GroupedJob* job = <GroupedJob*>argument
    cdef Py_ssize_t line = unit // job.n_pieces, start = unit % job.n_pieces * job.piece
    cdef Py_ssize_t size = table_size(job)
    cdef int n_scratch = n_tables(job) - (job.states != NULL)
    cdef Number* scratch = NULL
    cdef Number* table
    if n_scratch > 0:
        scratch = <Number*>PyMem_RawMalloc(n_scratch * size * sizeof(Number))
        if scratch == NULL:
            atomic_store(&job.no_memory, 1)
            return
    table = scratch if job.states == NULL else job.states + unit * size
    do_piece(job, job.x + (line * job.length + start) * job.itemsize,
             job.labels + start * job.label_size, max(0, min(job.piece, job.length - start)),
             table, scratch + size if job.states == NULL else scratch, &job.endings[unit].outside)
    if job.states == NULL:
        finish(job, table, line, &job.endings[unit])
    PyMem_RawFree(scratch)


cdef inline void finish(
    const GroupedJob* job, const Number* table, Py_ssize_t line, Ending* ending
) noexcept nogil:
    """Write a line's results."""
    ending.n_done = job.kernel.finalize(
        job.kernel.number, table, job.n_groups, job.ddof,
        job.out + line * job.n_groups * job.out_size)


cdef inline void finish_line(const GroupedJob* job, Py_ssize_t line) noexcept nogil:
    """Merge a line's tables in the order of its pieces, and write its results."""
    cdef Py_ssize_t first = line * job.n_pieces, piece
    cdef Number* table = job.states + first * table_size(job)
    for piece in range(1, job.n_pieces):
        job.kernel.merge(table, table + piece * table_size(job), job.n_groups)
    finish(job, table, line, &job.endings[first])
