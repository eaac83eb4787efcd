"""Layer: kernels.  The loops of the elementwise kernels, from square to axpy.

Integers wrap around as NumPy's do.  They are multiplied and added as unsigned ones, for which C
defines the wrap-around.  Contracts in ``_elementwise.pxd``.
"""

# Safe for free-threaded Python: the table is written while the module is imported, and only read
# afterwards.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastproc.kernels._common cimport FLOAT32, FLOAT64, INT32, INT64, LANES, scalar, table_capsule
from fastproc.kernels._elementwise cimport (
    ADD, AXPY, CLIP, CUBE, NEGATIVE, POLYVAL, REPLACE, SIGMOID, SQUARE, ElementwiseTable,
    Parameters, binary_t, unary_t,
)
from fastproc.kernels._exp cimport real, sigmoid_of

cdef ElementwiseTable _table


cdef inline scalar times(scalar a, scalar b) noexcept nogil:
    if scalar is int64_t:
        return <int64_t>(<uint64_t>a * <uint64_t>b)
    elif scalar is int:
        return <int>(<uint32_t>a * <uint32_t>b)
    else:
        return a * b


cdef inline scalar plus(scalar a, scalar b) noexcept nogil:
    if scalar is int64_t:
        return <int64_t>(<uint64_t>a + <uint64_t>b)
    elif scalar is int:
        return <int>(<uint32_t>a + <uint32_t>b)
    else:
        return a + b


cdef inline scalar minus(scalar a) noexcept nogil:
    if scalar is int64_t:
        return <int64_t>(<uint64_t>0 - <uint64_t>a)
    elif scalar is int:
        return <int>(<uint32_t>0 - <uint32_t>a)
    else:
        return -a


cdef inline Py_ssize_t unaligned(const void* out, Py_ssize_t n, Py_ssize_t itemsize) noexcept nogil:
    """Return how many elements to do before `out` is at the start of a cache line.

    A vector stored across two lines costs twice: some 20 % of a loop whose data are in a cache.
    """
    if n * itemsize < 4 * 64:
        return 0
    return <Py_ssize_t>((64 - <size_t>out % 64) % 64) // itemsize


