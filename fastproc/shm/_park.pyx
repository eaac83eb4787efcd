"""Layer: shm.  Parking: sleep on a word of shared memory until somebody wakes who sleeps there.

Any number of processes may sleep on a word (at a bell, `_bell.pxd`, it is one).  What they wait for
may be lost with a process that is killed: the owner of a lock, one who has published and not yet
waked, one who was waked in the place of others.  Nobody can tell them then.  So all sleep in naps,
and look for themselves after each; naps are short at first, and a process that has long been
waiting wakes four times in a second.  Thus no order of deaths makes anybody wait for ever, and
protocols need only be right where nobody dies.

Without futexes, or with ``FASTPROC_TRANSPORT=portable``, a nap is a short sleep that nobody ends.
"""
# Safe for free-threaded Python: what is kept changes in a fork only.

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t

from fastproc.shm._atomic cimport atomic_load, pause
from fastproc.shm._bell cimport (
    HAS_FUTEX, futex_requeue, futex_wait, futex_wake_some, may_spin, nap_ns, now_ns,
)

from fastproc import config

cdef enum:
    # Nanoseconds that one looks before it sleeps: about what sleeping and waking costs.
    LOOK_NS = 30_000
    # Nanoseconds of the shortest and the longest nap without futexes.
    SHORT = 50_000
    LONG = 2_000_000

cdef bint has_futex = HAS_FUTEX and config.transport() != "portable"

look_ns = LOOK_NS if config.allowed_cpus() > 1 else 0


cdef Waited park(int32_t* word, int32_t expected, Nap* nap) noexcept nogil:
    cdef int64_t start = now_ns(), length = nap.length
    if nap.deadline != NEVER:
        length = min(length, nap.deadline - start)
        if length <= 0:
            return LATE
    if not has_futex:
        nap_ns(min(max(length // 32, SHORT), LONG, length))
        nap.length = min(2 * nap.length, <int64_t>LONGEST_NAP)
        return OVERSLEPT
    if futex_wait(word, expected, length):
        return INTERRUPTED
    if now_ns() - start < length:
        return WAKED
    nap.length = min(2 * nap.length, <int64_t>LONGEST_NAP)
    return OVERSLEPT


cdef int unpark(int32_t* word, int count) noexcept nogil:
    return futex_wake_some(word, count)


cdef int move_sleeper(int32_t* word, int32_t value, int32_t* other) noexcept nogil:
    return futex_requeue(word, value, other)


cdef int64_t deadline_of(object block, object timeout) except? -1:
    cdef double seconds
    if not block:
        return 0
    if timeout is None:
        return NEVER
    seconds = timeout
    if not seconds > 0:                     # a NaN is no time either
        return 0
    if seconds > 1e9:                       # thirty years
        return NEVER
    return now_ns() + <int64_t>(seconds * 1e9)


cdef bint look(int64_t* word, int64_t seen, int64_t* vain) noexcept:
    cdef int64_t until
    cdef bint changed = False
    # Threads of one object may count at once; one that is not counted costs one look more.
    if look_ns and may_spin(vain[0]):
        with nogil:
            until = now_ns() + look_ns
            while not changed and now_ns() < until:
                for _ in range(16):
                    pause()
                    if atomic_load(word) != seen:
                        changed = True
                        break
    vain[0] = 0 if changed else vain[0] + 1
    return changed


cdef Waited doze(int64_t* word, int64_t seen, Nap* nap) except? LATE:
    cdef Waited waited
    with nogil:
        waited = park(low_half(word), <int32_t>seen, nap)
    if waited == INTERRUPTED:
        PyErr_CheckSignals()
        return WAKED
    return waited
