"""Layer: pool.  The dispatcher, the heart of a pool: jobs come in, and their tasks go to workers.

All state of a pool is in the parent; a worker owns nothing but the task in its hands.  The story
goes on through the files: here tasks are put into the workers' rings, in ``_worker.pyx`` a worker
runs them, in ``_results.pyx`` their results are taken and the lock over all this is told of, in
``_deaths.pyx`` a worker's death is settled.  Who calls what when is the matter of ``_waiting.pyx``.
"""
# Safe for free-threaded Python: see the lock in `_results.pyx`.

from libc.stdint cimport int64_t

from fastproc.pool._channel cimport Batch, Channel
from fastproc.pool._deaths cimport Deaths
from fastproc.pool._function cimport Function
from fastproc.pool._job cimport Job, Lost
from fastproc.pool._messages cimport FUNCTION, TASKS
from fastproc.shm._atomic cimport atomic_load, atomic_store_word
from fastproc.shm._bell cimport HAS_FUTEX as _HAS_FUTEX
from fastproc.shm._bell cimport PIPE, now_ns
from fastproc.shm._mutex cimport Mutex

import collections
import os
import threading
from concurrent.futures import CancelledError

from fastproc.shm import serialize

#: Whether this system has futexes.
HAS_FUTEX = bool(_HAS_FUTEX)


