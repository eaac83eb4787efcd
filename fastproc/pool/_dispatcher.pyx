"""Layer: pool.  The parent's side: which task is where, and what its worker's messages say of it.

All state of a pool is here; a worker owns nothing but the task in its hands.  So when a worker
dies the parent knows which task was running (that one fails) and which were only waiting (they go
to another worker).  Who calls these methods, and when, is the matter of ``_waiting.pyx``.

`_lock` guards the state and is held for moments only.  Nothing of the user's runs under it, neither
pickling nor iterators nor callbacks, nor any Python code that a Ctrl-C could leave half done: what
needs such code is noted in a queue, which `_settle` empties after the lock is released.  Compiled
code looks for signals only where it says so, so each step under the lock is one step to them.
"""
# Safe for free-threaded Python: see the lock above.

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport INT64_MAX, int32_t, int64_t
from libc.string cimport memcpy, memset

from fastproc.pool._channel cimport Batch, Channel
from fastproc.pool._job cimport Function, Job, Lost, Raw
from fastproc.pool._messages cimport (
    BELL, CONDEMNED, FAILURE, FLAGS, FUNCTION, OVERWEIGHT, PAGE, READY, RING_BYTES, ROOM, SINCE,
    STARTED, STARTING, STOP, TASKS, UNREADABLE, ResultHeader, slot_bytes,
)
from fastproc.pool._mutex cimport Mutex
from fastproc.pool._waiting cimport Waiting
from fastproc.shm._atomic cimport (
    atomic_exchange, atomic_fence, atomic_load, atomic_load_word, atomic_set_bits, atomic_store,
    atomic_store_word,
)
from fastproc.shm._bell cimport HAS_FUTEX as _HAS_FUTEX
from fastproc.shm._bell cimport AWAKE, PIPE, now_ns
from fastproc.shm._ring cimport Ring

import collections
import os
import queue
import threading
from concurrent.futures import CancelledError

from fastproc.errors import TaskTimeout
from fastproc.pool import remote, serialize
from fastproc.shm import memory

#: Whether this system has futexes.
HAS_FUTEX = bool(_HAS_FUTEX)

cdef enum:
    # Messages that a worker has in hand.  A second one hides the parent's answering time.
    MOST_IN_FLIGHT = 2
    # Numbers of functions that travel by their names, which are small and often used again, and of
    # others, of which a worker need not keep many: they may have large data.
    NAMED_NUMBERS = 256
    OTHER_NUMBERS = 8


