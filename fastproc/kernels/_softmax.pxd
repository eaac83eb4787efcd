"""Layer: kernels.  The C face of softmax and log_softmax.

Along a line of contiguous elements there are two steps, between which the states of a line's
chunks, those of logsumexp, can be merged.  Lines side by side are done in one step.
"""

from fastproc.kernels._reductions cimport State

# Of `n` > 0 contiguous elements writes exp(x - greatest), and the state; 0 where that is not
# finite.
ctypedef void (*exps_t)(const void* x, void* out, Py_ssize_t n, State* state) noexcept nogil

# The same, but for what is written.
ctypedef void (*sums_t)(const void* x, Py_ssize_t n, State* state) noexcept nogil

# Divides the exps of `n` elements by the sum of a line of state `whole`.
ctypedef void (*scale_t)(void* out, Py_ssize_t n, const State* whole) noexcept nogil

# Writes softmax or log_softmax of `n` elements of a line of state `whole`.
ctypedef void (*finish_t)(
    const void* x, void* out, Py_ssize_t n, const State* whole) noexcept nogil

# `width` <= TILE lines side by side, each of `n_rows` > 0 elements that are `stride` elements
# apart.
ctypedef void (*side_by_side_t)(
    const void* x, void* out, Py_ssize_t n_rows, Py_ssize_t stride, Py_ssize_t width,
    bint is_log) noexcept nogil

cdef enum:
    TILE = 128

# Of floats only: by dtype, FLOAT64 and FLOAT32.
cdef struct SoftmaxTable:
    exps_t exps[2]
    sums_t sums[2]
    scale_t scale[2]
    finish_t ratio[2]
    finish_t shift[2]
    side_by_side_t side_by_side[2]
    void (*merge)(State* into, const State* other, void* tag) noexcept nogil
