"""Layer: parallel.  The C face of kernels of lines; see ``_lines.pyx``."""

from numpy cimport ndarray

# How a kernel of lines is to be applied.
cdef struct LinePlan:
    int number               # of the kernel, in its family's table
    Py_ssize_t n_out         # results of a line, or of a chunk
    bint per_chunk           # each chunk has `n_out` results, such as its state
    Py_ssize_t chunk         # elements of a line that are done at a time; all if it is not less
    Py_ssize_t before        # elements before a chunk that the kernel wants to read
    Py_ssize_t scratch       # bytes of memory that the kernel works in
    double ns_per_element    # what one thread needs for an element

# Apply a kernel of `family` to the lines of `x` along `axis`; the results go to `out`, a new array
# of x's shape but for the axis, which has `n_out` elements, or so many for each chunk.  `x` is
# aligned, in the machine's byte order and of a dtype for which the kernel has a loop.  `parameters`
# is what the kernel is given, as bytes.  Returns `out`, or an array like it in shared memory if a
# pool did the work.
cdef object apply_to_lines(
    str family, const LinePlan* plan, bytes parameters, ndarray x, ndarray out, int axis,
    object workers)

# Return the number of the axis that `axis` names; AxisError or TypeError as NumPy's.
cdef int line_axis(object axis, int n_dims) except -1
