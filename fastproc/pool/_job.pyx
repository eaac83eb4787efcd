"""Layer: pool.  Jobs: what one call of a pool's method asks for, and the values that come back.

A job knows nothing of workers.  It gives out its items, learns how long they take, and keeps their
values as they came: reading them is left to whoever wants them, since that runs the user's code.
"""
# Safe for free-threaded Python: a job changes under its dispatcher's lock, `take` in one thread.

from fastproc.pool._function cimport Function
from fastproc.pool._messages cimport CALL as _CALL
from fastproc.pool._messages cimport FAILURE, SUCCESS
from fastproc.pool._messages cimport MAP as _MAP
from fastproc.pool._messages cimport STARMAP as _STARMAP

import collections
import threading

from fastproc.errors import SegmentGoneError
from fastproc.pool import remote
from fastproc.shm import serialize

# How a function is called with an item; the numbers of `_messages.pxd`.
CALL, MAP, STARMAP = _CALL, _MAP, _STARMAP

# Iterators that run nobody's code and never wait; any other is drawn from by a thread of its own.
PLAIN_ITERATORS = frozenset(
    type(iter(each)) for each in ((), [], range(0), range(1 << 70), "", b"", set(), {}))

cdef enum:
    # Nanoseconds of work that a message should have: large beside the cost of a message (some
    # 5 us), small beside what the last worker may be late.
    MESSAGE_NS = 500_000
    LEAST_MESSAGE_NS = 50_000
    MOST_TASKS = 1024           # in a message


cdef class Raw:
    """A value as it came, not read yet: reading it runs the user's code."""

    def open(self):
        """Map the memory of a parcel, which then outlives its sender; `load` tells of errors.

        Another thread may be at it: a handle is opened once, as the sender may use the memory again
        as soon as the first who opened it has dropped it.
        """
        if self.opening is None:
            return
        with self.opening:
            if self.opened is not None or self.error is not None:
                return
            try:
                self.opened = serialize.open_parcel(self.data)
            except SegmentGoneError as error:
                self.error = remote.died_early(self.sender, error)
            except Exception as error:
                self.error = error

    def load(self):
        """Return the value, or raise what the task raised."""
        if self.error is not None:
            raise self.error
        value = serialize.loads(self.data if self.opening is None else self.opened)
        if self.status != SUCCESS:
            raise remote.unpacked(value)
        return value


cdef class Lost(Raw):
    """In place of a value: why there is none."""

    def __init__(self, error):
        self.status = FAILURE
        self.error = error


