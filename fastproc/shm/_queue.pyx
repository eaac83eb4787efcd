"""Layer: shm.  Queues, by multiprocessing's names.

An item is in the queue when `put` returns, in memory that belongs to nobody in particular, and
there it stays whoever ends: there is no thread that would have to send it yet.
"""
# Safe for free-threaded Python: nothing is kept beside the items, but whether it is closed.

import operator
import sys
from queue import Full

from libc.stdint cimport int64_t

from fastproc.shm._fifo cimport ALL_DONE, AN_ITEM
from fastproc.shm._items cimport Items
from fastproc.shm._park cimport NEVER, deadline_of
from fastproc.shm._placed cimport check_made

cdef enum:
    MOST_ITEMS = 0x7FFFFFFF


cdef class SimpleQueue(Items):
    """A queue of processes and threads, as ``multiprocessing.SimpleQueue`` is.

    It is a `Queue` with fewer methods.

    Examples
    --------
    >>> queue = SimpleQueue()
    >>> queue.put("item")
    >>> queue.get()
    'item'
    """

    def __init__(self, *, ctx=None):
        self._begin(0, ctx)

    cdef int _check(self) except -1:
        check_made(self)
        if self._closed:
            raise OSError("handle is closed: this process has closed the queue")
        return 0

    def put(self, obj):
        """Put an item; it is in the queue when this returns.

        Raises
        ------
        OSError
            If this process has closed the queue.
        """
        self._check()
        self._put(obj, NEVER)

    def get(self):
        """Take the first item out of the queue, when there is one.

        Raises
        ------
        OSError
            If this process has closed the queue.
        """
        self._check()
        return self._get(NEVER)

    def empty(self):
        """Tell whether there is no item in the queue at this moment."""
        self._check()
        return self._n_left() == 0 and not self._fifo.holds(AN_ITEM)

    def close(self):
        """Use the queue no more in this process."""
        self._closed = True


