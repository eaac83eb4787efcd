"""Layer: kernels.  The compiled reductions for other Cython packages, without Python in between.

    from fastproc.kernels.api cimport mean, std

Each function reduces `n` contiguous elements on the calling thread, with or without the GIL, at the
CPU level that fastproc chose, and gives the bits that the Python function of its name gives.
There are two versions of each, for float64 and float32; results are float64 (of float32 data they
have the bits of a float32).  MemoryError for want of memory for the states of very long arrays.
"""

ctypedef fused real:
    double
    float

cdef double sum(const real* x, Py_ssize_t n) except? -1 nogil
cdef double mean(const real* x, Py_ssize_t n) except? -1 nogil
cdef double var(const real* x, Py_ssize_t n, double ddof) except? -1 nogil
cdef double std(const real* x, Py_ssize_t n, double ddof) except? -1 nogil
cdef double nansum(const real* x, Py_ssize_t n) except? -1 nogil
cdef double nanmean(const real* x, Py_ssize_t n) except? -1 nogil
cdef double nanvar(const real* x, Py_ssize_t n, double ddof) except? -1 nogil
cdef double nanstd(const real* x, Py_ssize_t n, double ddof) except? -1 nogil

# NaN for no elements, of which Python's functions say that they have no least.
cdef double min(const real* x, Py_ssize_t n) except? -1 nogil
cdef double max(const real* x, Py_ssize_t n) except? -1 nogil
cdef double nanmin(const real* x, Py_ssize_t n) except? -1 nogil
cdef double nanmax(const real* x, Py_ssize_t n) except? -1 nogil
