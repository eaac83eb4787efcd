"""Layer: shm.  The ring: a queue of byte records between one producer and one consumer.

A ring lies in shared memory.  Its two sides may be two processes, and each side may be killed at
any instruction.

Layout, in bytes from the ring's start:

======= ======== ===================================================================
offset  name     meaning
======= ======== ===================================================================
0       tail     int64, bytes ever published; written by the producer alone
64      head     int64, bytes ever consumed; written by the consumer alone
128     records  `capacity` bytes, a power of 2
======= ======== ===================================================================

The counters only grow; the byte number b lies at b % capacity.  Each has a cache line of its own,
or the two sides would take the line away from each other at every record.  A record is

======= ======== ===================================================================
0       length   int64, bytes of payload, or -1: skip to the ring's start
8       state    int64, OFFERED, TAKEN or WITHDRAWN
16      payload  padded to a multiple of 16 bytes
======= ======== ===================================================================

Records are not split at the ring's end; where one does not fit a SKIP record fills the rest.  So a
payload takes at most half of the capacity less a header: then it fits whatever the offset is, once
the ring is empty.

Invariants
----------
1. head <= tail <= head + capacity.
2. The producer writes only bytes in [tail, head + capacity), the consumer reads only bytes in
   [head, tail).  The one exception is `state` of an offered record, which both sides change by
   compare-and-exchange: from OFFERED to TAKEN by the consumer, from OFFERED to WITHDRAWN by the
   producer.  Exactly one of the two succeeds.
3. What lies in [head, tail) is complete.

Memory ordering
---------------
[publish] The producer writes a record and then stores `tail`, which releases; the consumer loads
`tail`, which acquires, and then reads the record.  So it reads what was written (invariant 3).
[consume] The consumer reads a record and then stores `head`, which releases; the producer loads
`head`, which acquires, and then overwrites the bytes.  So it does not overwrite what is still
being read (invariant 2).
Each side may use an old value of the other's counter: it then believes in less room, or fewer
records, than there are, which is safe.

Who may die where
-----------------
* The producer, before it stores `tail`: the record does not exist, and the consumer never sees a
  part of it.  After: the record is there.
* The consumer, before it takes a record: the record is still OFFERED, and the producer, told of the
  death, withdraws it and knows that nobody has begun with it.  After: the record is TAKEN.

A ring is not used again after a death but cleared, when both sides are new or know of it.
"""
# Safe for free-threaded Python: each side of a ring belongs to one thread at a time, which the
# owner of the side sees to.

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy

from fastproc.shm._atomic cimport atomic_compare_exchange, atomic_load, atomic_store

cdef enum:
    HEADER = 16             # bytes before a payload, and what records are aligned to
    LINE = 64               # bytes of a cache line
    OFFERED = 1
    TAKEN = 2
    WITHDRAWN = 3
    SKIP = -1

#: Bytes of a ring beside its records.
RING_HEADER_BYTES = 2 * LINE


