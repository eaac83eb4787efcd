"""Layer: kernels.  The loops of ewma, the exponentially weighted moving average.

The weighted sum of all elements up to one, ``sum = x + decay * sum_before``, and the sum of their
weights make the average.  Rows of 32 elements are walked in step, as in ``_fold.pxd``; what came
before a row counts in it by the powers of `decay`, and so do weights, which need no walk::

      sum[r, j]    = local[r, j] + power[j + 1] * base[r]
      base[r]      = offset[r] + row_power[r] * carry
      weight[r, j] = weights[j + 1] + power[j + 1] * (row_weight[r] + row_power[r] * carry_weight)

Without `adjust` the average is ``decay * average_before + (1 - decay) * x``.  That is the same sum,
if before the first element there were endlessly many of its value: the weight is full at once.

NaN takes the rest of a chunk to a loop that does element by element.  There the weights of what
came before fade, and the average stays.  Inf does, too, since ``0 * Inf`` is not 0.
"""

from libc.math cimport NAN

from fastproc.kernels._common cimport scalar
from fastproc.kernels._scans cimport BLOCK, CHUNK_ROWS, ROW, ROWS, Parameters, State

cdef extern from *:
    """
    /* So near to the full weight that a division would not tell the difference. */
    #define FASTPROC_NEARLY (1 - 4e-16)
    /* So light that a sum of this weight could lose digits. */
    #define FASTPROC_FADED 1e-100
    """
    const double NEARLY "FASTPROC_NEARLY"
    const double FADED "FASTPROC_FADED"

ctypedef fused real:
    double
    float


cdef inline void sum_rows(
    const scalar* x, double decay, double* local, double* totals
) noexcept nogil:
    cdef double total[ROWS]
    cdef double one, two, three, four
    cdef Py_ssize_t r, i = 0, k
    for r in range(ROWS):
        total[r] = 0
    while i < ROW:
        for r in range(ROWS):
            k = r * ROW + i
            one = x[k] + decay * total[r]
            two = x[k + 1] + decay * one
            three = x[k + 2] + decay * two
            four = x[k + 3] + decay * three
            local[k] = one
            local[k + 1] = two
            local[k + 2] = three
            local[k + 3] = four
            total[r] = four
        i += 4
    for r in range(ROWS):
        totals[r] = total[r]


