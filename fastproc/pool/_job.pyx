"""Layer: pool.  Jobs: what one call of a pool's method asks for, and the values that come back.

A job knows nothing of workers.  It gives out its items, learns how long they take, and keeps their
values as they came: reading them is left to whoever wants them, since that runs the user's code.
"""
# Safe for free-threaded Python: a job changes under its dispatcher's lock, `take` in one thread.

from fastproc.pool._messages cimport CALL as _CALL
from fastproc.pool._messages cimport FAILURE, SUCCESS
from fastproc.pool._messages cimport MAP as _MAP
from fastproc.pool._messages cimport STARMAP as _STARMAP

from fastproc.pool import serialize
from fastproc.pool.remote import unpacked

# How a function is called with an item; the numbers of `_messages.pxd`.
CALL, MAP, STARMAP = _CALL, _MAP, _STARMAP

cdef enum:
    # Nanoseconds of work that a message should have: large beside the cost of a message (some
    # 5 us), small beside what the last worker may be late.
    MESSAGE_NS = 500_000
    LEAST_MESSAGE_NS = 50_000
    MOST_TASKS = 1024           # in a message
    FUNCTION_NUMBERS = 256


cdef class Raw:
    """A value as it came, not read yet: reading it runs the user's code."""

    def load(self):
        """Return the value, or raise what the task raised."""
        value = serialize.loads(self.data)
        if self.status != SUCCESS:
            raise unpacked(value)
        return value


cdef class Lost(Raw):
    """In place of a value: why there is none."""

    def __init__(self, error):
        self.status = FAILURE
        self.error = error

    def load(self):
        raise self.error


cdef class Function:
    """A function with what is sent of it, once per worker."""

    def __init__(self, function, number, names):
        self.function = function
        self.number = number % FUNCTION_NUMBERS
        self.payload = serialize.dumps(function, names)


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
        self.items = self.iterator = None
        self.total = -1
        if isinstance(items, list):
            self.items = items
            self.total = len(items)
            self.values = [None] * self.total
            self.exhausted = self.total == 0
        else:
            self.iterator = items
            self.values = {}

    @property
    def done(self):
        return self.is_done()

    cdef bint is_done(self):
        return self.abandoned or (self.exhausted and self.unfinished <= 0)

    def has_news(self):
        """Tell whether one who waits for this job can go on."""
        if self.iterator is not None and (
                self.consumed in self.values if self.is_ordered else len(self.values) > 0):
            return True
        return self.is_done()

    cdef bint may_draw(self, Py_ssize_t n_workers):
        """Tell whether tasks may be handed out; of an iterator not too far ahead of the taker."""
        cdef int64_t window
        if self.exhausted or self.drawing or self.abandoned:
            return False
        if self.iterator is None:
            return True
        if self.is_eager:
            return True
        window = 2 * n_workers * max(<int64_t>1, self.message_items(n_workers))
        return self.drawn - self.consumed < window

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

    def draw(self, n):
        """Return the next `n` items, fewer at the end; runs the user's iterator."""
        if self.iterator is None:
            return self.items[self.drawn : self.drawn + n]
        if self.iterator_error is not None:
            raise self.iterator_error
        items = []
        try:
            while len(items) < n:
                items.append(next(self.iterator))
        except StopIteration:
            pass
        except BaseException as error:
            if not items:
                raise
            self.iterator_error = error     # of the next item, not of these
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

    cdef void learn(self, double item_ns):
        if self.item_ns == 0:
            self.item_ns = item_ns + 1
        else:
            self.item_ns += (item_ns - self.item_ns) / 4

    @property
    def n_done(self):
        """How many items are done."""
        return self.drawn - self.unfinished

    cdef bint try_again(self, int64_t item):
        """Tell whether a task, whose worker died, is to be done once more; counts."""
        cdef int64_t tries
        if self.retries == 0 or self.abandoned:
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
            if (<Raw>value).status != SUCCESS:
                self.failed = True
        if not self.abandoned:
            self.values[first] = value if self.chunk == 0 else Part(value, count)
        return 0


cdef class Part:
    """The value of a task of several items, at the place of the first."""

    def __init__(self, value, count):
        self.value, self.count = value, count
