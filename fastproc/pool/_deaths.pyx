"""Layer: pool.  The workers' lives: where each has its slot, and what becomes of its tasks.

The manager (``manager.py``) starts workers and is told of their deaths; here it is found out what a
worker that has died was doing.  Its messages say so: it stores the number of a task before it
begins with it, and the parent counts the results.
"""
# Safe for free-threaded Python: see the lock in `_results.pyx`.

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport INT64_MAX, int32_t, int64_t
from libc.string cimport memset

from fastproc.pool._channel cimport Batch, Channel
from fastproc.pool._job cimport Job, Lost
from fastproc.pool._messages cimport (
    BELL, BORN, CONDEMNED, CORE, FLAGS, LAYOUT, MAGIC, OPENED, OVERWEIGHT, PAGE, PID, POOL_LAYOUT,
    POOL_MADE, POOL_MAGIC, POOL_PARENT, POOL_SLOTS, READY, RESTARTS, RING_BYTES, ROOM, SINCE,
    STARTED, slot_bytes,
)
from fastproc.pool._roster cimport Roster
from fastproc.shm._atomic cimport atomic_fence, atomic_load, atomic_store
from fastproc.shm._bell cimport now_ns
from fastproc.shm._ring cimport Ring

import collections
import os
from concurrent.futures import CancelledError

from fastproc.errors import TaskTimeout
from fastproc.pool import remote
from fastproc.shm import memory


