"""Layer: shm.  Semaphores of processes, whose units survive the death of their holders.

A semaphore lies in words of shared memory:

    LOCK        who changes the others, for moments only; a lock as in `_lock.pyx`
    UNITS       units to be had, and a bit, ASLEEP, that says that somebody may sleep for one
    INITIAL     units at first
    LIMIT       units at most
    LOOSE       whether units have no holders
    OWNERLESS   units that were taken by who is not in the table, or has ended since
    entries     of a table: a process's identity, and how many units it has

While it is not LOOSE, units are neither made nor lost:

    UNITS + OWNERLESS + the entries' counts = INITIAL

Each change of hands is two stores, to UNITS last.  Whoever inherits LOCK from one who was killed
between the two computes UNITS anew from the rest, so that what is held is what the entries say,
and a unit that was on its way is either still held or free again.  So no journal is needed.

The entry of a dead process gives its units back, with a warning, when somebody waits for them.
Four kinds of units have no holder whose death could be told from their use:

- Those of a process that has ended in an orderly way stay taken, as in multiprocessing: at its end
  it makes them OWNERLESS.  (It takes back its count first and adds it there second: if it is killed
  in between, its units are free, as after any other death.)
- Those that a process has of a semaphore that it has dropped stay taken as well if it drops many
  such: it makes the oldest OWNERLESS at once rather than keep their memory until it ends.
- Those of the processes for which the table had no room are OWNERLESS from the beginning.  Entries
  whose count is 0 are given to who comes, so these hold units of one semaphore, more than HOLDERS
  at once, all the others.
- A process that releases what it does not hold uses the semaphore to hand something over or to
  signal, as queues do.  (Unless there are OWNERLESS units: then it releases one of those.)  Who
  holds what has no meaning from then on: the semaphore becomes LOOSE, for ever, and UNITS alone
  counts.  Changes are one store each then.

A sleeper sleeps while the word UNITS is ASLEEP and nothing else.  ASLEEP stays set while units come
and go, since others may still sleep, and is removed under LOCK by a releaser that has found nobody
to wake while there were units to be had: nobody can have fallen asleep after that.  Whoever is
waked and killed before it takes its unit leaves that to the others, who see it after their naps.

Nobody waits for the GIL with LOCK.  Who finds LOCK free takes it with the GIL, which it keeps; who
has to wait for it gives up the GIL first, and asks for it again when the change is made.

The order of memory: who takes a unit acquires, by LOCK, what was written before it was released.
"""
# Safe for free-threaded Python: everything is changed under LOCK, `_entry` too, apart from the
# registers for the end of the process, which are one operation of a set or dictionary each.

import errno
import os
from multiprocessing import util
from weakref import WeakValueDictionary

from libc.stdint cimport int64_t, uintptr_t

from fastproc.shm._atomic cimport atomic_load, atomic_store
from fastproc.shm._lock cimport take_lock, try_lock, unlock, warn_of_death
from fastproc.shm._park cimport (
    FIRST_NAP, LATE, NEVER, OVERSLEPT, Nap, Waited, deadline_of, doze, look, low_half, unpark,
)
from fastproc.shm._placed cimport check_made
from fastproc.shm._process cimport has_ended, this_process
from fastproc.shm._root cimport Root

from fastproc.shm import block as blocks
from fastproc.shm.standard import SemLock

cdef enum:
    LOCK = 0
    UNITS
    INITIAL
    LIMIT
    LOOSE
    OWNERLESS
    ENTRIES = 8                             # the table begins in a cache line of its own
    # More than processes usually hold units of one semaphore; it makes a kilobyte.
    HOLDERS = 60
    COUNT = 1                               # where in an entry; the identity is at 0
    # Blocks that are kept for what this process has of semaphores it has dropped: each may be the
    # last in its arena, which costs a descriptor.
    MOST_LEFT = 64
    NBYTES = 8 * (ENTRIES + 2 * HOLDERS)

cdef extern from *:
    """
    #define FASTPROC_VALUE ((int64_t)0x7FFFFFFF)
    #define FASTPROC_ASLEEP ((int64_t)1 << 31)
    """
    # The parts of the word UNITS.
    const int64_t VALUE "FASTPROC_VALUE"
    const int64_t ASLEEP "FASTPROC_ASLEEP"

SEM_VALUE_MAX = VALUE

