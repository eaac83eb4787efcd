"""Layer: kernels.  The C face of the moving windows, kernels of lines (``_lines.pxd``)."""

ctypedef fused floating:
    double
    float

# The kernels.
cdef enum:
    MOVE_SUM = 0
    MOVE_MEAN
    MOVE_VAR
    MOVE_STD
    MOVE_MIN
    MOVE_MAX
    MOVE_ARGMIN
    MOVE_ARGMAX
    MOVE_MEDIAN
    MOVE_RANK
    N_MOVES

# What the kernels are given: the window's length, how many of its elements must be numbers, and
# what is subtracted from their number before a variance is divided by it.
cdef struct Moving:
    int kernel
    Py_ssize_t window
    Py_ssize_t min_count
    double ddof

cdef enum:
    # Results made at a time: what is read for them and two arrays to work in fit in an L1 cache.
    # With twice as many, sums by fours took 1.4 times as long.
    LEAST_BLOCK = 1024
    # Arrays of a block that the kernels work in.
    N_ROOMS = 9
    # Elements that an array of a block has beyond those needed, so that neighbours do not lie at
    # the same place of a page, where a load would wait for a store to the other.
    ROOM_GAP = 40
    # Elements sorted by counting, for each, those before it: no branch that could be mispredicted.
    RUN = 8
    # Bytes for each element of a window that ranks and medians work in: two blocks, sorted and
    # merged, a spare one, three arrays by number, and bits.
    RANK_BYTES = (2 + 2 + 1) * 16 + 2 * 3 * 8 + 8

# The longest windows whose medians are taken from a sorted row, and whose ranks are counted: each
# element of a window costs a third of a nanosecond then, and sorting as much as a hundred.
cdef enum:
    LONG_ROW = 32
    LONGEST_COUNTED = 100

cdef inline bint is_short(int kernel, Py_ssize_t window) noexcept nogil:
    return window <= (LONG_ROW if kernel == MOVE_MEDIAN else LONGEST_COUNTED)

# Return how many results are made at a time; where a line may be cut.  Twice a long window, so that
# no more than half of what is read for a block has been read for the one before.
cdef inline Py_ssize_t block_of(Py_ssize_t window) noexcept nogil:
    if window <= LEAST_BLOCK // 2:
        return LEAST_BLOCK
    return (2 * window + LEAST_BLOCK - 1) // LEAST_BLOCK * LEAST_BLOCK

# Return how many elements each array of a block has room for, when `n` results are wanted.
cdef inline Py_ssize_t room_of(Py_ssize_t window, Py_ssize_t n) noexcept nogil:
    return (min(n, block_of(window)) + window + ROOM_GAP + 7) // 8 * 8

# Return how many bytes a kernel works in, for a stretch of `n` elements.
cdef inline Py_ssize_t scratch_of(int kernel, Py_ssize_t window, Py_ssize_t n) noexcept nogil:
    if (kernel == MOVE_MEDIAN or kernel == MOVE_RANK) and not is_short(kernel, window):
        return RANK_BYTES * (window + RUN)
    return room_of(window, n) * N_ROOMS * <Py_ssize_t>sizeof(double)
