"""Layer: kernels.  The C face of the elementwise kernels."""

from fastproc.kernels._common cimport N_DTYPES

# The kernels.
cdef enum:
    SQUARE = 0
    CUBE
    NEGATIVE
    N_UNARIES

cdef enum:
    ADD = 0
    N_BINARIES

# `n` contiguous elements to `n` contiguous elements; `x` and `out` are the same or disjoint.
ctypedef void (*unary_t)(const void* x, void* out, Py_ssize_t n) noexcept nogil

# The same for two inputs; a `step` of 0 says that the operand is one element, used throughout.
ctypedef void (*binary_t)(
    const void* x1, Py_ssize_t step1, const void* x2, Py_ssize_t step2, void* out,
    Py_ssize_t n) noexcept nogil

cdef struct ElementwiseTable:
    unary_t unaries[N_UNARIES][N_DTYPES]
    binary_t binaries[N_BINARIES][N_DTYPES]
