"""Layer: shm.  Items: how Python objects go through a fifo (`_fifo.pyx`), and what a queue does.

An item is a record: a number and the like as itself, a short one as its pickle.  Of one with large
buffers the record has PARTS, the pickle and the buffers, which are copied into it and out of it and
pickled never.  A parcel (`parcel.py`) would save a copy, but its memory can be had from its sender
only while that lives.

With a lock of the fifo nothing is done that could run Python code or wait for the GIL: items are
pickled before and unpickled after, what is allocated is nothing that the garbage collector counts,
and after a long copy without the GIL the lock is released first.
"""
# Safe for free-threaded Python: what is kept beside the fifo is set once, or is a list, whose
# methods are atomic.

import multiprocessing
import os
import pickle
from queue import Empty
from types import GenericAlias

from cpython.buffer cimport Py_buffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.memoryview cimport PyMemoryView_GET_BUFFER
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastproc.shm._fifo cimport AN_ITEM, PARTS, Fifo, Refusal
from fastproc.shm._lock cimport try_lock
from fastproc.shm._park cimport deadline_of
from fastproc.shm._placed cimport check_made
from fastproc.shm._plain cimport NONE, PICKLE, REAL, pack_scalar, unpack_plain
from fastproc.shm._process cimport this_process

from fastproc.shm import serialize
from fastproc.shm.standard import Reader

cdef enum:
    # Items that are put or got with a lock taken once, and bytes of them; then others may have it.
    BATCH = 1024
    BATCH_BYTES = 1 << 20
    # Bytes from which on a copy is worth letting the GIL go.
    LEAST_WITHOUT_GIL = 65536
    # Parts begin at multiples of this in a record, as what Python allocates does.
    ALIGNMENT = 16


cdef inline int64_t _padded(int64_t n_bytes) noexcept nogil:
    return (n_bytes + ALIGNMENT - 1) & ~<int64_t>(ALIGNMENT - 1)


cdef inline bint _is_scalar(int kind) noexcept nogil:
    return NONE <= kind <= REAL


cdef class _Item:
    """What becomes of an object that is not a scalar: one part, or the number of PARTS, their sizes
    and they.
    """

    def __dealloc__(self):
        free(self._parts)

    cdef void write(self, char* place) noexcept nogil:
        """Write the payload; needs the put lock."""
        cdef int64_t* sizes = <int64_t*>place
        cdef Py_ssize_t i
        if self.kind != PARTS:
            memcpy(place, self._parts[0].data, self._parts[0].n_bytes)
            return
        sizes[0] = self._n_parts
        place += _padded(8 * (1 + self._n_parts))
        for i in range(self._n_parts):
            sizes[1 + i] = self._parts[i].n_bytes
            memcpy(place, self._parts[i].data, self._parts[i].n_bytes)
            place += _padded(self._parts[i].n_bytes)


cdef _Item _pack(object obj, bint by_name):
    """Pickle `obj` for any relative.

    Forks have, `by_name`, what ``__main__`` has here; all know what an import of a script defines.
    """
    cdef _Item item = _Item.__new__(_Item)
    cdef Py_buffer* buffer
    cdef Py_ssize_t i
    kind, data, buffers, item.handles = serialize.pack(
        obj, serialize.HERE if by_name else serialize.names_of_workers("spawn"))
    item.kind = PARTS if buffers else kind
    item._views = [memoryview(data), *buffers]
    item._n_parts = len(item._views)
    item._parts = <_Part*>malloc(item._n_parts * sizeof(_Part))
    if item._parts == NULL:
        serialize.recall(item.handles)
        raise MemoryError
    for i in range(item._n_parts):
        buffer = PyMemoryView_GET_BUFFER(item._views[i])
        item._parts[i].data, item._parts[i].n_bytes = <const char*>buffer.buf, buffer.len
    if item.kind != PARTS:
        item.n_bytes = item._parts[0].n_bytes
        return item
    item.n_bytes = _padded(8 * (1 + item._n_parts))
    for i in range(item._n_parts):
        item.n_bytes += _padded(item._parts[i].n_bytes)
    return item


cdef _Item _pack_unless_scalar(object obj, bint by_name):
    cdef int64_t word
    return _pack(obj, by_name) if pack_scalar(obj, &word) == PICKLE else None


cdef object _room_for(int kind, int64_t n_bytes, char** memory):
    """Return an object for the bytes of an item, and where they go."""
    if kind == PARTS:                       # arrays that lie in it are writable
        room = PyByteArray_FromStringAndSize(NULL, n_bytes)
        memory[0] = PyByteArray_AS_STRING(room)
    else:
        room = PyBytes_FromStringAndSize(NULL, n_bytes)
        memory[0] = PyBytes_AS_STRING(room)
    return room