cdef inline void square_loop(const scalar* x, scalar* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = times(x[i], x[i])


cdef inline void square_unary(
    const scalar* x, scalar* out, Py_ssize_t n, const Parameters* parameters
) noexcept nogil:
    cdef Py_ssize_t head = unaligned(out, n, sizeof(scalar))
    square_loop(x, out, head)
    square_loop(x + head, out + head, n - head)


cdef inline void cube_loop(const scalar* x, scalar* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = times(times(x[i], x[i]), x[i])


cdef inline void cube_unary(
    const scalar* x, scalar* out, Py_ssize_t n, const Parameters* parameters
) noexcept nogil:
    cdef Py_ssize_t head = unaligned(out, n, sizeof(scalar))
    cube_loop(x, out, head)
    cube_loop(x + head, out + head, n - head)


cdef inline void negative_loop(const scalar* x, scalar* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = minus(x[i])


cdef inline void negative_unary(
    const scalar* x, scalar* out, Py_ssize_t n, const Parameters* parameters
) noexcept nogil:
    cdef Py_ssize_t head = unaligned(out, n, sizeof(scalar))
    negative_loop(x, out, head)
    negative_loop(x + head, out + head, n - head)


cdef inline void add_loop(
    const scalar* x1, Py_ssize_t step1, const scalar* x2, Py_ssize_t step2, scalar* out,
    Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef scalar constant
    if step1 != 0 and step2 != 0:
        for i in range(n):
            out[i] = plus(x1[i], x2[i])
    elif step1 != 0:
        constant = x2[0]
        for i in range(n):
            out[i] = plus(x1[i], constant)
    elif step2 != 0:
        constant = x1[0]
        for i in range(n):
            out[i] = plus(constant, x2[i])
    else:
        constant = plus(x1[0], x2[0])
        for i in range(n):
            out[i] = constant


cdef inline void add_binary(
    const scalar* x1, Py_ssize_t step1, const scalar* x2, Py_ssize_t step2, scalar* out,
    Py_ssize_t n, const Parameters* parameters
) noexcept nogil:
    cdef Py_ssize_t head = unaligned(out, n, sizeof(scalar))
    add_loop(x1, step1, x2, step2, out, head)
    add_loop(x1 + head * step1, step1, x2 + head * step2, step2, out + head, n - head)


cdef inline void axpy_loop(
    scalar alpha, const scalar* x1, Py_ssize_t step1, const scalar* x2, Py_ssize_t step2,
    scalar* out, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef scalar constant
    if step1 == 0:
        constant = times(alpha, x1[0])
        add_loop(&constant, 0, x2, step2, out, n)
    elif step2 == 0:
        constant = x2[0]
        for i in range(n):
            out[i] = plus(times(alpha, x1[i]), constant)
    else:
        for i in range(n):
            out[i] = plus(times(alpha, x1[i]), x2[i])


cdef inline void axpy_binary(
    const scalar* x1, Py_ssize_t step1, const scalar* x2, Py_ssize_t step2, scalar* out,
    Py_ssize_t n, const Parameters* parameters
) noexcept nogil:
    cdef scalar alpha = (<const scalar*>parameters.values)[0]
    cdef Py_ssize_t head = unaligned(out, n, sizeof(scalar))
    axpy_loop(alpha, x1, step1, x2, step2, out, head)
    axpy_loop(
        alpha, x1 + head * step1, step1, x2 + head * step2, step2, out + head, n - head)


cdef inline void sigmoid_unary(
    const real* x, real* out, Py_ssize_t n, const Parameters* parameters
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = sigmoid_of(x[i])


cdef inline void polyval_unary(
    const scalar* x, scalar* out, Py_ssize_t n, const Parameters* parameters
) noexcept nogil:
    cdef const scalar* p = <const scalar*>parameters.values
    cdef Py_ssize_t n_rows = n // LANES, i, k
    cdef scalar y
    for i in range(n_rows):
        polyval_row(x + i * LANES, out + i * LANES, p, parameters.n)
    for i in range(n_rows * LANES, n):
        y = p[0]
        for k in range(1, parameters.n):
            y = plus(times(y, x[i]), p[k])
        out[i] = y


cdef inline void polyval_row(
    const scalar* x, scalar* out, const scalar* p, Py_ssize_t n_coefficients
) noexcept nogil:
    """Go through Horner's scheme with a row of lanes, which stays in registers meanwhile."""
    cdef scalar y[LANES]
    cdef Py_ssize_t j, k
    for j in range(LANES):
        y[j] = p[0]
    for k in range(1, n_coefficients):
        for j in range(LANES):
            y[j] = plus(times(y[j], x[j]), p[k])
    for j in range(LANES):
        out[j] = y[j]


cdef inline void clip_loop(
    const scalar* x, scalar* out, Py_ssize_t n, scalar least, scalar greatest
) noexcept nogil:
    cdef Py_ssize_t i
    cdef scalar y
    for i in range(n):
        y = least if x[i] < least else x[i]         # NaN is neither less nor greater
        out[i] = greatest if y > greatest else y


cdef inline void clip_unary(
    const scalar* x, scalar* out, Py_ssize_t n, const Parameters* parameters
) noexcept nogil:
    cdef scalar least = (<const scalar*>parameters.values)[0]
    cdef scalar greatest = (<const scalar*>parameters.values)[1]
    cdef Py_ssize_t head = unaligned(out, n, sizeof(scalar)), i
    if least != least or greatest != greatest:
        # A bound of NaN makes all NaN, as it does in np.clip.
        for i in range(n):
            out[i] = least if least != least else greatest
    else:
        clip_loop(x, out, head, least, greatest)
        clip_loop(x + head, out + head, n - head, least, greatest)


cdef inline bint is_same(scalar x, scalar old) noexcept nogil:
    """Tell whether the two are equal, or both are NaN."""
    return (x == old) | ((x != x) & (old != old))


cdef inline void replace_unary(
    const scalar* x, scalar* out, Py_ssize_t n, const Parameters* parameters
) noexcept nogil:
    cdef scalar old = (<const scalar*>parameters.values)[0]
    cdef scalar new = (<const scalar*>parameters.values)[1]
    cdef Py_ssize_t n_rows = n // LANES, i, j
    cdef int found
    for i in range(n_rows):
        # In place, a row that has nothing to replace is not written: that would take as long as
        # to read it.
        found = x != out
        for j in range(LANES):
            found |= is_same(x[i * LANES + j], old)
        if found:
            for j in range(LANES):
                out[i * LANES + j] = new if is_same(x[i * LANES + j], old) else x[i * LANES + j]
    for i in range(n_rows * LANES, n):
        out[i] = new if is_same(x[i], old) else x[i]


# The table ---------------------------------------------------------------------------------------

cdef void _fill(scalar* tag, int dtype) noexcept:
    """Enter the kernels of one dtype.  The casts only drop the pointers' type."""
    _table.unaries[SQUARE][dtype] = <unary_t>square_unary[scalar]
    _table.unaries[CUBE][dtype] = <unary_t>cube_unary[scalar]
    _table.unaries[NEGATIVE][dtype] = <unary_t>negative_unary[scalar]
    _table.unaries[POLYVAL][dtype] = <unary_t>polyval_unary[scalar]
    _table.unaries[CLIP][dtype] = <unary_t>clip_unary[scalar]
    _table.unaries[REPLACE][dtype] = <unary_t>replace_unary[scalar]
    _table.binaries[ADD][dtype] = <binary_t>add_binary[scalar]
    _table.binaries[AXPY][dtype] = <binary_t>axpy_binary[scalar]


_fill(<double*>NULL, FLOAT64)
_fill(<float*>NULL, FLOAT32)
_fill(<int64_t*>NULL, INT64)
_fill(<int*>NULL, INT32)
_table.unaries[SIGMOID][FLOAT64] = <unary_t>sigmoid_unary[double]
_table.unaries[SIGMOID][FLOAT32] = <unary_t>sigmoid_unary[float]

#: The table of this CPU level.
table = table_capsule(&_table)
