"""Layer: shm.  Queues: Python objects through a fifo (`_fifo.pyx`).

An item is in the queue when `put` returns, in memory that belongs to nobody in particular, and
there it stays whoever ends: there is no thread that would have to send it yet.

An item is a record: a number and the like as itself, a short one as its pickle.  Of one with large
buffers the record has PARTS, the pickle and the buffers, which are copied into it and out of it and
pickled never.  A parcel (`parcel.py`) would save a copy, but its memory can be had from its sender
only while that lives.
"""
# Safe for free-threaded Python: what is kept beside the fifo is set once, or under the fifo's lock.

import operator
import pickle
import sys
from queue import Empty, Full
from types import GenericAlias

from cpython.buffer cimport Py_buffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_GET_BUFFER
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from fastproc.shm._fifo cimport ALL_DONE, AN_ITEM, PARTS, Fifo, Refusal
from fastproc.shm._park cimport NEVER, deadline_of
from fastproc.shm._placed cimport Placed, check_made
from fastproc.shm._plain cimport PICKLE, is_plain_kind, pack_scalar, unpack_plain

from fastproc.shm import serialize

cdef enum:
    # Items that are put or got at once; then others may have the lock.
    BATCH = 1024
    # Bytes from which on a copy is worth letting the GIL go.
    LEAST_WITHOUT_GIL = 65536
    MOST_ITEMS = 0x7FFFFFFF


cdef class _Item:
    """What becomes of an object that is not a scalar."""
    cdef int kind
    cdef list parts                         # memoryviews of bytes
    cdef int64_t n_bytes                    # of the payload
    cdef object handles

    cdef void write(self, char* place) noexcept:
        """Write the payload; needs the put lock."""
        cdef object part
        cdef int64_t* sizes = <int64_t*>place
        cdef Py_buffer* view
        if self.kind == PARTS:
            sizes[0] = len(self.parts)
            place += 8 * (1 + sizes[0])
            for part in self.parts:
                sizes += 1
                sizes[0] = PyMemoryView_GET_BUFFER(part).len
        for part in self.parts:
            view = PyMemoryView_GET_BUFFER(part)
            _copy(place, <const char*>view.buf, view.len)
            place += _padded(view.len)


cdef inline int64_t _padded(int64_t n_bytes) noexcept nogil:
    return (n_bytes + 7) & ~<int64_t>7


cdef void _copy(char* to, const char* source, size_t n) noexcept:
    if n < LEAST_WITHOUT_GIL:
        memcpy(to, source, n)
    else:
        with nogil:
            memcpy(to, source, n)


cdef _Item _pack(object obj):
    """Pickle `obj` for any relative, which knows what an import of the main script defines."""
    cdef _Item item = _Item.__new__(_Item)
    kind, data, buffers, item.handles = serialize.pack(obj, serialize.names_of_workers("spawn"))
    item.kind = PARTS if buffers else kind
    item.parts = [memoryview(data), *buffers]
    item.n_bytes = 0
    for part in item.parts:
        item.n_bytes += _padded(part.nbytes)
    if buffers:
        item.n_bytes += 8 * (1 + len(item.parts))
    else:
        item.n_bytes = len(data)
    return item


cdef object _read(int kind, const char* place, int64_t n_bytes):
    """Return a scalar, or the bytes of another item; needs the get lock."""
    cdef const int64_t* sizes = <const int64_t*>place
    cdef Py_ssize_t i
    cdef list parts
    if is_plain_kind(kind) and kind != PARTS:
        return unpack_plain(kind, place, n_bytes)
    if kind == PICKLE:
        data = PyBytes_FromStringAndSize(NULL, n_bytes)
        _copy(PyBytes_AS_STRING(data), place, n_bytes)
        return data
    parts = []
    place += 8 * (1 + sizes[0])
    for i in range(1, 1 + sizes[0]):
        part = PyByteArray_FromStringAndSize(NULL, sizes[i])
        _copy(PyByteArray_AS_STRING(part), place, sizes[i])
        place += _padded(sizes[i])
        parts.append(part)
    return parts


cdef object _open(int kind, object read):
    """Return an item from what `_read` has returned."""
    if kind == PICKLE:
        return pickle.loads(read)
    if kind == PARTS:
        return pickle.loads(read[0], buffers=read[1:])
    return read


