"""Layer: shm.  Locks of processes, which survive the death of their owner.

A lock is one word of shared memory: 0, or the identity of the process that has it, with a bit that
says that others may sleep for it.  Taking and releasing are one atomic operation each, so a process
that is killed has either done it or not, and a word never names another than the owner.

    take:     0 -> identity                     by who finds it free
              0 -> identity | CONTENDED         by who has slept: others may still
    sleep:    owner -> owner | CONTENDED        then sleep while the word's lower half is that
    release:  any -> 0                          and wake one if CONTENDED was set
    inherit:  dead -> identity | CONTENDED      by who has found that the owner is dead

Who sleeps looks again after each nap (`_park.pyx`), so that neither a wake-up that is lost with a
process nor an owner that dies meanwhile makes it sleep for ever.  That the owner is dead is found
out from its number and time of birth (`_process.h`), and only then is the word changed, from
exactly the dead one's, so that two who inherit cannot both succeed.

The order of memory: whoever takes a lock acquires what its last owner released, or had written when
the system ended it, which comes before its death can be seen.

A lock belongs to a process, not to a thread: any process or thread may release a Lock, as in
multiprocessing.  An RLock has its thread and count beside the word, which its owner alone changes.
"""
# Safe for free-threaded Python: the words are atomic; what is beside them is its owner's alone.

import warnings

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t

from fastproc.shm._atomic cimport atomic_load, atomic_store, pause
from fastproc.shm._bell cimport may_spin, now_ns
from fastproc.shm._park cimport (
    FIRST_NAP, INTERRUPTED, LATE, NEVER, WAKED, Nap, deadline_of, look_ns, low_half, park, unpark,
)
from fastproc.shm._placed cimport check_made
from fastproc.shm._process cimport has_ended, pid_of
from fastproc.shm._root cimport Root

from fastproc.errors import OwnerDied
from fastproc.shm import block as blocks
from fastproc.shm.standard import SemLock

cdef extern from "Python.h" nogil:
    unsigned long PyThread_get_thread_ident()


cdef Waited wait_for_lock(
    int64_t* word, int64_t deadline, int64_t look, int64_t* dead
) noexcept nogil:
    cdef int64_t was, mine = this_process
    cdef int64_t look_until = now_ns() + look if look else 0
    cdef Nap nap
    cdef Waited waited
    cdef int looks = 0
    cdef bint has_asked = False
    dead[0] = 0
    nap.length, nap.deadline = FIRST_NAP, deadline
    while True:
        was = atomic_load(word)
        if was == 0:
            if atomic_compare_exchange(word, 0, mine):
                return WAKED
            continue
        if look_until:
            pause()
            looks += 1
            if looks % 16 == 0 and now_ns() > look_until:
                look_until = 0
            continue
        # Asking about the owner costs less than a nap, so it comes before the first.
        if not has_asked:
            has_asked = True
            if has_ended(was & ~CONTENDED):
                if atomic_compare_exchange(word, was, mine | CONTENDED):
                    dead[0] = was & ~CONTENDED
                    return WAKED
                continue
        if not was & CONTENDED:
            if not atomic_compare_exchange(word, was, was | CONTENDED):
                continue
            was |= CONTENDED
        waited = park(low_half(word), <int32_t>was, &nap)
        mine = this_process | CONTENDED     # others may be asleep, of whom only sleepers know
        if waited == LATE or waited == INTERRUPTED:
            return waited
        has_asked = waited == WAKED


cdef void wake_next(int64_t* word) noexcept nogil:
    unpark(low_half(word), 1)


cdef int64_t wait_for_moment(int64_t* word) noexcept nogil:
    cdef int64_t dead = 0
    # The handlers of signals run once the caller is done.
    while wait_for_lock(word, NEVER, look_ns, &dead) != WAKED:
        pass
    return dead


cdef int warn_of_death(int64_t dead, str what, str since) except -1:
    warnings.warn(
        OwnerDied(f"process {pid_of(dead)} died while it had {what}; {since}", pid_of(dead)),
        stacklevel=1)         # compiled code has no frame: this is the line of the caller
    return 0


cdef int _warn_of_owner(int64_t dead) except -1:
    return warn_of_death(
        dead, "a lock",
        f"it has gone to process {pid_of(this_process)}, which should see what was left half done")


