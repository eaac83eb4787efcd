"""Layer: shm.  Bells: how one who waits for another process goes to sleep and is waked.

A bell is one word of shared memory, at which at most one process sleeps:

    AWAKE    nobody sleeps, so that ringing costs a fence and a load
    FUTEX    one sleeps on the word itself
    PIPE     one sleeps on a pipe, where whoever rings writes a byte

The sleeper says that it sleeps, then looks once more for what it waits for, then sleeps.  Who
rings publishes first and looks for a sleeper second:

    sleeper:  word = FUTEX;  fence;  look again;  sleep while word == FUTEX
    ringer:   publish;       fence;  if word != AWAKE: word = AWAKE, wake

Each side stores before it loads what the other stores.  Without the fences either processor may
let its load overtake its store, and both may miss; with them at least one sees the other: the
sleeper finds what was published, or the ringer finds the sleeper.

A ringer that is killed between its two steps has published and waked nobody.  So whoever is told
of a death rings in the dead one's place.  A sleeper that is killed leaves the word set, and the
next ringer wakes nobody, which costs a system call.
"""

from libc.stdint cimport int32_t, int64_t

from fastproc.shm._atomic cimport (
    atomic_exchange_word, atomic_fence, atomic_load_word, atomic_store_word,
)

cdef extern from "_futex.h" nogil:
    bint HAS_FUTEX "FASTPROC_HAS_FUTEX"
    bint futex_wait "fastproc_futex_wait"(
        int32_t* word, int32_t expected, int64_t timeout_ns) noexcept
    int futex_wake_some "fastproc_futex_wake_some"(int32_t* word, int count) noexcept
    int futex_requeue "fastproc_futex_requeue"(
        int32_t* word, int32_t value, int32_t* other) noexcept
    bint nap_ns "fastproc_nap"(int64_t nanoseconds) noexcept
    int64_t now_ns "fastproc_now_ns"() noexcept

cdef enum:
    AWAKE = 0
    FUTEX = 1
    PIPE = 2


cdef inline bint may_spin(int64_t vain) noexcept nogil:
    """Tell whether to look for a while, after so many looks in vain, before going to sleep.

    Where the other side has no core to answer on, or much to do, looking only takes time from it: a
    round trip beside another busy process took 117 us, and takes 6 to 15.  A look now and then
    finds out when that has changed.
    """
    return vain < 4 or vain % 16 == 0


cdef inline int32_t ring_bell(int32_t* bell) noexcept nogil:
    """Wake who sleeps at `bell`, after publishing; return PIPE if a byte must be written yet."""
    cdef int32_t state
    atomic_fence()
    if atomic_load_word(bell) == AWAKE:
        return AWAKE
    state = atomic_exchange_word(bell, AWAKE)
    if state == FUTEX:
        futex_wake_some(bell, 1)
    return state


cdef inline void lie_down(int32_t* bell, int32_t state) noexcept nogil:
    """Say that one sleeps; the caller must look again for what it waits for before it does."""
    atomic_store_word(bell, state)
    atomic_fence()
