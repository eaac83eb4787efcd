"""Layer: tests.  A producer and a consumer in a hurry, for a sanitizer to watch.

Each side of the ring is a thread that never holds the GIL.  A record's length and bytes follow
from its number, so that the consumer can check all of it.  The producer withdraws every other
record, some at once and some when three more are out; each side marks what it got.

Sleepers sleep at a bell, on a futex.  No sanitizer sees a lost wake-up, and ThreadSanitizer knows
no fences at all; so whoever sleeps for longer than PATIENCE says that nobody rang.
"""
# Safe for free-threaded Python: each side has its own Ring, its own marks and its own thread.

from concurrent.futures import ThreadPoolExecutor

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset
from posix.unistd cimport usleep

from _stress cimport byte_of, mix
from fastproc.shm._atomic cimport atomic_store_word
from fastproc.shm._bell cimport AWAKE, FUTEX, futex_wait, lie_down, now_ns, ring_bell
from fastproc.shm._ring cimport Ring

from fastproc.shm._ring import RING_HEADER_BYTES

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef enum:
    LINE = 64                   # bytes of a cache line, which a ring starts at
    RECENT = 4                  # how many records back the producer withdraws
    PATIENCE = 20_000_000_000   # nanoseconds
    # A side that is always ahead never sleeps, so each rests now and then.
    REST = 300                  # microseconds
    PRODUCED_BEFORE_REST = 509
    CONSUMED_BEFORE_REST = 499

cdef enum Fault:
    NO_FAULT = 0
    NOBODY_RANG
    WRONG_ORDER
    WRONG_LENGTH
    WRONG_BYTES


cdef class Block:
    """Memory of its own, so that AddressSanitizer knows where it ends."""

    cdef char* start
    cdef Py_ssize_t size

    def __cinit__(self, Py_ssize_t size):
        self.size = size
        self.start = <char*>aligned_alloc(LINE, size)
        if self.start == NULL:
            raise MemoryError(f"no {size} bytes for a block")
        memset(self.start, 0, size)

    def __dealloc__(self):
        free(self.start)

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.start, self.size, False, flags)


cdef class Bells:
    cdef int32_t record         # the consumer sleeps here until there is a record
    cdef int32_t room           # the producer, until there is room


cdef inline Py_ssize_t length_of(Ring ring, int64_t number) noexcept nogil:
    return sizeof(int64_t) + mix(number) % <uint64_t>(ring.most - <Py_ssize_t>sizeof(int64_t) + 1)


cdef bint sleep(int32_t* bell, bint has_come, int64_t* sleeps) noexcept nogil:
    """Sleep after lying down, unless what one waits for has come; return whether it was rung."""
    cdef int64_t start
    if not has_come:
        start = now_ns()
        sleeps[0] += 1
        futex_wait(bell, FUTEX, PATIENCE)
        if now_ns() - start >= PATIENCE:
            return False
    atomic_store_word(bell, AWAKE)
    return True


cdef char* wait_for_room(Ring ring, Py_ssize_t n, int32_t* bell, int64_t* sleeps) noexcept nogil:
    cdef char* place = ring.claim(n)
    while place == NULL:
        lie_down(bell, FUTEX)
        place = ring.claim(n)
        if not sleep(bell, place != NULL, sleeps):
            return NULL
        if place == NULL:
            place = ring.claim(n)
    return place


cdef char* wait_for_record(
    Ring ring, Py_ssize_t* n, int32_t* bell, int64_t* sleeps
) noexcept nogil:
    cdef char* payload = ring.front(n)
    while payload == NULL:
        lie_down(bell, FUTEX)
        payload = ring.front(n)
        if not sleep(bell, payload != NULL, sleeps):
            return NULL
        if payload == NULL:
            payload = ring.front(n)
    return payload