cdef class Ring:
    """One side of a ring.

    Parameters
    ----------
    memory : buffer
        Writable shared memory; the ring keeps it alive.
    offset : int
        Where the ring begins, in bytes; a multiple of 64.
    capacity : int
        Bytes of records, a power of 2; the ring takes `RING_HEADER_BYTES` more.
    """

    def __cinit__(self, memory, Py_ssize_t offset, Py_ssize_t capacity):
        cdef Py_buffer view
        cdef char* start
        if capacity < 4 * HEADER or capacity & (capacity - 1):
            raise ValueError(f"a ring's capacity must be a power of 2, at least 64, not {capacity}")
        PyObject_GetBuffer(memory, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        size = view.len
        start = <char*>view.buf + offset
        # The memory is a NumPy array, whose buffer does not move while the array lives.
        PyBuffer_Release(&view)
        if offset < 0 or offset + 2 * LINE + capacity > size:
            raise ValueError(
                f"a ring of {capacity} bytes at {offset} does not fit into {size} bytes of memory")
        if <uintptr_t>start % LINE:
            raise ValueError(f"a ring must start at a multiple of {LINE} bytes")
        self._memory = memory
        self.capacity = capacity
        self.most = capacity // 2 - HEADER
        self._tail = <int64_t*>start
        self._head = <int64_t*>(start + LINE)
        self._records = start + 2 * LINE
        self._seen = 0

    # The producer's side ------------------------------------------------------------------------

    cdef char* claim(self, Py_ssize_t n) noexcept nogil:
        """Return where to write a payload of `n` bytes, or NULL if there is no room yet.

        Nothing is visible to the consumer before `publish`, so a claim may be given up, or made
        again with another size.
        """
        cdef int64_t tail = self._tail[0]
        cdef int64_t need = HEADER + ((n + HEADER - 1) & ~<int64_t>(HEADER - 1))
        cdef int64_t place = tail & (self.capacity - 1)
        cdef int64_t rest = self.capacity - place
        if n > self.most:
            return NULL
        if rest < need:
            need += rest
        if tail + need > self._seen + self.capacity:
            self._seen = atomic_load(self._head)                        # [consume]
            if tail + need > self._seen + self.capacity:
                return NULL
        if need > rest:
            (<int64_t*>(self._records + place))[0] = SKIP
            place = 0
        return self._records + place + HEADER

    cdef int64_t publish(self, Py_ssize_t n) noexcept nogil:
        """Offer the claimed record, of `n` bytes of payload; return its position.

        A position counts bytes ever published, so no two records of a ring's life share one.
        """
        cdef int64_t tail = self._tail[0]
        cdef int64_t need = HEADER + ((n + HEADER - 1) & ~<int64_t>(HEADER - 1))
        cdef int64_t place = tail & (self.capacity - 1)
        cdef int64_t* record
        if self.capacity - place < need:
            tail += self.capacity - place
            place = 0
        record = <int64_t*>(self._records + place)
        record[0] = n
        record[1] = OFFERED
        atomic_store(self._tail, tail + need)                           # [publish]
        return tail

    cdef bint withdraw(self, int64_t position) noexcept nogil:
        """Take back the record at a position; return whether it was still on offer."""
        cdef int64_t* state
        if position < atomic_load(self._head):
            return False                # consumed, and its bytes perhaps another record's by now
        # The consumer may pass the record right now, but only this side overwrites it.
        state = <int64_t*>(self._records + (position & (self.capacity - 1))) + 1
        return atomic_compare_exchange(state, OFFERED, WITHDRAWN)

    # The consumer's side ------------------------------------------------------------------------

    cdef char* front(self, Py_ssize_t* n) noexcept nogil:
        """Return the oldest record's payload and set `n` to its bytes; NULL if there is none."""
        cdef int64_t head = self._head[0]
        cdef int64_t place
        cdef int64_t* record
        while True:
            if head == self._seen or self._seen < head:
                self._seen = atomic_load(self._tail)                    # [publish]
                if head == self._seen:
                    return NULL
            place = head & (self.capacity - 1)
            record = <int64_t*>(self._records + place)
            if record[0] != SKIP:
                n[0] = record[0]
                return <char*>record + HEADER
            head += self.capacity - place
            atomic_store(self._head, head)                              # [consume]

    cdef bint take(self) noexcept nogil:
        """Take the oldest record, if its producer has not withdrawn it."""
        cdef int64_t* record = <int64_t*>(
            self._records + (self._head[0] & (self.capacity - 1)))
        return atomic_compare_exchange(record + 1, OFFERED, TAKEN)

    cdef void consume(self) noexcept nogil:
        """Give the oldest record's bytes back to the producer."""
        cdef int64_t head = self._head[0]
        cdef int64_t n = (<int64_t*>(self._records + (head & (self.capacity - 1))))[0]
        head += HEADER + ((n + HEADER - 1) & ~<int64_t>(HEADER - 1))
        atomic_store(self._head, head)                                  # [consume]

    # Either side's ------------------------------------------------------------------------------

    cdef bint is_empty(self) noexcept nogil:
        return atomic_load(self._tail) == atomic_load(self._head)

    def clear(self):
        """Make the ring empty; only while nobody else has a side."""
        atomic_store(self._tail, 0)
        atomic_store(self._head, 0)
        self._seen = 0

    def is_empty_now(self):
        """Tell whether all that was published is consumed."""
        return self.is_empty()

    # For Python, where a copy more does not matter ----------------------------------------------

    def put(self, bytes payload):
        """Publish a record; return its position, or None if there is no room yet."""
        cdef Py_ssize_t n = PyBytes_GET_SIZE(payload)
        cdef char* place
        if n > self.most:
            raise ValueError(f"a record of {n} bytes is too long; the most is {self.most}")
        place = self.claim(n)
        if place == NULL:
            return None
        memcpy(place, PyBytes_AS_STRING(payload), n)
        return self.publish(n)

    def get(self):
        """Take and consume the oldest record that is not withdrawn; None if there is none."""
        cdef Py_ssize_t n
        cdef char* payload
        while True:
            payload = self.front(&n)
            if payload == NULL:
                return None
            if self.take():
                result = PyBytes_FromStringAndSize(payload, n)
                self.consume()
                return result
            self.consume()

    def take_back(self, int64_t position):
        """Withdraw the record at a position that `put` gave; return whether nobody took it."""
        if not 0 <= position < self._tail[0] or position % HEADER:
            raise ValueError(f"{position} is no position in this ring")
        return self.withdraw(position)
