"""Layer: shm.  Barriers of processes, which break when one who waits is killed.

A barrier is a room for so many parties, in words of shared memory: LOCK, under which the others
change (`_lock.pyx`); STATE; and for each party a place with the identity of who is there, or 0.

    FILLING     parties come, and wait for the others
    ACTING      all are there, and the last one to come carries out the action
    DRAINING    they may go; nobody comes before all have gone
    RESETTING   the same, but they have not met
    BROKEN      the same, and nobody comes before a reset

    FILLING -> ACTING -> DRAINING -> FILLING    as it should be, ACTING if there is an action
    FILLING or ACTING -> BROKEN                 `abort`, a timeout, an error of the action, a death
    any -> RESETTING, or FILLING                `reset`, as there is anybody in the room or nobody
    RESETTING -> FILLING                        all have gone

So whoever is in the room sees what has become of it: the state cannot come to be FILLING again, and
another meeting begin, before it has left.  The word STATE holds, above the kind of state and a bit
that says that somebody may sleep for it, how often it has changed: no sleeper can take a later
state for the one that it fell asleep in.

Each step is one store, and between any two the dead can be told from their places.  *Settling* puts
right what they left: it clears their places; breaks the barrier if they had been waited for, which
is FILLING and ACTING; and lets the next come if they were the last in a room that empties.  It is
done by whoever inherits LOCK, by who resets, and by who has found a dead one after a nap
(`_park.pyx`).  To find it, each looks after the next one in the room only, who is not of the same
process: of all who are alive one then looks at a dead one, and many parties don't ask after many
every time that they wake.

Nobody asks after the dead while all come in time: who was killed in the room before its death was
noticed has come, and counts for that meeting.

One who leaves because of an interrupt, while the room fills, frees its place and breaks nothing, as
in threading.
"""
# Safe for free-threaded Python: the words change under LOCK, or in one operation (the bit for
# sleepers); a Barrier's own attributes never do.

import threading
from multiprocessing.reduction import ForkingPickler
from threading import BrokenBarrierError

from libc.stdint cimport int64_t

from fastproc.shm._atomic cimport (
    atomic_compare_exchange, atomic_exchange, atomic_load, atomic_store,
)
from fastproc.shm._lock cimport take_lock, unlock
from fastproc.shm._park cimport (
    EVERYBODY, FIRST_NAP, LATE, NEVER, OVERSLEPT, WAKED, Nap, Waited, deadline_of, doze, look,
    low_half, unpark,
)
from fastproc.shm._process cimport has_ended, this_process
from fastproc.shm._root cimport Root

from fastproc.shm import block as blocks

cdef enum:
    LOCK = 0
    STATE
    PARTIES
    PLACES = 8                              # where they begin

cdef enum:
    # The bits of the word STATE: somebody may sleep; the kinds; one change.
    ASLEEP = 1
    FILLING = 0
    ACTING = 2
    DRAINING = 4
    RESETTING = 6
    BROKEN = 8
    KIND = 14
    CHANGE = 16