# Semaphores of which this process may hold units, by identity; and the blocks of those that were
# dropped while it did, by address.
cdef object _alive = WeakValueDictionary()
cdef dict _left = {}
cdef bint _is_end_known = False


def _begin_as_fork():
    """In a fork: what the parent holds is the parent's."""
    global _alive, _left, _is_end_known
    _alive, _left, _is_end_known = WeakValueDictionary(), {}, False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_as_fork)


def _end():
    """At an orderly end of the process: what it holds stays taken."""
    cdef Semaphore semaphore
    # Threads that outlive this may take units meanwhile, so nothing is iterated that they change.
    for reference in _alive.valuerefs():
        semaphore = reference()
        if semaphore is not None:
            semaphore._disown()
    for block in list(_left.values()):
        semaphore = Semaphore._over(block)
        semaphore._disown()


def _register_end():
    """See to it that an orderly end of this process is known as such."""
    # After the finalizers that users may have, which may release: last of all.
    util.Finalize(None, _end, exitpriority=-1000)


def _register_end_again(end):
    """At the start of a Process, which forgets all finalizers.

    In one of the fork server the main module has been imported before, which may use semaphores.
    """
    if _is_end_known:
        _register_end()


util.register_after_fork(_end, _register_end_again)


cdef class Semaphore(Placed):
    """A number of units that processes and threads take and release, as
    ``multiprocessing.Semaphore`` is, and get back when their holder is killed.

    If a process dies while it has units, who waits for one gets them back and an `OwnerDied`
    warning that names the dead; unless units have ever been released by a process that did not have
    any, which then have no holders.  Semaphores travel as a `Lock` does.

    Parameters
    ----------
    value : int, default 1
        Units at first.

    Raises
    ------
    OSError
        If `value` is negative or greater than ``SEM_VALUE_MAX``.

    Examples
    --------
    >>> semaphore = Semaphore(2)
    >>> with semaphore:
    ...     semaphore.get_value()
    1
    >>> semaphore.release()
    >>> semaphore.get_value()
    3
    """

    def __init__(self, Py_ssize_t value=1, *, ctx=None):
        self._begin(value, VALUE)

    cdef int _begin(self, int64_t initial, int64_t limit) except -1:
        if initial < 0:
            raise OSError(errno.EINVAL, "semaphore initial value must be >= 0")
        if initial > VALUE:
            raise OSError(errno.EINVAL, f"semaphore initial value must be <= {VALUE}")
        self._lie_over(blocks.allocate(NBYTES))
        self._words[UNITS] = self._words[INITIAL] = initial
        self._words[LIMIT] = limit
        return 0

    def _lie_over(self, block):
        cdef Root root = block.root
        self._block = block
        self._words = <int64_t*>root.at(block.offset, NBYTES)
        self._entry, self._enrolled = NULL, 0

    def __del__(self):
        if self._enrolled == this_process and self._is_holder():
            self._leave()

    cdef int _leave(self) except -1:
        """Remember what this process has of a semaphore that is dropped."""
        cdef Semaphore oldest
        _left[<uintptr_t>self._words] = self._block
        if len(_left) > MOST_LEFT:
            for address in list(_left)[:1]:     # in the order of their drops
                block = _left.pop(address, None)
                if block is not None:
                    oldest = Semaphore._over(block)
                    oldest._disown()
        return 0

    cdef int _enrol(self) except -1:
        """Note that this process may have units of this semaphore at its end."""
        global _is_end_known
        if not _is_end_known:
            _register_end()
            _is_end_known = True
        _alive[id(self)] = self
        _left.pop(<uintptr_t>self._words, None)
        self._enrolled = this_process
        return 0

    # ---- without the GIL, or LOCK taken at once

    cdef void _enter(self) noexcept nogil:
        """Take LOCK; the caller does not have the GIL."""
        if take_lock(self._words + LOCK):
            self._repair()

    cdef void _repair(self) noexcept nogil:
        """Make UNITS what one who died with LOCK has left of them."""
        cdef int64_t* words = self._words
        cdef int64_t held = words[OWNERLESS]
        cdef Py_ssize_t i
        if words[LOOSE]:
            return
        for i in range(HOLDERS):
            held += words[ENTRIES + 2 * i + COUNT]
        atomic_store(words + UNITS, words[INITIAL] - held | ASLEEP)

    cdef int64_t* _own_entry(self, bint make) noexcept nogil:
        """Return this process's entry, or NULL if it has none and gets none."""
        cdef int64_t* entry = self._entry
        cdef int64_t* free = NULL
        cdef Py_ssize_t i
        if entry != NULL and entry[0] == this_process:
            return entry
        for i in range(HOLDERS):
            entry = self._words + ENTRIES + 2 * i
            if entry[0] == this_process:
                self._entry = entry
                return entry
            if free == NULL and entry[COUNT] == 0:
                free = entry
        if not make or free == NULL:
            return NULL
        atomic_store(free, this_process)
        self._entry = free
        return free

    cdef bint _take_and_exit(self, bint will_sleep, int64_t* seen) noexcept nogil:
        """Take a unit; or return what was seen in UNITS, with ASLEEP if the caller will sleep."""
        cdef int64_t* words = self._words
        cdef int64_t* entry
        cdef int64_t units = words[UNITS]
        if units & VALUE == 0:
            if will_sleep and not units & ASLEEP:
                units |= ASLEEP
                atomic_store(words + UNITS, units)
            unlock(words + LOCK)
            seen[0] = units
            return False
        if not words[LOOSE]:
            entry = self._own_entry(True)
            if entry == NULL:
                atomic_store(words + OWNERLESS, words[OWNERLESS] + 1)
            else:
                atomic_store(entry + COUNT, entry[COUNT] + 1)
        atomic_store(words + UNITS, units - 1)
        unlock(words + LOCK)
        return True

    cdef bint _give_and_exit(self, bint* must_wake) noexcept nogil:
        """Release a unit, unless there are as many as there may be."""
        cdef int64_t* words = self._words
        cdef int64_t* entry
        cdef int64_t units = words[UNITS]
        if units & VALUE >= words[LIMIT]:
            unlock(words + LOCK)
            return False
        if not words[LOOSE]:
            entry = self._own_entry(False)
            if entry != NULL and entry[COUNT]:
                atomic_store(entry + COUNT, entry[COUNT] - 1)
            elif words[OWNERLESS]:
                atomic_store(words + OWNERLESS, words[OWNERLESS] - 1)
            else:
                atomic_store(words + LOOSE, 1)
        atomic_store(words + UNITS, units + 1)
        unlock(words + LOCK)
        must_wake[0] = units & ASLEEP != 0
        return True

    cdef int64_t _take_back_and_exit(self, int64_t* entry, int64_t identity) noexcept nogil:
        """Take back the units of one who has died; return how many they are."""
        cdef int64_t* words = self._words
        cdef int64_t count = 0 if words[LOOSE] or entry[0] != identity else entry[COUNT]
        if count:                           # nobody else has been quicker
            atomic_store(entry + COUNT, 0)
            atomic_store(words + UNITS, words[UNITS] + count)
        unlock(words + LOCK)
        return count

    # ---- with the GIL

    cdef bint _take(self, bint will_sleep, int64_t* seen) noexcept:
        cdef bint was_taken
        if try_lock(self._words + LOCK):
            return self._take_and_exit(will_sleep, seen)
        with nogil:
            self._enter()
            was_taken = self._take_and_exit(will_sleep, seen)
        return was_taken

    cdef bint _give(self) noexcept:
        cdef bint was_given, must_wake = False
        if try_lock(self._words + LOCK):
            was_given = self._give_and_exit(&must_wake)
        else:
            with nogil:
                self._enter()
                was_given = self._give_and_exit(&must_wake)
        if must_wake:
            self._wake()
        return was_given

    cdef void _wake(self) noexcept:
        """Wake one; if nobody sleeps while there are units, remove ASLEEP."""
        cdef int64_t* units = self._words + UNITS
        if unpark(low_half(units), 1):
            return
        with nogil:
            self._enter()
            if units[0] & VALUE and units[0] & ASLEEP and not unpark(low_half(units), 1):
                atomic_store(units, units[0] & VALUE)
            unlock(self._words + LOCK)

    cdef bint _acquire(self, int64_t deadline) except -1:
        cdef int64_t* units = self._words + UNITS
        cdef int64_t seen = 0
        cdef Nap nap
        cdef Waited waited
        nap.length, nap.deadline = FIRST_NAP, deadline
        if self._take(False, &seen):
            return True
        # Asking about holders costs less than a nap, so it comes before the first.
        if not deadline or not look(units, seen, &self._vain):
            self._recover()
        while not self._take(deadline != 0, &seen):
            # A wake-up cannot be lost with an interrupt: the system says either or.
            waited = doze(units, seen, &nap)
            if waited == LATE:
                return False
            if waited == OVERSLEPT:
                self._recover()
        return True

    cdef int _recover(self) except -1:
        """Take back the units of those who have died."""
        cdef int64_t* words = self._words
        cdef int64_t* entry
        cdef int64_t identity, count
        cdef Py_ssize_t i
        for i in range(HOLDERS):
            entry = words + ENTRIES + 2 * i
            identity = atomic_load(entry)
            if atomic_load(words + LOOSE):
                break
            if not atomic_load(entry + COUNT) or not has_ended(identity):
                continue
            with nogil:
                self._enter()
                count = self._take_back_and_exit(entry, identity)
            if count > 1:                   # the caller will take one
                unpark(low_half(words + UNITS), <int>count - 1)
            if count:
                # Nothing is held here, so that a warning that is an error leaves nothing undone.
                warn_of_death(
                    identity, "a unit of a semaphore" if count == 1 else f"{count} units of a "
                    "semaphore", "which can be had again; see what was left half done")
        return 0

    cdef bint _is_holder(self) noexcept nogil:
        """Tell whether this process has units; without LOCK, as finalizers had better not wait."""
        cdef int64_t* entry
        cdef Py_ssize_t i
        for i in range(HOLDERS):
            entry = self._words + ENTRIES + 2 * i
            # An entry that has units is not given to others.
            if atomic_load(entry + COUNT) and atomic_load(entry) == this_process:
                return True
        return False

    cdef int _disown(self) except -1:
        """Let the units that this process has stay taken after its end."""
        cdef int64_t* words = self._words
        cdef int64_t* entry
        cdef int64_t held
        with nogil:
            self._enter()
            entry = self._own_entry(False)
            if entry != NULL:
                held = entry[COUNT]
                atomic_store(entry + COUNT, 0)
                atomic_store(words + OWNERLESS, words[OWNERLESS] + held)
            unlock(words + LOCK)
        return 0

    def acquire(self, block=True, timeout=None):
        """Take a unit; return whether it has been taken.

        Parameters
        ----------
        block : bool, default True
            Whether to wait until there is one.
        timeout : float, optional
            How long at most, in seconds.  At once if negative; for ever if None.

        Warns
        -----
        OwnerDied
            If a process that had units has died.
        """
        cdef int64_t seen
        check_made(self)
        if self._enrolled != this_process:
            self._enrol()
        return self._take(False, &seen) or self._acquire(deadline_of(block, timeout))

    def release(self):
        """Release a unit, which any process or thread may do.

        Raises
        ------
        ValueError
            If there are as many units as there may be.
        """
        check_made(self)
        if not self._give():
            raise ValueError("semaphore or lock released too many times")

    def get_value(self):
        """Return the number of units that can be had."""
        check_made(self)
        return atomic_load(self._words + UNITS) & VALUE

    @property
    def _semlock(self):
        return SemLock(self)

    def locked(self):
        """Tell whether there is no unit to be had."""
        return self.get_value() == 0

    def __enter__(self):
        check_made(self)
        if self._enrolled != this_process:
            self._enrol()
        return self._acquire(NEVER)

    def __exit__(self, kind, error, traceback):
        self.release()

    def __repr__(self):
        return f"<{type(self).__name__}(value={self.get_value()})>"


cdef class BoundedSemaphore(Semaphore):
    """A `Semaphore` that never has more units than at first.

    Parameters
    ----------
    value : int, default 1
        Units at first and at most.

    Raises
    ------
    OSError
        If `value` is negative or greater than ``SEM_VALUE_MAX``.

    Examples
    --------
    >>> semaphore = BoundedSemaphore(1)
    >>> semaphore.release()
    Traceback (most recent call last):
        ...
    ValueError: semaphore or lock released too many times
    """

    def __init__(self, Py_ssize_t value=1, *, ctx=None):
        self._begin(value, value)

    def __repr__(self):
        return (
            f"<{type(self).__name__}(value={self.get_value()}, maxvalue={self._words[LIMIT]})>")