cdef Waited _wait_without_gil(
    int64_t* word, int64_t deadline, int64_t* vain, int64_t* dead
) noexcept:
    cdef Waited waited
    cdef int64_t look, start
    if deadline == 0:
        look = 0
    else:
        look = look_ns if may_spin(vain[0]) else 0
    with nogil:
        start = now_ns()
        waited = wait_for_lock(word, deadline, look, dead)
    if look:
        # What took longer than looking does was waited for asleep.
        vain[0] = vain[0] + 1 if now_ns() - start > look else 0
    elif deadline:
        vain[0] += 1
    return waited


cdef bint _wait(
    int64_t* word, int64_t deadline, int64_t* vain, int64_t* dead
) except -1:
    """Wait for a lock that is not free; return whether it has been taken."""
    cdef Waited waited
    while True:
        waited = _wait_without_gil(word, deadline, vain, dead)
        if waited == WAKED:
            return True
        if waited == LATE:
            return False
        PyErr_CheckSignals()


cdef int _take_back(int64_t* word, int64_t* vain, bint has_slept, int64_t* dead) except -1:
    """Take a lock again; has it also if it raises, which is what the handlers of signals raised.

    Sets `dead` to its owner if that has died, else to 0.
    """
    interrupt = None
    dead[0] = 0
    if not try_lock(word):
        while _wait_without_gil(word, NEVER, vain, dead) != WAKED:
            try:
                PyErr_CheckSignals()
            except BaseException as error:
                interrupt = error
    if has_slept:
        will_wake(word)                     # others may sleep there still
    if interrupt is not None:
        raise interrupt
    return 0


cdef class _Holdable(Placed):
    @property
    def _semlock(self):
        return SemLock(self)

    cdef bint _is_mine(self) noexcept:
        # Another thread's is taken for this one's, since the word does not tell the thread.
        return atomic_load(self._word) & ~CONTENDED == this_process

    cdef int64_t _let_go(self) noexcept:
        unlock(self._word)
        return 1

    cdef int _take_again(self, int64_t times, bint has_slept) except -1:
        cdef int64_t dead
        try:
            _take_back(self._word, &self._vain, has_slept, &dead)
        finally:
            if dead:
                _warn_of_owner(dead)
        return 0


cdef class Lock(_Holdable):
    """A lock of processes and threads, as ``multiprocessing.Lock`` is, that survives its owner.

    It can be acquired by one at a time and released by any process or thread.  If the process that
    acquired it dies, the next one gets the lock and an `OwnerDied` warning that names the dead.

    Locks travel to related processes: inherited by a fork, as arguments of a `Process` or of a
    pool's tasks (running workers too), in queues and pipes.

    Examples
    --------
    >>> lock = Lock()
    >>> with lock:
    ...     lock.acquire(block=False)
    False
    """

    def __init__(self, *, ctx=None):
        self._lie_over(blocks.allocate(8))

    def _lie_over(self, block):
        cdef Root root = block.root
        self._block = block
        self._word = <int64_t*>root.at(block.offset, 8)

    cdef bint _acquire(self, int64_t deadline) except -1:
        cdef int64_t dead = 0
        if try_lock(self._word):
            return True
        if not _wait(self._word, deadline, &self._vain, &dead):
            return False
        if dead:
            try:
                _warn_of_owner(dead)
            except BaseException:           # warnings may be errors
                unlock(self._word)
                raise
        return True

    def acquire(self, block=True, timeout=None):
        """Take the lock; return whether it has been taken.

        Parameters
        ----------
        block : bool, default True
            Whether to wait until the lock is free.
        timeout : float, optional
            How long at most, in seconds.  At once if negative; for ever if None.

        Warns
        -----
        OwnerDied
            If the process that had the lock has died.
        """
        check_made(self)
        if try_lock(self._word):
            return True
        return self._acquire(deadline_of(block, timeout))

    def release(self):
        """Release the lock, which any process or thread may do.

        Raises
        ------
        ValueError
            If nobody has it.
        """
        check_made(self)
        if not unlock(self._word):
            raise ValueError("semaphore or lock released too many times: nobody has this lock")

    def locked(self):
        """Tell whether anybody has the lock."""
        check_made(self)
        return atomic_load(self._word) != 0

    def __enter__(self):
        check_made(self)
        return try_lock(self._word) or self._acquire(NEVER)

    def __exit__(self, kind, error, traceback):
        check_made(self)
        self.release()

    def __repr__(self):
        check_made(self)
        return f"<{type(self).__name__}(owner={_owner(self._word)})>"


