"""Layer: parallel.  Strided arrays as runs of elements: merging dimensions, packing, unpacking.

A `Walk` is an iteration over one to three arrays of one shape, in C order of its dimensions.
Merging neighbouring dimensions makes most arrays one-dimensional, and what is then not contiguous
is packed into a scratch buffer chunk by chunk, so that every kernel sees contiguous elements only.
"""

from libc.string cimport memcpy

cdef enum:
    MAX_DIMS = 64            # NumPy's limit
    MAX_OPERANDS = 3

cdef struct Walk:
    int n_dims
    int n_operands
    Py_ssize_t shape[MAX_DIMS]
    Py_ssize_t strides[MAX_OPERANDS][MAX_DIMS]      # in bytes
    char* data[MAX_OPERANDS]


cdef inline Py_ssize_t magnitude(Py_ssize_t stride) noexcept nogil:
    return -stride if stride < 0 else stride


cdef inline void swap_dims(Walk* walk, int i, int j) noexcept nogil:
    cdef int k
    walk.shape[i], walk.shape[j] = walk.shape[j], walk.shape[i]
    for k in range(walk.n_operands):
        walk.strides[k][i], walk.strides[k][j] = walk.strides[k][j], walk.strides[k][i]


cdef inline void order_dims(Walk* walk) noexcept nogil:
    """Put the first operand's largest strides first; equal ones keep their order."""
    cdef int i, j
    for i in range(1, walk.n_dims):
        j = i
        while j > 0 and magnitude(walk.strides[0][j - 1]) < magnitude(walk.strides[0][j]):
            swap_dims(walk, j - 1, j)
            j -= 1


cdef inline void flip_dims(Walk* walk) noexcept nogil:
    """Walk along a dimension backwards where the first operand's stride is negative."""
    cdef int i, k
    for i in range(walk.n_dims):
        if walk.strides[0][i] < 0:
            for k in range(walk.n_operands):
                walk.data[k] += (walk.shape[i] - 1) * walk.strides[k][i]
                walk.strides[k][i] = -walk.strides[k][i]


cdef inline void merge_dims(Walk* walk) noexcept nogil:
    """Drop dimensions of one element and join those that are one run in every operand."""
    cdef int i, k, last = -1
    cdef bint joins
    for i in range(walk.n_dims):
        if walk.shape[i] == 1:
            continue
        joins = last >= 0
        for k in range(walk.n_operands):
            joins = joins and walk.strides[k][last] == walk.shape[i] * walk.strides[k][i]
        if joins:
            walk.shape[last] *= walk.shape[i]
        else:
            last += 1
            walk.shape[last] = walk.shape[i]
        for k in range(walk.n_operands):
            walk.strides[k][last] = walk.strides[k][i]
    walk.n_dims = last + 1


cdef inline Py_ssize_t offset_of(const Walk* walk, int k, Py_ssize_t index) noexcept nogil:
    """Return where the `index`-th element of operand `k` lies, in bytes from its data."""
    cdef Py_ssize_t offset = 0
    cdef int i = walk.n_dims - 1
    while i > 0:
        offset += index % walk.shape[i] * walk.strides[k][i]
        index //= walk.shape[i]
        i -= 1
    return offset + index * walk.strides[k][0] if walk.n_dims > 0 else 0


cdef inline Py_ssize_t run_length(const Walk* walk, Py_ssize_t index) noexcept nogil:
    """Return how many elements follow `index` along the last dimension, itself included."""
    if walk.n_dims == 0:
        return 1
    if walk.n_dims == 1:
        return walk.shape[0] - index        # no division, of which a small array feels each
    return walk.shape[walk.n_dims - 1] - index % walk.shape[walk.n_dims - 1]


cdef inline Py_ssize_t last_stride(const Walk* walk, int k) noexcept nogil:
    return walk.strides[k][walk.n_dims - 1] if walk.n_dims > 0 else 0


# One `memcpy` of a constant size is one instruction, and allowed at any address.
cdef inline void copy_items(
    char* target, Py_ssize_t target_stride, const char* source, Py_ssize_t source_stride,
    Py_ssize_t n, Py_ssize_t itemsize
) noexcept nogil:
    cdef Py_ssize_t i
    if itemsize == target_stride and itemsize == source_stride:
        memcpy(target, source, n * itemsize)
    elif itemsize == 8:
        for i in range(n):
            memcpy(target + i * target_stride, source + i * source_stride, 8)
    else:
        for i in range(n):
            memcpy(target + i * target_stride, source + i * source_stride, 4)


cdef inline void pack(
    const Walk* walk, int k, Py_ssize_t start, Py_ssize_t n, Py_ssize_t itemsize, char* scratch
) noexcept nogil:
    """Copy elements `start` to `start + n` of operand `k` to `scratch`, one behind another."""
    cdef Py_ssize_t run
    while n > 0:
        run = min(n, run_length(walk, start))
        copy_items(scratch, itemsize, walk.data[k] + offset_of(walk, k, start),
                   last_stride(walk, k), run, itemsize)
        scratch += run * itemsize
        start += run
        n -= run


cdef inline void unpack(
    const Walk* walk, int k, Py_ssize_t start, Py_ssize_t n, Py_ssize_t itemsize,
    const char* scratch
) noexcept nogil:
    """Copy `scratch` to elements `start` to `start + n` of operand `k`."""
    cdef Py_ssize_t run
    while n > 0:
        run = min(n, run_length(walk, start))
        copy_items(walk.data[k] + offset_of(walk, k, start), last_stride(walk, k), scratch,
                   itemsize, run, itemsize)
        scratch += run * itemsize
        start += run
        n -= run
