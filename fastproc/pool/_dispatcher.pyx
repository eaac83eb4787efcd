"""Layer: pool.  The parent's side: which task is where, and what its worker's messages say of it.

All state of a pool is here; a worker owns nothing but the task in its hands.  So when a worker
dies the parent knows which task was running (that one fails) and which were only waiting (they go
to another worker).

Who does the work.  There is no thread in the way of a task.  Whoever waits for a result *leads*:
it reads results, hands out the next tasks and sleeps at the parent's bell.  Others who wait sleep
on locks of their own; a leader that has what it came for wakes one of them to lead on.  When
nobody waits the bell is set to PIPE, and a worker's ringing wakes the pool's manager, a thread
that otherwise sleeps (``manager.py``).

Locks.  `_lock` guards all state here and is held for moments only: nothing of the user's runs
under it, neither pickling nor iterators nor callbacks.  `_leading` is held by the leader for as
long as it leads; `_lock` is taken inside `_leading`, never the other way round.

Why this is compiled: between two steps of Python code a Ctrl-C may strike and leave them half
done.  Compiled code looks for signals only where it says so (`PyErr_CheckSignals`), so each method
here is one step to them.
"""
# Safe for free-threaded Python: see the locks above.

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

from fastproc.pool._channel cimport Batch, Channel, value_of
from fastproc.pool._job cimport Function, Job, Lost, Raw
from fastproc.pool._messages cimport (
    BELL, CONDEMNED, FAILURE, FLAGS, FUNCTION, OVERWEIGHT, PAGE, READY, RING_BYTES, ROOM, SINCE,
    STARTED, STARTING, STOP, TASKS, UNREADABLE, ResultHeader, slot_bytes,
)
from fastproc.shm._atomic cimport (
    atomic_exchange, atomic_fence, atomic_load, atomic_load_word, atomic_set_bits, atomic_store,
    atomic_store_word, pause,
)
from fastproc.shm._bell cimport HAS_FUTEX as _HAS_FUTEX
from fastproc.shm._bell cimport AWAKE, FUTEX, PIPE, futex_wait, lie_down, now_ns, ring_bell
from fastproc.shm._ring cimport Ring

import collections
import threading
from concurrent.futures import CancelledError

from fastproc.errors import TaskTimeout
from fastproc.pool import serialize
from fastproc.pool.remote import died_early
from fastproc.shm import memory

#: Whether this system has futexes.
HAS_FUTEX = bool(_HAS_FUTEX)

cdef enum:
    # Messages that a worker has in hand.  A second one hides the parent's answering time.
    MOST_IN_FLIGHT = 2
    # Nanoseconds of sleep after which one who waits looks for signals, in case one came between
    # the last look and the sleep.
    SLICE_NS = 500_000_000
    FUNCTION_NUMBERS = 256


