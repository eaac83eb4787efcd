"""Layer: shm.  The fifo: byte records in shared memory, from any process to any process, in order.

It is what queues are made of.  Any number of processes and threads put and get; each may be killed
at any instruction, and what was published stays in the memory, whoever ends.

Two locks that survive their owner (`_lock.pyx`), one for who puts and one for who gets, leave one
of each at a time, so that between the two a record is written, published and consumed as in a
`_ring.pyx`:

[publish] Who puts writes a record and then stores `tail`, which releases; who gets loads `tail`,
which acquires, and then reads.  So it reads what was written.
[consume] Who gets reads a record and then stores `head`; who puts loads `head` and then overwrites.
So nothing is overwritten that is still being read.

Either word has a position and, in its lower half, how many items there were up to there: one store
changes both, so that size and content never disagree, and nobody who is killed leaves the two
apart.  Of the other side's word the last one seen is kept, and looked at anew only where that is
not enough, since each look takes the cache line from the other side.

Rings
-----
A ring of a fixed size would block who puts into a queue without a limit.  So there are several,
each twice as large as the one before, in a sparse segment: addresses, which take memory as they are
touched.  Where a ring is full who puts goes on in another, and who gets follows:

    link:     rings[k].following = m     after the last record of ring k, whose tail is final
              put_ring = m
    move:     get_ring = m               by who gets, when k is empty and has a following ring

Before that, it waits a little if the others are getting on about as quickly as a copy does: memory
that stays in the cache is worth more than a start.  A ring that both have left is *vacant*, and may
be linked again; its positions go on from where they stood.

A large ring's memory is given back as it is left.  Who gets leaves one as soon as it is empty, for
ring 0; but where large items come all the time, each of which would have to take fresh memory, only
now and then, and who waits for an item sees to the rest after its naps.  So besides what is in it a
queue keeps no more than the rings up to KEPT bytes, and one that is larger until somebody looks for
an item again.

The memory of a ring of a file is claimed before the ring is linked, and without a lock, as it may
take long.  Others may link the ring meanwhile, and give its memory back.  So it has an `epoch`,
which changes with either, and who finds another one than before the claim claims once more.

Who may die where
-----------------
* Who puts, before `tail` is stored: nothing was put, and the next record overwrites this one.
* Who gets, before `head` is stored: nothing was taken, and the next one gets the record.
* Between `following` and `put_ring`: the next one goes on to the following ring.  Who links first
  sets `put_ring` to the chain's end, as the ring at which it stood may be the one that is linked.
* While moving: the new ring's head is written before `get_ring`, by each who tries, to the same.
* After publishing, before waking anybody: who sleeps looks again after its nap (`_park.pyx`).
* With a lock: the next one gets it, and finds all of the above whole.

Neither lock is held while one waits for the GIL, which may take long; and no Python code runs under
one, so that neither signals nor finalizers come back here.

Sleeping
--------
Each wish has a bell (`_bell.pxd`) at which, other than there, any number may sleep.  A ringer wakes
one.  Who was waked says for the others that somebody may still sleep, and rings itself if there is
more than it takes.  For one who sleeps alone this costs one ring in vain.
"""
# Safe for free-threaded Python: all that changes is in shared memory, under the locks or atomic;
# what `_waiting` has are guesses, of which a thread may take another's.

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from fastproc.shm._atomic cimport (
    atomic_compare_exchange, atomic_fence, atomic_load, atomic_load_word, atomic_store,
    atomic_store_word, pause,
)
from fastproc.shm._bell cimport AWAKE, FUTEX, may_spin, nap_ns, now_ns, ring_bell
from fastproc.shm._core cimport part_company, this_core
from fastproc.shm._lock cimport try_lock, unlock, wait_for_lock
from fastproc.shm._park cimport (
    FIRST_NAP, INTERRUPTED, LATE, LONGEST_NAP, NEVER, OVERSLEPT, WAKED, Nap, Waited, look_ns, park,
)
from fastproc.shm._root cimport Root

