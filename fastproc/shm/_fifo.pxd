"""Layer: shm.  The face of `_fifo.pyx` for other Cython modules."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from fastproc.shm._core cimport Company
from fastproc.shm._park cimport Waited

cdef enum:
    MOST_RINGS = 20

# Kinds of records are those of payloads (`_plain.pxd`), and for large items:
cdef enum:
    PARTS = 16

# What is waited for.
cdef enum Wish:
    AN_ITEM = 0              # there is one
    ROOM                     # there are fewer than `most_items`
    ALL_DONE                 # whatever was put is done

# Why there is no place for a record.
cdef enum Why:
    FULL = 0                 # of items
    NO_ROOM                  # in this ring


cdef struct Refusal:
    Why why
    int64_t ring             # the ring that has no room
    int64_t head             # that was seen there
    int64_t get_ring         # from which items were got


cdef struct Ring:
    # Written by who has the put lock.
    int64_t tail             # position << 32 | items ever put
    int64_t following        # 1 + the number of the ring that continues this one; 0 while none does
    int64_t seen_head        # a head that was seen
    int64_t epoch            # while it stays, memory that was claimed for the ring is there
    int64_t _line[4]
    # Written by who has the get lock.
    int64_t head             # position << 32 | items ever taken
    int64_t seen_tail        # a tail that was seen
    int64_t _other_line[6]


cdef struct Control:
    int64_t put_lock
    int64_t seen_taken       # items that were seen to be taken; under the put lock
    int64_t _a[6]
    int64_t get_lock
    int64_t next_retirement  # when the next large ring may be left empty; under the get lock
    int64_t _b[6]
    int32_t bells[3]         # of each Wish: AWAKE, or FUTEX if somebody may sleep for it
    int32_t cores[3]         # on which somebody rang them last
    int32_t _c[10]
    int64_t put_ring
    int64_t get_ring
    int64_t most_items       # 0: any number
    int64_t n_rings          # for which there are addresses
    int64_t _d[4]
    int64_t done             # items that are said to be done, modulo 2^32
    int64_t _e[7]
    Ring rings[MOST_RINGS]


# What a thread remembers of its waits.
cdef struct Waiting:
    int64_t vain             # looks, one after another, that saw nothing
    int64_t nap              # nanoseconds of the next nap of this wait
    Company company


cdef class Fifo:
    cdef readonly object block
    cdef Control* _control
    cdef char* _records
    cdef Waiting _waiting

    # Waits for the put lock or the get lock.
    cdef bint lock_put(self, int64_t deadline) except -1
    cdef void unlock_put(self) noexcept nogil
    cdef bint lock_get(self, int64_t deadline) except -1
    cdef void unlock_get(self) noexcept nogil

    # With the put lock.  `reserve` returns where to write the payload of a record, or NULL;
    # `publish` puts it into the queue.
    cdef char* reserve(self, int64_t n_bytes, Refusal* refusal) noexcept nogil
    cdef void publish(self, int kind, int64_t n_bytes) noexcept nogil
    # Without it: what to do after all that.
    cdef void after_put(self) noexcept nogil
    # Makes room for a record, or waits for it; False if the deadline is over.
    cdef bint make_room(self, Refusal refusal, int64_t n_bytes, int64_t deadline) except -1

    # With the get lock.  `front` returns the payload of the next record, or NULL; `consume` takes
    # it out of the queue.
    cdef char* front(self, int* kind, int64_t* n_bytes) noexcept nogil
    cdef void consume(self, int64_t n_bytes) noexcept nogil
    # Without it.
    cdef void after_get(self) noexcept nogil

    # Items in the queue, and items that are not done.
    cdef uint32_t size(self) noexcept nogil
    cdef uint32_t unfinished(self) noexcept nogil
    # Says of one item that it is done; False if all are.
    cdef bint finish_one(self) noexcept nogil
    cdef bint holds(self, Wish wish) noexcept nogil
    # Waits for a wish; False if the deadline is over.
    cdef bint wait_for(self, Wish wish, int64_t deadline) except -1

    cdef bint _lock(self, int64_t* lock, int64_t deadline) except -1
    cdef bint _is_full(self, Ring* ring) noexcept nogil
    cdef char* _place(self, int64_t k, uint32_t position) noexcept nogil
    cdef bint _drains(self, Refusal refusal, int64_t n_bytes, int64_t deadline) noexcept nogil
    cdef bint _grow(self, Refusal refusal, int64_t n_bytes, int64_t deadline) except -1
    cdef int64_t _larger(self, int64_t k, int64_t n_bytes, int64_t most) noexcept nogil
    cdef bint _go_on(self, int64_t k, int64_t other, int64_t epoch) noexcept nogil
    cdef bint _wait_for_a_ring(
        self, Refusal refusal, int64_t n_bytes, int64_t most, int64_t deadline) except -1
    cdef bint _exists(self, int64_t n_bytes, int64_t most) noexcept nogil
    cdef bint _is_last(self, int64_t k) noexcept nogil
    cdef bint _is_vacant(self, int64_t k) noexcept nogil
    cdef void _link(self, int64_t k, int64_t other) noexcept nogil
    cdef bint _wait_for_a_step(self, Refusal refusal, int64_t deadline) except -1
    cdef bint _retire(self, int64_t k) noexcept nogil
    cdef void _leave_rings(self) noexcept nogil
    cdef void _leave_at_rest(self) noexcept nogil
    cdef void _ring(self, Wish wish) noexcept nogil
    cdef void _pass_on(self, Wish wish) noexcept nogil
    cdef Waited _wait(self, Wish wish, int64_t deadline, Waiting* waiting) noexcept nogil