cdef class Job:
    """What one call of a pool's method asks for: tasks, and room for their results.

    Parameters
    ----------
    function : Function
    style : int
        How it is called with an item: CALL, MAP or STARMAP.
    items : list or iterator
        An iterator is drawn from as workers have time.
    chunk : int
        Items per task; 0 for one whose result comes by itself, -1 for as many as make a good task.
    is_ordered : bool
        Whether results of drawn items are taken in their order.
    timeout : float
        Seconds that a task may run; 0 for any time.
    retries : int
        How often a task is done again whose worker died or that ran out of time.
    is_eager : bool
        Whether an iterator is drawn from however few results have been taken.
    """

    def __init__(
        self, Function function, int style, items, int64_t chunk, bint is_ordered=True,
        double timeout=0, int64_t retries=0, bint is_eager=False
    ):
        self.is_eager = is_eager
        self.function, self.style, self.chunk = function, style, chunk
        self.timeout, self.retries = timeout, retries
        self.is_ordered = is_ordered
        self.total = -1
        if isinstance(items, list):
            self.items = items
            self.total = len(items)
            self.values = [None] * self.total
            self.exhausted = self.total == 0
            return
        self.values = {}
        if type(items) in PLAIN_ITERATORS:
            self.iterator = items
        else:
            self.source = items
            self.fed = collections.deque()
            self.room = threading.Lock()
            self.room.acquire()

    @property
    def done(self):
        """Whether all results are there that will ever be."""
        return self.is_done()

    cdef bint is_done(self):
        return self.abandoned or self.error is not None or (
            self.exhausted and self.unfinished <= 0)

    def has_news(self):
        """Tell whether one who waits for this job can go on."""
        if self.items is None and (
                self.consumed in self.values if self.is_ordered else len(self.values) > 0):
            return True
        return self.is_done()

    cdef bint wants_more(self, Py_ssize_t n_workers, bint closing):
        """Tell whether items should be drawn, not too far ahead of who takes the results."""
        cdef int64_t ahead
        if self.is_eager or closing:
            return True
        ahead = self.drawn - self.consumed
        if self.fed is not None:
            ahead += len(self.fed)
        return ahead < 2 * n_workers * self.message_items(n_workers)

    cdef bint may_draw(self, Py_ssize_t n_workers, bint closing):
        """Tell whether `draw` has items, or the end, to tell of."""
        if self.exhausted:
            return False
        if self.items is not None:
            return True
        if self.fed is not None:
            return len(self.fed) > 0 or self.fed_all
        return self.wants_more(n_workers, closing)

    cdef int let_feed(self) except -1:
        """Wake the feeder."""
        if self.feeder_waits:
            self.feeder_waits = False
            self.room.release()
        return 0

    cdef int64_t message_items(self, Py_ssize_t n_workers):
        """Return how many items the next message should have."""
        cdef int64_t n = 1, rest
        if self.chunk > 0:
            return self.chunk
        if self.item_ns > 0:
            n = <int64_t>min(<double>MESSAGE_NS / self.item_ns, <double>(1 << 20))
            if self.chunk == 0:
                n = min(n, <int64_t>MOST_TASKS)
        if self.total >= 0 and self.item_ns > 0:
            # Towards the end ever less, that all workers end together; but not so little that
            # messages cost more than their tasks.
            rest = self.total - self.drawn
            n = min(n, max(
                rest // (2 * n_workers), <int64_t>(<double>LEAST_MESSAGE_NS / self.item_ns)))
        return max(n, <int64_t>1)

    cdef list draw(self, int64_t n):
        """Return the next `n` items, fewer at the end; runs none of the user's code.

        What the iterator raised becomes the result of the item that it should have given.
        """
        cdef list items
        if self.items is not None:
            items = self.items[self.drawn : self.drawn + n]
            self.exhausted = self.drawn + len(items) == self.total
        else:
            items = []
            if self.fed is not None:
                while self.fed and len(items) < n:
                    items.append(self.fed.popleft())
                self.exhausted = self.fed_all and not self.fed
            else:
                try:
                    while len(items) < n:
                        items.append(next(self.iterator))
                except StopIteration:
                    self.exhausted = True
                except Exception as error:          # a set that changed its size, say
                    self.exhausted, self.iterator_error = True, error
            if self.exhausted and self.iterator_error is not None:
                self.values[self.drawn + len(items)] = Lost(self.iterator_error)
        self.drawn += len(items)
        self.unfinished += len(items)
        return items

    def take(self):
        """Return the next Part of drawn items for whoever asked for them, None if it is not there.

        Called by one thread at a time.
        """
        cdef int64_t key
        if self.is_ordered:
            key = self.consumed
            if key not in self.values:
                return None
        elif self.values:
            key = next(iter(self.values))
        else:
            return None
        part = self.values.pop(key)
        if not isinstance(part, Part):
            part = Part(part, 1)
        self.consumed += (<Part>part).count
        return part

    def release(self):
        """Let go of values that have been read."""
        self.values = []

    cdef int learn(self, double item_ns) except -1:
        if self.item_ns == 0:
            self.item_ns = item_ns + 1
        else:
            self.item_ns += (item_ns - self.item_ns) / 4
        return 0

    @property
    def n_done(self):
        """How many items are done."""
        return self.drawn - self.unfinished

    cdef bint try_again(self, int64_t item):
        """Tell whether a task, whose worker died, is to be done once more; counts."""
        cdef int64_t tries
        if self.retries == 0:
            return False
        if self.tries is None:
            self.tries = {}
        tries = self.tries.get(item, 0) + 1
        self.tries[item] = tries
        return tries <= self.retries

    cdef int accept(self, int64_t first, int64_t count, object value) except -1:
        """Take the value of `count` items from `first` on: of one item, or a list of all."""
        self.unfinished -= count
        if isinstance(value, Raw):
            self.has_raw = True
        if not self.abandoned:
            self.values[first] = value if self.chunk == 0 else Part(value, count)
        return 0


cdef class Ends(Job):
    """Stands for all jobs of which it is the `ends`, for one who waits for any of them to end."""

    def __init__(self):
        self._ended = collections.deque()

    def has_news(self):
        """Tell whether one has ended that nobody has taken."""
        return len(self._ended) > 0

    def next(self):
        """Take the job that has ended first."""
        return self._ended.popleft()

    cpdef put(self, Job job):
        """Add a job that has ended."""
        self._ended.append(job)


cdef class Part:
    """The value of a task of several items, at the place of the first."""

    def __init__(self, value, count):
        self.value, self.count = value, count