from fastproc.shm import memory
from fastproc.shm import segment as segments
from fastproc.shm.block import Block

cdef extern from "_pages.h" nogil:
    void give_back "fastproc_give_back"(char* start, size_t n) noexcept

cdef enum:
    # With the segment's header 64 KiB, so that rings begin on pages of any system.
    CONTROL_BYTES = 61440
    GRANULE = 16
    HEADER = 8               # of a record: bytes << 8 | kind
    FILLER = 17              # a kind: nothing up to the ring's end
    # Bytes of the first ring; of the last at most 2^31 granules, or positions would be ambiguous.
    FIRST_RING = 65536
    # Where addresses are memory, bytes of all rings.
    DENSE_BYTES = 16 << 20
    # Bytes of the largest ring whose memory is kept while it is not used.
    KEPT = 16 << 20
    # A ring that is made for a record has place for so many, if it is not larger than that.
    RECORDS_OF_A_RING = 8
    # Nanoseconds, for each byte, after a large ring was left empty until another is: fresh memory
    # costs about one.
    REST_NS = 20
    # Nanoseconds that it is worth waiting until half a ring is free, besides one per byte.
    PATIENCE_NS = 500_000
    # Nanoseconds without a step of the other side, besides one per byte of a record.
    STANDSTILL_NS = 50_000
    NAP_NS = 100_000
    # Nanoseconds of the naps of who waits for a step for long: each twice the one before.
    FIRST_STEP_NS = 100_000
    LONGEST_STEP_NS = 2_000_000
    # Nanoseconds to wait for a lock although one does not want to wait: it is held for a copy.
    LOCK_NS = 1_000_000_000


cdef inline uint32_t _position(int64_t word) noexcept nogil:
    return <uint32_t>(<uint64_t>word >> 32)


cdef inline uint32_t _items(int64_t word) noexcept nogil:
    return <uint32_t>word


cdef inline int64_t _word(uint32_t position, uint32_t items) noexcept nogil:
    return <int64_t>(<uint64_t>position << 32 | items)


cdef inline int64_t _granules(int64_t n_bytes) noexcept nogil:
    return (n_bytes + HEADER + GRANULE - 1) // GRANULE


cdef inline int64_t _ring_bytes(int64_t k) noexcept nogil:
    return <int64_t>FIRST_RING << k


cdef inline int64_t _ring_start(int64_t k) noexcept nogil:
    return <int64_t>FIRST_RING * ((<int64_t>1 << k) - 1)


cdef inline bint _suits(int64_t k, int64_t n_bytes) noexcept nogil:
    """Tell whether a record fits into an empty ring, wherever its tail is."""
    return n_bytes <= _ring_bytes(k) // 2 - HEADER


cdef inline int64_t _filler(int64_t k, uint32_t tail, uint32_t head, int64_t need) noexcept nogil:
    """Return how many granules a record of so many leaves out, or -1 if there is no room for it."""
    cdef int64_t n = _ring_bytes(k) // GRANULE, at = tail & (n - 1)
    cdef int64_t filler = n - at if at + need > n else 0
    return filler if <int64_t><uint32_t>(tail - head) + filler + need <= n else -1