cdef class _Items(Placed):
    """What all queues have in common."""
    cdef Fifo _fifo
    cdef bint _closed                       # by this process
    cdef object _failure                    # why an item could not be opened; the next get says so

    cdef int _begin(self, int64_t most_items) except -1:
        self._fifo = Fifo(most_items)
        self._block = self._fifo.block
        return 0

    def _lie_over(self, block):
        self._block, self._fifo = block, Fifo.over(block)

    def __class_getitem__(cls, item):
        return GenericAlias(cls, item)

    cdef bint _put(self, object obj, int64_t deadline) except -1:
        """Put one item; return False if the deadline came first."""
        cdef Refusal why
        cdef Fifo fifo = self._fifo
        cdef int64_t word = 0, n_bytes = 8
        cdef int kind = pack_scalar(obj, &word)
        cdef _Item item = None
        cdef char* place
        if kind == PICKLE:
            item = _pack(obj)
            kind, n_bytes = item.kind, item.n_bytes
        try:
            while True:
                if not fifo.lock_put(deadline):
                    break
                place = fifo.reserve(n_bytes, &why)
                if place != NULL:
                    if item is None:
                        (<int64_t*>place)[0] = word
                    else:
                        item.write(place)
                    fifo.publish(kind, n_bytes)
                    fifo.unlock_put()
                    fifo.after_put()
                    return True
                fifo.unlock_put()
                if not fifo.make_room(why, n_bytes, deadline):
                    break
        except BaseException:
            if item is not None:
                serialize.recall(item.handles)
            raise
        if item is not None:
            serialize.recall(item.handles)
        return False

    cdef Py_ssize_t _put_many(self, list objs, int64_t deadline) except -1:
        """Put items in their order; return how many were put before the deadline."""
        cdef Refusal why
        cdef Fifo fifo = self._fifo
        cdef int64_t word = 0, n_bytes
        cdef Py_ssize_t done = 0, n = len(objs), stop
        cdef int kind
        cdef _Item item
        cdef char* place
        # All are packed before the first is put: one that cannot be leaves the queue as it was.
        cdef list items = [_pack_unless_scalar(obj) for obj in objs]
        try:
            while done < n:
                if not fifo.lock_put(deadline):
                    break
                stop = min(n, done + BATCH)
                place = NULL
                while done < stop:
                    item = items[done]
                    if item is None:
                        kind, n_bytes = pack_scalar(objs[done], &word), 8
                    else:
                        kind, n_bytes = item.kind, item.n_bytes
                    place = fifo.reserve(n_bytes, &why)
                    if place == NULL:
                        break
                    if item is None:
                        (<int64_t*>place)[0] = word
                    else:
                        item.write(place)
                    fifo.publish(kind, n_bytes)
                    done += 1
                fifo.unlock_put()
                fifo.after_put()
                if place == NULL and not fifo.make_room(why, n_bytes, deadline):
                    break
        finally:
            for item in items[done:]:
                if item is not None:
                    serialize.recall(item.handles)
        return done

    cdef object _get(self, int64_t deadline):
        """Get one item; raise Empty if the deadline comes first."""
        cdef Fifo fifo = self._fifo
        cdef int kind
        cdef int64_t n_bytes
        cdef char* place
        cdef object read
        self._tell_of_failure()
        while True:
            if not fifo.lock_get(deadline):
                raise Empty
            place = fifo.front(&kind, &n_bytes)
            if place != NULL:
                try:
                    read = _read(kind, place, n_bytes)
                except BaseException:       # no memory
                    fifo.unlock_get()
                    raise
                fifo.consume(n_bytes)
                fifo.unlock_get()
                fifo.after_get()
                return _open(kind, read)
            fifo.unlock_get()
            if not fifo.wait_for(AN_ITEM, deadline):
                raise Empty

    cdef list _get_many(self, Py_ssize_t most, int64_t deadline):
        """Get the items that are there, after waiting for the first of them."""
        cdef Fifo fifo = self._fifo
        cdef int kind
        cdef int64_t n_bytes
        cdef char* place
        cdef object read
        cdef list items = []
        cdef Py_ssize_t _i
        cdef bint is_open
        self._tell_of_failure()
        while len(items) < most:
            if not fifo.lock_get(deadline):
                break
            is_open = True
            try:
                for _i in range(BATCH):
                    place = fifo.front(&kind, &n_bytes)
                    if place == NULL or len(items) == most:
                        break
                    read = _read(kind, place, n_bytes)
                    fifo.consume(n_bytes)
                    # An item that is yet to be unpickled ends the batch: what is got is returned,
                    # whatever that raises.
                    is_open = is_plain_kind(kind) and kind != PARTS
                    if not is_open:
                        break
                    items.append(read)
            finally:
                fifo.unlock_get()
                fifo.after_get()
            if not is_open:
                try:
                    items.append(_open(kind, read))
                except BaseException as error:
                    if not items:
                        raise
                    self._failure = error
                    break
            elif place == NULL:
                if items or not fifo.wait_for(AN_ITEM, deadline):
                    break
        if not items and most > 0:
            raise Empty
        return items

    cdef int _tell_of_failure(self) except -1:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return 0


cdef object _pack_unless_scalar(object obj):
    cdef int64_t word
    return _pack(obj) if pack_scalar(obj, &word) == PICKLE else None


cdef class SimpleQueue(_Items):
    """A queue of processes and threads, as ``multiprocessing.SimpleQueue`` is.

    It is a `Queue` with fewer methods.

    Examples
    --------
    >>> queue = SimpleQueue()
    >>> queue.put("item")
    >>> queue.get()
    'item'
    """

    def __init__(self):
        self._begin(0)

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
        return not self._fifo.holds(AN_ITEM)

    def close(self):
        """Use the queue no more in this process."""
        self._closed = True


cdef class Queue(_Items):
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

    Notes
    -----
    Large buffers inside items, such as arrays from 32 KiB on, are copied into the queue's memory
    and out of it, without being pickled.  Of a `SharedArray` only the handle travels, which its
    sender must keep alive until the item has been got.

    A queue without a limit takes up to the machine's memory, twice as much each time that it is
    full; then `put` waits.

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

    def __init__(self, maxsize=0):
        # More items than can be counted are no limit.
        most = max(0, operator.index(maxsize))
        self._begin(most if most < MOST_ITEMS else 0)

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
        return self._fifo.size()

    def empty(self):
        """Tell whether there is no item in the queue at this moment."""
        check_made(self)
        return not self._fifo.holds(AN_ITEM)

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