cdef class Dispatcher(Deaths):
    """All workers and jobs of a pool.

    Parameters
    ----------
    n_slots : int
        The most workers there are at a time.
    wake : Connection
        Where a message wakes the manager.
    has_futex : bool
        Whether one who waits can sleep on a word; otherwise the manager wakes it.
    names : serialize.Names
        What workers find by name.
    spin_ns : int
        How long one who waits looks before it goes to sleep, in nanoseconds.
    n_cpus : int
        With so many workers busy nobody looks: the cores are theirs.
    """

    cdef object _dropped                    # jobs whose results nobody can ask for any more

    def __init__(
        self, Py_ssize_t n_slots, wake, bint has_futex, names, int64_t spin_ns, Py_ssize_t n_cpus
    ):
        Deaths.__init__(self, n_slots, names)
        self._lock, self._leading = Mutex(), Mutex()
        self._followers = collections.deque()
        self._spin_ns, self._n_cpus = spin_ns, n_cpus
        self._wake = wake
        self._wake_fd = wake.fileno() if os.name == "posix" else -1
        self._doorbell = None if has_futex else threading.Semaphore(0)
        self._dropped = collections.deque()
        atomic_store_word(self._bell, PIPE)

    # Jobs ---------------------------------------------------------------------------------------

    def function(self, function):
        """Return the Function that stands for a callable, pickled; raises what pickling raises."""
        return self._functions.find(function)

    def submit(self, Job job):
        """Begin with a job."""
        self._check_process()
        if job.total == 1:
            self._submit_one(job)
            return
        with self._lock:
            if self.broken is not None:
                raise self.broken
            self.unfinished.add(job)
            if job.is_done():
                self._end(job)              # of no items
                return
            self._jobs.append(job)
        if job.source is not None:
            threading.Thread(
                target=self._feed, args=(job,), name="fastproc feeder", daemon=True).start()
        self._hand_out()

    cdef int _submit_one(self, Job job) except -1:
        """Begin with a job of one item: the short way, with one look at the lock."""
        cdef Batch batch = Batch.__new__(Batch)
        cdef Channel channel = None
        cdef object payload = None, error = None
        batch.job, batch.items, batch.count = job, job.items, 1
        try:
            payload = serialize.dumps(job.items, self._names_of(job))
        except Exception as caught:
            error = caught
        with self._lock:
            if self.broken is not None:
                raise self.broken
            self.unfinished.add(job)
            job.drawn = job.unfinished = 1
            job.exhausted = True
            if error is not None:
                self._give(batch, Lost(error))
            else:
                if not self._jobs and not self._returned:
                    channel = self._choose()
                    if channel is None:     # it is sent now, rather than pickled again then
                        channel = self._roster.ahead()
                if channel is not None:
                    self._send(channel, batch, payload)
                else:
                    self._spent.append((batch, payload))
                    self._returned.append(batch)
        self._settle()
        return 0

    cdef object _names_of(self, Job job):
        """Return what a job's items are pickled for."""
        return self._names if job.names is None else job.names

    def _feed(self, Job job):
        """Draw from a job's iterator, in a thread of its own: it may wait, or use this pool."""
        cdef bint is_over = False, waits
        source = job.source
        while not is_over:
            with self._lock:
                if job not in self.unfinished or self.is_foreign:
                    return
                job.feeder_waits = waits = not job.wants_more(self.n_slots, self._closing)
            if waits:
                job.room.acquire()
                continue
            error = item = None
            try:
                item = next(source)
            except StopIteration:
                is_over = True
            except BaseException as caught:
                is_over, error = True, caught
            with self._lock:
                if is_over:
                    job.fed_all, job.iterator_error = True, error
                else:
                    job.fed.append(item)
            self._hand_out()
        self._wake_leader()                 # no worker will, if nothing was handed out

    def abandon(self, Job job):
        """Do no more for a job: what no worker has begun with yet will not be done."""
        with self._lock:
            if self.is_foreign or job not in self.unfinished:
                return
            job.abandoned = True
            self._forget(job)
            self._withdraw(job)
            self._wake_waiters()
            if self._closing and not self.unfinished:
                self.wake_manager()
        self._settle()
        self._hand_out()

    def drop(self, Job job):
        """Note that nobody can ask for a job's results any more; callable from any finalizer.

        If somebody had begun to, what is left is not done; else the calls are made for what they
        do, as multiprocessing has it.
        """
        if not self.is_foreign and not job.is_done():
            self._dropped.append(job)
            self.wake_manager()

    cdef int _withdraw(self, Job job) except -1:
        """Forget what is to be handed out for a job, and take back what waits; needs the lock."""
        cdef Channel channel
        cdef Batch batch
        job.let_feed()
        if job in self._jobs:
            self._jobs.remove(job)
        for batch in list(self._returned):
            if batch.job is job:
                self._returned.remove(batch)
                self._spent.append((batch, None))
        for channel in self._roster.channels:
            if channel is None or not channel.flight:
                continue
            for batch in list(channel.flight):
                if batch.job is job and channel.tasks.withdraw(batch.position):
                    self._take_back(channel, batch)
        return 0

    cdef int _take_back(self, Channel channel, Batch batch) except -1:
        """Note that a message has been withdrawn."""
        channel.flight.remove(batch)
        self._spent.append((batch, batch.payload))
        if channel.left >= 0:
            channel.left += batch.count
        # Its place in the ring is free only when the worker comes by: send nothing ahead till then.
        channel.no_prefetch = True
        self._roster.update(channel)
        return 0

    def cancel(self, Job job, bint even_running=True):
        """End a job's tasks; return whether that was possible.

        Not if it has ended already, nor, without `even_running`, if a worker has taken its task.
        """
        cdef Channel channel
        self._check_process()
        error = CancelledError("the task was cancelled")
        with self._lock:
            for channel in self._roster.channels:
                if channel is not None:
                    self._drain(channel)
            self._wake_waiters()
            if job not in self.unfinished:
                is_possible = False
            else:
                self._withdraw(job)
                is_possible = even_running or not self._is_in_flight(job)
            if is_possible:
                for channel in self._roster.channels:
                    if channel is not None and channel.sentence is None and channel.flight and (
                            (<Batch>channel.flight[0]).job is job):
                        self._condemn(channel, error)
                self._fail(job, error)
                job.abandoned = True
                self._wake_waiters()
        self._settle()
        self._wake_leader()
        self._hand_out()
        return is_possible

    def stop(self, Job job):
        """Cancel those tasks of a job that no worker has begun with; the others go on."""
        with self._lock:
            if job in self.unfinished:
                self._withdraw(job)
                self._fail(job, CancelledError("the task was cancelled"))
                self._wake_waiters()
        self._settle()
        self._wake_leader()

    def is_running(self, Job job):
        """Tell whether a worker has taken a task of a job that has not ended."""
        with self._lock:
            return self._is_running(job)

    cdef bint _is_running(self, Job job) except -1:
        cdef Channel channel
        for channel in self._roster.channels:
            if channel is not None and channel.flight and (
                    (<Batch>channel.flight[0]).job is job):
                if channel.tasks.is_empty() or atomic_load(channel.started) > channel.received:
                    return True
        return False

    cdef bint _is_in_flight(self, Job job) except -1:
        cdef Channel channel
        for channel in self._roster.channels:
            if channel is not None:
                for batch in channel.flight:
                    if (<Batch>batch).job is job:
                        return True
        return False

    def close(self):
        """Take it that no more jobs come: iterators are drawn to their ends."""
        cdef Job job
        with self._lock:
            self._closing = True
            for job in self._jobs:
                job.let_feed()
        self.wake_manager()

    def is_finished(self):
        """Tell whether all jobs are done and no more come."""
        return self._closing and not self.unfinished

    # Handing out --------------------------------------------------------------------------------

    def hand_out(self):
        """Send tasks to workers that have time."""
        self._check_process()
        self._hand_out()

    cdef int _hand_out(self) except -1:
        cdef Channel channel
        cdef Batch batch
        cdef Job job
        while self._dropped:
            job = self._pop(self._dropped)
            if job is not None and job.consumed:
                self.abandon(job)
            elif job is not None:
                with self._lock:
                    job.is_eager = True
                    job.let_feed()
        while True:
            with self._lock:
                channel = self._choose()
                if channel is None:
                    break
                batch = self._next_batch(channel)
                if batch is None:
                    if not channel.flight and self._steal():
                        continue
                    break
            error = payload = None
            try:
                payload = serialize.dumps(
                    batch.items,
                    serialize.NO_MAIN if batch.by_value else self._names_of(batch.job))
            except BaseException as caught:
                error = caught
            with self._lock:
                if batch.job not in self.unfinished:
                    if payload is not None:
                        self._spent.append((batch, payload))
                elif error is None:
                    self._send(channel, batch, payload)
                elif isinstance(error, KeyboardInterrupt):
                    self._returned.appendleft(batch)
                else:
                    self._fail_to_pickle(batch, error)
                    self._wake_waiters()
            if error is not None:
                self._wake_leader()
                if isinstance(error, KeyboardInterrupt):
                    raise error
        self._settle()
        return 0

    cdef Channel _choose(self):
        """Return the worker to be sent the next message, or None if all have enough."""
        cdef Channel channel = self._roster.idle()
        if channel is None and (self._jobs or self._returned):
            channel = self._roster.ahead()      # a second message hides the parent's answering time
        return channel

    cdef Batch _next_batch(self, Channel channel):
        """Return the next batch for a worker, or None; needs the lock."""
        cdef Batch batch
        cdef Job job
        cdef int64_t most = channel.left
        while self._returned:
            batch = self._returned.popleft()
            if batch.job not in self.unfinished:
                self._spent.append((batch, None))
                continue
            if 0 <= most < batch.count:
                self._returned.appendleft(batch.part(most, batch.count))
                batch = batch.part(0, most)
            return batch
        for job in list(self._jobs):
            while job.may_draw(self.n_slots, self._closing):
                batch = Batch.__new__(Batch)
                batch.job, batch.first = job, job.drawn
                batch.count = job.message_items(self.n_slots)
                if job.chunk == 0 and 0 <= most < batch.count:
                    batch.count = most
                batch.items = job.draw(batch.count)
                batch.count = 1 if job.chunk != 0 else len(batch.items)
                if job.exhausted:
                    self._jobs.remove(job)
                    if job.is_done():
                        self._end(job)
                    self._wake_waiters()
                if batch.items:
                    return batch
            if job.feeder_waits and job.wants_more(self.n_slots, self._closing):
                job.let_feed()
        return None

    cdef bint _steal(self) except -1:
        """Take a message that waits behind another worker's task back, for an idle worker."""
        cdef Channel channel = self._roster.loaded()
        cdef Batch batch
        while channel is not None:
            batch = channel.flight[len(channel.flight) - 1]
            if channel.tasks.withdraw(batch.position):
                self._take_back(channel, batch)
                self._returned.append(batch.part(0, batch.count))
                return True
            self._roster.unload()               # the worker has begun with it
            channel = self._roster.loaded()
        return False

    cdef int _send(self, Channel channel, Batch batch, object payload) except -1:
        """Send a batch, and its function before it if the worker has not had it; needs the lock."""
        cdef Job job = batch.job
        cdef Function function = job.function
        cdef int64_t position
        cdef bint sent = self._roster.channels[channel.slot] is channel and not channel.retiring
        if sent and channel.functions.get(function.number) is not function:
            sent = channel.put(FUNCTION, function, 0, 0, function.payload, &position)
            channel.is_full = not sent
            if sent:
                channel.functions[function.number] = function
        if sent:
            sent = channel.put(
                TASKS, function, job.style, 0 if job.chunk == 0 else len(batch.items), payload,
                &batch.position)
            channel.is_full = not sent
        if not sent:
            self._spent.append((batch, payload))
            self._returned.appendleft(batch)
            return 0
        batch.payload = payload
        channel.flight.append(batch)
        if job.timeout > 0 and now_ns() + <int64_t>(1e9 * job.timeout) < self._next_look:
            self.wake_manager()             # to look at the clock
        if channel.left > 0:
            channel.left = max(channel.left - batch.count, 0)
            if channel.left == 0:
                channel.retire()
        self._roster.update(channel)
        return 0

    cdef int _fail_to_pickle(self, Batch batch, object error) except -1:
        """Fail the tasks of a batch one by one, to blame none that can be pickled."""
        cdef Py_ssize_t i
        if len(batch.items) > 1 and batch.job.chunk == 0:
            for i in range(len(batch.items)):
                self._returned.append(batch.part(i, i + 1))
            return 0
        self._give(batch, Lost(error))
        return 0
