"""Layer: kernels.  The exponential function as a template that compilers can vectorise.

The method is Cody and Waite's, "Software manual for the elementary functions" (1980): with k the
whole number next to x / log(2), and r = x - k log(2), exp(x) is exp(r) times 2 to the power of k.
log(2) is two numbers, the first so short that its product with k is exact.  exp(r) - 1 - r is r * r
times a polynomial, near the best one on the interval.  No table, no branch and no call, so a loop
around it is vectorised; no operation is left to the compiler to fuse, so the bits are the same at
every CPU level.  The error is below 0.9 units in the last place (a test compares with exact ones).
"""

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy

ctypedef fused real:
    double
    float


# A number and its bits: a copy of a constant size costs nothing, and is allowed for any types.

cdef inline int64_t bits_of(double x) noexcept nogil:
    cdef int64_t bits
    memcpy(&bits, &x, sizeof(double))
    return bits


cdef inline double of_bits(int64_t bits) noexcept nogil:
    cdef double x
    memcpy(&x, &bits, sizeof(double))
    return x


cdef inline int32_t short_bits_of(float x) noexcept nogil:
    cdef int32_t bits
    memcpy(&bits, &x, sizeof(float))
    return bits


cdef inline float of_short_bits(int32_t bits) noexcept nogil:
    cdef float x
    memcpy(&x, &bits, sizeof(float))
    return x


cdef inline real exp_of(real x) noexcept nogil:
    """Return exp(x): 0 and Inf beyond the dtype's range, NaN for NaN."""
    if real is double:
        return exp_of_double(x)
    else:
        return exp_of_float(x)


cdef inline double exp_of_double(double x) noexcept nogil:
    # Below this exp(x) is 0; k stays in the range of an exponent.
    cdef double z = x if x > -746.0 else -746.0
    # Added and taken away again, 1.5 * 2**52 rounds to a whole number; its low bits hold k.
    cdef double shifted = z * 1.4426950408889634 + 6755399441055744.0
    cdef double k = shifted - 6755399441055744.0
    cdef double r = (z - k * 0.6931471803691238) - k * 1.9082149292705877e-10
    # Where the result is subnormal it is scaled in two steps, the last of which rounds it.
    cdef bint is_tiny = z < -708.0
    cdef int64_t lift = <int64_t>64 << 52 if is_tiny else 0
    cdef double p = exp_near_zero(r)
    p = of_bits(bits_of(p) + (bits_of(shifted) << 52) + lift) * (
        5.421010862427522e-20 if is_tiny else 1.0)         # 2**-64
    # Inf for what is too large, NaN for NaN.
    return p if x <= 709.782712893384 else x + INFINITY


cdef inline float exp_of_float(float x) noexcept nogil:
    cdef float z = x if x > <float>-104.0 else <float>-104.0
    cdef float shifted = z * <float>1.44269504 + <float>12582912.0
    cdef float k = shifted - <float>12582912.0
    cdef float r = (z - k * <float>0.693145752) - k * <float>1.42860677e-6
    cdef bint is_tiny = z < <float>-87.0
    cdef int32_t lift = 32 << 23 if is_tiny else 0
    cdef float p = exp_near_zero(r)
    p = of_short_bits(short_bits_of(p) + (short_bits_of(shifted) << 23) + lift) * (
        <float>2.3283064365386963e-10 if is_tiny else <float>1.0)       # 2**-32
    return p if x <= <float>88.72283172607422 else x + <float>INFINITY


cdef inline real exp_of_negative(real x) noexcept nogil:
    """Return exp(x) for x <= 0, and 0 where that is subnormal; x is not NaN.

    What is added to sums in which the greatest term is 1 need not be finer.
    """
    if real is double:
        return exp_of_double_negative(x)
    else:
        return exp_of_float_negative(x)