cdef class Fifo:
    """A queue of byte records.

    Parameters
    ----------
    most_items : int
        How many there may be at once; 0 for any number.
    """

    def __init__(self, int64_t most_items):
        cdef Py_ssize_t n_rings = 1, size = DENSE_BYTES
        if memory.can_be_sparse():
            size = memory.most_addresses()
        while n_rings < MOST_RINGS and _ring_start(n_rings + 1) <= size:
            n_rings += 1
        while True:
            try:
                segment, root = segments.create_sparse(CONTROL_BYTES + _ring_start(n_rings))
                break
            except MemoryError:             # there is a limit to a process's addresses
                if n_rings == 1:
                    raise
                n_rings -= 1
        segment.memory.claim(
            segments.HEADER_BYTES, segments.HEADER_BYTES + CONTROL_BYTES + FIRST_RING)
        self._lie_over(Block(segment, root, 0, CONTROL_BYTES + _ring_start(n_rings)))
        self._control.most_items = most_items
        self._control.n_rings = n_rings

    def _lie_over(self, block):
        cdef Root root = block.root
        self.block = block
        self._control = <Control*>root.at(0, block.nbytes)
        self._records = <char*>self._control + CONTROL_BYTES

    @classmethod
    def over(cls, block):
        """Return the fifo that another process has made, from its block."""
        cdef Fifo fifo = cls.__new__(cls)
        fifo._lie_over(block)
        return fifo

    # Locks

    cdef bint lock_put(self, int64_t deadline) except -1:
        return try_lock(&self._control.put_lock) or self._lock(&self._control.put_lock, deadline)

    cdef void unlock_put(self) noexcept nogil:
        unlock(&self._control.put_lock)

    cdef bint lock_get(self, int64_t deadline) except -1:
        return try_lock(&self._control.get_lock) or self._lock(&self._control.get_lock, deadline)

    cdef void unlock_get(self) noexcept nogil:
        unlock(&self._control.get_lock)

    cdef bint _lock(self, int64_t* lock, int64_t deadline) except -1:
        cdef int64_t dead
        cdef Waited waited
        if deadline != NEVER:
            deadline = max(deadline, now_ns() + LOCK_NS)
        while not try_lock(lock):
            with nogil:
                waited = wait_for_lock(lock, deadline, look_ns, &dead)
                if waited == WAKED:
                    unlock(lock)            # and try once more with the GIL
            if waited == LATE:
                return False
            PyErr_CheckSignals()
        return True

    # Putting

    cdef char* reserve(self, int64_t n_bytes, Refusal* refusal) noexcept nogil:
        cdef Control* control = self._control
        cdef int64_t k = control.put_ring, need = _granules(n_bytes), filler
        cdef Ring* ring = &control.rings[k]
        cdef uint32_t tail
        while ring.following:               # its linker was killed before it could say so
            k = ring.following - 1
            ring = &control.rings[k]
            atomic_store(&control.put_ring, k)
        refusal.ring = k
        if control.most_items and self._is_full(ring):
            refusal.why = FULL
            return NULL
        tail = _position(ring.tail)
        filler = _filler(k, tail, _position(ring.seen_head), need)
        if filler < 0:
            ring.seen_head = atomic_load(&ring.head)
            filler = _filler(k, tail, _position(ring.seen_head), need)
        if filler < 0 or not _suits(k, n_bytes):
            refusal.why, refusal.head = NO_ROOM, ring.seen_head
            refusal.get_ring = atomic_load(&control.get_ring)
            return NULL
        if filler:
            (<int64_t*>self._place(k, tail))[0] = FILLER
            tail += <uint32_t>filler
            atomic_store(&ring.tail, _word(tail, _items(ring.tail)))
        return self._place(k, tail) + HEADER

    cdef bint _is_full(self, Ring* ring) noexcept nogil:
        cdef Control* control = self._control
        cdef uint32_t put = _items(ring.tail)
        # What was seen earlier makes the queue look fuller than it is.
        if put - <uint32_t>control.seen_taken >= control.most_items:
            control.seen_taken = <uint32_t>(put - self.size())
        return put - <uint32_t>control.seen_taken >= control.most_items

    cdef char* _place(self, int64_t k, uint32_t position) noexcept nogil:
        cdef int64_t at = position & (_ring_bytes(k) // GRANULE - 1)
        return self._records + _ring_start(k) + at * GRANULE

    cdef void publish(self, int kind, int64_t n_bytes) noexcept nogil:
        cdef int64_t k = self._control.put_ring
        cdef Ring* ring = &self._control.rings[k]
        cdef uint32_t tail = _position(ring.tail)
        (<int64_t*>self._place(k, tail))[0] = n_bytes << 8 | kind
        atomic_store(
            &ring.tail, _word(tail + <uint32_t>_granules(n_bytes), _items(ring.tail) + 1))

    cdef void after_put(self) noexcept nogil:
        self._ring(AN_ITEM)
        if self._control.most_items:
            self._pass_on(ROOM)

    cdef bint make_room(self, Refusal refusal, int64_t n_bytes, int64_t deadline) except -1:
        cdef bint drains
        if refusal.why == FULL:
            return self.wait_for(ROOM, deadline)
        with nogil:
            drains = self._drains(refusal, n_bytes, deadline)
        PyErr_CheckSignals()
        return drains or self._grow(refusal, n_bytes, deadline)

    cdef bint _drains(self, Refusal refusal, int64_t n_bytes, int64_t deadline) noexcept nogil:
        """Wait while others empty half of the ring as quickly as it could be filled; else False."""
        cdef int64_t k = refusal.ring, head, seen = refusal.head, need = _granules(n_bytes)
        cdef Ring* ring = &self._control.rings[k]
        cdef uint32_t tail
        cdef int64_t start = now_ns(), now = start, step = start
        if not _suits(k, n_bytes):
            return False
        while True:
            head = atomic_load(&ring.head)
            tail = _position(atomic_load(&ring.tail))
            if (
                <uint32_t>(tail - _position(head)) <= _ring_bytes(k) // GRANULE // 2
                and _filler(k, tail, _position(head), need) >= 0
            ):
                return True
            now = now_ns()
            if head != seen:
                seen, step = head, now
            elif now - step > STANDSTILL_NS + n_bytes:
                return False
            if now - start > PATIENCE_NS + _ring_bytes(k) // 2 or now >= deadline:
                return False
            if now - start < look_ns:
                pause()
            else:
                nap_ns(NAP_NS)

    cdef bint _grow(self, Refusal refusal, int64_t n_bytes, int64_t deadline) except -1:
        """Go on in another ring, or wait until there may be one, or room in this one."""
        cdef int64_t k = refusal.ring, most = memory.most_bytes(), other, start, epoch
        cdef bint is_old, is_done
        while True:
            if not self.lock_put(deadline):
                return False
            is_old = not self._is_last(k)
            other = self._larger(k, n_bytes, most)
            epoch = self._control.rings[max(other, 0)].epoch
            self.unlock_put()
            if is_old:                      # another has gone on meanwhile
                return True
            if other < 0:
                return self._wait_for_a_ring(refusal, n_bytes, most, deadline)
            start = segments.HEADER_BYTES + CONTROL_BYTES + _ring_start(other)
            try:
                self.block.segment.memory.claim(start, start + _ring_bytes(other))
            except MemoryError:             # of the file system
                most = _ring_bytes(other) // 2
                continue
            if not self.lock_put(deadline):
                return False
            with nogil:
                is_done = self._go_on(k, other, epoch)
            if is_done:
                return True

    cdef bint _go_on(self, int64_t k, int64_t other, int64_t epoch) noexcept nogil:
        """Go on in a ring that has been claimed, and release the put lock.

        Returns False if what was claimed may have been given back since.
        """
        cdef Ring* ring = &self._control.rings[other]
        cdef bint is_last = self._is_last(k), is_valid = ring.epoch == epoch
        if is_last and is_valid:            # and so it is vacant still
            self._link(k, other)
        elif _ring_bytes(other) > KEPT and self._is_vacant(other):
            # It may have been claimed after who had it gave it back, and nobody would again.
            ring.epoch += 1
            give_back(self._records + _ring_start(other), _ring_bytes(other))
        self.unlock_put()
        return is_valid or not is_last

    cdef bint _wait_for_a_ring(
        self, Refusal refusal, int64_t n_bytes, int64_t most, int64_t deadline
    ) except -1:
        """Wait until there may be a ring of `most` bytes, or more memory, for a record.

        Raises MemoryError if there would be none though the queue were empty.
        """
        cdef bint is_occupied = _suits(refusal.ring, n_bytes) or self._exists(n_bytes, most)
        if is_occupied or self._exists(n_bytes, memory.most_bytes()):
            if self.size() > 0:
                return self._wait_for_a_step(refusal, deadline)
            # Nobody leaves rings who has no item to get from the next one.
            if not self.lock_get(deadline):
                return False
            with nogil:
                self._leave_rings()
            if is_occupied or atomic_load(&self._control.get_ring) != refusal.get_ring:
                return True
        raise MemoryError(
            f"an item of {n_bytes:,} bytes does not fit into a queue's memory, of which there can "
            f"be {most:,} bytes here and an item takes at most half; put a SharedArray, of which "
            "only the handle travels, or put parts of the item")

    cdef bint _exists(self, int64_t n_bytes, int64_t most) noexcept nogil:
        """Tell whether there is a ring, vacant or not, of `most` bytes that suits a record."""
        cdef int64_t i
        for i in range(self._control.n_rings):
            if _ring_bytes(i) <= most and _suits(i, n_bytes):
                return True
        return False

    cdef int64_t _larger(self, int64_t k, int64_t n_bytes, int64_t most) noexcept nogil:
        """Return the number of a vacant ring, larger than k if there is one, or -1."""
        cdef int64_t wanted = 2 * _ring_bytes(k), roomy = RECORDS_OF_A_RING * n_bytes, i
        cdef int64_t fallback = -1
        if not _suits(k, n_bytes):
            wanted = 0
        if roomy <= KEPT:
            wanted = max(wanted, roomy)
        for i in range(self._control.n_rings):
            if _ring_bytes(i) > most or not _suits(i, n_bytes) or not self._is_vacant(i):
                continue
            if _ring_bytes(i) >= wanted:
                return i
            fallback = i
        return fallback

    cdef bint _is_last(self, int64_t k) noexcept nogil:
        """Tell whether items are put into a ring, even if one died while going on to another."""
        return self._control.put_ring == k and not self._control.rings[k].following

    cdef bint _is_vacant(self, int64_t k) noexcept nogil:
        """Tell whether neither side is in a ring, nor will be; needs the put lock."""
        cdef int64_t i = atomic_load(&self._control.get_ring)
        while i != k:
            i = self._control.rings[i].following - 1
            if i < 0:
                return True
        return False

    cdef void _link(self, int64_t k, int64_t other) noexcept nogil:
        """Go on in a vacant ring; needs the put lock."""
        cdef Ring* rings = self._control.rings
        # Who went on to k may have been killed before it could say so, at the other even.
        atomic_store(&self._control.put_ring, k)
        rings[other].epoch += 1
        rings[other].following = 0
        atomic_store(
            &rings[other].tail, _word(_position(rings[other].tail), _items(rings[k].tail)))
        atomic_store(&rings[k].following, 1 + other)
        atomic_store(&self._control.put_ring, other)

    cdef bint _wait_for_a_step(self, Refusal refusal, int64_t deadline) except -1:
        """Wait until there may be room in a ring, or a ring is vacant that was not."""
        cdef Control* control = self._control
        cdef int64_t nap = FIRST_STEP_NS, now
        # An empty queue is a step, too: there may be nobody to leave its rings.
        while (
            atomic_load(&control.rings[refusal.ring].head) == refusal.head
            and atomic_load(&control.get_ring) == refusal.get_ring
            and self.size() > 0
        ):
            now = now_ns()
            if now >= deadline:
                return False
            with nogil:
                nap_ns(min(nap, deadline - now))
            nap = min(2 * nap, <int64_t>LONGEST_STEP_NS)
            PyErr_CheckSignals()
        return True

    # Getting

    cdef char* front(self, int* kind, int64_t* n_bytes) noexcept nogil:
        cdef Control* control = self._control
        cdef Ring* ring
        cdef int64_t k, tail, header, following
        cdef uint32_t head
        cdef char* place
        while True:
            k = control.get_ring
            ring = &control.rings[k]
            head = _position(ring.head)
            if _position(ring.seen_tail) == head:
                following = atomic_load(&ring.following)
                tail = atomic_load(&ring.tail)
                if _position(tail) != head:
                    ring.seen_tail = tail
                elif following:             # looked at before the tail, which thus was final
                    if _ring_bytes(k) > KEPT:
                        give_back(self._records + _ring_start(k), _ring_bytes(k))
                    atomic_store(
                        &control.rings[following - 1].head,
                        _word(_position(control.rings[following - 1].head), _items(ring.head)))
                    atomic_store(&control.get_ring, following - 1)
                    continue
                elif _ring_bytes(k) > KEPT and self._retire(k):
                    continue
                else:
                    return NULL
            place = self._place(k, head)
            header = (<int64_t*>place)[0]
            if header & 0xFF != FILLER:
                kind[0] = <int>(header & 0xFF)
                n_bytes[0] = header >> 8
                return place + HEADER
            head += <uint32_t>(_ring_bytes(k) // GRANULE - (head & (_ring_bytes(k) // GRANULE - 1)))
            atomic_store(&ring.head, _word(head, _items(ring.head)))

    cdef bint _retire(self, int64_t k) noexcept nogil:
        """Have an empty ring followed by the first, which is small; needs the get lock."""
        cdef Ring* ring = &self._control.rings[k]
        cdef int64_t now = now_ns()
        if now < self._control.next_retirement or not try_lock(&self._control.put_lock):
            return False                    # another time
        # Nothing was put meanwhile.  (The rings' chain is this one: the others are vacant.)
        if _position(ring.tail) == _position(ring.head) and not ring.following:
            self._link(k, 0)
            self._control.next_retirement = now + REST_NS * _ring_bytes(k)
        unlock(&self._control.put_lock)
        return True

    cdef void _leave_rings(self) noexcept nogil:
        """Leave the rings that are empty, and release the get lock."""
        cdef int kind
        cdef int64_t n_bytes
        self._control.next_retirement = 0
        self.front(&kind, &n_bytes)
        self.unlock_get()

    cdef void _leave_at_rest(self) noexcept nogil:
        """Leave a large ring that is still empty, now that nobody is in a hurry."""
        cdef int kind
        cdef int64_t n_bytes
        if _ring_bytes(atomic_load(&self._control.get_ring)) <= KEPT:
            return
        if try_lock(&self._control.get_lock):
            self.front(&kind, &n_bytes)
            self.unlock_get()

    cdef void consume(self, int64_t n_bytes) noexcept nogil:
        cdef int64_t k = self._control.get_ring
        cdef Ring* ring = &self._control.rings[k]
        cdef uint32_t head = _position(ring.head) + <uint32_t>_granules(n_bytes)
        cdef int kind
        atomic_store(&ring.head, _word(head, _items(ring.head) + 1))
        if _ring_bytes(k) > KEPT and head == _position(ring.seen_tail):
            self.front(&kind, &n_bytes)     # which may leave a large ring that is empty

    cdef void after_get(self) noexcept nogil:
        # Only a queue with a limit has anybody who sleeps for room.
        if self._control.most_items:
            self._ring(ROOM)
        self._pass_on(AN_ITEM)

    # Counting and waiting

    cdef uint32_t size(self) noexcept nogil:
        # The head first: while it is looked at, and the tail after it, items are only added.  It is
        # that of the ring from which items are got only while that has not changed.
        cdef Control* control = self._control
        cdef int64_t k = atomic_load(&control.get_ring), head, tail
        while True:
            head = atomic_load(&control.rings[k].head)
            if atomic_load(&control.get_ring) == k:
                break
            k = atomic_load(&control.get_ring)
        tail = atomic_load(&control.rings[atomic_load(&control.put_ring)].tail)
        return _items(tail) - _items(head)

    cdef uint32_t unfinished(self) noexcept nogil:
        cdef int64_t done = atomic_load(&self._control.done)
        cdef int64_t k = atomic_load(&self._control.put_ring)
        return _items(atomic_load(&self._control.rings[k].tail)) - _items(done)

    cdef bint finish_one(self) noexcept nogil:
        cdef int64_t done
        while True:
            done = atomic_load(&self._control.done)
            if not self.unfinished():
                return False
            if atomic_compare_exchange(
                    &self._control.done, done, <int64_t>(_items(done) + <uint32_t>1)):
                break
        if not self.unfinished():
            self._ring(ALL_DONE)
        return True

    cdef bint holds(self, Wish wish) noexcept nogil:
        if wish == AN_ITEM:
            return self.size() > 0
        if wish == ROOM:
            return self.size() < self._control.most_items
        return self.unfinished() == 0

    cdef void _ring(self, Wish wish) noexcept nogil:
        """Wake one who waits, after what it waits for has been stored."""
        cdef int32_t* bell = &self._control.bells[<int>wish]
        atomic_fence()
        if atomic_load_word(bell) != AWAKE:
            atomic_store_word(&self._control.cores[<int>wish], this_core())
            ring_bell(bell)

    cdef void _pass_on(self, Wish wish) noexcept nogil:
        """Wake the next one who waits for what there is still more of."""
        if atomic_load_word(&self._control.bells[<int>wish]) != AWAKE and self.holds(wish):
            self._ring(wish)

    cdef bint wait_for(self, Wish wish, int64_t deadline) except -1:
        cdef Waiting waiting
        cdef Waited waited
        if self.holds(wish):
            return True
        if deadline == 0:
            return False
        waiting = self._waiting
        waiting.nap = FIRST_NAP
        while True:
            with nogil:
                waited = self._wait(wish, deadline, &waiting)
            self._waiting = waiting
            if waited == WAKED:
                if wish == ALL_DONE:        # there is enough of it for all
                    self._pass_on(wish)
                return True
            # Whoever waked this one has waked no other.
            self._pass_on(wish)
            if waited == LATE:
                return False
            PyErr_CheckSignals()

    cdef Waited _wait(self, Wish wish, int64_t deadline, Waiting* waiting) noexcept nogil:
        cdef int32_t* bell = &self._control.bells[<int>wish]
        cdef int64_t look = look_ns if may_spin(waiting.vain) else 0
        cdef int64_t look_until = now_ns() + look
        cdef Nap nap
        cdef Waited waited
        cdef int looks = 0
        while look:
            if self.holds(wish):
                waiting.vain = 0
                return WAKED
            pause()
            looks += 1
            if looks % 16 == 0 and now_ns() > look_until:
                break
        waiting.vain += 1
        nap.length, nap.deadline = waiting.nap, deadline
        while True:
            # Also for the others, who sleep on while this one goes.
            atomic_store_word(bell, FUTEX)
            atomic_fence()
            if self.holds(wish):
                return WAKED
            waited = park(bell, FUTEX, &nap)
            if waited == OVERSLEPT and wish == AN_ITEM:
                self._leave_at_rest()
            if waited == WAKED and look_ns:
                part_company(&waiting.company, atomic_load_word(&self._control.cores[<int>wish]))
            if waited == OVERSLEPT and nap.length == LONGEST_NAP:
                # A signal may have come before there was a sleep to interrupt; without futexes
                # there never is.
                waiting.nap, waited = LONGEST_NAP, INTERRUPTED
            if waited == LATE or waited == INTERRUPTED:
                return WAKED if self.holds(wish) else waited