cdef class _Room(Placed):
    def __init__(self, Py_ssize_t parties):
        if parties < 1:
            raise ValueError("parties must be >= 1")
        if parties > 0x7FFFFFFF:            # more than there can be processes
            raise ValueError("parties must be < 2147483648")
        self._lie_over(blocks.allocate(8 * (PLACES + parties)))
        self._words[PARTIES] = parties

    def _lie_over(self, block):
        cdef Root root = block.root
        self._block = block
        self._words = <int64_t*>root.at(block.offset, block.nbytes)

    # ---- under LOCK

    cdef bint _enter(self) noexcept:
        """Take LOCK; return whether sleepers must be waked at its release."""
        return take_lock(self._words + LOCK) != 0 and self._settle()

    cdef void _exit(self, bint must_wake) noexcept:
        unlock(self._words + LOCK)
        if must_wake:
            unpark(low_half(self._words + STATE), EVERYBODY)

    cdef bint _change(self, int64_t kind) noexcept:
        """Change the state; return whether anybody may sleep."""
        cdef int64_t* state = self._words + STATE
        cdef int64_t changed = (atomic_load(state) & ~(KIND | ASLEEP)) + CHANGE
        # In one operation, since sleepers set their bit without LOCK.
        return atomic_exchange(state, changed | kind) & ASLEEP

    cdef int64_t _present(self) noexcept:
        """Return how many places are taken."""
        cdef int64_t i, n = 0
        for i in range(self._words[PARTIES]):
            n += atomic_load(self._words + PLACES + i) != 0
        return n

    cdef bint _settle(self) noexcept:
        """Put right what the dead have left; return as `_change`."""
        cdef int64_t* place
        cdef int64_t i, kind = self._words[STATE] & KIND
        cdef bint has_lost = False
        for i in range(self._words[PARTIES]):
            place = self._words + PLACES + i
            if place[0] and has_ended(place[0]):
                # First the state: if this process is killed in between, the place still tells.
                if not has_lost and (kind == FILLING or kind == ACTING):
                    has_lost = True
                    kind = BROKEN
                    self._change(BROKEN)
                atomic_store(place, 0)
        if (kind == DRAINING or kind == RESETTING) and self._present() == 0:
            self._change(FILLING)
        return True

    cdef void _look_after(self, int64_t place) noexcept:
        """Settle if the next one in the room who is of another process has died; without LOCK."""
        cdef int64_t i, owner, parties = self._words[PARTIES]
        for i in range(1, parties + 1):
            owner = atomic_load(self._words + PLACES + (place + i) % parties)
            if owner and owner != this_process:
                if has_ended(owner):
                    self._enter()
                    self._exit(self._settle())
                return

    cdef Waited _nap(self, int64_t state, int64_t place, Nap* nap) except *:
        """Sleep while the state is what was seen, for one nap at most."""
        cdef Waited waited
        if not state & ASLEEP:
            if not atomic_compare_exchange(self._words + STATE, state, state | ASLEEP):
                return WAKED
            state |= ASLEEP
        waited = doze(self._words + STATE, state, nap)
        if waited == OVERSLEPT:
            self._look_after(place)
        return waited

    # ---- what a party does

    cdef int64_t _come(self, bint will_act, bint* is_last) except -1:
        """Wait until one may come; return which place one has then."""
        cdef int64_t* places = self._words + PLACES
        cdef int64_t state, place, parties = self._words[PARTIES]
        cdef bint must_wake
        cdef Nap nap
        nap.length = FIRST_NAP
        nap.deadline = NEVER
        while True:
            must_wake = self._enter()
            state = atomic_load(self._words + STATE)
            if state & KIND == FILLING:
                break                       # with LOCK
            self._exit(must_wake)
            if state & KIND == BROKEN:
                raise BrokenBarrierError
            self._nap(state, -1, &nap)
        place = 0
        while places[place]:                # while it fills there is one
            place += 1
        atomic_store(places + place, this_process)
        is_last[0] = self._present() == parties
        if is_last[0]:
            must_wake |= self._change(ACTING if will_act else DRAINING)
        self._exit(must_wake)
        return place

    cdef bint _await(self, int64_t place, int64_t deadline) except -1:
        """Wait for the others; return whether all have met."""
        cdef int64_t* word = self._words + STATE
        cdef int64_t state = atomic_load(word)
        cdef bint must_wake
        cdef Nap nap
        nap.length, nap.deadline = FIRST_NAP, deadline
        if deadline and state & KIND == FILLING:
            look(word, state, &self._vain)
        while True:
            state = atomic_load(word)
            if state & KIND == DRAINING:
                return True
            if state & KIND != FILLING and state & KIND != ACTING:
                return False
            if self._nap(state, place, &nap) == LATE:
                must_wake = self._enter()
                if atomic_load(word) & KIND == FILLING:
                    must_wake |= self._change(BROKEN)
                self._exit(must_wake)
                nap.deadline = NEVER        # an action may take longer, as in threading

    cdef void _leave(self, int64_t place) noexcept:
        cdef bint must_wake = self._enter()
        cdef int64_t kind = atomic_load(self._words + STATE) & KIND
        atomic_store(self._words + PLACES + place, 0)
        if (kind == DRAINING or kind == RESETTING) and self._present() == 0:
            must_wake |= self._change(FILLING)
        self._exit(must_wake)

    cdef bint _end_action(self, int64_t kind) noexcept:
        """Change from ACTING, unless somebody has changed the state meanwhile; return whether."""
        cdef bint must_wake = self._enter()
        cdef bint is_acting = atomic_load(self._words + STATE) & KIND == ACTING
        if is_acting:
            must_wake |= self._change(kind)
        self._exit(must_wake)
        return is_acting

    cdef void _reset(self) noexcept:
        self._enter()
        # Those who only drain have met, and are not to be told otherwise; the dead have gone.
        self._settle()
        if self._present() == 0:
            self._change(FILLING)
        elif atomic_load(self._words + STATE) & KIND != DRAINING:
            self._change(RESETTING)
        self._exit(True)

    cdef void _abort(self) noexcept:
        self._enter()
        self._change(BROKEN)
        self._exit(True)