cdef class Dispatcher(Waiting):
    """All channels and jobs of a pool.

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

    cdef readonly object memory             # of all slots
    cdef object _mapping
    cdef char* _base
    cdef readonly Py_ssize_t n_slots
    cdef readonly Py_ssize_t n_workers
    cdef readonly list channels             # by slot; None where there is no worker
    cdef list _born                         # by slot, when its worker was started
    cdef readonly list restarts             # by slot
    cdef readonly object to_kill            # condemned workers' channels, for the manager
    cdef object _names
    cdef object _jobs                       # jobs with tasks to hand out
    cdef object _returned                   # batches to be handed out again
    cdef readonly set unfinished            # jobs
    cdef readonly object ended              # a queue of jobs whose `on_end` is to be called
    cdef public object broken               # why no task can run any more, or None
    cdef bint _closing
    cdef dict _functions
    cdef int64_t _n_named
    cdef int64_t _n_others
    cdef int64_t _next_look                 # when the manager looks for overdue tasks
    # What waits for `_settle`:
    cdef object _unopened                   # Raw values in parcels
    cdef object _misread                    # batches that a worker could not unpickle, and why
    cdef object _failed_starts              # what initializers raised
    cdef object _spent                      # batches that have left a worker, with their payloads
    cdef object _dropped                    # jobs whose results nobody can ask for any more

    def __init__(
        self, Py_ssize_t n_slots, wake, bint has_futex, names, int64_t spin_ns, Py_ssize_t n_cpus
    ):
        cdef Py_buffer view
        self.n_slots = n_slots
        self.memory = memory.create(PAGE + n_slots * slot_bytes())
        self._mapping = self.memory.mapping
        PyObject_GetBuffer(self._mapping, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        self._base = <char*>view.buf
        PyBuffer_Release(&view)             # the mapping, which does not move, is kept
        self._bell = <int32_t*>(self._base + BELL)
        self._flags = <int64_t*>(self._base + FLAGS)
        self._n_words = (n_slots + 63) // 64
        self._lock, self._leading = Mutex(), Mutex()
        self._followers = collections.deque()
        self._spin_ns, self._n_cpus = spin_ns, n_cpus
        self._wake = wake
        self._wake_fd = wake.fileno() if os.name == "posix" else -1
        self._doorbell = None if has_futex else threading.Semaphore(0)
        self.channels = [None] * n_slots
        self.restarts = [-1] * n_slots
        self._born = [0] * n_slots
        self.to_kill = collections.deque()
        self._names = names
        self._jobs = collections.deque()
        self._returned = collections.deque()
        self.unfinished = set()
        self.ended = queue.SimpleQueue()
        self._functions = {}
        self._next_look = INT64_MAX
        self._unopened = collections.deque()
        self._misread = collections.deque()
        self._failed_starts = collections.deque()
        self._spent = collections.deque()
        self._dropped = collections.deque()
        atomic_store_word(self._bell, PIPE)

    # Workers ------------------------------------------------------------------------------------

    def prepare(self, Py_ssize_t slot):
        """Make a slot ready for a worker that is about to be started; nobody may be using it."""
        cdef Py_ssize_t start = PAGE + slot * slot_bytes()
        memset(self._base + start, 0, PAGE)
        Ring(self._mapping, start + PAGE, RING_BYTES).clear()
        Ring(self._mapping, start + PAGE + 2 * 64 + RING_BYTES, RING_BYTES).clear()
        self._born[slot] = now_ns()

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
        channel.born = self._born[slot]
        channel.flight = collections.deque()
        channel.functions = {}
        with self._lock:
            self.channels[slot] = channel
            self.n_workers += 1
            if self.restarts[slot] < 0:
                self.restarts[slot] = 0

    def has_begun(self, Py_ssize_t slot):
        """Tell whether a slot's worker has got as far as to wait for tasks, or to fail."""
        cdef Channel channel = self.channels[slot]
        return atomic_load(channel.ready) != 0

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
            channel = self.channels[slot]
            self._drain(channel)
            self.channels[slot] = None
            self.n_workers -= 1
            running = atomic_load(channel.started)
            condemned = atomic_load(channel.condemned)
            if condemned and running > condemned:
                running = channel.received      # it waited for its sentence, and began nothing
            if channel.flight:
                self._n_busy -= 1
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
                    self._returned.append(self._part(batch, batch.done, batch.count))
            self.restarts[slot] += 1
            self._wake_waiters()
        self._settle()
        self._wake_leader()

    cdef int _lose(self, Batch batch, object error) except -1:
        """Settle the task of a batch that ran when its worker died."""
        cdef Job job = batch.job
        if job in self.unfinished and not isinstance(error, CancelledError) and job.try_again(
                batch.first + batch.done):
            self._returned.append(self._part(batch, batch.done, batch.done + 1))
            batch.done += 1
        else:
            self._give(batch, Lost(error))
        return 0

    cdef Batch _part(self, Batch batch, int64_t start, int64_t stop):
        """Return tasks `start` to `stop` of a batch as a batch of their own."""
        cdef Batch part = Batch.__new__(Batch)
        part.job, part.by_value = batch.job, batch.by_value
        part.first, part.count = batch.first + start, stop - start
        # A chunk is one task of many items.
        part.items = batch.items if batch.job.chunk != 0 else batch.items[start:stop]
        return part

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
            for channel in self.channels:
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

    def retire(self):
        """Tell each worker to stop after what it has been sent."""
        cdef Channel channel
        with self._lock:
            for channel in self.channels:
                if channel is not None:
                    self._retire(channel)

    cdef int _retire(self, Channel channel) except -1:
        cdef int64_t position
        if not channel.retiring:
            channel.retiring = channel.put(STOP, None, 0, 0, None, &position)
        return 0

    # Jobs ---------------------------------------------------------------------------------------

    def function(self, function):
        """Return the Function that stands for a callable, pickled; raises what pickling raises."""
        cdef Function known = self._functions.get(id(function))
        if known is not None:
            return known
        # What travels by its name alone is always the same; a closure may have changed tomorrow.
        if hasattr(function, "__qualname__") and self._names.has(function) and (
                not hasattr(function, "__self__") or function.__self__ is None
                or hasattr(function.__self__, "__loader__")):
            known = Function(function, self._n_named % NAMED_NUMBERS, self._names)
            self._n_named += 1
            if len(self._functions) >= NAMED_NUMBERS:
                self._functions.clear()
            self._functions[id(function)] = known
            return known
        return self._by_value(function, self._names)

    cdef Function _by_value(self, object function, object names):
        self._n_others += 1
        return Function(function, NAMED_NUMBERS + self._n_others % OTHER_NUMBERS, names)

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
            payload = serialize.dumps(job.items, self._names)
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
                if channel is not None:
                    self._send(channel, batch, payload)
                else:
                    self._spent.append((batch, payload))
                    self._returned.append(batch)
        self._settle()
        return 0

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
        for channel in self.channels:
            if channel is None or not channel.flight:
                continue
            for batch in list(channel.flight):
                if batch.job is job and channel.tasks.withdraw(batch.position):
                    self._take_back(channel, batch)
            if not channel.flight:
                self._n_busy -= 1
        return 0

    cdef int _take_back(self, Channel channel, Batch batch) except -1:
        """Note that a message has been withdrawn."""
        channel.flight.remove(batch)
        self._spent.append((batch, batch.payload))
        if channel.left >= 0:
            channel.left += batch.count
        # Its place in the ring is free only when the worker comes by: send nothing ahead till then.
        channel.no_prefetch = True
        return 0

    def cancel(self, Job job, bint even_running=True):
        """End a job's tasks; return whether that was possible.

        Not if it has ended already, nor, without `even_running`, if a worker has taken its task.
        """
        cdef Channel channel
        self._check_process()
        error = CancelledError("the task was cancelled")
        with self._lock:
            for channel in self.channels:
                if channel is not None:
                    self._drain(channel)
            self._wake_waiters()
            if job not in self.unfinished:
                is_possible = False
            else:
                self._withdraw(job)
                is_possible = even_running or not self._is_in_flight(job)
            if is_possible:
                for channel in self.channels:
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
        for channel in self.channels:
            if channel is not None and channel.flight and (
                    (<Batch>channel.flight[0]).job is job):
                if channel.tasks.is_empty() or atomic_load(channel.started) > channel.received:
                    return True
        return False

    cdef bint _is_in_flight(self, Job job) except -1:
        cdef Channel channel
        for channel in self.channels:
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

    def fail_all(self, error):
        """End all jobs, and refuse new ones, with an error."""
        cdef Job job
        with self._lock:
            if self.broken is None:
                self.broken = error
            for job in list(self.unfinished):
                self._fail(job, self.broken)
            self._jobs.clear()
            self._returned.clear()
            self._wake_waiters()
        self._wake_leader()

    cdef int _fail(self, Job job, object error) except -1:
        """End a job whose results will not come; needs the lock."""
        job.error = error
        job.let_feed()
        self._end(job)
        return 0

    cdef int _end(self, Job job) except -1:
        if job not in self.unfinished:
            return 0                        # ended before
        self._forget(job)
        if job.on_end is not None:
            self.ended.put(job)
        if self._closing and not self.unfinished:
            self.wake_manager()
        return 0

    cdef int _forget(self, Job job) except -1:
        self.unfinished.discard(job)
        # Shared arrays that its function refers to may have reached no worker.
        self._spent.append((None, job.function.payload))
        return 0

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
                    if self._steal(channel):
                        continue
                    break
            error = payload = None
            try:
                payload = serialize.dumps(
                    batch.items, serialize.NO_MAIN if batch.by_value else self._names)
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
        cdef Channel channel, best = None
        cdef Py_ssize_t least = MOST_IN_FLIGHT, n
        if not self._jobs and not self._returned and self._n_busy:
            return self._choose_idle()
        for channel in self.channels:
            if channel is None or channel.retiring or channel.left == 0 or channel.is_full:
                continue
            n = len(channel.flight)
            if n < least and not (n and channel.no_prefetch):
                least, best = n, channel
                if n == 0:
                    break
        return best

    cdef Channel _choose_idle(self):
        """Return a worker without a task, to be given what waits at another; or None."""
        cdef Channel channel
        if self._n_busy < self.n_workers:
            for channel in self.channels:
                if channel is not None and not channel.flight and not channel.retiring and (
                        channel.left != 0 and not channel.is_full):
                    return channel
        return None

    cdef Batch _next_batch(self, Channel channel):
        """Return the next batch for a worker, or None; needs the lock."""
        cdef Batch batch
        cdef Job job
        cdef int64_t most = channel.left
        while self._returned:
            batch = self._returned.popleft()
            if batch.job not in self.unfinished:
                continue
            if 0 <= most < batch.count:
                self._returned.appendleft(self._part(batch, most, batch.count))
                batch = self._part(batch, 0, most)
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

    cdef bint _steal(self, Channel idle) except -1:
        """Take a message that waits behind another worker's task back for an idle worker."""
        cdef Channel channel
        cdef Batch batch
        if idle.flight:
            return False
        for channel in self.channels:
            if channel is not None and len(channel.flight) > 1:
                batch = channel.flight[len(channel.flight) - 1]
                if channel.tasks.withdraw(batch.position):
                    self._take_back(channel, batch)
                    self._returned.append(self._part(batch, 0, batch.count))
                    return True
        return False

    cdef int _send(self, Channel channel, Batch batch, object payload) except -1:
        """Send a batch, and its function before it if the worker has not had it; needs the lock."""
        cdef Job job = batch.job
        cdef Function function = job.function
        cdef int64_t position
        cdef bint sent = self.channels[channel.slot] is channel and not channel.retiring
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
        if not channel.flight:
            self._n_busy += 1
        batch.payload = payload
        channel.flight.append(batch)
        if job.timeout > 0 and now_ns() + <int64_t>(1e9 * job.timeout) < self._next_look:
            self.wake_manager()             # to look at the clock
        if channel.left > 0:
            channel.left = max(channel.left - batch.count, 0)
            if channel.left == 0:
                self._retire(channel)
        return 0

    cdef int _fail_to_pickle(self, Batch batch, object error) except -1:
        """Fail the tasks of a batch one by one, to blame none that can be pickled."""
        cdef Py_ssize_t i
        if len(batch.items) > 1 and batch.job.chunk == 0:
            for i in range(len(batch.items)):
                self._returned.append(self._part(batch, i, i + 1))
            return 0
        self._give(batch, Lost(error))
        return 0

    # Results ------------------------------------------------------------------------------------

    cdef bint _collect(self) except -1:
        """Read the results of all workers whose flags are up."""
        cdef Py_ssize_t word, slot
        cdef int64_t flags
        cdef bint some = False
        with self._lock:
            for word in range(self._n_words):
                if not atomic_load(self._flags + word):
                    continue
                flags = atomic_exchange(self._flags + word, 0)
                atomic_fence()                                          # [flag]
                some = True
                try:
                    for slot in range(64 * word, min(64 * word + 64, self.n_slots)):
                        if flags >> (slot - 64 * word) & 1 and self.channels[slot] is not None:
                            self._drain(self.channels[slot])
                except BaseException:
                    atomic_set_bits(self._flags + word, flags)      # for whoever comes next
                    raise
            if some:
                self._wake_waiters()
        if some:
            self._settle()
        return some

    cdef int _drain(self, Channel channel) except -1:
        """Read a worker's results; needs the lock."""
        cdef Py_ssize_t n
        cdef ResultHeader header
        cdef Batch batch
        cdef char* message = channel.results.front(&n)
        cdef bint was_busy = len(channel.flight) > 0
        channel.is_full = channel.no_prefetch = False
        while message != NULL:
            memcpy(&header, message, sizeof(ResultHeader))
            value = channel.value_of(
                &header, message + sizeof(ResultHeader), n - sizeof(ResultHeader))
            channel.results.consume()
            if header.status == STARTING:
                self._failed_starts.append(value)
            elif channel.flight:
                batch = channel.flight[0]
                channel.received += 1
                channel.received_bytes += n
                if header.status == UNREADABLE:
                    channel.flight.popleft()
                    self._misread.append((batch, value))
                else:
                    channel.busy += header.duration
                    batch.job.learn(<double>header.duration / (len(batch.items) / batch.count))
                    if isinstance(value, Raw) and (<Raw>value).is_parcel:
                        self._unopened.append(value)
                    self._give(batch, value)
                    if batch.done == batch.count:
                        channel.flight.popleft()
                        self._spent.append((batch, None))
            message = channel.results.front(&n)
        atomic_fence()                      # else a worker that finds no room might not be seen
        if atomic_load_word(channel.room) != AWAKE:
            channel.ring(channel.room)
        if channel.left == 0 or atomic_load(channel.overweight):
            self._retire(channel)
        if was_busy and not channel.flight:
            self._n_busy -= 1
        return 0

    cdef int _give(self, Batch batch, object value) except -1:
        """Hand the value of a batch's next task to its job."""
        cdef Job job = batch.job
        cdef int64_t first = batch.first + batch.done
        batch.done += 1
        if job in self.unfinished:
            job.accept(first, 1 if job.chunk == 0 else len(batch.items), value)
            if job.is_done():
                self._end(job)
        return 0

    cdef int _settle(self) except -1:
        """Do what must not be done under the lock, since it is Python code, some of it the user's.

        A Ctrl-C in the middle leaves the rest to the next who comes by.
        """
        while self._unopened:
            value = self._pop(self._unopened)
            if value is not None:
                (<Raw>value).open()         # whoever reads it does so too, if this is interrupted
        while self._misread:
            pair = self._pop(self._misread)
            if pair is not None:
                self._send_by_value(pair[0], pair[1])
        while self._failed_starts:
            value = self._pop(self._failed_starts)
            if value is not None:
                self._break_by(value)
        while self._spent:
            pair = self._pop(self._spent)
            if pair is not None and pair[1] is not None:
                pair[1].recall()
        return 0

    cdef object _pop(self, object waiting):
        try:
            return waiting.popleft()
        except IndexError:                  # another thread has had it
            return None

    cdef int _send_by_value(self, Batch batch, Raw value) except -1:
        """Send what a worker could not unpickle once more, by value; if it was, fail it."""
        cdef Function function = None
        if not batch.by_value:
            try:
                function = self._by_value(batch.job.function.function, serialize.NO_MAIN)
            except Exception:
                pass                        # the worker's error says more
            except BaseException:
                self._misread.append((batch, value))
                raise
        with self._lock:
            self._spent.append((batch, batch.payload))
            if function is not None:
                self._spent.append((None, batch.job.function.payload))
                batch.job.function = function
                batch = self._part(batch, 0, batch.count)
                batch.by_value = True
                self._returned.append(batch)
            else:
                value.status = FAILURE
                while batch.done < batch.count:
                    self._give(batch, value)
                self._wake_waiters()
        return 0

    cdef int _break_by(self, Raw value) except -1:
        """End the pool: a worker's initializer failed, as every worker's will."""
        value.status = FAILURE
        try:
            value.load()
        except Exception as error:
            self.fail_all(error)
        return 0

    def stats(self):
        """Return by slot what is known of its worker, None where there is none."""
        cdef Channel channel
        now = now_ns()
        rows = []
        with self._lock:
            for slot, channel in enumerate(self.channels):
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