cdef class Deaths(Results):
    """The part of a dispatcher that knows the workers' slots, and settles their deaths."""

    def __init__(self, Py_ssize_t n_slots, names):
        cdef Py_buffer view
        Results.__init__(self, names)
        self.n_slots = n_slots
        self.memory = memory.create(PAGE + n_slots * slot_bytes())
        self._mapping = self.memory.mapping
        PyObject_GetBuffer(self._mapping, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        self._base = <char*>view.buf
        PyBuffer_Release(&view)             # the mapping, which does not move, is kept
        self._bell = <int32_t*>(self._base + BELL)
        self._core = <int32_t*>(self._base + CORE)
        self._flags = <int64_t*>(self._base + FLAGS)
        self._n_words = (n_slots + 63) // 64
        (<int32_t*>(self._base + POOL_LAYOUT))[0] = LAYOUT
        (<int32_t*>(self._base + POOL_SLOTS))[0] = <int32_t>n_slots
        (<int64_t*>(self._base + POOL_PARENT))[0] = os.getpid()
        (<int64_t*>(self._base + POOL_MADE))[0] = now_ns()
        atomic_store(<int64_t*>(self._base + POOL_MAGIC), MAGIC)
        self._roster = Roster(n_slots)
        self.restarts = [-1] * n_slots
        self._born = [0] * n_slots
        self.to_kill = collections.deque()
        self._next_look = INT64_MAX

    @property
    def channels(self):
        """The workers' channels, by slot; None where there is no worker."""
        return self._roster.channels

    @property
    def n_workers(self):
        """How many workers there are."""
        return self._roster.n_workers

    def prepare(self, Py_ssize_t slot):
        """Make a slot ready for a worker that is about to be started; nobody may be using it."""
        cdef Py_ssize_t start = PAGE + slot * slot_bytes()
        memset(self._base + start, 0, PAGE)
        Ring(self._mapping, start + PAGE, RING_BYTES).clear()
        Ring(self._mapping, start + PAGE + 2 * 64 + RING_BYTES, RING_BYTES).clear()
        self._born[slot] = now_ns()
        atomic_store(<int64_t*>(self._base + start + BORN), self._born[slot])
        atomic_store(<int64_t*>(self._base + start + RESTARTS), max(self.restarts[slot], 0))

    def attach(self, Py_ssize_t slot, process, int64_t most_tasks, pipe):
        """Count a started worker in; it is sent at most `most_tasks` tasks, if not negative.

        `pipe` is where a message wakes it, None if there are futexes.  Call `hand_out` then.
        """
        cdef Channel channel = Channel.__new__(Channel)
        cdef Py_ssize_t start = PAGE + slot * slot_bytes()
        cdef char* place = self._base + start
        channel.slot, channel.process, channel.left = slot, process, most_tasks
        channel.pipe = pipe
        channel.tasks = Ring(self._mapping, start + PAGE, RING_BYTES)
        channel.results = Ring(self._mapping, start + PAGE + 2 * 64 + RING_BYTES, RING_BYTES)
        channel.bell = <int32_t*>(place + BELL)
        channel.room = <int32_t*>(place + ROOM)
        channel.started = <int64_t*>(place + STARTED)
        channel.since = <int64_t*>(place + SINCE)
        channel.condemned = <int64_t*>(place + CONDEMNED)
        channel.ready = <int64_t*>(place + READY)
        channel.overweight = <int64_t*>(place + OVERWEIGHT)
        channel.opened_by_parent = <int64_t*>(place + OPENED)
        channel.born = self._born[slot]
        channel.flight = collections.deque()
        channel.functions = {}
        atomic_store(<int64_t*>(place + PID), process.pid)
        with self._lock:
            self._roster.add(channel)
            if self.restarts[slot] < 0:
                self.restarts[slot] = 0

    def has_begun(self, Py_ssize_t slot):
        """Tell whether a slot's worker has got as far as to wait for tasks, or to fail."""
        cdef Channel channel = self._roster.channels[slot]
        return atomic_load(channel.ready) != 0

    # Deaths -------------------------------------------------------------------------------------

    def bury(self, Py_ssize_t slot):
        """Take away a dead worker's channel.

        Its results are read, the task that was running fails or is done again, and tasks that it
        had not begun with go to others.
        """
        cdef Channel channel
        cdef Batch batch
        cdef int64_t running, condemned
        cdef bint is_first = True
        with self._lock:
            channel = self._roster.channels[slot]
            self._drain(channel)
        self._open(channel)
        with self._lock:
            self._roster.remove(channel)
            running = atomic_load(channel.started)
            condemned = atomic_load(channel.condemned)
            if condemned and running > condemned:
                running = channel.received      # it waited for its sentence, and began nothing
            while channel.flight:
                batch = channel.flight.popleft()
                self._spent.append((batch, batch.payload))
                if is_first and running > channel.received:
                    error = channel.sentence
                    if error is None:
                        error = remote.death(channel.process, batch.job.function.function)
                    self._lose(batch, error)
                is_first = False
                if batch.done < batch.count:
                    self._returned.append(batch.part(batch.done, batch.count))
            self.restarts[slot] += 1
            self._wake_waiters()
        self._settle()
        self._wake_leader()

    cdef int _lose(self, Batch batch, object error) except -1:
        """Settle the task of a batch that ran when its worker died."""
        cdef Job job = batch.job
        if job in self.unfinished and not isinstance(error, CancelledError) and job.try_again(
                batch.first + batch.done):
            self._returned.append(batch.part(batch.done, batch.done + 1))
            batch.done += 1
        else:
            self._give(batch, Lost(error))
        return 0

    def overdue(self):
        """Condemn workers whose tasks have run for too long; return seconds to the next look.

        None if there is nothing to look for.
        """
        cdef Channel channel
        cdef Batch batch
        cdef Job job
        cdef int64_t number
        cdef double left, next_look = -1
        cdef bint is_first
        with self._lock:
            for channel in self._roster.channels:
                if channel is None or channel.sentence is not None:
                    continue
                self._drain(channel)
                is_first = True
                for batch in channel.flight:
                    job = batch.job
                    left = job.timeout
                    if left > 0:
                        number = atomic_load(channel.started)
                        if is_first and number > channel.received:
                            # Read after the number: if the worker is ahead, this is too late.
                            left -= (now_ns() - atomic_load(channel.since)) / 1e9
                            if left <= 0:
                                self._condemn(channel, TaskTimeout(
                                    f"the task ran for more than {job.timeout:g} s", job.timeout))
                                left = job.timeout
                        if next_look < 0 or left < next_look:
                            next_look = left
                    is_first = False
            if next_look >= 0:
                next_look = max(next_look, 0.0005)
            self._next_look = INT64_MAX if next_look < 0 else now_ns() + <int64_t>(1e9 * next_look)
            self._wake_waiters()
        self._settle()
        return None if next_look < 0 else next_look

    cdef bint _condemn(self, Channel channel, object error) except -1:
        """Have a worker killed for the task that it runs, or is about to; needs the lock.

        Not if it runs the next one by now.  If the task has just ended and no other has begun the
        worker is killed for nothing, which costs nobody a result.
        """
        cdef int64_t number = channel.received + 1
        atomic_store(channel.condemned, number)
        atomic_fence()                                                  # [condemn]
        if atomic_load(channel.started) > number:
            atomic_store(channel.condemned, 0)
            channel.ring(channel.bell)
            return False
        channel.sentence = error
        self.to_kill.append(channel)
        self.wake_manager()
        return True

    # The rest of a worker's life ----------------------------------------------------------------

    def give_up_memory(self):
        """Let go of the slots when there are no workers any more, and no pool to be found here."""
        atomic_store(<int64_t*>(self._base + POOL_MAGIC), 0)
        self.memory.drop()

    def retire(self):
        """Tell each worker to stop after what it has been sent."""
        cdef Channel channel
        with self._lock:
            for channel in self._roster.channels:
                if channel is not None:
                    channel.retire()

    def stats(self):
        """Return by slot what is known of its worker, None where there is none."""
        cdef Channel channel
        now = now_ns()
        rows = []
        with self._lock:
            for slot, channel in enumerate(self._roster.channels):
                if channel is None:
                    rows.append(None)
                    continue
                ready = atomic_load(channel.ready)
                start_up = (ready - channel.born) / 1e9 if ready else None
                busy = channel.busy / 1e9
                idle = (now - ready) / 1e9 - busy if ready else 0.0
                rows.append((
                    channel.process.pid, channel.received, busy, max(idle, 0.0), start_up,
                    channel.sent_bytes, channel.received_bytes, self.restarts[slot]))
        return rows
