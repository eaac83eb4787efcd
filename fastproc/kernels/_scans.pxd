"""Layer: kernels.  The C face of the scans: cumsum, cummax, ewma, push, and such.

A scan goes along a line and makes a result of each element and all before it.  So that a line can
be cut into chunks, what a chunk has to know of all elements before it is a small state, its carry,
and a kernel is a triple: ``partial`` gives the state of a chunk alone, ``advance`` moves a carry
past a chunk of which that is known, ``scan`` makes the results of a chunk and moves the carry, too.
The carry has the same bits either way.
"""

from libc.stdint cimport int64_t

from fastproc.kernels._common cimport N_DTYPES

# Elements of a chunk: with its results 16 KiB of float64, so that a few chunks are in a cache
# while their carry is waited for.  It decides bits.
cdef enum:
    SCAN_CHUNK = 1024

# Elements that follow one another in a chain of operations; 8 chains are walked side by side, as
# each operation waits for the one before.  It decides bits, too.
cdef enum:
    ROW = 32
    ROWS = 8
    BLOCK = 256              # ROW * ROWS
    CHUNK_ROWS = 32          # SCAN_CHUNK / ROW

# The kernels.
cdef enum:
    CUMSUM = 0
    CUMPROD
    NANCUMSUM
    NANCUMPROD
    CUMMAX
    CUMMIN
    PUSH
    EWMA
    N_SCANS

# What is known of the elements of a chunk, or of all before one.
cdef struct State:
    double f                 # the fold of floats; the last value; the weighted sum
    double weight            # of a weighted sum
    int64_t i                # the fold of integers; how far back the last value is; of ewma,
    #                          whether `f` is the average and no sum

# What `push` and `ewma` are told besides; the others get NULL.
cdef struct Parameters:
    int64_t limit            # of push: how far a value is carried
    double decay             # of ewma: the weight of an element beside the next one's
    double full              # the weight of endlessly many elements, 1 / (1 - decay)
    bint adjust
    double power[ROW + 1]    # decay ** j
    double weights[ROW + 1]  # the sum of decay ** 0 to decay ** (j - 1)
    double row_power[CHUNK_ROWS + 1]     # decay ** (ROW * r)
    double row_weight[CHUNK_ROWS + 1]

# A chunk has `n` contiguous elements, SCAN_CHUNK but for the last of a line.  False says that its
# state cannot be told apart from its carry, such as where NaN or overflow changes the arithmetic:
# then the chunk is to be scanned after the one before.
ctypedef bint (*partial_t)(
    const void* x, Py_ssize_t n, const Parameters* parameters, State* state) noexcept nogil

# `state` is that of SCAN_CHUNK elements.  False, and `carry` is as it was, where the carry is one
# with which the chunk is to be scanned.
ctypedef bint (*advance_t)(
    const State* state, const Parameters* parameters, State* carry) noexcept nogil

# `out` is `x`, or apart from it.
ctypedef void (*scan_t)(
    const void* x, Py_ssize_t n, const Parameters* parameters, State* carry,
    void* out) noexcept nogil

cdef struct Scan:
    partial_t partial        # NULL: each chunk is scanned after the one before
    advance_t advance
    scan_t scan
    State start              # the carry of a line's first chunk

# By kernel and dtype; `scan` is NULL where a dtype has no loop of its own.
cdef struct ScanTable:
    Scan kernels[N_SCANS][N_DTYPES]
