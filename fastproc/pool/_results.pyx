"""Layer: pool.  Results: from the workers' rings to the jobs that wait for them.

`_lock` guards all state of a pool and is held for moments only.  Nothing of the user's runs under
it, neither pickling nor iterators nor callbacks, nor any Python code that a Ctrl-C could leave half
done: what needs such code is noted in a queue, which `_settle` empties after the lock is released.
Compiled code looks for signals only where it says so, so each step under the lock is one step to
them.
"""
# Safe for free-threaded Python: see the lock above.

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from fastproc.pool._channel cimport Batch, Channel
from fastproc.pool._function cimport Function, Functions
from fastproc.pool._job cimport Job, Raw
from fastproc.pool._messages cimport FAILURE, STARTING, UNREADABLE, ResultHeader
from fastproc.shm._atomic cimport (
    atomic_exchange, atomic_fence, atomic_load, atomic_load_word, atomic_set_bits,
)
from fastproc.shm._bell cimport AWAKE

import collections
import queue

cdef extern from "Python.h" nogil:
    unsigned long PyThread_get_thread_ident()

from fastproc.shm import serialize


cdef class Results(Waiting):
    """The part of a dispatcher that reads results, and knows which jobs have not ended."""

    def __init__(self, names):
        self._names = names
        self._functions = Functions(names)
        self._jobs = collections.deque()
        self._returned = collections.deque()
        self.unfinished = set()
        self.ended = queue.SimpleQueue()
        self._unopened = collections.deque()
        self._misread = collections.deque()
        self._failed_starts = collections.deque()
        self._spent = collections.deque()

    cdef bint _collect(self) except -1:
        """Read the results of all workers whose flags are up; return whether there were any."""
        cdef Py_ssize_t word, slot
        cdef int64_t flags
        cdef uint64_t left
        cdef bint some = False
        with self._lock:
            for word in range(self._n_words):
                if not atomic_load(self._flags + word):
                    continue
                flags = atomic_exchange(self._flags + word, 0)
                atomic_fence()                                          # [flag]
                some = True
                try:
                    left, slot = <uint64_t>flags, 64 * word
                    while left:
                        if left & 1 and self._roster.channels[slot] is not None:
                            self._drain(self._roster.channels[slot])
                        left >>= 1
                        slot += 1
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
        cdef char* message = channel.results.front(&n)
        while message != NULL:
            memcpy(&header, message, sizeof(ResultHeader))
            value = channel.value_of(
                &header, message + sizeof(ResultHeader), n - sizeof(ResultHeader))
            channel.results.consume()
            channel.received_bytes += n
            if isinstance(value, Raw) and (<Raw>value).opening is not None:
                # The last message for now: its worker waits [opened].
                channel.arriving, channel.arriving_ns = value, header.duration
                self._unopened.append(channel)
            else:
                self._accept(channel, header.status, value, header.duration)
            message = channel.results.front(&n)
        atomic_fence()                      # else a worker that finds no room might not be seen
        if atomic_load_word(channel.room) != AWAKE:
            channel.ring(channel.room)
        if channel.left == 0 or atomic_load(channel.overweight):
            channel.retire()
        channel.is_full = channel.no_prefetch = False
        self._roster.update(channel)
        return 0

    cdef int _accept(self, Channel channel, int status, object value, int64_t duration) except -1:
        """Take a worker's next result; needs the lock."""
        if status == STARTING:
            self._failed_starts.append(value)
        elif channel.flight:
            channel.received += 1
            if status == UNREADABLE:
                self._misread.append((channel.flight.popleft(), value))
            else:
                self._take(channel, channel.flight[0], value, duration)
        return 0

    cdef int _take(self, Channel channel, Batch batch, object value, int64_t duration) except -1:
        """Take the result of the next task of the batch that a worker has in hand."""
        channel.busy += duration
        batch.job.learn(<double>duration / (len(batch.items) / batch.count))
        self._give(batch, value)
        if batch.done == batch.count:
            channel.flight.popleft()
            self._spent.append((batch, None))
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

    # The ends of jobs ---------------------------------------------------------------------------

    def fail_all(self, error):
        """End all jobs, and refuse new ones, with an error."""
        cdef Job job
        with self._lock:
            if self.broken is None:
                self.broken = error
            for job in list(self.unfinished):
                self._fail(job, self.broken)
            for batch in self._returned:
                self._spent.append((batch, None))
            self._jobs.clear()
            self._returned.clear()
            self._wake_waiters()
        self._settle()
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
        if job.ends is not None:
            job.ends.put(job)
        if job.on_end is not None:
            self.ended.put(job)
        if self._closing and not self.unfinished:
            self.wake_manager()
        return 0

    cdef int _forget(self, Job job) except -1:
        self.unfinished.discard(job)
        # The job goes with it, that nothing of the user's ends here.  And shared arrays that its
        # function refers to may have reached no worker.
        self._spent.append((job, job.function.payload))
        return 0

    # What must not be done under the lock -------------------------------------------------------

    cdef int _settle(self) except -1:
        """Do what is Python code, some of it the user's.

        A Ctrl-C in the middle leaves the rest to another, who is waked for it.
        """
        try:
            while self._unopened:
                channel = self._pop(self._unopened)
                if channel is not None:
                    self._open(channel)
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
        except BaseException:
            self._wake_leader()
            raise
        return 0

    cdef object _pop(self, object waiting):
        try:
            return waiting.popleft()
        except IndexError:                  # another thread has had it
            return None

    cdef int _open(self, Channel channel) except -1:
        """Open the parcel that arrives by a channel, and take the result in it.

        Only now: a result of which somebody has been told must not be lost with its worker.
        """
        cdef Raw value
        with self._lock:
            value = channel.arriving
        if value is None:
            return 0                        # another thread has done it, who buries the worker
        try:
            value.open()
        except BaseException:
            self._unopened.appendleft(channel)
            raise
        with self._lock:
            if channel.arriving is not value:
                return 0
            channel.arriving = None
            channel.count_opened()
            self._accept(channel, value.status, value, channel.arriving_ns)
            self._roster.update(channel)
            self._wake_waiters()
        if self._leader != PyThread_get_thread_ident():
            self._wake_leader()             # who may have looked in vain meanwhile
        return 0

    cdef int _send_by_value(self, Batch batch, Raw value) except -1:
        """Send what a worker could not unpickle once more, by value; if it was, fail it."""
        cdef Function function = None
        if not batch.by_value:
            try:
                function = self._functions.by_value(
                    batch.job.function.function, serialize.NO_MAIN)
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
                batch = batch.part(0, batch.count)
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
