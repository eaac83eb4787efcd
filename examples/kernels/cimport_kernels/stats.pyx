"""A package that calls fastproc's kernels from its own nogil code, without Python in between."""

from fastproc.kernels.api cimport mean, std


def standardized(double[::1] x, double[::1] out):
    """Write ``(x - mean) / std`` to `out`."""
    cdef Py_ssize_t n = x.shape[0], i
    cdef double center, scale
    if out.shape[0] != n or n == 0:
        raise ValueError(f"out has {out.shape[0]} elements, x has {n}; both need one and the same")
    with nogil:
        center = mean(&x[0], n)
        scale = std(&x[0], n, 0)
        for i in range(n):
            out[i] = (x[i] - center) / scale
