"""Layer: shm.  Conditions of processes, whose notifications survive those whom they are for.

A condition is a lock, and places in shared memory for those who wait: who it is, and a number with
a state beside it.

    IDLE        nobody's, or that of one who comes or goes
    LOOKING     waits, the number being its ticket; tickets are given in order
    SLEEPING    the same, and may sleep on the word
    TOLD        was notified; the number is the first ticket that was not yet given then

    come:      IDLE -> LOOKING            the identity first: a state never lacks one
    sleep:     LOOKING -> SLEEPING
    notify:    LOOKING or SLEEPING -> TOLD: so many, the oldest first
    go:        any -> IDLE                the identity last

All but "sleep" is done by who has the lock, or else for a process that has died (see below); all by
compare and exchange, so that even those who break that rule break no place.  Each is one
operation: who is killed has either done it or not, and its lock goes to the next as any lock does.

Waking a sleeper while one has the lock would make it fall asleep again, on the lock.  So `notify`
makes it sleep there at once (the system can move sleepers), and the release of the lock wakes it.

Nobody who dies swallows a notification:

- One who was SLEEPING and does not sleep has died, if its process has: `notify` then tells the next
  instead.
- One who is killed after it was told, and before `wait` returned, is found in its place by any who
  still waits, after a nap (`_park.pyx`).  The finder makes the place its own, so that another
  finder passes the same notification on only if this one is killed too; tells the oldest of those
  who waited when it was given, which its number says; and clears the place.
- One who goes because of an exception tells another in its place.
- One who is killed after it has notified, and before it releases the lock, has moved those whom it
  told to its lock.  There they find it dead after a nap, as any who waits for a lock does.

There are PLACES of them.  Who finds none free waits in the *crowd*: in one word, which tells how
often the crowd has been notified, above a bit that says that there may be a crowd.  It is notified
when fewer than `notify` should tell have places, and as a whole: to tell some and not others of
them would need places.  So where more than PLACES threads wait, `notify(n)` may end the waits of
more than n, but never of fewer.
"""
# Safe for free-threaded Python: the words are atomic; `_lock` never changes.

import sys
import time

from libc.stdint cimport int32_t, int64_t

from fastproc.shm._atomic cimport (
    atomic_compare_exchange, atomic_fetch_add, atomic_load, atomic_store,
)
from fastproc.shm._lock cimport RLock, _Holdable, will_wake
from fastproc.shm._park cimport (
    EVERYBODY, FIRST_NAP, LATE, OVERSLEPT, Nap, Waited, deadline_of, doze, look, low_half,
    move_sleeper, unpark,
)
from fastproc.shm._placed cimport check_made
from fastproc.shm._process cimport has_ended, this_process
from fastproc.shm._root cimport Root

from fastproc.shm import block as blocks

cdef enum:
    TICKETS = 0                             # given so far
    CROWD
    USED                                    # places that have ever been used: the first so many
    FIRST = 8                               # where the places begin
    # The whole makes a page of memory.
    PLACES = 252
    STATE = 1                               # where in a place; the identity is at 0
    NBYTES = 8 * (FIRST + 2 * PLACES)

cdef enum:
    IDLE = 0
    LOOKING
    SLEEPING
    TOLD
    KIND = 3                                # the bits of these; the number is above
    NUMBER_SHIFT = 2

cdef enum:
    # The crowd's word.
    GATHERED = 1
    ONE_NOTIFICATION = 2


cdef inline bint is_waiting(int64_t state) noexcept nogil:
    return state & KIND == LOOKING or state & KIND == SLEEPING


cdef inline void clear_place(int64_t* place, int64_t owner) noexcept nogil:
    atomic_store(place + STATE, IDLE)
    atomic_compare_exchange(place, owner, 0)


