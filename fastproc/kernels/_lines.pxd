"""Layer: kernels.  The C face of the kernels of lines: moving windows, order statistics, and such.

A line is all elements along one axis of an array.  A kernel makes a line of results of it, or of a
stretch of it where results depend on a few elements before them only.
"""

from fastproc.kernels._common cimport N_DTYPES

cdef enum:
    MAX_LINE_KERNELS = 16

# `x` has `n` > 0 contiguous elements, before which `before` more of the same line can be read:
# ``x[-before]`` to ``x[-1]``.  The results go to `out`, contiguous too, and apart from `x`.
# `scratch` has as many bytes as the gate asked for, aligned to cache lines.
ctypedef void (*line_t)(
    const void* x, Py_ssize_t before, Py_ssize_t n, void* out, char* scratch,
    const void* parameters) noexcept nogil

# By kernel and dtype; NULL where a dtype has no loop of its own.
cdef struct LineTable:
    line_t kernels[MAX_LINE_KERNELS][N_DTYPES]