cdef Fault produce(
    Ring ring, Bells bells, int64_t count, char* withdrawn, bint late, int64_t* sleeps
) noexcept nogil:
    cdef int64_t positions[RECENT]
    cdef int64_t number, which
    cdef Py_ssize_t n, i
    cdef char* place
    for number in range(count):
        n = length_of(ring, number)
        place = wait_for_room(ring, n, &bells.room, sleeps)
        if place == NULL:
            return NOBODY_RANG
        (<int64_t*>place)[0] = number
        for i in range(sizeof(int64_t), n):
            place[i] = byte_of(number, i)
        positions[number % RECENT] = ring.publish(n)
        if late and n > <Py_ssize_t>sizeof(int64_t):
            place[n - 1] = byte_of(number, n - 1)
        ring_bell(&bells.record)
        if number & 1:
            which = number if number & 2 else number - RECENT + 1
            if which >= 0:
                withdrawn[which] += ring.withdraw(positions[which % RECENT])
        if number % PRODUCED_BEFORE_REST == 0:
            usleep(REST)
    return NO_FAULT


cdef Fault consume(
    Ring ring, Bells bells, int64_t count, char* taken, int64_t* sleeps
) noexcept nogil:
    cdef int64_t number
    cdef Py_ssize_t n, i
    cdef char* payload
    for number in range(count):
        payload = wait_for_record(ring, &n, &bells.record, sleeps)
        if payload == NULL:
            return NOBODY_RANG
        if (<int64_t*>payload)[0] != number:
            return WRONG_ORDER
        if n != length_of(ring, number):
            return WRONG_LENGTH
        taken[number] += ring.take()
        for i in range(sizeof(int64_t), n):
            if payload[i] != byte_of(number, i):
                return WRONG_BYTES
        ring.consume()
        ring_bell(&bells.room)
        if number % CONSUMED_BEFORE_REST == 0:
            usleep(REST)
    return NO_FAULT


cdef int check(str side, Fault fault) except -1:
    if fault != NO_FAULT:
        what = {NOBODY_RANG: "was not waked", WRONG_ORDER: "got a record out of its turn",
                WRONG_LENGTH: "got a record of a wrong length",
                WRONG_BYTES: "got a record of wrong bytes"}[fault]
        raise AssertionError(f"the {side} {what}")
    return 0


def _produce(Ring ring, Bells bells, int64_t count, bytearray withdrawn, bint late):
    cdef int64_t sleeps = 0
    cdef char* marks = withdrawn
    cdef Fault fault
    with nogil:
        fault = produce(ring, bells, count, marks, late, &sleeps)
    check("producer", fault)
    return sleeps


def _consume(Ring ring, Bells bells, int64_t count, bytearray taken):
    cdef int64_t sleeps = 0
    cdef char* marks = taken
    cdef Fault fault
    with nogil:
        fault = consume(ring, bells, count, marks, &sleeps)
    check("consumer", fault)
    return sleeps


def stress(capacity, count, late=False):
    """Send `count` records through a ring of `capacity` bytes and say what became of them.

    With `late` the producer writes a record's last byte once more after it is published: a race
    that changes nothing, and that ThreadSanitizer must see.
    """
    block, bells = Block(RING_HEADER_BYTES + capacity), Bells()
    withdrawn, taken = bytearray(count), bytearray(count)
    with ThreadPoolExecutor(2) as threads:
        consumer = threads.submit(_consume, Ring(block, 0, capacity), bells, count, taken)
        producer = threads.submit(_produce, Ring(block, 0, capacity), bells, count, withdrawn, late)
    return {
        "sleeps of the producer": producer.result(),
        "sleeps of the consumer": consumer.result(),
        "withdrawn": sum(withdrawn),
        "taken": sum(taken),
        "of one side": sum(a + b == 1 for a, b in zip(withdrawn, taken, strict=True)),
    }


# What AddressSanitizer and UndefinedBehaviorSanitizer must see -----------------------------------

def read_past_the_end(Block block):
    return block.start[block.size]


def shift_too_far(int64_t value, int bits):
    return value << bits