cdef class Queue(Items):
    """A queue of processes and threads, as ``multiprocessing.Queue`` is.

    Any number of processes and threads put items and get them, first in, first out.  An item is in
    the queue when `put` returns, and stays there if the process that put it ends or is killed.
    There is no thread behind it.

    Queues travel to related processes: inherited by a fork, as arguments of a `Process` or of a
    pool's tasks (running workers too), in queues and pipes.

    Parameters
    ----------
    maxsize : int, default 0
        How many items there may be at once; any number if it is 0 or less.
    ctx : context, optional
        Whose processes use it; the default one if None.  What a program without a script (a
        notebook, a REPL) defines goes to forks by name, and to others by value.

    Notes
    -----
    Large buffers inside items, such as arrays from 32 KiB on, are copied into the queue's memory
    and out of it, without being pickled.  Of a `SharedArray` only the handle travels, which its
    sender must keep alive until the item has been got.  A handle that never arrives, since its item
    cannot be unpickled or the queue is gone with it, keeps its memory from being used for other
    arrays as long as the sender lives, which as it ends waits two seconds for it.

    A queue without a limit takes up to the machine's memory, twice as much each time that it is
    full; then `put` waits.

    A process that is stopped (not killed) in the middle of a `put` or `get` stops the others' until
    it goes on; those with a timeout, or without waiting, then give up after a second at the latest.

    Examples
    --------
    >>> queue = Queue()
    >>> queue.put({"square": 16})
    >>> queue.put_many([1, 2, 3])
    >>> queue.qsize()
    4
    >>> queue.get()
    {'square': 16}
    >>> queue.get_many()
    [1, 2, 3]
    """

    def __init__(self, maxsize=0, *, ctx=None):
        # More items than can be counted are no limit.
        most = max(0, operator.index(maxsize))
        self._begin(most if most < MOST_ITEMS else 0, ctx)

    cdef int _check(self) except -1:
        check_made(self)
        if self._closed:
            raise ValueError(f"Queue {self!r} is closed: this process has closed it")
        return 0

    def put(self, obj, block=True, timeout=None):
        """Put an item; it is in the queue when this returns.

        Parameters
        ----------
        obj : object
            Whatever can be pickled, by value if need be.
        block : bool, default True
            Whether to wait while the queue is full.
        timeout : float, optional
            How long at most, in seconds; for ever if None.

        Raises
        ------
        queue.Full
            If there was no place in time.
        ValueError
            If this process has closed the queue.
        MemoryError
            If the item does not fit into the machine's memory.
        Exception
            Whatever pickling the item raises; the queue is as before.
        """
        self._check()
        if not self._put(obj, NEVER if block and timeout is None else deadline_of(block, timeout)):
            raise Full

    def put_nowait(self, obj):
        """Put an item unless the queue is full: ``put(obj, False)``."""
        self._check()
        if not self._put(obj, 0):
            raise Full

    def put_many(self, items, block=True, timeout=None):
        """Put items in their order; quicker than one by one.

        Parameters
        ----------
        items : iterable
            Whose items are all pickled before the first is put.
        block, timeout
            As of `put`; the time is that for all.

        Raises
        ------
        queue.Full
            If there was no place for all in time; its attribute `n_put` tells how many are in the
            queue.
        """
        cdef Py_ssize_t n_put
        self._check()
        items = list(items)
        n_put = self._put_many(items, deadline_of(block, timeout))
        if n_put < len(items):
            full = Full(f"{n_put} of {len(items)} items were put")
            full.n_put = n_put
            raise full

    def get(self, block=True, timeout=None):
        """Take the first item out of the queue.

        Parameters
        ----------
        block : bool, default True
            Whether to wait while the queue is empty.
        timeout : float, optional
            How long at most, in seconds; for ever if None.

        Raises
        ------
        queue.Empty
            If there was no item in time.
        ValueError
            If this process has closed the queue.
        """
        self._check()
        return self._get(NEVER if block and timeout is None else deadline_of(block, timeout))

    def get_nowait(self):
        """Take the first item if there is one: ``get(False)``."""
        self._check()
        return self._get(0)

    def get_many(self, max_items=None, block=True, timeout=None):
        """Take the items that are in the queue; quicker than one by one.

        Parameters
        ----------
        max_items : int, optional
            How many at most; all that are there if None.
        block, timeout
            As of `get`, for the first item; there is no waiting for more.

        Returns
        -------
        items : list
            At least one, unless `max_items` is 0.

        Raises
        ------
        queue.Empty
            If there was no item in time.
        ValueError
            If this process has closed the queue, or `max_items` is negative.
        """
        cdef Py_ssize_t most = sys.maxsize if max_items is None else max_items
        self._check()
        if most < 0:
            raise ValueError(f"max_items is {max_items}; it must be at least 0, or None")
        return self._get_many(most, deadline_of(block, timeout))

    def qsize(self):
        """Return how many items are in the queue at this moment."""
        check_made(self)
        return self._n_left() + self._fifo.size()

    def empty(self):
        """Tell whether there is no item in the queue at this moment."""
        check_made(self)
        return self._n_left() == 0 and not self._fifo.holds(AN_ITEM)

    def full(self):
        """Tell whether the queue has as many items as it may at this moment."""
        cdef int64_t most
        check_made(self)
        most = self._fifo._control.most_items
        return most > 0 and self._fifo.size() >= most

    def close(self):
        """Use the queue no more in this process; what was put stays for the others."""
        self._closed = True

    def join_thread(self):
        """Return at once: there is no thread to wait for.

        Raises
        ------
        AssertionError
            If this process has not closed the queue, as in multiprocessing.
        """
        if not self._closed:
            raise AssertionError(f"Queue {self!r} not closed")

    def cancel_join_thread(self):
        """Do nothing: there is no thread that the process would wait for when it ends."""

    def __repr__(self):
        return f"<{type(self).__name__}(qsize={self.qsize()})>"


cdef class JoinableQueue(Queue):
    """A queue that can be waited for, as ``multiprocessing.JoinableQueue`` is.

    Who has got an item says `task_done` when it has been worked on; `join` waits until that has
    been said of all items that were put.

    Parameters
    ----------
    maxsize : int, default 0
        How many items there may be at once; any number if it is 0 or less.

    Examples
    --------
    >>> queue = JoinableQueue()
    >>> queue.put("task")
    >>> queue.get()
    'task'
    >>> queue.task_done()
    >>> queue.join()
    """

    def task_done(self):
        """Say that an item that was got has been worked on.

        Raises
        ------
        ValueError
            If that has been said of all items already.
        """
        check_made(self)
        if not self._fifo.finish_one():
            raise ValueError("task_done() called too many times: all items that were put are done")

    def join(self):
        """Wait until all items that were put are done."""
        check_made(self)
        self._fifo.wait_for(ALL_DONE, NEVER)
