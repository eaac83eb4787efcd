"""Layer: kernels.  The C face of the elementwise kernels."""

from fastproc.kernels._common cimport N_DTYPES

# The kernels.
cdef enum:
    SQUARE = 0
    CUBE
    NEGATIVE
    SIGMOID                  # of floats only
    POLYVAL
    CLIP
    REPLACE
    N_UNARIES

cdef enum:
    ADD = 0
    AXPY
    N_BINARIES

# What is the same for all elements, `n` > 0 numbers of the kernel's dtype:
#   polyval    the coefficients, that of the highest power first
#   clip       the least and the greatest that is left as it is
#   replace    what is replaced, and by what
#   axpy       the factor of the first operand
cdef struct Parameters:
    const void* values
    Py_ssize_t n

# `n` contiguous elements to `n` contiguous elements; `x` and `out` are the same or disjoint.
ctypedef void (*unary_t)(
    const void* x, void* out, Py_ssize_t n, const Parameters* parameters) noexcept nogil

# The same for two inputs; a `step` of 0 says that the operand is one element, used throughout.
ctypedef void (*binary_t)(
    const void* x1, Py_ssize_t step1, const void* x2, Py_ssize_t step2, void* out, Py_ssize_t n,
    const Parameters* parameters) noexcept nogil

cdef struct ElementwiseTable:
    unary_t unaries[N_UNARIES][N_DTYPES]
    binary_t binaries[N_BINARIES][N_DTYPES]
