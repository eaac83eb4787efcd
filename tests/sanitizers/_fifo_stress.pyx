"""Layer: tests.  Producers and consumers of a fifo in a hurry, for a sanitizer to watch.

Each is a thread that holds the GIL only to go on in a larger ring.  A record begins with who put it
and its number; its length and bytes follow from those.  Consumers see, under the lock, that each
producer's numbers come one after another.  The locks are those of the package, so this is their
stress, too: what they protect here is not atomic.
"""
# Safe for free-threaded Python: what the threads share they change under the fifo's locks.

from concurrent.futures import ThreadPoolExecutor

from libc.stdint cimport int64_t
from libc.string cimport memset
from posix.unistd cimport usleep

from _stress cimport byte_of, mix
from fastproc.shm._fifo cimport AN_ITEM, Fifo, Refusal, Waiting
from fastproc.shm._lock cimport try_lock, wait_for_lock
from fastproc.shm._park cimport NEVER

cdef enum:
    MOST_PRODUCERS = 8
    # Of a record; most are small.
    LONGEST = 20_000
    REST_EVERY = 499
    REST = 300                  # microseconds

cdef enum Fault:
    NO_FAULT = 0
    WRONG_ORDER
    WRONG_LENGTH
    WRONG_BYTES


cdef class Tally:
    """What consumers have got, changed under the get lock."""
    cdef int64_t next_number[MOST_PRODUCERS]
    cdef int64_t got


cdef inline int64_t key_of(int64_t producer, int64_t number) noexcept nogil:
    return producer << 40 | number


cdef inline int64_t length_of(int64_t key) noexcept nogil:
    cdef int64_t longest = LONGEST if mix(key + 7) % 16 == 0 else 64
    return 8 + <int64_t>(mix(key) % <unsigned long>longest)


cdef void lock(int64_t* word) noexcept nogil:
    cdef int64_t dead
    if not try_lock(word):
        wait_for_lock(word, NEVER, 10_000, &dead)


cdef int produce(Fifo fifo, int64_t producer, int64_t count, bint late) except -1 nogil:
    cdef int64_t number, i, n, key
    cdef Refusal refusal
    cdef char* place
    for number in range(count):
        key = key_of(producer, number)
        n = length_of(key)
        while True:
            lock(&fifo._control.put_lock)
            place = fifo.reserve(n, &refusal)
            if place != NULL:
                break
            fifo.unlock_put()
            with gil:
                fifo.make_room(refusal, n, NEVER)
        (<int64_t*>place)[0] = key
        for i in range(8, n):
            place[i] = byte_of(key, i)
        fifo.publish(0, n)
        if late and n > 8:      # never a byte of the key, from which a reader takes an index
            place[n - 1] = byte_of(key, n - 1)
        fifo.unlock_put()
        fifo.after_put()
        if number % REST_EVERY == 0:
            usleep(REST)
    return 0


cdef Fault consume(Fifo fifo, Tally tally, int64_t count) noexcept nogil:
    cdef int64_t i, n, key, producer
    cdef int kind
    cdef char* payload
    cdef Fault fault
    cdef Waiting waiting
    memset(&waiting, 0, sizeof(Waiting))
    while True:
        lock(&fifo._control.get_lock)
        if tally.got == count:
            fifo.unlock_get()
            return NO_FAULT
        payload = fifo.front(&kind, &n)
        if payload == NULL:
            fifo.unlock_get()
            # With a deadline, as others may get the last one.
            fifo._wait(AN_ITEM, 1, &waiting)
            continue
        key = (<int64_t*>payload)[0]
        producer = key >> 40
        fault = NO_FAULT
        if key != key_of(producer, tally.next_number[producer]):
            fault = WRONG_ORDER
        elif n != length_of(key):
            fault = WRONG_LENGTH
        for i in range(8, n):
            if payload[i] != byte_of(key, i):
                fault = WRONG_BYTES
        tally.next_number[producer] += 1
        tally.got += 1
        fifo.consume(n)
        fifo.unlock_get()
        fifo.after_get()
        if fault != NO_FAULT:
            return fault


def _produce(Fifo fifo, int64_t producer, int64_t count, bint late):
    with nogil:
        produce(fifo, producer, count, late)


def _consume(Fifo fifo, Tally tally, int64_t count):
    cdef Fault fault
    with nogil:
        fault = consume(fifo, tally, count)
    return {NO_FAULT: "all", WRONG_ORDER: "a record out of its turn",
            WRONG_LENGTH: "a record of a wrong length", WRONG_BYTES: "wrong bytes"}[fault]


def stress(most_items, count, late=False):
    """Send `count` records from each of three producers to two consumers; say what these got.

    With `late` a producer writes a record's last byte once more after it is published: a race that
    changes nothing, and that ThreadSanitizer must see.
    """
    fifo, tally = Fifo(most_items), Tally()
    with ThreadPoolExecutor(5) as threads:
        consumers = [threads.submit(_consume, fifo, tally, 3 * count) for _ in range(2)]
        producers = [threads.submit(_produce, fifo, each, count, late) for each in range(3)]
        for producer in producers:
            producer.result()
        return [consumer.result() for consumer in consumers]
