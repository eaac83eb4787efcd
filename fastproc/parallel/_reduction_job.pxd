"""Layer: parallel.  A reduction cut into units: how an array's elements become chunks and states.

A reduction has `n_out` results, each of `n_reduced` elements.  It is done in one of two ways:

    LINES     the elements of a result lie close together: they are cut into chunks of CHUNK, and
              `partial` gives the state of each.  A unit is one chunk, or several short results.
    COLUMNS   the results lie close together: ROWS rows at a time, up to WIDTH columns side by
              side, `columns` gives a state for each column.  A unit is TILE columns of one chunk
              of rows.  Results of few elements are done this way too, their elements packed.

How, and where the cuts are, depends on the array's shape and on the order of its axes in memory,
never on who does the units: that is why the result has the same bits for any number of workers.
Nor does it depend on whether runs are contiguous, so that a copy of the array with the same order
of axes gives the same bits too.  A result of one chunk is written by the unit itself; the states
of several are merged by halving in `finish`.
"""

from libc.stdint cimport int64_t
from libc.string cimport memset

from fastproc.kernels._common cimport CHUNK, LANES
from fastproc.kernels._reductions cimport (
    NO_FREEDOM, NO_VALUE, ROWS, WIDTH, Finding, Reduction, State,
)
from fastproc.parallel._walk cimport (
    Walk, copy_items, last_stride, merge_dims, offset_of, run_length,
)
from fastproc.shm._atomic cimport atomic_load, atomic_store

cdef enum:
    TILE = 512               # columns of a unit: as many as keep its states in the L1 cache
    TILE_ROWS = 256          # rows of a unit: their states are merged one after another
    FEW = 32                 # elements of a result that are too few for a loop over lanes
    NARROW = 16              # columns that are too few for a loop over lanes

cdef struct ReductionJob:
    const Reduction* kernel
    double ddof
    Py_ssize_t itemsize
    Walk kept                # one step a result, in the order in which results are written
    Walk reduced             # one step an element of a result
    Py_ssize_t n_out
    Py_ssize_t n_reduced
    bint by_columns
    bint contiguous          # the runs of elements need no packing
    Py_ssize_t n_columns     # results that lie side by side
    Py_ssize_t n_tiles
    Py_ssize_t chunk         # elements of a result that a unit reduces
    Py_ssize_t n_chunks
    Py_ssize_t group         # results of a unit by LINES
    Py_ssize_t n_units
    State* states            # n_out * n_chunks of them; NULL where a unit finalizes its results
    char* out
    char* out2               # the second result of minmax
    Py_ssize_t out_itemsize
    bint keeps_states        # `out` gets the results' states, as an accumulator wants them
    bint may_stop            # one element may decide the only result: its chunk ends all
    int64_t stopped
    int64_t no_value         # set when a result had no value, or no degree of freedom
    int64_t no_freedom