cdef class Dispatcher:
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
    cdef public object broken               # why no task can run any more, or None
    cdef readonly list channels             # by slot; None where there is no worker
    cdef object _names
    cdef object _lock
    cdef object _leading
    cdef object _followers
    cdef object _jobs                       # jobs with tasks to hand out
    cdef object _returned                   # batches to be handed out again
    cdef readonly set unfinished            # jobs
    cdef readonly object ended              # jobs that the manager is to call back
    cdef public bint closing                # the manager wants to know when all is done
    cdef list _born                         # by slot, when its worker was started
    cdef dict _functions
    cdef int64_t _n_functions
    cdef int32_t* _bell
    cdef int64_t* _flags
    cdef Py_ssize_t _n_words
    cdef int64_t _spin_ns
    cdef Py_ssize_t _n_cpus
    cdef Py_ssize_t _n_busy
    cdef readonly Py_ssize_t n_workers
    cdef readonly list restarts             # by slot
    cdef readonly object to_kill            # slots of condemned workers, for the manager
    cdef object _wake
    cdef bint _is_waking                    # a message to the manager is on its way
    cdef object _doorbell                   # at which the leader sleeps, where there is no futex

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
        self.channels = [None] * n_slots
        self._names = names
        self._lock = threading.Lock()
        self._leading = threading.Lock()
        self._followers = collections.deque()
        self._jobs = collections.deque()
        self._returned = collections.deque()
        self.unfinished = set()
        self.ended = collections.deque()
        self._functions = {}
        self._spin_ns, self._n_cpus = spin_ns, n_cpus
        self._wake = wake
        self._is_waking = False
        self._doorbell = None if has_futex else threading.Semaphore(0)
        self.broken = None
        self.restarts = [-1] * n_slots
        self._born = [0] * n_slots
        self.to_kill = collections.deque()
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

        `pipe` is where a message wakes it, None if there are futexes.
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
        self.hand_out()

    def has_begun(self, Py_ssize_t slot):
        """Tell whether a slot's worker has got as far as to wait for tasks, or to fail."""
        cdef Channel channel = self.channels[slot]
        return atomic_load(channel.ready) != 0

    def bury(self, Py_ssize_t slot, describe):
        """Take away a dead worker's channel; return whether it had been told to stop.

        Its results are read, the task that was running fails with ``describe(function)`` or is done
        again, and tasks that it had not begun with go to others.
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
                batch.payload.recall()
                if is_first and running > channel.received:
                    error = channel.sentence
                    if error is None:
                        error = describe(batch.job.function.function)
                    self._lose(batch, error)
                is_first = False
                if batch.done == 0:
                    self._returned.append(batch)
                elif batch.done < batch.count:
                    self._returned.append(self._part(batch, batch.done, batch.count))
            self.restarts[slot] += 1
            self._wake_waiters()
        self._wake_leader()
        return channel.retiring

    cdef int _lose(self, Batch batch, object error) except -1:
        """Settle the task of a batch that ran when its worker died."""
        cdef Job job = batch.job
        if not isinstance(error, CancelledError) and job.try_again(batch.first + batch.done):
            if batch.count > 1:
                self._returned.append(self._part(batch, batch.done, batch.done + 1))
                batch.done += 1
        else:
            self._give(batch, Lost(error))
        return 0

    def overdue(self):
        """Condemn workers whose tasks have run for too long; return seconds to the next look.

        None if there is nothing to look for.
        """
        cdef Channel channel
        cdef Job job
        cdef int64_t number
        cdef double left, next_look = -1
        with self._lock:
            for channel in self.channels:
                if channel is None or channel.sentence is not None:
                    continue
                self._drain(channel)
                if not channel.flight:
                    continue
                job = (<Batch>channel.flight[0]).job
                if job.timeout <= 0:
                    continue
                left = job.timeout
                number = atomic_load(channel.started)
                if number > channel.received:
                    # Read after the number: if the worker is ahead, this is too late a time.
                    left -= (now_ns() - atomic_load(channel.since)) / 1e9
                    if left <= 0:
                        self._condemn(channel, number, TaskTimeout(
                            f"the task ran for more than {job.timeout:g} s", job.timeout))
                        left = job.timeout
                if next_look < 0 or left < next_look:
                    next_look = left
            self._wake_waiters()
        return None if next_look < 0 else max(next_look, 0.0005)

    cdef bint _condemn(self, Channel channel, int64_t number, object error) except -1:
        """Have a worker killed for the task of a number, unless it runs another; needs the lock.

        If the task has just ended and no other has begun the worker is killed for nothing, which
        costs nobody a result.
        """
        atomic_store(channel.condemned, number)
        atomic_fence()                                                  # [condemn]
        if atomic_load(channel.started) != number:
            atomic_store(channel.condemned, 0)
            channel.ring(channel.bell)
            return False
        channel.sentence = error
        self.to_kill.append(channel.slot)
        self.wake_manager()
        return True

    def cancel(self, Job job, bint even_running=True):
        """End a job's tasks; return whether that was possible.

        Not if it has ended already, nor, without `even_running`, if one of its tasks has begun.
        """
        cdef Channel channel
        cdef Batch batch
        cdef int64_t number
        with self._lock:
            for channel in self.channels:
                if channel is not None:
                    self._drain(channel)
            self._wake_waiters()
            if job.is_done() or (not even_running and self._is_running(job)):
                return False
            error = CancelledError("the task was cancelled")
            for channel in self.channels:
                if channel is None:
                    continue
                self._withdraw(channel, job)
                number = atomic_load(channel.started)
                if channel.sentence is None and channel.flight and number > channel.received and (
                        (<Batch>channel.flight[0]).job is job):
                    self._condemn(channel, number, error)
            if job in self._jobs:
                self._jobs.remove(job)
            for batch in list(self._returned):
                if batch.job is job:
                    self._returned.remove(batch)
            self._fail(job, error)
            job.abandoned = True
            self._wake_waiters()
        self.hand_out()
        return True

    def is_running(self, Job job):
        """Tell whether a task of a job has begun and not ended."""
        with self._lock:
            return self._is_running(job)

    cdef bint _is_running(self, Job job):
        """Tell whether a worker has taken a job's message; needs the lock."""
        cdef Channel channel
        for channel in self.channels:
            if channel is not None and channel.flight and (
                    (<Batch>channel.flight[0]).job is job):
                if channel.tasks.is_empty() or atomic_load(channel.started) > channel.received:
                    return True
        return False

    cdef Batch _part(self, Batch batch, int64_t start, int64_t stop):
        """Return some tasks of a batch that has one per item, as a batch of their own."""
        cdef Batch part = Batch.__new__(Batch)
        part.job, part.by_value = batch.job, batch.by_value
        part.items = batch.items[start:stop]
        part.first, part.count = batch.first + start, stop - start
        return part

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
        known = Function(function, self._n_functions, self._names)
        self._n_functions += 1
        # What travels by its name alone is always the same; a closure may have changed tomorrow.
        if hasattr(function, "__qualname__") and self._names.has(function) and (
                not hasattr(function, "__self__") or function.__self__ is None
                or hasattr(function.__self__, "__loader__")):
            if len(self._functions) >= FUNCTION_NUMBERS:
                self._functions.clear()
            self._functions[id(function)] = known
        return known

    def submit(self, Job job):
        """Begin with a job."""
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
        self.hand_out()

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
                if payload is not None:
                    payload.recall()
                raise self.broken
            self.unfinished.add(job)
            job.drawn = job.unfinished = 1
            job.exhausted = True
            if error is not None:
                self._give(batch, Lost(error))
                return 0
            if not self._jobs and not self._returned:
                channel = self._choose()
            if channel is not None:
                self._send(channel, batch, payload)
            else:
                payload.recall()
                self._returned.append(batch)
        return 0

    def abandon(self, Job job):
        """Do no more for a job: what no worker has begun with yet will not be done."""
        cdef Channel channel
        with self._lock:
            job.abandoned = True
            self.unfinished.discard(job)
            for channel in self.channels:
                if channel is not None:
                    self._withdraw(channel, job)
            self._wake_waiters()
        self.hand_out()

    cdef int _withdraw(self, Channel channel, Job job) except -1:
        """Take back what waits in a worker's ring for a job; needs the lock."""
        cdef Batch batch
        cdef bint was_busy = len(channel.flight) > 0
        for batch in list(channel.flight):
            if batch.job is job and channel.tasks.withdraw(batch.position):
                channel.flight.remove(batch)
                batch.payload.recall()
                job.unfinished -= len(batch.items)
        if was_busy and not channel.flight:
            self._n_busy -= 1
        return 0

    def fail_all(self, error):
        """End all jobs, and refuse new ones, with an error."""
        cdef Job job
        with self._lock:
            self.broken = error
            for job in list(self.unfinished):
                self._fail(job, error)
            self._jobs.clear()
            self._returned.clear()
            self._wake_waiters()
        self._wake_leader()

    cdef int _fail(self, Job job, object error) except -1:
        """End a job whose results will not come; needs the lock."""
        cdef Py_ssize_t i
        job.failed = job.exhausted = job.has_raw = True
        job.unfinished = 0
        if job.iterator is None:
            for i in range(len(job.values)):
                if job.values[i] is None:
                    job.values[i] = Lost(error)
        else:
            job.values.setdefault(job.drawn, Lost(error))
        self._end(job)
        return 0

    cdef int _end(self, Job job) except -1:
        if job not in self.unfinished:
            return 0                        # ended before, by a cancellation
        self.unfinished.discard(job)
        if job.on_end is not None:
            self.ended.append(job)
        if job.on_end is not None or (self.closing and not self.unfinished):
            self.wake_manager()
        return 0

    def hand_out(self):
        """Send tasks to workers that have time."""
        cdef Channel channel
        cdef Batch batch
        cdef Job job
        cdef bint drew
        while True:
            with self._lock:
                channel = self._choose()
                if channel is None:
                    return
                batch, drew = self._next_batch(channel.left)
                if batch is None:
                    self._steal(channel)
                    if not self._returned:
                        return
                    continue
            job = batch.job
            error = None
            payload = None
            try:
                if drew:
                    batch.items = job.draw(batch.count)
                if batch.items:
                    payload = serialize.dumps(
                        batch.items, serialize.NO_MAIN if batch.by_value else self._names)
            except BaseException as caught:
                error = caught
            with self._lock:
                if drew:
                    self._drew(job, batch, error)
                if error is not None or not batch.items:
                    if batch.items:
                        self._fail_to_pickle(batch, error)
                    self._wake_waiters()
                elif job.abandoned:
                    payload.recall()
                    job.unfinished -= len(batch.items)
                else:
                    self._send(channel, batch, payload)
            if error is not None and not isinstance(error, Exception):
                raise error

    cdef int _drew(self, Job job, Batch batch, object error) except -1:
        """Note what `draw` gave: items, the end or the iterator's error."""
        cdef Py_ssize_t n = 0 if batch.items is None else len(batch.items)
        job.drawing = False
        if error is not None and batch.items is None:
            job.exhausted = True
            job.failed = True
            if job.iterator is not None:
                job.values[job.drawn] = Lost(error)
        else:
            batch.first = job.drawn
            job.drawn += n
            job.unfinished += n
            if n < batch.count and job.iterator_error is None or job.drawn == job.total:
                job.exhausted = True
            batch.count = 1 if job.chunk != 0 else n
        if job.exhausted:
            if job in self._jobs:
                self._jobs.remove(job)
            if job.is_done():
                self._end(job)
        return 0

    cdef int _fail_to_pickle(self, Batch batch, object error) except -1:
        """Fail the tasks of a batch one by one, to blame none that can be pickled."""
        cdef Py_ssize_t i
        if len(batch.items) > 1 and batch.job.chunk == 0:
            for i in range(len(batch.items)):
                self._returned.append(self._part(batch, i, i + 1))
            return 0
        while batch.done < batch.count:
            self._give(batch, Lost(error))
        return 0

    cdef Channel _choose(self):
        """Return the worker to be sent the next message, or None if all have enough."""
        cdef Channel channel, best = None
        cdef Py_ssize_t least = MOST_IN_FLIGHT, n
        for channel in self.channels:
            if channel is None or channel.retiring or channel.left == 0:
                continue
            n = len(channel.flight)
            if n < least:
                least, best = n, channel
                if n == 0:
                    break
        return best

    cdef tuple _next_batch(self, int64_t most):
        """Return the next batch, and whether its items are yet to be drawn; needs the lock.

        It has at most `most` tasks if that is not negative.
        """
        cdef Batch batch
        cdef Job job
        while self._returned:
            batch = self._returned.popleft()
            if batch.job.abandoned:
                batch.job.unfinished -= len(batch.items)
                continue
            if 0 <= most < batch.count:
                self._returned.appendleft(self._part(batch, most, batch.count))
                batch = self._part(batch, 0, most)
            return batch, False
        for job in list(self._jobs):
            if job.abandoned:
                self._jobs.remove(job)
            elif job.may_draw(self.n_workers):
                batch = Batch.__new__(Batch)
                batch.job, batch.items = job, None
                batch.count = job.message_items(self.n_workers)
                if job.chunk == 0 and most >= 0:
                    batch.count = min(batch.count, most)
                job.drawing = True
                return batch, True
        return None, False

    cdef int _steal(self, Channel idle) except -1:
        """Take a message that waits behind another worker's task back for an idle worker."""
        cdef Channel channel
        cdef Batch batch
        if idle.flight:
            return 0
        for channel in self.channels:
            if channel is not None and len(channel.flight) > 1:
                batch = channel.flight.pop()
                if channel.tasks.withdraw(batch.position):
                    batch.payload.recall()
                    if channel.left >= 0:
                        channel.left += batch.count
                    self._returned.append(batch)
                    return 0
                channel.flight.append(batch)
        return 0

    cdef int _send(self, Channel channel, Batch batch, object payload) except -1:
        """Send a batch, and its function before it if the worker has not had it; needs the lock."""
        cdef Job job = batch.job
        cdef Function function = job.function
        cdef int64_t position
        cdef bint sent = True
        if self.channels[channel.slot] is not channel or channel.retiring:
            payload.recall()
            self._returned.appendleft(batch)
            return 0
        if channel.functions.get(function.number) is not function:
            sent = channel.put(FUNCTION, function, 0, 0, function.payload, &position)
            if sent:
                channel.functions[function.number] = function
        if not (sent and channel.put(
                TASKS, function, job.style, 0 if job.chunk == 0 else len(batch.items), payload,
                &batch.position)):
            payload.recall()
            self._returned.appendleft(batch)
            return 0
        if not channel.flight:
            self._n_busy += 1
        batch.payload = payload
        channel.flight.append(batch)
        if job.timeout > 0:
            self.wake_manager()             # to look at the clock
        if channel.left > 0:
            channel.left = max(channel.left - batch.count, 0)
            if channel.left == 0:
                self._retire(channel)
        return 0

    # Results ------------------------------------------------------------------------------------

    cdef bint _collect(self) except -1:
        """Read the results of all workers whose flags are up; needs the lock."""
        cdef Py_ssize_t word, slot
        cdef int64_t flags
        cdef bint some = False
        for word in range(self._n_words):
            if not atomic_load(self._flags + word):
                continue
            flags = atomic_exchange(self._flags + word, 0)              # [flag]
            for slot in range(64 * word, min(64 * word + 64, self.n_slots)):
                if flags >> (slot - 64 * word) & 1:
                    some = True
                    if self.channels[slot] is not None:
                        self._drain(self.channels[slot])
        if some:
            self._wake_waiters()
        return some

    cdef int _drain(self, Channel channel) except -1:
        """Read a worker's results; needs the lock."""
        cdef Py_ssize_t n
        cdef ResultHeader header
        cdef Batch batch
        cdef char* message = channel.results.front(&n)
        cdef bint was_busy = len(channel.flight) > 0
        while message != NULL:
            memcpy(&header, message, sizeof(ResultHeader))
            value = value_of(&header, message + sizeof(ResultHeader), n - sizeof(ResultHeader))
            channel.results.consume()
            if header.status == STARTING:
                self._broken_by(value)
            elif channel.flight:
                batch = channel.flight[0]
                if header.status == UNREADABLE:
                    channel.flight.popleft()
                    batch.payload.recall()
                    self._misread(batch, value)
                else:
                    channel.received += 1
                    channel.busy += header.duration
                    channel.received_bytes += n
                    batch.job.learn(
                        <double>header.duration / (len(batch.items) / batch.count))
                    if isinstance(value, Lost):
                        # The task was done, and its parcel went with the worker.
                        self._lose(batch, died_early(channel.process, (<Lost>value).error))
                    else:
                        self._give(batch, value)
                    if batch.done == batch.count:
                        channel.flight.popleft()
            message = channel.results.front(&n)
        if atomic_load_word(channel.room) != AWAKE:
            channel.ring(channel.room)
        if atomic_load(channel.overweight):
            self._retire(channel)
        if was_busy and not channel.flight:
            self._n_busy -= 1
        return 0

    cdef int _give(self, Batch batch, object value) except -1:
        """Hand the value of a batch's next task to its job."""
        cdef Job job = batch.job
        cdef int64_t first = batch.first + batch.done
        batch.done += 1
        if job.chunk == 0:
            job.accept(first, 1, value)
        else:
            job.accept(first, len(batch.items), value)
        if job.is_done():
            self._end(job)
        return 0

    cdef int _misread(self, Batch batch, Raw value) except -1:
        """Send what a worker could not unpickle once more, by value; if it was, fail it."""
        if not batch.by_value and not batch.job.abandoned:
            batch.by_value = True
            try:
                batch.job.function = Function(
                    batch.job.function.function, self._n_functions, serialize.NO_MAIN)
                self._n_functions += 1
                self._returned.append(batch)
                return 0
            except Exception:
                pass                        # the worker's error says more
        value.status = FAILURE
        while batch.done < batch.count:
            self._give(batch, value)
        return 0

    cdef int _broken_by(self, Raw value) except -1:
        """A worker's initializer failed, as every worker's will."""
        cdef Job job
        try:
            value.status = FAILURE
            value.load()
        except BaseException as error:
            self.broken = error
        for job in list(self.unfinished):
            self._fail(job, self.broken)
        self._jobs.clear()
        self._returned.clear()
        self.wake_manager()
        return 0

    # Waiting ------------------------------------------------------------------------------------

    def wait(self, Job job, timeout=None):
        """Return when `job` has news, or False after `timeout` seconds."""
        cdef int64_t end = -1
        if timeout is not None:
            end = now_ns() + <int64_t>(1e9 * max(0.0, min(timeout, 1e9)))
        while not job.has_news():
            if self._leading.acquire(False):
                try:
                    atomic_store_word(self._bell, AWAKE)
                    self._lead(job, end)
                finally:
                    lie_down(self._bell, PIPE)
                    self._leading.release()
                    self._hand_over()
            else:
                self._follow(job, end)
            if end >= 0 and now_ns() >= end:
                return bool(job.has_news())
        return True

    cdef int _lead(self, Job job, int64_t end) except -1:
        """Read results and hand out tasks until `job` has news or the time is over."""
        cdef bint some = False
        cdef int64_t now, stop
        while True:
            with self._lock:
                some = self._collect()
            if some or self._returned:
                self.hand_out()
            if job.has_news():
                return 0
            if some:
                continue
            now = now_ns()
            if end >= 0 and now >= end:
                return 0
            stop = now + SLICE_NS if end < 0 or end > now + SLICE_NS else end
            with nogil:
                some = self._look_until(
                    now + self._spin_ns if self._n_busy < self._n_cpus else now)
            if not some:
                self._sleep_until(stop)
            PyErr_CheckSignals()

    cdef bint _look_until(self, int64_t stop) noexcept nogil:
        """Look for a while whether a flag goes up."""
        cdef int _
        while not self._flag_is_up():
            if now_ns() >= stop:
                return False
            for _ in range(32):
                pause()
        return True

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
        atomic_store_word(self._bell, AWAKE)
        return 0

    cdef bint _flag_is_up(self) noexcept nogil:
        cdef Py_ssize_t word
        for word in range(self._n_words):
            if atomic_load(self._flags + word):
                return True
        return False

    cdef int _hand_over(self) except -1:
        """Have one who waits lead on, or the manager if there is something to do at once.

        The bell says PIPE by now, and said so while this thread was the leader: after the release
        another may already sleep at it.
        """
        if self._followers:
            try:
                self._followers.popleft()[1].release()
            except IndexError:
                self.wake_manager()
        elif self._flag_is_up():
            self.wake_manager()
        return 0

    def lead_once(self):
        """Do what a leader would, without waiting; for the manager."""
        cdef bint some = True
        while some:
            if not self._leading.acquire(False):
                if self._doorbell is not None:
                    self._doorbell.release()        # it is the leader who is meant
                return
            try:
                with self._lock:
                    some = self._collect()
                self.hand_out()
            finally:
                lie_down(self._bell, PIPE)
                self._leading.release()
            some = self._flag_is_up()

    cdef int _follow(self, Job job, int64_t end) except -1:
        """Sleep until `job` has news, it is this thread's turn to lead, or the time is over."""
        waiter = threading.Lock()
        waiter.acquire()
        entry = (job, waiter)
        with self._lock:
            self._followers.append(entry)
        try:
            # The leader may have left before it could see the entry.
            if not self._leading.locked() or job.has_news():
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
        if not self._is_waking:
            self._is_waking = True
            self._wake.send_bytes(b"")

    def manager_is_awake(self):
        """Say that the manager has read its messages and is about to look."""
        self._is_waking = False

    # For supervision ----------------------------------------------------------------------------

    def is_idle(self):
        """Tell whether all jobs are done."""
        return not self.unfinished

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
