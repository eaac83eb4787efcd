"""Layer: parallel.  A scan cut into chunks: lines side by side, or the chunks of long lines.

Many lines are units of their own: each is scanned chunk by chunk, the carry in hand.  Few long
lines are cut into *stretches* of a few chunks, which threads take in order.  A thread finds the
states of its chunks (``partial``), waits for the carry, moves it past its chunks, hands it on, and
makes its results from what is still in its cache.  So memory is read once, and the wait is short:
whoever has the stretch before hands the carry on before it makes results.  The carry is one place,
which belongs to the thread whose stretch is `known`, as Merrill and Garland's "decoupled look-back"
has it for blocks of a GPU, with one step of looking back.

Where the cuts are depends on the position in a line alone, so all ways give the same bits.
"""

from libc.stdint cimport int64_t
from numpy cimport PyArray_BYTES, PyArray_DIMS, PyArray_ITEMSIZE, PyArray_NDIM, PyArray_STRIDES
from numpy cimport NPY_ARRAY_ALIGNED, PyArray_CHKFLAGS, ndarray

from fastproc.kernels._scans cimport SCAN_CHUNK, Parameters, Scan, State
from fastproc.parallel._walk cimport (
    Walk, copy_items, flip_dims, merge_dims, offset_of, order_dims,
)
from fastproc.shm._atomic cimport atomic_fetch_add, atomic_load, atomic_store, pause

cdef extern from *:
    """
    #ifdef _WIN32
      #include <windows.h>
      #define FASTPROC_YIELD() SwitchToThread()
    #else
      #include <sched.h>
      #define FASTPROC_YIELD() sched_yield()
    #endif
    """
    void give_way "FASTPROC_YIELD"() noexcept nogil

cdef enum:
    # Neighbouring lines that are packed together: a cache line of float64.
    NEIGHBOURS = 8
    # Elements of lines that a unit has at the least.
    SCAN_UNIT = 1 << 14
    # Chunks of a stretch: with its results 128 KiB of float64.
    STRETCH = 8
    # Elements of each line that are copied before the next one's turn: their cache lines, which
    # the neighbours share, are in the first-level cache then.
    COPIED = 64
    # Looks at the carry before giving way, some 20 us: its holder is at work, unless the system
    # has taken its core away.
    LOOKS = 500

cdef struct ScanJob:
    const Scan* kernel
    const Parameters* parameters
    Walk lines               # operand 0: the results, operand 1: the input; one step a line
    Py_ssize_t n_lines
    Py_ssize_t n             # elements of a line
    Py_ssize_t itemsize
    Py_ssize_t out_itemsize
    Py_ssize_t stride        # along a line, in bytes
    Py_ssize_t out_stride
    bint packs               # the input's lines are packed
    bint unpacks             # so are the results
    Py_ssize_t group         # lines of a unit
    Py_ssize_t n_stretches   # of a line
    int64_t next_stretch     # that no thread has taken yet
    int64_t known            # the stretch whose carry is in `carry`
    State carry