class Barrier(threading.Barrier):
    """A place where processes and threads wait for one another, as ``multiprocessing.Barrier`` is.

    If a process is killed while it waits there, the barrier breaks: the others get a
    BrokenBarrierError rather than wait for ever.  It travels as a `Lock` does.

    Parameters
    ----------
    parties : int
        How many must wait until all may go on.
    action : callable, optional
        Called without arguments by one of them, when all are there and before they go on.  If it
        raises, the barrier breaks.
    timeout : float, optional
        The default of `wait`'s.

    Raises
    ------
    ValueError
        If `parties` is less than 1.

    Examples
    --------
    >>> barrier = Barrier(1, action=lambda: print("all are there"))
    >>> barrier.wait()
    all are there
    0
    """

    def __init__(self, parties, action=None, timeout=None, *, ctx=None):
        self._lie_over(_Room(parties), parties, action, timeout)

    def _lie_over(self, room, parties, action, timeout):
        self._room, self._parties, self._action, self._timeout = room, parties, action, timeout

    @classmethod
    def _over(cls, block, parties, action, timeout):
        barrier = cls.__new__(cls)
        barrier._lie_over(_Room._over(block), parties, action, timeout)
        return barrier

    def wait(self, timeout=None):
        """Wait until all parties do.

        Parameters
        ----------
        timeout : float, optional
            How long at most, in seconds, before the barrier breaks; the barrier's own by default.

        Returns
        -------
        int
            Another number for each party, from 0 on.

        Raises
        ------
        threading.BrokenBarrierError
            If the barrier is broken, or is broken or reset while this waits.
        """
        cdef _Room room = self._room
        cdef int64_t deadline = deadline_of(True, self._timeout if timeout is None else timeout)
        cdef bint is_last = False
        cdef bint will_act = bool(self._action)
        cdef int64_t place = room._come(will_act, &is_last)
        try:
            if not is_last:
                have_met = room._await(place, deadline)
            elif will_act:
                try:
                    self._action()
                except BaseException:
                    room._end_action(BROKEN)
                    raise
                have_met = room._end_action(DRAINING)
            else:
                have_met = True
        finally:
            room._leave(place)
        if not have_met:
            raise BrokenBarrierError
        return place

    def reset(self):
        """Let the barrier be as at first; who waits there gets a BrokenBarrierError."""
        cdef _Room room = self._room
        room._reset()

    def abort(self):
        """Break the barrier: who waits there, or will before a reset, gets a BrokenBarrierError."""
        cdef _Room room = self._room
        room._abort()

    @property
    def n_waiting(self):
        """How many wait until all are there."""
        cdef _Room room = self._room
        cdef int64_t kind = atomic_load(room._words + STATE) & KIND
        return room._present() if kind == FILLING or kind == ACTING else 0

    @property
    def broken(self):
        """Whether the barrier is broken."""
        cdef _Room room = self._room
        return atomic_load(room._words + STATE) & KIND == BROKEN

    def _reduce_to_handle(self):
        return blocks.reduce(
            self, self._room._block, self._parties, self._action, self._timeout)

    def __reduce__(self):
        blocks.refuse_to_pickle(self)


ForkingPickler.register(Barrier, Barrier._reduce_to_handle)
