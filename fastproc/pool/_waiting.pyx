"""Layer: pool.  Waiting: who does the pool's work in the parent, and where the others sleep.

There is no thread in the way of a task.  Whoever waits for a result *leads*: it reads results,
hands out the next tasks and sleeps at the parent's bell.  Others who wait sleep on locks of their
own; whoever stops waiting wakes one of them to lead if nobody does.  When nobody waits the bell is
set to PIPE, and a worker's ringing wakes the pool's manager, a thread that otherwise sleeps.

`_leading` is held by the leader for as long as it leads; `_lock` is taken inside `_leading`, never
the other way round.
"""
# Safe for free-threaded Python: what is not under one of the locks is atomic by itself.

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t

from fastproc.pool._job cimport Job
from fastproc.shm._atomic cimport atomic_load, atomic_set_bits, atomic_store_word, pause
from fastproc.shm._bell cimport (
    AWAKE, FUTEX, PIPE, futex_wait, lie_down, may_spin, now_ns, ring_bell,
)
from fastproc.shm._core cimport this_core

import os
import threading

cdef extern from "Python.h" nogil:
    unsigned long PyThread_get_thread_ident()

cdef enum:
    # Nanoseconds of sleep after which one who waits looks for signals, in case one came between
    # the last look and the sleep.
    SLICE_NS = 500_000_000


