"""Layer: kernels.  The loops of the elementwise kernels: square, cube, negative, add.

Integers wrap around as NumPy's do.  They are multiplied and added as unsigned ones, for which C
defines the wrap-around.  Contracts in ``_elementwise.pxd``.
"""

# Safe for free-threaded Python: the table is written while the module is imported, and only read
# afterwards.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastproc.kernels._common cimport FLOAT32, FLOAT64, INT32, INT64, scalar, table_capsule
from fastproc.kernels._elementwise cimport (
    ADD, CUBE, NEGATIVE, SQUARE, ElementwiseTable, binary_t, unary_t,
)

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


cdef inline void square_unary(const scalar* x, scalar* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t head = unaligned(out, n, sizeof(scalar))
    square_loop(x, out, head)
    square_loop(x + head, out + head, n - head)


cdef inline void cube_loop(const scalar* x, scalar* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = times(times(x[i], x[i]), x[i])


cdef inline void cube_unary(const scalar* x, scalar* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t head = unaligned(out, n, sizeof(scalar))
    cube_loop(x, out, head)
    cube_loop(x + head, out + head, n - head)


cdef inline void negative_loop(const scalar* x, scalar* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = minus(x[i])


cdef inline void negative_unary(const scalar* x, scalar* out, Py_ssize_t n) noexcept nogil:
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
    Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t head = unaligned(out, n, sizeof(scalar))
    add_loop(x1, step1, x2, step2, out, head)
    add_loop(x1 + head * step1, step1, x2 + head * step2, step2, out + head, n - head)


# The table ---------------------------------------------------------------------------------------

cdef void _fill(scalar* tag, int dtype) noexcept:
    """Enter the kernels of one dtype.  The casts only drop the pointers' type."""
    _table.unaries[SQUARE][dtype] = <unary_t>square_unary[scalar]
    _table.unaries[CUBE][dtype] = <unary_t>cube_unary[scalar]
    _table.unaries[NEGATIVE][dtype] = <unary_t>negative_unary[scalar]
    _table.binaries[ADD][dtype] = <binary_t>add_binary[scalar]


_fill(<double*>NULL, FLOAT64)
_fill(<float*>NULL, FLOAT32)
_fill(<int64_t*>NULL, INT64)
_fill(<int*>NULL, INT32)

#: The table of this CPU level.
table = table_capsule(&_table)