cdef class RLock(_Holdable):
    """A lock that its owner can acquire again, as ``multiprocessing.RLock`` is.

    Its owner is a thread, which must release it as often as it has acquired it.  If its process
    dies, the next one gets the lock and an `OwnerDied` warning that names the dead.  It travels as
    a `Lock` does.

    Examples
    --------
    >>> lock = RLock()
    >>> with lock, lock:
    ...     pass
    """

    def __init__(self, *, ctx=None):
        self._lie_over(blocks.allocate(32))

    def _lie_over(self, block):
        cdef Root root = block.root
        self._block = block
        self._word = <int64_t*>root.at(block.offset, 32)
        self._holder, self._thread, self._count = self._word + 1, self._word + 2, self._word + 3

    cdef bint _is_mine(self) noexcept:
        # The thread is looked at only if this process has the lock and has set the thread: while
        # one inherits, a dead one's is still there, and a fork's threads have the same numbers.
        return (
            atomic_load(self._word) & ~CONTENDED == this_process
            and atomic_load(self._holder) == this_process
            and self._thread[0] == <int64_t>PyThread_get_thread_ident()
        )

    cdef void _mark(self, int64_t times) noexcept:
        self._thread[0] = PyThread_get_thread_ident()
        self._count[0] = times
        atomic_store(self._holder, this_process)

    cdef int64_t _let_go(self) noexcept:
        cdef int64_t times = self._count[0]
        atomic_store(self._holder, 0)
        unlock(self._word)
        return times

    cdef int _take_again(self, int64_t times, bint has_slept) except -1:
        cdef int64_t dead
        try:
            _take_back(self._word, &self._vain, has_slept, &dead)
        finally:
            self._mark(times)
            if dead:
                _warn_of_owner(dead)
        return 0

    cdef bint _acquire(self, int64_t deadline) except -1:
        cdef int64_t dead = 0
        if not try_lock(self._word):
            if self._is_mine():
                self._count[0] += 1
                return True
            if not _wait(self._word, deadline, &self._vain, &dead):
                return False
        self._mark(1)
        if dead:
            try:
                _warn_of_owner(dead)
            except BaseException:
                self._release()
                raise
        return True

    cdef int _release(self) except -1:
        if not self._is_mine():
            raise AssertionError(
                "attempt to release recursive lock not owned by thread: "
                f"it is owned by {_owner(self._word)}")
        self._count[0] -= 1
        if self._count[0] == 0:
            atomic_store(self._holder, 0)
            unlock(self._word)
        return 0

    def acquire(self, block=True, timeout=None):
        """Take the lock; return whether it has been taken, or this thread had it already.

        Parameters
        ----------
        block : bool, default True
            Whether to wait until the lock is free.
        timeout : float, optional
            How long at most, in seconds.  At once if negative; for ever if None.

        Warns
        -----
        OwnerDied
            If the process that had the lock has died.
        """
        check_made(self)
        return self._acquire(NEVER if block and timeout is None else deadline_of(block, timeout))

    def release(self):
        """Release the lock, or one of the times that this thread has acquired it.

        Raises
        ------
        AssertionError
            If it is not this thread that has it.
        """
        check_made(self)
        self._release()

    def locked(self):
        """Tell whether anybody has the lock."""
        check_made(self)
        return atomic_load(self._word) != 0

    def __enter__(self):
        check_made(self)
        return self._acquire(NEVER)

    def __exit__(self, kind, error, traceback):
        check_made(self)
        self._release()

    def __repr__(self):
        check_made(self)
        return f"<{type(self).__name__}(owner={_owner(self._word)}, count={self._count[0]})>"


cdef str _owner(int64_t* word):
    cdef int64_t owner = atomic_load(word) & ~CONTENDED
    if owner == 0:
        return "None"
    return "this process" if owner == this_process else f"process {pid_of(owner)}"