cdef inline bint plan_scan(
    ScanJob* job, const Scan* kernel, const Parameters* parameters, ndarray x, ndarray out,
    int axis, bint as_they_lie=True
) noexcept:
    """Plan the lines of `x` along `axis`, and of `out`; False if there is no element.

    Lines are taken as those of `out` lie in memory, or else in the order of their indices.
    """
    cdef int n_dims = PyArray_NDIM(x), i, k = 0
    job.kernel, job.parameters = kernel, parameters
    job.n = PyArray_DIMS(x)[axis]
    job.itemsize, job.out_itemsize = PyArray_ITEMSIZE(x), PyArray_ITEMSIZE(out)
    job.stride, job.out_stride = PyArray_STRIDES(x)[axis], PyArray_STRIDES(out)[axis]
    job.lines.n_operands = 2
    job.lines.data[0], job.lines.data[1] = PyArray_BYTES(out), PyArray_BYTES(x)
    job.n_lines = 1
    for i in range(n_dims):
        if i != axis:
            job.n_lines *= PyArray_DIMS(x)[i]
            job.lines.shape[k] = PyArray_DIMS(x)[i]
            job.lines.strides[0][k] = PyArray_STRIDES(out)[i]
            job.lines.strides[1][k] = PyArray_STRIDES(x)[i]
            k += 1
    job.lines.n_dims = k
    if job.n_lines == 0 or job.n == 0:
        return False
    if as_they_lie:
        order_dims(&job.lines)
        flip_dims(&job.lines)
    merge_dims(&job.lines)
    job.packs = not PyArray_CHKFLAGS(x, NPY_ARRAY_ALIGNED) or (
        job.n > 1 and job.stride != job.itemsize)
    job.unpacks = not PyArray_CHKFLAGS(out, NPY_ARRAY_ALIGNED) or (
        job.n > 1 and job.out_stride != job.out_itemsize)
    job.group = max(1, SCAN_UNIT // job.n)
    if job.packs or job.unpacks:
        job.group = max(job.group, <Py_ssize_t>NEIGHBOURS)
    job.n_stretches = (job.n + STRETCH * SCAN_CHUNK - 1) // (STRETCH * SCAN_CHUNK)
    job.next_stretch = job.known = 0
    return True


cdef inline Py_ssize_t n_scan_units(const ScanJob* job) noexcept nogil:
    return (job.n_lines + job.group - 1) // job.group


# Chunks ------------------------------------------------------------------------------------------

cdef inline const char* input_at(
    const ScanJob* job, Py_ssize_t line, Py_ssize_t start
) noexcept nogil:
    return job.lines.data[1] + offset_of(&job.lines, 1, line) + start * job.stride


cdef inline char* output_at(const ScanJob* job, Py_ssize_t line, Py_ssize_t start) noexcept nogil:
    return job.lines.data[0] + offset_of(&job.lines, 0, line) + start * job.out_stride


cdef inline void scan_chunks(
    const ScanJob* job, Py_ssize_t line, Py_ssize_t count, Py_ssize_t start, State* carries
) noexcept nogil:
    """Scan the chunk at `start` of `count` neighbouring lines."""
    cdef double packed[NEIGHBOURS][SCAN_CHUNK]
    cdef double results[NEIGHBOURS][SCAN_CHUNK]
    cdef const char* x[NEIGHBOURS]
    cdef char* out[NEIGHBOURS]
    cdef Py_ssize_t n = min(<Py_ssize_t>SCAN_CHUNK, job.n - start), first, size, i
    for i in range(count):
        x[i] = input_at(job, line + i, start)
        out[i] = output_at(job, line + i, start)
    if job.packs:
        first = 0
        while first < n:
            size = min(<Py_ssize_t>COPIED, n - first)
            for i in range(count):
                copy_items(<char*>&packed[i][0] + first * job.itemsize, job.itemsize,
                           x[i] + first * job.stride, job.stride, size, job.itemsize)
            first += size
    for i in range(count):
        job.kernel.scan(
            <const void*>&packed[i][0] if job.packs else <const void*>x[i], n, job.parameters,
            &carries[i], <void*>&results[i][0] if job.unpacks else <void*>out[i])
    if job.unpacks:
        first = 0
        while first < n:
            size = min(<Py_ssize_t>COPIED, n - first)
            for i in range(count):
                copy_items(out[i] + first * job.out_stride, job.out_stride,
                           <char*>&results[i][0] + first * job.out_itemsize, job.out_itemsize,
                           size, job.out_itemsize)
            first += size


cdef inline bint find_state(
    const ScanJob* job, Py_ssize_t line, Py_ssize_t start, State* state
) noexcept nogil:
    """Find the state of a chunk; False if it has none apart from its carry."""
    cdef double packed[SCAN_CHUNK]
    cdef const char* x = input_at(job, line, start)
    cdef Py_ssize_t n = min(<Py_ssize_t>SCAN_CHUNK, job.n - start)
    state[0] = job.kernel.start
    if job.packs:
        copy_items(<char*>packed, job.itemsize, x, job.stride, n, job.itemsize)
        return job.kernel.partial(packed, n, job.parameters, state)
    return job.kernel.partial(x, n, job.parameters, state)


# Lines -------------------------------------------------------------------------------------------

cdef inline void scan_lines(void* argument, Py_ssize_t unit) noexcept nogil:
    """Scan a unit: a group of whole lines."""
    cdef ScanJob* job = <ScanJob*>argument
    cdef State carries[NEIGHBOURS]
    cdef Py_ssize_t line = unit * job.group, start, count, i
    cdef Py_ssize_t last = min(line + job.group, job.n_lines)
    while line < last:
        count = min(<Py_ssize_t>NEIGHBOURS, last - line) if job.packs or job.unpacks else 1
        for i in range(count):
            carries[i] = job.kernel.start
        start = 0
        while start < job.n:
            scan_chunks(job, line, count, start, carries)
            start += SCAN_CHUNK
        line += count


# Stretches ---------------------------------------------------------------------------------------

cdef inline Py_ssize_t first_of(const ScanJob* job, Py_ssize_t stretch) noexcept nogil:
    """Return where in its line a stretch begins."""
    return stretch % job.n_stretches * STRETCH * SCAN_CHUNK


cdef inline void scan_stretches(void* argument, Py_ssize_t unit) noexcept nogil:
    """Take stretches and scan them until there is none left: what each thread does."""
    cdef ScanJob* job = <ScanJob*>argument
    cdef int64_t stretch
    while True:
        stretch = atomic_fetch_add(&job.next_stretch, 1)
        if stretch >= job.n_lines * job.n_stretches:
            return
        scan_stretch(job, stretch)


cdef inline void scan_stretch(ScanJob* job, Py_ssize_t stretch) noexcept nogil:
    cdef State states[STRETCH]
    cdef State carry
    cdef Py_ssize_t line = stretch // job.n_stretches
    cdef Py_ssize_t first = first_of(job, stretch)
    cdef bint is_last = first + STRETCH * SCAN_CHUNK >= job.n
    cdef bint are_apart = not is_last and find_states(job, line, first, states)

    await_carry(job, stretch)
    carry = job.carry if first > 0 else job.kernel.start
    job.carry = carry
    if is_last or (are_apart and advance_over(job, states, &job.carry)):
        # Whatever is known of the end of a line is nothing to the next one.
        atomic_store(&job.known, stretch + 1)
        scan_from(job, line, first, &carry)
    else:
        scan_from(job, line, first, &carry)
        job.carry = carry
        atomic_store(&job.known, stretch + 1)


cdef inline void scan_from(
    const ScanJob* job, Py_ssize_t line, Py_ssize_t first, State* carry
) noexcept nogil:
    """Scan the stretch that begins at `first`."""
    cdef Py_ssize_t last = min(first + STRETCH * SCAN_CHUNK, job.n)
    while first < last:
        scan_chunks(job, line, 1, first, carry)
        first += SCAN_CHUNK


cdef inline bint find_states(
    const ScanJob* job, Py_ssize_t line, Py_ssize_t first, State* states
) noexcept nogil:
    """Find the states of a stretch's chunks; False if one has none."""
    cdef Py_ssize_t i
    for i in range(STRETCH):
        if not find_state(job, line, first + i * SCAN_CHUNK, &states[i]):
            return False
    return True


cdef inline bint advance_over(
    const ScanJob* job, const State* states, State* carry
) noexcept nogil:
    """Move a carry past a stretch's chunks; False, and it is as it was, if there is one to scan."""
    cdef State moved = carry[0]
    cdef Py_ssize_t i
    for i in range(STRETCH):
        if not job.kernel.advance(&states[i], job.parameters, &moved):
            return False
    carry[0] = moved
    return True


cdef inline void await_carry(ScanJob* job, Py_ssize_t stretch) noexcept nogil:
    """Wait until all stretches before this one have handed the carry on."""
    cdef Py_ssize_t looks = 0
    while atomic_load(&job.known) != stretch:
        looks += 1
        if looks < LOOKS:
            pause()
        else:
            give_way()
