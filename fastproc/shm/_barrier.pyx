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

Nobody waits for the GIL with LOCK.  Who finds LOCK free takes it with the GIL, which it keeps; who
has to wait for it gives up the GIL first, and asks for it again when the step is done.
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
from fastproc.shm._lock cimport take_lock, try_lock, unlock
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

    cdef int64_t _do(self, Step step, int64_t argument) noexcept:
        """Take a step with LOCK; return what it returns."""
        cdef int64_t told
        if try_lock(self._words + LOCK):
            return self._do_with_lock(step, argument, False)
        with nogil:
            told = self._do_with_lock(
                step, argument, take_lock(self._words + LOCK) != 0 and self._settle())
        return told

    cdef int64_t _do_with_lock(self, Step step, int64_t argument, bint must_wake) noexcept nogil:
        cdef int64_t told = step(self, argument, &must_wake)
        unlock(self._words + LOCK)
        if must_wake:
            unpark(low_half(self._words + STATE), EVERYBODY)
        return told

    # ---- with LOCK

    cdef bint _change(self, int64_t kind) noexcept nogil:
        """Change the state; return whether anybody may sleep."""
        cdef int64_t* state = self._words + STATE
        cdef int64_t changed = (atomic_load(state) & ~(KIND | ASLEEP)) + CHANGE
        # In one operation, since sleepers set their bit without LOCK.
        return atomic_exchange(state, changed | kind) & ASLEEP

    cdef int64_t _kind(self) noexcept nogil:
        return atomic_load(self._words + STATE) & KIND

    cdef int64_t _present(self) noexcept nogil:
        """Return how many places are taken."""
        cdef int64_t i, n = 0
        for i in range(self._words[PARTIES]):
            n += atomic_load(self._words + PLACES + i) != 0
        return n

    cdef bint _settle(self) noexcept nogil:
        """Put right what the dead have left; return as `_change`."""
        cdef int64_t* place
        cdef int64_t i, kind = self._kind()
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

    # ---- without LOCK

    cdef void _look_after(self, int64_t place) noexcept:
        """Settle if the next one in the room who is of another process has died."""
        cdef int64_t i, owner, parties = self._words[PARTIES]
        for i in range(1, parties + 1):
            owner = atomic_load(self._words + PLACES + (place + i) % parties)
            if owner and owner != this_process:
                if has_ended(owner):
                    self._do(settle, 0)
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
        cdef int64_t state, place
        cdef Nap nap
        nap.length = FIRST_NAP
        nap.deadline = NEVER                # two enumerators at once would be two ints
        while True:
            # With LOCK even if nobody may come: its owner may have died as the last to leave.
            place = self._do(come, ACTING if will_act else DRAINING)
            if place >= 0:
                is_last[0] = place & 1
                return place >> 1
            state = atomic_load(self._words + STATE)
            if state & KIND == BROKEN:
                raise BrokenBarrierError
            if state & KIND != FILLING:
                self._nap(state, -1, &nap)

    cdef bint _await(self, int64_t place, int64_t deadline) except -1:
        """Wait for the others; return whether all have met."""
        cdef int64_t* word = self._words + STATE
        cdef int64_t state = atomic_load(word)
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
                self._do(give_up, 0)
                nap.deadline = NEVER        # an action may take longer, as in threading


# ---- steps

cdef int64_t come(_Room room, int64_t kind_if_last, bint* must_wake) noexcept nogil:
    """Take a place; return twice its number, and 1 if all are there now; -1 if nobody may come."""
    cdef int64_t* places = room._words + PLACES
    cdef int64_t place = 0
    cdef bint is_last
    if room._kind() != FILLING:
        return -1
    while places[place]:                    # while it fills there is one
        place += 1
    atomic_store(places + place, this_process)
    is_last = room._present() == room._words[PARTIES]
    if is_last:
        must_wake[0] |= room._change(kind_if_last)
    return 2 * place + is_last


cdef int64_t give_up(_Room room, int64_t nothing, bint* must_wake) noexcept nogil:
    """Break the barrier unless all are there."""
    if room._kind() == FILLING:
        must_wake[0] |= room._change(BROKEN)
    return 0


cdef int64_t end_action(_Room room, int64_t kind, bint* must_wake) noexcept nogil:
    """Change from ACTING, unless somebody has changed the state meanwhile; return whether."""
    if room._kind() != ACTING:
        return False
    must_wake[0] |= room._change(kind)
    return True


cdef int64_t leave(_Room room, int64_t place, bint* must_wake) noexcept nogil:
    cdef int64_t kind = room._kind()
    atomic_store(room._words + PLACES + place, 0)
    if (kind == DRAINING or kind == RESETTING) and room._present() == 0:
        must_wake[0] |= room._change(FILLING)
    return 0


cdef int64_t settle(_Room room, int64_t nothing, bint* must_wake) noexcept nogil:
    must_wake[0] |= room._settle()
    return 0


cdef int64_t reset(_Room room, int64_t nothing, bint* must_wake) noexcept nogil:
    # Those who only drain have met, and are not to be told otherwise; the dead have gone.
    must_wake[0] |= room._settle()
    if room._present() == 0:
        room._change(FILLING)
    elif room._kind() != DRAINING:
        room._change(RESETTING)
    return 0


cdef int64_t abort(_Room room, int64_t nothing, bint* must_wake) noexcept nogil:
    must_wake[0] |= room._change(BROKEN)
    return 0


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
                    room._do(end_action, BROKEN)
                    raise
                have_met = room._do(end_action, DRAINING)
            else:
                have_met = True
        finally:
            room._do(leave, place)
        if not have_met:
            raise BrokenBarrierError
        return place

    def reset(self):
        """Let the barrier be as at first; who waits there gets a BrokenBarrierError."""
        cdef _Room room = self._room
        room._do(reset, 0)

    def abort(self):
        """Break the barrier: who waits there, or will before a reset, gets a BrokenBarrierError."""
        cdef _Room room = self._room
        room._do(abort, 0)

    @property
    def n_waiting(self):
        """How many wait until all are there."""
        cdef _Room room = self._room
        cdef int64_t kind = room._kind()
        return room._present() if kind == FILLING or kind == ACTING else 0

    @property
    def broken(self):
        """Whether the barrier is broken."""
        cdef _Room room = self._room
        return room._kind() == BROKEN

    def _reduce_to_handle(self):
        return blocks.reduce(
            self, self._room._block, self._parties, self._action, self._timeout)

    def __reduce__(self):
        blocks.refuse_to_pickle(self)


ForkingPickler.register(Barrier, Barrier._reduce_to_handle)