cdef inline void sum_block(
    const scalar* x, Py_ssize_t n, double decay, double* local, double* totals
) noexcept nogil:
    """Sum the rows of a block; the last row may end early, and its total is not used then."""
    cdef Py_ssize_t i
    cdef double total = 0
    if n == BLOCK:
        sum_rows(x, decay, local, totals)
        return
    for i in range(n):
        total = x[i] + decay * (total if i % ROW != 0 else 0)
        local[i] = total
        totals[i // ROW] = total


cdef inline bint is_plain(const State* carry, const Parameters* p) noexcept nogil:
    """Tell whether rows can follow: there is a finite sum, of a weight that will be as they say."""
    return carry.i == 0 and carry.f - carry.f == 0 and (p.adjust or carry.weight == p.full)


cdef inline bint begins(const Parameters* p, const State* carry) noexcept nogil:
    """Tell whether the next element is a line's first one, for which there must be a `begin`."""
    return not p.adjust and carry.i == 0 and carry.weight == 0


cdef inline void begin(double first, const Parameters* p, State* carry) noexcept nogil:
    """Let endlessly many elements of the first one's value come before it, without `adjust`."""
    if begins(p, carry) and first - first == 0:
        carry.f = first * p.full
        carry.weight = p.full


cdef inline bint ewma_partial(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* state
) noexcept nogil:
    cdef double local[BLOCK]
    cdef double totals[ROWS]
    cdef double offset = 0
    cdef Py_ssize_t start = 0, size, r
    while start < n:
        size = min(<Py_ssize_t>BLOCK, n - start)
        sum_block(x + start, size, p.decay, local, totals)
        for r in range((size + ROW - 1) // ROW):
            offset = totals[r] + p.power[ROW] * offset
        start += size
    state.f = offset
    state.weight = <double>x[0]       # with which `ewma_advance` may have to begin
    return offset - offset == 0


cdef inline bint ewma_advance(
    const State* state, const Parameters* p, State* carry
) noexcept nogil:
    begin(state.weight, p, carry)
    if not is_plain(carry, p):
        return False
    pass_rows(state.f, CHUNK_ROWS, p, carry)
    return True


cdef inline void pass_rows(
    double offset, Py_ssize_t n_rows, const Parameters* p, State* carry
) noexcept nogil:
    """Move a carry past rows of which `offset` is the sum."""
    carry.f = offset + p.row_power[n_rows] * carry.f
    if p.adjust:
        carry.weight = p.row_weight[n_rows] + p.row_power[n_rows] * carry.weight


cdef inline void write_averages(
    const double* local, Py_ssize_t n, const Parameters* p, const State* base, real* out
) noexcept nogil:
    """Write the averages of a row, of which `base` is the carry."""
    cdef Py_ssize_t j
    cdef double inverse
    if base.weight >= p.full * NEARLY:
        inverse = 1 / p.full
        for j in range(n):
            out[j] = <real>((local[j] + p.power[j + 1] * base.f) * inverse)
    else:
        for j in range(n):
            out[j] = <real>(
                (local[j] + p.power[j + 1] * base.f)
                / (p.weights[j + 1] + p.power[j + 1] * base.weight))


cdef inline Py_ssize_t average_rows(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* carry, real* out
) noexcept nogil:
    """Write the averages of a chunk as far as its sums are finite; return how many these are."""
    cdef double local[BLOCK]
    cdef double totals[ROWS]
    cdef double offset = 0, after
    cdef State base
    cdef Py_ssize_t start = 0, size, n_rows, r
    while start < n:
        size = min(<Py_ssize_t>BLOCK, n - start)
        n_rows = (size + ROW - 1) // ROW
        sum_block(x + start, size, p.decay, local, totals)
        after = offset
        for r in range(n_rows):
            after = totals[r] + p.power[ROW] * after
        if after - after != 0:
            break
        for r in range(n_rows):
            base = carry[0]
            pass_rows(offset, start // ROW + r, p, &base)
            write_averages(local + r * ROW, min(<Py_ssize_t>ROW, size - r * ROW), p, &base,
                           out + start + r * ROW)
            offset = totals[r] + p.power[ROW] * offset
        start += size
    pass_rows(offset, (start + ROW - 1) // ROW, p, carry)
    return start


cdef inline void average_in_sequence(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* carry, real* out
) noexcept nogil:
    """Average element by element, passing NaN over."""
    cdef double weight = carry.weight, value
    cdef double total = carry.f if carry.i == 0 else weight * carry.f if weight > 0 else 0
    cdef double average = carry.f if carry.i else total / weight if weight > 0 else NAN
    cdef Py_ssize_t i
    cdef bint is_value
    for i in range(n):
        value = <double>x[i]
        is_value = value == value
        total = p.decay * total + (value if is_value else 0)
        weight = p.decay * weight + (1 if is_value else 0)
        if is_value and not p.adjust:
            total *= p.full / weight
            weight = p.full
        # What has all but faded has no average any more, and keeps the one that it had.
        average = total / weight if weight >= FADED else average
        out[i] = <real>average
    carry.i = weight < FADED
    carry.f = average if carry.i else total
    carry.weight = weight


cdef inline void ewma_chunk(
    const scalar* x, Py_ssize_t n, const Parameters* p, State* carry, real* out
) noexcept nogil:
    cdef double first = <double>x[0]
    cdef bint is_first = begins(p, carry)
    cdef Py_ssize_t start = 0
    begin(first, p, carry)
    if is_plain(carry, p):
        start = average_rows(x, n, p, carry, out)
    if start < n:
        average_in_sequence(x + start, n - start, p, carry, out + start)
    if is_first:
        out[0] = <real>first             # the average of one element, not rounded
