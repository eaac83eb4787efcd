"""Layer: shm.  The face of `_lock.pyx` for other Cython modules, and the quick half of a lock."""

from libc.stdint cimport int64_t

from fastproc.shm._atomic cimport atomic_compare_exchange, atomic_exchange, atomic_load
from fastproc.shm._park cimport Waited
from fastproc.shm._placed cimport Placed
from fastproc.shm._process cimport this_process

cdef extern from *:
    """
    #define FASTPROC_CONTENDED ((int64_t)1 << 31)
    """
    # The bit of a lock's word, above the owner's number, that says that somebody may sleep for it.
    const int64_t CONTENDED "FASTPROC_CONTENDED"


# Waits for a lock.  Sets `dead` to the identity of its owner if that has died, else to 0.
cdef Waited wait_for_lock(
    int64_t* word, int64_t deadline, int64_t look, int64_t* dead) noexcept nogil
# Wakes one who waits for a lock.
cdef void wake_next(int64_t* word) noexcept nogil
# Waits for a lock that is not free, whatever signals come; returns as `take_lock` does.
cdef int64_t wait_for_moment(int64_t* word) noexcept nogil
# Warns that a process has died while it had something, and says what has become of that.
cdef int warn_of_death(int64_t dead, str what, str since) except -1


cdef inline bint try_lock(int64_t* word) noexcept nogil:
    """Take a lock if it is free."""
    return atomic_compare_exchange(word, 0, this_process)


cdef inline int64_t take_lock(int64_t* word) noexcept nogil:
    """Take a lock that others have for moments only; return its owner if that has died, else 0.

    The caller does not have the GIL, and does not ask for it before it has released the lock: to
    get it may take any time, for which all processes would wait that want the lock.
    """
    return 0 if try_lock(word) else wait_for_moment(word)


cdef inline bint unlock(int64_t* word) noexcept nogil:
    """Release a lock, whoever has it; return whether anybody had."""
    cdef int64_t was = atomic_exchange(word, 0)
    if was & CONTENDED:
        wake_next(word)
    return was != 0


cdef inline bint will_wake(int64_t* word) noexcept nogil:
    """See to it that the release of a lock wakes one, if this process has the lock."""
    cdef int64_t was = atomic_load(word)
    return was & ~CONTENDED == this_process and (
        was & CONTENDED != 0 or atomic_compare_exchange(word, was, was | CONTENDED))


cdef class _Holdable(Placed):
    """A word that somebody has, and what a condition needs of that; an RLock has more to see to."""
    cdef int64_t* _word
    cdef int64_t _vain                      # looks, one after another, that saw nothing
    # Whether the caller has it, as far as can be known.
    cdef bint _is_mine(self) noexcept
    # Releases it altogether; returns how often it had been acquired.
    cdef int64_t _let_go(self) noexcept
    # Takes it so often again; has it also if it raises: a warning, or what handlers of signals
    # raised meanwhile.  One who `has_slept` may have done so on the word, to which `move_sleeper`
    # brings others as well.
    cdef int _take_again(self, int64_t times, bint has_slept) except -1


cdef class Lock(_Holdable):
    cdef bint _acquire(self, int64_t deadline) except -1


cdef class RLock(_Holdable):
    cdef int64_t* _holder                   # the process that has set what follows
    cdef int64_t* _thread                   # which of its threads, as Python numbers them
    cdef int64_t* _count                    # times that this has acquired the lock
    cdef void _mark(self, int64_t times) noexcept
    cdef bint _acquire(self, int64_t deadline) except -1
    cdef int _release(self) except -1
