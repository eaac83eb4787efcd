"""Layer: kernels.  The C face of `describe`: the state of a chunk, and how two are merged."""

from libc.stdint cimport int64_t

from fastproc.kernels._reductions cimport Number

# A chunk's mean is kept as two numbers, one near it and the shift from there to the mean, so that
# the distance of two means is right whatever offset the data have (see ``_reduce.pxd``).
cdef struct Moments:
    double n
    double near
    double shift
    double squares           # sums of powers of the deviations from the mean
    double cubes
    double fourths
    Number least             # of floats NaN, if there is one
    Number greatest


# The formulae of P. Pebay, "Formulas for robust, one-pass parallel computation of covariances and
# arbitrary-order statistical moments" (2008), for two sets.
cdef inline void merge_moments(Moments* into, const Moments* other, bint is_integer) noexcept nogil:
    cdef double n = into.n + other.n, share = other.n / n
    cdef double delta = (other.near - into.near) + (other.shift - into.shift)
    cdef double step = delta * share                   # from one mean to the common one
    cdef double rest = delta - step                    # from there to the other's
    cdef double between = delta * step * into.n        # delta^2 * n1 * n2 / n
    into.fourths += other.fourths + between * (rest * rest - rest * step + step * step) + 6 * (
        step * step * into.squares + rest * rest * other.squares) + 4 * (
        rest * other.cubes - step * into.cubes)
    into.cubes += other.cubes + between * (rest - step) + 3 * (
        rest * other.squares - step * into.squares)
    into.squares += other.squares + between
    into.shift += step
    into.n = n
    if is_integer:
        into.least.i = other.least.i if other.least.i < into.least.i else into.least.i
        into.greatest.i = (
            other.greatest.i if other.greatest.i > into.greatest.i else into.greatest.i)
    else:
        # A NaN stays: of two it is the one that is not equal to itself.
        if other.least.f < into.least.f or other.least.f != other.least.f:
            into.least.f = other.least.f
        if other.greatest.f > into.greatest.f or other.greatest.f != other.greatest.f:
            into.greatest.f = other.greatest.f
