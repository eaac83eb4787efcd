"""Layer: shm.  Events of processes, which survive the death of whoever sets or waits.

An event is one word of shared memory: how often it has been set or cleared, above a bit that says
that somebody may sleep for it.  It is set while that number is odd.

    set:     2k, ASLEEP or not -> 2k + 1           then wake all if ASLEEP was set
    clear:   2k + 1            -> 2k + 2
    sleep:   2k                -> 2k, ASLEEP       then sleep while the word's lower half is that

Each is one atomic operation, so a process that is killed has either done it or not.  Whoever is
killed after setting and before waking leaves sleepers who see for themselves after their nap
(`_park.pyx`); a killed sleeper leaves ASLEEP, for which the next `set` makes a system call in vain.

ASLEEP stands beside even numbers only: nobody sleeps for an event that is set.

Whoever waits compares the number with what it was when the wait began, rather than ask whether the
event is set now: one that was set and cleared at once has happened, and ends the wait with True.
multiprocessing's returns then as well, with True or False as its lock is won.  The number has 63
bits; only a sleeper's half of the word could come to be the same again, while it falls asleep and
for one nap.

The order of memory: whoever sees an event set acquires what was written before it was.
"""
# Safe for free-threaded Python: the word is atomic, and nothing else changes.


from libc.stdint cimport int64_t

from fastproc.shm._atomic cimport atomic_compare_exchange, atomic_load
from fastproc.shm._park cimport (
    EVERYBODY, FIRST_NAP, LATE, Nap, deadline_of, doze, look, low_half, unpark,
)
from fastproc.shm._placed cimport check_made
from fastproc.shm._root cimport Root

from fastproc.shm import block as blocks

cdef enum:
    # The bits of the word.
    ASLEEP = 1
    CHANGE = 2                              # one change; the lowest bit of their number


cdef class Event(Placed):
    """A flag that processes and threads wait for, as ``multiprocessing.Event`` is.

    Nothing that is killed makes the others wait for ever.  It travels as a `Lock` does.

    Examples
    --------
    >>> event = Event()
    >>> event.wait(timeout=0.01)
    False
    >>> event.set()
    >>> event.wait()
    True
    """

    def __init__(self, *, ctx=None):
        self._lie_over(blocks.allocate(8))

    def _lie_over(self, block):
        cdef Root root = block.root
        self._block = block
        self._word = <int64_t*>root.at(block.offset, 8)

    def is_set(self):
        """Tell whether the event is set."""
        check_made(self)
        return atomic_load(self._word) & CHANGE != 0

    def set(self):
        """Set the event and wake all who wait for it."""
        cdef int64_t was
        check_made(self)
        was = atomic_load(self._word)
        while not was & CHANGE:
            if atomic_compare_exchange(self._word, was, (was & ~ASLEEP) + CHANGE):
                if was & ASLEEP:
                    unpark(low_half(self._word), EVERYBODY)
                return
            was = atomic_load(self._word)

    def clear(self):
        """Clear the event: who waits from now on waits for the next `set`."""
        cdef int64_t was
        check_made(self)
        was = atomic_load(self._word)
        while was & CHANGE:
            if atomic_compare_exchange(self._word, was, was + CHANGE):
                return
            was = atomic_load(self._word)

    def wait(self, timeout=None):
        """Wait until the event is set; return whether it has been.

        Parameters
        ----------
        timeout : float, optional
            How long at most, in seconds; for ever if None.
        """
        cdef int64_t now
        check_made(self)
        now = atomic_load(self._word)
        if now & CHANGE:
            return True
        return self._wait(now, deadline_of(True, timeout))

    cdef bint _wait(self, int64_t now, int64_t deadline) except -1:
        cdef int64_t began = now & ~ASLEEP
        cdef Nap nap
        nap.length, nap.deadline = FIRST_NAP, deadline
        if deadline:
            look(self._word, now, &self._vain)
        while True:
            now = atomic_load(self._word)
            if now & ~ASLEEP != began:
                return True
            if not now & ASLEEP:
                if not atomic_compare_exchange(self._word, now, now | ASLEEP):
                    continue
                now |= ASLEEP
            if doze(self._word, now, &nap) == LATE:
                return False

    def __repr__(self):
        return f"<{type(self).__name__} at {id(self):#x} {'set' if self.is_set() else 'unset'}>"