cdef inline void plan_units(
    ReductionJob* job, bint aligned, Py_ssize_t n_adjacent
) noexcept nogil:
    """Cut the job, whose kernel, itemsize, kept and reduced are set, into units.

    `n_adjacent` is the product of the kept axes with smaller strides than every reduced one.
    """
    cdef Py_ssize_t i, stride, reduced_stride
    job.n_out = 1
    for i in range(job.kept.n_dims):
        job.n_out *= job.kept.shape[i]
    job.n_reduced = 1
    for i in range(job.reduced.n_dims):
        job.n_reduced *= job.reduced.shape[i]
    merge_dims(&job.kept)
    merge_dims(&job.reduced)

    stride = last_stride(&job.kept, 0)
    reduced_stride = last_stride(&job.reduced, 0)
    job.n_columns = job.kept.shape[job.kept.n_dims - 1] if job.kept.n_dims > 0 else 1
    job.by_columns = job.n_reduced > 1 and (
        n_adjacent >= NARROW or (job.n_reduced < FEW and job.n_out >= LANES))
    job.states = NULL
    job.no_value = job.no_freedom = job.stopped = 0
    job.may_stop = job.may_stop and job.n_out == 1
    if job.n_out == 0 or job.n_reduced == 0:
        job.n_chunks = job.n_units = 0
    elif job.by_columns:
        job.contiguous = aligned and stride == job.itemsize
        job.n_tiles = (job.n_columns + TILE - 1) // TILE
        job.chunk = TILE_ROWS
        job.n_chunks = (job.n_reduced + TILE_ROWS - 1) // TILE_ROWS
        job.n_units = job.n_out // job.n_columns * job.n_tiles * job.n_chunks
    else:
        job.contiguous = aligned and job.reduced.n_dims <= 1 and (
            job.n_reduced == 1 or reduced_stride == job.itemsize)
        job.chunk = CHUNK
        job.n_chunks = (job.n_reduced + CHUNK - 1) // CHUNK
        if job.n_out * job.n_reduced <= CHUNK:
            job.group, job.n_units = job.n_out, 1
        else:
            # Narrow columns are packed one after another while their rows are in the cache.
            job.group = n_adjacent if job.n_chunks > 1 else max(1, CHUNK // job.n_reduced)
            job.n_units = (job.n_out + job.group - 1) // job.group * job.n_chunks


cdef inline void do_unit(void* argument, Py_ssize_t unit) noexcept nogil:
    cdef ReductionJob* job = <ReductionJob*>argument
    cdef Py_ssize_t chunk = unit % job.n_chunks, result
    unit //= job.n_chunks
    if job.by_columns:
        do_columns(job, unit // job.n_tiles, unit % job.n_tiles, chunk)
    else:
        for result in range(unit * job.group, min((unit + 1) * job.group, job.n_out)):
            do_line(job, result, chunk)


cdef inline void do_line(ReductionJob* job, Py_ssize_t result, Py_ssize_t chunk) noexcept nogil:
    """Reduce one chunk of one result's elements."""
    cdef double scratch[CHUNK]
    cdef Py_ssize_t start = chunk * job.chunk, n = min(job.chunk, job.n_reduced - start)
    reduce_chunk(job, result, chunk, chunk_of_line(job, result, start, n, <char*>scratch), start, n)


cdef inline void do_few(ReductionJob* job) noexcept nogil:
    """Do the one unit of a job by LINES that has no more than CHUNK elements.

    All are packed before the first are reduced: to load several at once that have only just been
    stored one by one takes longer than to reduce them.
    """
    cdef double scratch[CHUNK]
    cdef Py_ssize_t length = job.n_reduced * job.itemsize, result
    cdef const char* base
    if not job.contiguous:
        for result in range(job.n_out):
            base = job.kept.data[0] + offset_of(&job.kept, 0, result)
            pack_line(job, base, 0, job.n_reduced, <char*>scratch + result * length)
    for result in range(job.n_out):
        base = job.kept.data[0] + offset_of(&job.kept, 0, result) if job.contiguous else (
            <char*>scratch + result * length)
        reduce_chunk(job, result, 0, base, 0, job.n_reduced)


cdef inline void reduce_chunk(
    ReductionJob* job, Py_ssize_t result, Py_ssize_t chunk, const char* x, Py_ssize_t start,
    Py_ssize_t n
) noexcept nogil:
    """Reduce the `n` elements `x` of a result, its chunk that begins with element `start`."""
    cdef State state
    # What a kernel has no use for is 0 in the states that accumulators send elsewhere, too.
    memset(&state, 0, sizeof(State))
    if job.may_stop and atomic_load(&job.stopped):
        # The result is decided, so a chunk that has nothing to say may say so unread.
        settle(job, result, chunk, &state)
        return
    job.kernel.partial(x, n, start, &state)
    if job.may_stop and state.n > 0:
        atomic_store(&job.stopped, 1)
    if job.states == NULL and job.kernel.locate != NULL and state.n >= 0:
        state.n += job.kernel.locate(x, n, &state)
    settle(job, result, chunk, &state)


cdef inline const char* chunk_of_line(
    const ReductionJob* job, Py_ssize_t result, Py_ssize_t start, Py_ssize_t n, char* scratch
) noexcept nogil:
    """Return `n` elements of a result, from `start` on, as they lie or packed into `scratch`."""
    cdef const char* x = job.kept.data[0] + offset_of(&job.kept, 0, result)
    if job.contiguous:
        return x + start * job.itemsize
    pack_line(job, x, start, n, scratch)
    return scratch


cdef inline void pack_line(
    const ReductionJob* job, const char* base, Py_ssize_t start, Py_ssize_t n, char* scratch
) noexcept nogil:
    cdef Py_ssize_t run
    while n > 0:
        run = min(n, run_length(&job.reduced, start))
        copy_items(scratch, job.itemsize, base + offset_of(&job.reduced, 0, start),
                   last_stride(&job.reduced, 0), run, job.itemsize)
        scratch += run * job.itemsize
        start += run
        n -= run


cdef inline void do_columns(
    ReductionJob* job, Py_ssize_t outer, Py_ssize_t tile, Py_ssize_t chunk
) noexcept nogil:
    """Reduce one chunk of the rows of up to TILE results."""
    cdef double scratch[ROWS][WIDTH]
    cdef const char* starts[ROWS]
    cdef const void* rows[ROWS]
    cdef State states[TILE]
    cdef State fresh[WIDTH]
    cdef Py_ssize_t first_row = chunk * job.chunk
    cdef Py_ssize_t last_row = min(first_row + job.chunk, job.n_reduced)
    cdef Py_ssize_t first_result = outer * job.n_columns + tile * TILE
    cdef Py_ssize_t n_columns = min(<Py_ssize_t>TILE, job.n_columns - tile * TILE)
    cdef const char* base = job.kept.data[0] + offset_of(&job.kept, 0, first_result)
    cdef Py_ssize_t stride = last_stride(&job.kept, 0)
    cdef Py_ssize_t row, column, n_rows, width, padded, i
    cdef bint packed = not job.contiguous

    memset(fresh, 0, sizeof(fresh))
    row = first_row
    while row < last_row:
        n_rows = min(<Py_ssize_t>ROWS, last_row - row)
        for i in range(n_rows):
            starts[i] = base + offset_of(&job.reduced, 0, row + i)
        column = 0
        while column < n_columns:
            width = min(<Py_ssize_t>WIDTH, n_columns - column)
            padded = (width + LANES - 1) // LANES * LANES
            for i in range(n_rows):
                rows[i] = starts[i] + column * stride
                if packed or padded > width:
                    copy_items(<char*>&scratch[i][0], job.itemsize, <const char*>rows[i], stride,
                               width, job.itemsize)
                    # Lanes beyond the columns must hold numbers too, whichever.
                    memset(<char*>&scratch[i][0] + width * job.itemsize, 0,
                           (padded - width) * job.itemsize)
                    rows[i] = &scratch[i][0]
            job.kernel.columns(rows, n_rows, padded, row, fresh)
            for i in range(width):
                if row == first_row:
                    states[column + i] = fresh[i]
                else:
                    job.kernel.merge(&states[column + i], &fresh[i], NULL)
            column += width
        row += n_rows
    for i in range(n_columns):
        settle(job, first_result + i, chunk, &states[i])


cdef inline void settle(
    ReductionJob* job, Py_ssize_t result, Py_ssize_t chunk, const State* state
) noexcept nogil:
    """Keep a chunk's state, or make the result of it if there is no other chunk."""
    if job.states != NULL:
        job.states[result * job.n_chunks + chunk] = state[0]
    else:
        write_result(job, result, state)


cdef inline void write_result(
    ReductionJob* job, Py_ssize_t result, const State* state
) noexcept nogil:
    cdef Py_ssize_t offset = result * job.out_itemsize
    cdef Finding finding
    if job.keeps_states:
        (<State*>(job.out + offset))[0] = state[0]
        return
    finding = job.kernel.finalize(
        state, job.n_reduced, job.ddof, job.out + offset, job.out2 + offset)
    # Threads may set the same flag at once; they all set it to 1.
    if finding == NO_VALUE:
        atomic_store(&job.no_value, 1)
    elif finding == NO_FREEDOM:
        atomic_store(&job.no_freedom, 1)


cdef inline void finish(ReductionJob* job) noexcept nogil:
    """Merge each result's states by halving and write the results."""
    cdef double scratch[CHUNK]
    cdef Py_ssize_t result, n, half, i
    cdef State* states
    for result in range(job.n_out):
        states = job.states + result * job.n_chunks
        n = job.n_chunks
        while n > 1:
            half = (n + 1) // 2
            for i in range(n - half):
                job.kernel.merge(&states[i], &states[i + half], NULL)
            n = half
        if job.kernel.locate != NULL and not job.by_columns and states.n >= 0:
            n = min(job.chunk, job.n_reduced - states.n)
            states.n += job.kernel.locate(
                chunk_of_line(job, result, states.n, n, <char*>scratch), n, states)
        write_result(job, result, states)