cdef object _open(int kind, object data):
    """Return an item from its bytes."""
    cdef const int64_t* sizes
    cdef int64_t start
    cdef Py_ssize_t i
    if kind == PICKLE:
        return pickle.loads(data)
    if kind != PARTS:
        return unpack_plain(kind, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    sizes = <const int64_t*>PyByteArray_AS_STRING(data)
    start = _padded(8 * (1 + sizes[0]))
    parts = []
    view = memoryview(data)
    for i in range(1, 1 + sizes[0]):
        parts.append(view[start:start + sizes[i]])
        start += _padded(sizes[i])
    return pickle.loads(parts[0], buffers=parts[1:])


cdef class Items(Placed):
    def __cinit__(self, *args, **kwargs):
        self._left = []

    cdef int _begin(self, int64_t most_items, object ctx) except -1:
        context = multiprocessing if ctx is None else ctx
        method = context.get_start_method(allow_none=True)
        self._by_name = "fork" == (method or multiprocessing.get_all_start_methods()[0])
        self._fifo = Fifo(most_items)
        self._block = self._fifo.block
        return 0

    def _lie_over(self, block, by_name):
        self._block, self._fifo, self._by_name = block, Fifo.over(block), by_name

    def _state(self):
        return self._by_name,

    @property
    def _reader(self):
        check_made(self)
        if self._waitable is None or self._waitable.pid != os.getpid():
            self._waitable = Reader(self)
        return self._waitable

    def _await_item(self, timeout):
        """Wait until there is an item; return whether there is."""
        if self._n_left() == 0 and not self._fifo.wait_for(AN_ITEM, deadline_of(True, timeout)):
            return False
        # Who only looks must not keep to itself a wake-up that was meant for who gets the item.
        self._fifo._pass_on(AN_ITEM)
        return True

    def __class_getitem__(cls, item):
        return GenericAlias(cls, item)

    cdef bint _put(self, object obj, int64_t deadline) except -1:
        """Put one item; return False if the deadline came first."""
        cdef int64_t word = 0
        cdef int kind = pack_scalar(obj, &word)
        cdef _Item item = None
        cdef bint was_put = False
        if kind == PICKLE:
            item = _pack(obj, self._by_name)
        try:
            was_put = self._put_packed(item, kind, word, deadline)
        finally:
            if item is not None and not was_put:
                serialize.recall(item.handles)
        return was_put

    cdef bint _put_packed(
        self, _Item item, int kind, int64_t word, int64_t deadline
    ) except -1:
        cdef Refusal refusal
        cdef Fifo fifo = self._fifo
        cdef int64_t n_bytes = 8 if item is None else item.n_bytes
        cdef char* place
        while True:
            if not fifo.lock_put(deadline):
                return False
            place = fifo.reserve(n_bytes, &refusal)
            if place != NULL:
                break
            fifo.unlock_put()
            if not fifo.make_room(refusal, n_bytes, deadline):
                return False
        if item is not None and n_bytes >= LEAST_WITHOUT_GIL:
            with nogil:
                self._finish(place, item, kind, word)
        else:
            self._finish(place, item, kind, word)
        return True

    cdef void _finish(self, char* place, _Item item, int kind, int64_t word) noexcept nogil:
        """Write, publish, and release the lock."""
        self._write(place, item, kind, word)
        self._fifo.unlock_put()
        self._fifo.after_put()

    cdef void _write(self, char* place, _Item item, int kind, int64_t word) noexcept nogil:
        if item is None:
            (<int64_t*>place)[0] = word
            self._fifo.publish(kind, 8)
        else:
            item.write(place)
            self._fifo.publish(item.kind, item.n_bytes)

    cdef Py_ssize_t _put_many(self, list objs, int64_t deadline) except -1:
        """Put items in their order; return how many were put before the deadline."""
        cdef Py_ssize_t done = 0, n = len(objs)
        cdef _Item item
        cdef list items = []
        try:
            # All are packed before the first is put: one that cannot be leaves the queue as it was.
            for obj in objs:
                items.append(_pack_unless_scalar(obj, self._by_name))
            while done < n:
                if not self._put_batch(objs, items, &done, deadline):
                    break
        finally:
            for item in items[done:]:
                if item is not None:
                    serialize.recall(item.handles)
        return done

    cdef bint _put_batch(
        self, list objs, list items, Py_ssize_t* done, int64_t deadline
    ) except -1:
        """Put some items; return False if the deadline came first."""
        cdef Refusal refusal
        cdef Fifo fifo = self._fifo
        cdef int64_t word = 0, n_bytes = 0, left = BATCH_BYTES
        cdef Py_ssize_t stop = min(<Py_ssize_t>len(objs), done[0] + BATCH)
        cdef int kind = PICKLE
        cdef _Item item
        cdef char* place = NULL
        if not fifo.lock_put(deadline):
            return False
        while done[0] < stop and left > 0:
            item = items[done[0]]
            if item is None:
                kind = pack_scalar(objs[done[0]], &word)
            n_bytes = 8 if item is None else item.n_bytes
            place = fifo.reserve(n_bytes, &refusal)
            if place == NULL:
                break
            done[0] += 1
            if n_bytes >= LEAST_WITHOUT_GIL:
                with nogil:
                    self._finish(place, item, kind, word)
                return True
            self._write(place, item, kind, word)
            left -= n_bytes
        fifo.unlock_put()
        fifo.after_put()
        return place != NULL or fifo.make_room(refusal, n_bytes, deadline)

    cdef object _get(self, int64_t deadline):
        """Get one item; raise Empty if the deadline comes first."""
        cdef Fifo fifo = self._fifo
        cdef int kind
        cdef int64_t n_bytes
        cdef char* place
        cdef object item
        left = self._next_left()
        if left is not None:
            kind, data = left
            return self._open(kind, data)
        while True:
            if not fifo.lock_get(deadline):
                raise Empty
            place = fifo.front(&kind, &n_bytes)
            if place != NULL:
                break
            fifo.unlock_get()
            if not fifo.wait_for(AN_ITEM, deadline):
                raise Empty
        if not _is_scalar(kind):
            return self._open(kind, self._take(kind, place, n_bytes))
        try:
            item = unpack_plain(kind, place, n_bytes)
        except BaseException:               # no memory; the item stays
            fifo.unlock_get()
            raise
        fifo.consume(n_bytes)
        fifo.unlock_get()
        fifo.after_get()
        return item

    cdef tuple _next_left(self):
        """Return what was left first, or None; another thread may be quicker."""
        try:
            while self._left:
                process, kind, data = self._left.pop(0)
                if process == this_process:
                    return kind, data
        except IndexError:
            pass
        return None

    cdef Py_ssize_t _n_left(self) except -1:
        cdef Py_ssize_t n = 0
        for process, _, _ in self._left:
            n += process == this_process
        return n

    cdef object _take(self, int kind, char* place, int64_t n_bytes):
        """Return the bytes of the item in front, consume it, and release the lock."""
        cdef char* memory
        try:
            room = _room_for(kind, n_bytes, &memory)
        except BaseException:               # no memory; the item stays
            self._fifo.unlock_get()
            raise
        if n_bytes >= LEAST_WITHOUT_GIL:
            with nogil:
                self._consume(memory, place, n_bytes)
        else:
            self._consume(memory, place, n_bytes)
        return room

    cdef void _consume(self, char* memory, const char* place, int64_t n_bytes) noexcept nogil:
        memcpy(memory, place, n_bytes)
        self._fifo.consume(n_bytes)
        self._fifo.unlock_get()
        self._fifo.after_get()

    cdef object _open(self, int kind, object data):
        """Return an item that has been got."""
        if kind < 0:
            return data
        try:
            return _open(kind, data)
        except BaseException as error:
            if not isinstance(error, Exception):    # an interrupt costs no item
                self._left.insert(0, (this_process, kind, data))
            raise

    cdef list _get_many(self, Py_ssize_t most, int64_t deadline):
        """Get the items that are there, after waiting for the first of them."""
        cdef list items = []
        cdef tuple raw = None
        if most == 0:
            return items
        items.append(self._get(deadline))
        most = min(most, 1 + self._n_left() + <Py_ssize_t>self._fifo.size())
        try:
            while len(items) < most:
                raw = self._next_left()
                if raw is None:
                    raw = self._get_batch(items, most)
                if raw is None:
                    break
                if raw:
                    kind, data = raw
                    try:
                        items.append(data if kind < 0 else _open(kind, data))
                    except Exception:       # raised to the next who gets
                        self._left.insert(0, (this_process, kind, data))
                        break
                raw = ()
                PyErr_CheckSignals()
        except BaseException:
            # An interrupt, or no memory: what has been got is for the next who gets.
            got = [(this_process, -1, item) for item in items]
            if raw:
                got.append((this_process, *raw))
            self._left[:0] = got
            raise
        return items

    cdef tuple _get_batch(self, list items, Py_ssize_t most):
        """Get scalars, or one other item.

        Returns the kind and the bytes of the other one, nothing after scalars, or None if nobody
        has left any.
        """
        cdef Fifo fifo = self._fifo
        cdef int kind
        cdef int64_t n_bytes
        cdef char* place = NULL
        cdef Py_ssize_t stop = min(most, <Py_ssize_t>len(items) + BATCH)
        # Without waiting, as there is something to return.
        if not try_lock(&fifo._control.get_lock):
            return None
        try:
            while len(items) < stop:
                place = fifo.front(&kind, &n_bytes)
                if place == NULL or not _is_scalar(kind):
                    break
                items.append(unpack_plain(kind, place, n_bytes))
                fifo.consume(n_bytes)
        except BaseException:               # no memory; the item stays
            fifo.unlock_get()
            raise
        if place != NULL and not _is_scalar(kind):
            return kind, self._take(kind, place, n_bytes)
        fifo.unlock_get()
        fifo.after_get()
        return None if place == NULL else ()