cdef class Condition(Placed):
    """A lock and a way to wait for what others do under it, as ``multiprocessing.Condition`` is.

    A process that is killed while it waits swallows no notification.  It travels as a `Lock` does,
    and its lock with it.

    Parameters
    ----------
    lock : Lock or RLock, optional
        The lock, which others may use as well; a new RLock by default.

    Raises
    ------
    TypeError
        If `lock` is another thing.

    Examples
    --------
    >>> condition = Condition()
    >>> with condition:
    ...     condition.notify()
    ...     condition.wait(timeout=0.01)
    False
    """

    def __init__(self, lock=None, *, ctx=None):
        if lock is None:
            lock = RLock()
        elif not isinstance(lock, _Holdable):
            raise TypeError(
                "a condition needs a fastproc Lock or RLock, which can be waited for in every "
                f"process; this is a {type(lock).__module__}.{type(lock).__qualname__}")
        self._lie_over(blocks.allocate(NBYTES), lock)

    def _lie_over(self, block, _Holdable lock not None):
        cdef Root root = block.root
        self._block, self._lock = block, lock
        self._words = <int64_t*>root.at(block.offset, NBYTES)

    # ---- waiting

    cdef int64_t* _register(self) noexcept:
        """Return a place for the caller, or NULL if there is none."""
        cdef int64_t* words = self._words
        cdef int64_t* place
        cdef int64_t owner, state
        cdef Py_ssize_t i
        cdef bint is_full
        for is_full in range(2):
            for i in range(PLACES):
                place = words + FIRST + 2 * i
                owner = atomic_load(place)
                if owner:
                    # Asking after so many takes a while, so this comes second.  What a dead one
                    # was told is left to be passed on.
                    state = atomic_load(place + STATE)
                    if not is_full or state & KIND == TOLD or not has_ended(owner):
                        continue
                    if not atomic_compare_exchange(place + STATE, state, IDLE):
                        continue
                if not atomic_compare_exchange(place, owner, this_process):
                    continue
                if words[USED] <= i:
                    atomic_store(words + USED, i + 1)
                atomic_store(
                    place + STATE,
                    atomic_fetch_add(words + TICKETS, 1) << NUMBER_SHIFT | LOOKING)
                return place
        return NULL

    cdef bint _leave(self, int64_t* place, bint is_whole) noexcept:
        """Leave a place; return whether the caller was told, and tell another unless `is_whole`."""
        cdef int64_t state
        while True:
            state = atomic_load(place + STATE)
            if state & KIND == TOLD:
                if not is_whole:
                    self._notify(1, state >> NUMBER_SHIFT, True)
                break
            if atomic_compare_exchange(place + STATE, state, IDLE):
                break
        clear_place(place, this_process)
        return state & KIND == TOLD

    cdef bint _wait(self, int64_t deadline) except -1:
        cdef int64_t* place = self._register()
        cdef int64_t state, times
        cdef bint has_slept = True, is_whole = False, was_told
        if place == NULL:
            return self._wait_in_crowd(deadline)
        state = atomic_load(place + STATE) & ~KIND
        times = self._lock._let_go()
        try:
            try:
                has_slept = self._sleep(
                    place + STATE, state | LOOKING, state | SLEEPING, deadline)
            finally:
                self._lock._take_again(times, has_slept)
            is_whole = True
        finally:
            was_told = self._leave(place, is_whole)
        return was_told

    cdef bint _wait_in_crowd(self, int64_t deadline) except -1:
        cdef int64_t* crowd = self._words + CROWD
        cdef int64_t times, state = atomic_load(crowd)
        while not atomic_compare_exchange(crowd, state, state | GATHERED):
            state = atomic_load(crowd)
        state |= GATHERED
        times = self._lock._let_go()
        try:
            self._sleep(crowd, state, state, deadline)
        finally:
            self._lock._take_again(times, False)
        return atomic_load(crowd) != state

    cdef bint _sleep(
        self, int64_t* word, int64_t looking, int64_t sleeping, int64_t deadline
    ) except -1:
        """Wait until a word is neither the one nor the other, or the deadline has come.

        Returns whether the word has been `sleeping`.
        """
        cdef Nap nap
        cdef Waited waited
        nap.length, nap.deadline = FIRST_NAP, deadline
        if deadline and look(word, looking, &self._vain):
            return False
        if not atomic_compare_exchange(word, looking, sleeping):
            return False
        while atomic_load(word) == sleeping:
            waited = doze(word, sleeping, &nap)
            if waited == LATE:
                break
            if waited == OVERSLEPT:
                self._pass_on()
        return True

    # ---- notifying

    cdef int64_t* _oldest(self, int64_t before, int64_t* oldest_state) noexcept:
        """Return the place of who has waited longest of those with tickets below `before`.

        Its state is what was seen there.
        """
        cdef int64_t* place
        cdef int64_t* oldest = NULL
        cdef int64_t state
        cdef Py_ssize_t i
        for i in range(atomic_load(self._words + USED)):
            place = self._words + FIRST + 2 * i
            state = atomic_load(place + STATE)
            if is_waiting(state) and state >> NUMBER_SHIFT < before:
                before, oldest = state >> NUMBER_SHIFT, place
                oldest_state[0] = state
        return oldest

    cdef bint _tell(
        self, int64_t* place, int64_t state, int64_t told, bint has_lock
    ) noexcept:
        """Notify one whose state is known; return whether it is alive."""
        cdef int64_t owner = atomic_load(place)
        cdef int32_t* word = low_half(place + STATE)
        cdef int sleepers
        # No state comes twice, as no ticket does: if it is still there, it was all the time, and
        # the owner is who is told.  Else a place might have gone to who came later, as one passes
        # on without the lock.
        if not atomic_compare_exchange(place + STATE, state, told):
            return False                    # told by another, or gone; or it falls asleep now
        if state & KIND == LOOKING:
            return True                     # or died a moment ago, and is found by others
        if has_lock and will_wake(self._lock._word):
            sleepers = move_sleeper(word, <int32_t>told, low_half(self._lock._word))
        else:
            sleepers = unpark(word, 1)
        if sleepers or not has_ended(owner):
            return True
        if atomic_compare_exchange(place + STATE, told, IDLE):
            atomic_compare_exchange(place, owner, 0)
            return False
        return True                         # who found it dead has passed it on

    cdef int64_t _notify(self, int64_t n, int64_t before, bint has_lock) noexcept:
        """Notify n who have places, and tickets below `before`; return how many there were not."""
        cdef int64_t* place
        cdef int64_t state = IDLE
        while n > 0:
            place = self._oldest(before, &state)
            if place == NULL:
                break
            n -= self._tell(place, state, before << NUMBER_SHIFT | TOLD, has_lock)
        return n

    cdef void _pass_on(self) noexcept:
        """Pass on what was told to those who were killed before they could go on."""
        cdef int64_t* place
        cdef int64_t owner, state
        cdef Py_ssize_t i
        for i in range(atomic_load(self._words + USED)):
            place = self._words + FIRST + 2 * i
            # The identity comes first: if it is still there in the end, the state was its.
            owner = atomic_load(place)
            state = atomic_load(place + STATE)
            if (
                owner and state & KIND == TOLD and has_ended(owner)
                and atomic_compare_exchange(place, owner, this_process)
            ):
                self._notify(1, state >> NUMBER_SHIFT, False)
                clear_place(place, this_process)

    # ---- multiprocessing's methods

    def acquire(self, block=True, timeout=None):
        """Take the lock, as its own method does."""
        check_made(self)
        return self._lock.acquire(block, timeout)

    def release(self):
        """Release the lock, as its own method does."""
        check_made(self)
        self._lock.release()

    def wait(self, timeout=None):
        """Release the lock, wait until notified, and take the lock again, however the wait ends.

        Parameters
        ----------
        timeout : float, optional
            How long at most, in seconds, before taking the lock; for ever if None.

        Returns
        -------
        bool
            Whether there was a notification.

        Raises
        ------
        AssertionError
            If the caller does not have the lock.
        """
        check_made(self)
        if not self._lock._is_mine():
            raise AssertionError("must acquire() condition before using wait()")
        return self._wait(deadline_of(True, timeout))

    def wait_for(self, predicate, timeout=None):
        """Wait until a function returns what is true; return its last result.

        Parameters
        ----------
        predicate : callable
            Called without arguments, with the lock held, at first and after each notification.
        timeout : float, optional
            How long at most, in seconds; for ever if None.
        """
        check_made(self)
        end = None if timeout is None else time.monotonic() + timeout
        result = predicate()
        while not result:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:      # which no NaN is, so that `wait` refuses it
                break
            self.wait(left)
            result = predicate()
        return result

    def notify(self, Py_ssize_t n=1):
        """Notify those who wait, who go on when they get the lock.

        Parameters
        ----------
        n : int, default 1
            How many at most; who has waited longest comes first.

        Raises
        ------
        AssertionError
            If the caller does not have the lock.
        """
        cdef int64_t* crowd = self._words + CROWD
        cdef int64_t state
        check_made(self)
        if not self._lock._is_mine():
            raise AssertionError("lock is not owned")
        if self._notify(n, atomic_load(self._words + TICKETS), True) <= 0:
            return
        state = atomic_load(crowd)
        if state & GATHERED:
            atomic_store(crowd, (state & ~GATHERED) + ONE_NOTIFICATION)
            unpark(low_half(crowd), EVERYBODY)

    def notify_all(self):
        """Notify all who wait; see `notify`."""
        self.notify(sys.maxsize)

    def __enter__(self):
        check_made(self)
        return self._lock.__enter__()

    def __exit__(self, kind, error, traceback):
        check_made(self)
        return self._lock.__exit__(kind, error, traceback)

    def __repr__(self):
        cdef Py_ssize_t i
        check_made(self)
        waiters = sum(
            [is_waiting(atomic_load(self._words + FIRST + 2 * i + STATE)) for i in range(PLACES)])
        return f"<{type(self).__name__}({self._lock!r}, {waiters})>"

    def _state(self):
        return self._lock,
