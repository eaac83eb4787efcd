"""Layer: parallel.  A long line's quantiles, cut into chunks that any worker can look at.

What the chunks find goes into one *ledger*, plain memory that several threads or processes write:
counts by atomic additions, and the elements that fell into a bracket to wherever there is room.
Their order depends on who was quicker, and does not matter, since the element of a rank is what it
is.  How many there are depends on the line alone.
"""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from fastproc.kernels._common cimport CHUNK
from fastproc.kernels._order cimport Bracket, LongKernels
from fastproc.kernels._select cimport Sifted
from fastproc.shm._atomic cimport atomic_fetch_add

cdef enum:
    # Brackets that a chunk is compared with while it is in the cache.
    MOST_BRACKETS = 8
    # Chunks of a unit.
    UNIT_CHUNKS = 16

# What was found of one bracket.
cdef struct Entry:
    Sifted sifted
    int64_t n_kept

# The ledger's head; for each bracket follows room for `capacity` elements.
cdef struct Ledger:
    int64_t n_nan
    Entry entries[MOST_BRACKETS]

cdef struct SiftJob:
    const LongKernels* kernels
    const char* x
    Py_ssize_t n
    Py_ssize_t itemsize
    const Bracket* brackets
    Py_ssize_t n_brackets
    Py_ssize_t capacity
    Ledger* ledger


cdef inline char* kept_of(const SiftJob* job, Py_ssize_t i) noexcept nogil:
    """Return where the elements are that fell into bracket `i`."""
    return <char*>(job.ledger + 1) + i * job.capacity * job.itemsize


cdef inline void do_unit(void* argument, Py_ssize_t unit) noexcept nogil:
    cdef SiftJob* job = <SiftJob*>argument
    cdef Py_ssize_t start = unit * UNIT_CHUNKS * CHUNK
    cdef Py_ssize_t stop = min(start + UNIT_CHUNKS * CHUNK, job.n)
    cdef Py_ssize_t n, count, i
    cdef int64_t room, n_nan = 0
    cdef double kept[CHUNK + 1]
    cdef Sifted sifted[MOST_BRACKETS]
    cdef Entry* entry
    memset(sifted, 0, sizeof(sifted))
    while start < stop:
        n = min(<Py_ssize_t>CHUNK, stop - start)
        n_nan += job.kernels.count_nan(job.x + start * job.itemsize, n)
        for i in range(job.n_brackets):
            count = job.kernels.sift(
                job.x + start * job.itemsize, n, &job.brackets[i], &sifted[i], kept)
            if count == 0:
                continue
            room = atomic_fetch_add(&job.ledger.entries[i].n_kept, count)
            if room + count <= job.capacity:
                memcpy(kept_of(job, i) + room * job.itemsize, kept, count * job.itemsize)
        start += n
    if n_nan > 0:
        atomic_fetch_add(&job.ledger.n_nan, n_nan)
    for i in range(job.n_brackets):
        entry = &job.ledger.entries[i]
        atomic_fetch_add(&entry.sifted.below, sifted[i].below)
        atomic_fetch_add(&entry.sifted.up_to_lo, sifted[i].up_to_lo)
        atomic_fetch_add(&entry.sifted.below_hi, sifted[i].below_hi)
        atomic_fetch_add(&entry.sifted.up_to_hi, sifted[i].up_to_hi)