cdef inline double exp_of_double_negative(double x) noexcept nogil:
    cdef double shifted = x * 1.4426950408889634 + 6755399441055744.0
    cdef double k = shifted - 6755399441055744.0
    cdef double r = (x - k * 0.6931471803691238) - k * 1.9082149292705877e-10
    cdef double p = exp_near_zero(r)
    p = of_bits(bits_of(p) + (bits_of(shifted) << 52))
    return p if x >= -708.0 else 0.0


cdef inline float exp_of_float_negative(float x) noexcept nogil:
    cdef float shifted = x * <float>1.44269504 + <float>12582912.0
    cdef float k = shifted - <float>12582912.0
    cdef float r = (x - k * <float>0.693145752) - k * <float>1.42860677e-6
    cdef float p = exp_near_zero(r)
    p = of_short_bits(short_bits_of(p) + (short_bits_of(shifted) << 23))
    return p if x >= <float>-87.0 else <float>0.0


cdef inline real exp_near_zero(real r) noexcept nogil:
    """Return exp(r) for -log(2) / 2 <= r <= log(2) / 2."""
    # Estrin's scheme: three more multiplications than Horner's, and half as long a chain.
    cdef real p, s, t
    if real is double:
        s = r * r
        t = s * s
        p = (0.0013888888917213717 + 0.00019841269863053618 * r) + (2.4801521295954376e-05 + 2.7557268459997064e-06 * r) * s
        p += (2.7620088445409746e-07 + 2.510038549551032e-08 * r) * t
        p = ((0.5000000000000001 + 0.16666666666666669 * r) + (0.04166666666662413 + 0.008333333333330062 * r) * s) + p * t
        return 1.0 + (r + s * p)
    else:
        s = r * r
        p = (<float>0.041668388992547989 + <float>0.0083687165752053261 * r) + (
            <float>0.0013814598787575960 * s)
        p = (<float>0.49999994040 + <float>0.16666521132 * r) + p * s
        return <float>1.0 + (r + s * p)


cdef inline real sigmoid_of(real x) noexcept nogil:
    """Return 1 / (1 + exp(-x)), and 0 where that is subnormal.

    exp(r) is (q + r p) / (q - r p) with polynomials p and q of r * r, so one division does for
    both fractions.
    """
    if real is double:
        return sigmoid_of_double(x)
    else:
        return sigmoid_of_float(x)


cdef inline double sigmoid_of_double(double x) noexcept nogil:
    # From 40 on the result is 1, and nothing is left of it below -708.
    cdef double z = 40.0 if x > 40.0 else x
    z = -709.0 if x < -709.0 else z
    cdef double shifted = z * 1.4426950408889634 + 6755399441055744.0
    cdef double k = shifted - 6755399441055744.0
    cdef double r = (z - k * 0.6931471803691238) - k * 1.9082149292705877e-10
    cdef double s = r * r
    cdef double p = ((0.03331817253425319 * s + 14.00273159975546) * s + 504.15298025883413) * r
    cdef double q = (s + 112.03095990931457) * s + 1008.3059605176683
    cdef double e = of_bits(bits_of(q + p) + (bits_of(shifted) << 52))
    # Chosen before the division, which GCC would else put into a branch.  NaN is in p and q, too.
    e = e if x >= -708.0 else 0.0
    return e / ((q - p) + e)


cdef inline float sigmoid_of_float(float x) noexcept nogil:
    cdef float z = <float>20.0 if x > <float>20.0 else x
    z = <float>-88.0 if x < <float>-88.0 else z
    cdef float shifted = z * <float>1.44269504 + <float>12582912.0
    cdef float k = shifted - <float>12582912.0
    cdef float r = (z - k * <float>0.693145752) - k * <float>1.42860677e-6
    cdef float s = r * r
    cdef float p = (<float>0.08324406296014786 * s + <float>5.0010762214660645) * r
    cdef float q = s + <float>10.002152442932129
    cdef float e = of_short_bits(short_bits_of(q + p) + (short_bits_of(shifted) << 23))
    e = e if x >= <float>-87.0 else <float>0.0
    return e / ((q - p) + e)
