"""Functions for kernels.  `cdef api` lets others call them by their name in this module."""

from libc.math cimport cos


cdef api double ripple(double x, double y) noexcept nogil:
    """One result of one pair: the simplest form, at the price of a call for each."""
    return cos(x * x + y * y) / (1 + x * x + y * y)


cdef api void gain(const float* x, float* out, Py_ssize_t n) noexcept nogil:
    """Results of a chunk: the loop is here, so the compiler can vectorise it."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = x[i] / (1 + x[i] * x[i])


# A reduction: the energy of a signal and its greatest amplitude, in one pass over memory.

cdef api void level(const double* x, Py_ssize_t n, double* state) noexcept nogil:
    """The state of a chunk; `n` is 0 if there are no elements at all."""
    cdef double energy = 0, peak = 0, size
    cdef Py_ssize_t i
    for i in range(n):
        energy += x[i] * x[i]
        size = x[i] if x[i] > 0 else -x[i]
        peak = size if size > peak else peak
    state[0] = energy
    state[1] = peak


cdef api void merge(double* into, const double* other) noexcept nogil:
    into[0] += other[0]
    into[1] = other[1] if other[1] > into[1] else into[1]


cdef api double crest(const double* state) noexcept nogil:
    """The result: the peak's share of the energy."""
    return state[1] * state[1] / state[0] if state[0] > 0 else 0