cdef class Waiting:
    """The part of a dispatcher that knows who waits; `_collect` and `_hand_out` are its work.

    A compiled method can be called only where a class declares it.  So the three that
    `_dispatcher.pyx` has are declared here, by a class of which there is no object of its own.
    """

    def submit(self, Job job):
        """Begin with a job."""
        raise NotImplementedError

    cdef bint _collect(self) except -1:
        """Read what results there are; return whether there were any."""
        raise NotImplementedError

    cdef int _hand_out(self) except -1:
        """Send tasks to workers that have time."""
        raise NotImplementedError

    cdef int _check_process(self) except -1:
        if self.is_foreign:
            raise RuntimeError(
                "this pool belongs to a process of which this one is a fork; make a pool here")
        return 0

    def wait(self, Job job, timeout=None):
        """Return when `job` has news, or False after `timeout` seconds."""
        cdef int64_t end = -1
        self._check_process()
        if timeout is not None:
            end = now_ns() + <int64_t>(1e9 * max(0.0, min(timeout, 1e9)))
        try:
            while not job.has_news():
                if self._take_lead():
                    try:
                        self._lead(job, end)
                    finally:
                        self._leave_lead()
                elif self._leader == PyThread_get_thread_ident():
                    self._lead(job, end)    # in the pickling of an argument, say
                else:
                    self._follow(job, end)
                if end >= 0 and now_ns() >= end:
                    return bool(job.has_news())
            return True
        finally:
            self._pass_on()

    def run(self, Job job):
        """Submit a job of listed items and return when it is done.

        Whoever leads from before the job is submitted need not have the manager waked, by a result
        that comes before anybody waits for it.
        """
        self._check_process()
        if not self._take_lead():
            self.submit(job)
            self.wait(job)
            return
        try:
            self.submit(job)
            self._lead(job, -1)
        finally:
            self._leave_lead()
            self._pass_on()

    cdef bint _take_lead(self):
        """Lead from now on, if nobody does."""
        if not self._leading.try_lock():
            return False
        self._leader = PyThread_get_thread_ident()
        atomic_store_word(self._core, this_core())
        atomic_store_word(self._bell, AWAKE)
        return True

    cdef int _leave_lead(self) except -1:
        self._leader = 0
        lie_down(self._bell, PIPE)
        self._leading.unlock()
        return 0

    cdef int _lead(self, Job job, int64_t end) except -1:
        """Read results and hand out tasks until `job` has news or the time is over."""
        cdef bint some = False, spins
        cdef int64_t now, stop
        while True:
            some = self._collect()
            self._hand_out()
            if job.has_news():
                return 0
            now = now_ns()
            if end >= 0 and now >= end:
                return 0
            if not some:
                stop = now + SLICE_NS if end < 0 or end > now + SLICE_NS else end
                spins = self._roster.n_busy < self._n_cpus and may_spin(self._vain)
                with nogil:
                    some = self._look_until(now + self._spin_ns if spins else now)
                self._vain = 0 if some else self._vain + 1
                if not some:
                    self._sleep_until(stop)
            PyErr_CheckSignals()

    cdef bint _look_until(self, int64_t stop) noexcept nogil:
        """Look for a while whether a flag goes up."""
        cdef int _
        while now_ns() < stop:
            for _ in range(32):                     # a look is cheaper than the time
                if self._flag_is_up():
                    return True
                pause()
        return self._flag_is_up()

    cdef int _sleep_until(self, int64_t stop) except -1:
        """Sleep until a flag goes up or the time is over."""
        if self._doorbell is None:
            with nogil:
                lie_down(self._bell, FUTEX)
                if not self._flag_is_up():
                    futex_wait(self._bell, FUTEX, max(stop - now_ns(), <int64_t>1))
        else:
            lie_down(self._bell, PIPE)
            if not self._flag_is_up():
                self._doorbell.acquire(True, max((stop - now_ns()) / 1e9, 1e-6))
        atomic_store_word(self._core, this_core())
        atomic_store_word(self._bell, AWAKE)
        return 0

    cdef bint _flag_is_up(self) noexcept nogil:
        cdef Py_ssize_t word
        for word in range(self._n_words):
            if atomic_load(self._flags + word):
                return True
        return False

    cdef int _pass_on(self) except -1:
        """On leaving: have another who waits lead, or the manager do what is to be done at once.

        Whoever was waked to lead and leaves all the same, with its result or an exception, comes
        by here too.  The bell says PIPE by now, and said so while somebody led: after that another
        may already sleep at it.
        """
        if self._leading.is_held():
            return 0
        if self._followers:
            try:
                self._followers.popleft()[1].release()
            except IndexError:
                pass                        # it has left meanwhile, and passes on itself
        if self._flag_is_up():
            self.wake_manager()
        return 0

    def lead_once(self):
        """Do what a leader would, without waiting; for the manager."""
        cdef bint some = True
        while some:
            if not self._take_lead():
                if self._doorbell is not None:
                    self._doorbell.release()        # it is the leader who is meant
                return
            try:
                self._collect()
                self._hand_out()
            finally:
                self._leave_lead()
            some = self._flag_is_up()
        if self._followers:
            self._pass_on()                 # one may have come while this thread led

    cdef int _follow(self, Job job, int64_t end) except -1:
        """Sleep until `job` has news, it is this thread's turn to lead, or the time is over."""
        waiter = threading.Lock()
        waiter.acquire()
        entry = (job, waiter)
        with self._lock:
            self._followers.append(entry)
        try:
            # The leader may have left before it could see the entry.
            if not self._leading.is_held() or job.has_news():
                return 0
            if end < 0:
                waiter.acquire()
            else:
                waiter.acquire(True, max(0.0, (end - now_ns()) / 1e9))
        finally:
            with self._lock:
                if entry in self._followers:
                    self._followers.remove(entry)
        return 0

    cdef int _wake_waiters(self) except -1:
        """Wake those who wait for jobs that have news; needs the lock."""
        if not self._followers:
            return 0
        for entry in list(self._followers):
            if entry[0].has_news():
                self._followers.remove(entry)
                entry[1].release()
        return 0

    cdef int _wake_leader(self) except -1:
        """Wake who sleeps at the parent's bell, as a worker would."""
        atomic_set_bits(self._flags, 1)         # else who is about to sleep would not see it
        if ring_bell(self._bell) == PIPE:
            self.wake_manager()
        return 0

    def wake_manager(self):
        """Have the manager look around."""
        # One message is enough, however much there is to see; so the pipe never fills.
        if self._is_waking:
            return
        self._is_waking = True
        try:
            if self._wake_fd >= 0:
                os.write(self._wake_fd, b"\0\0\0\0")  # a message of no bytes, in one step
            else:
                self._wake.send_bytes(b"")
        except BaseException:
            self._is_waking = False
            raise

    def manager_is_awake(self):
        """Say that the manager has read its messages and is about to look."""
        self._is_waking = False
