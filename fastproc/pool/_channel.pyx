"""Layer: pool.  The parent's end of a worker: messages into its rings, and values out of them."""
# Safe for free-threaded Python: a channel changes under its dispatcher's lock.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy

from fastproc.pool._function cimport Function
from fastproc.pool._job cimport Raw
from fastproc.pool._messages cimport FUNCTION, STOP, ResultHeader, TaskHeader
from fastproc.shm._atomic cimport atomic_fence, atomic_load_word, atomic_store
from fastproc.shm._bell cimport AWAKE, PIPE, ring_bell
from fastproc.shm._mutex cimport Mutex
from fastproc.shm._plain cimport PARCEL, PICKLE, is_plain_kind, unpack_plain


cdef class Batch:
    """The tasks of one message."""

    cdef Batch part(self, int64_t start, int64_t stop):
        """Return tasks `start` to `stop` as a batch of their own."""
        cdef Batch part = Batch.__new__(Batch)
        part.job, part.by_value = self.job, self.by_value
        part.first, part.count = self.first + start, stop - start
        # A chunk is one task of many items.
        part.items = self.items if self.job.chunk != 0 else self.items[start:stop]
        return part


cdef class Channel:
    """The parent's end of a worker's slot, while one worker has it."""

    cdef bint put(self, int32_t kind, Function function, int style, int64_t chunk, object payload,
                  int64_t* position):
        """Send a message; False if there is no room."""
        cdef TaskHeader header
        cdef bytes data = b"" if payload is None else payload.data
        if kind == FUNCTION:
            data, chunk = function.name + data, len(function.name)
        cdef Py_ssize_t n = PyBytes_GET_SIZE(data)
        cdef char* place = self.tasks.claim(sizeof(TaskHeader) + n)
        if place == NULL:
            return False
        header.kind = kind
        header.function = 0 if function is None else function.number
        header.style = style
        header.payload = PICKLE if payload is None else payload.kind
        header.chunk = chunk
        memcpy(place, &header, sizeof(TaskHeader))
        memcpy(place + sizeof(TaskHeader), PyBytes_AS_STRING(data), n)
        position[0] = self.tasks.publish(sizeof(TaskHeader) + n)
        self.sent_bytes += n
        self.ring(self.bell)
        return True

    cdef int retire(self) except -1:
        """Tell the worker to stop after what it has been sent, if there is room to say so."""
        cdef int64_t position
        if not self.retiring:
            self.retiring = self.put(STOP, None, 0, 0, None, &position)
        return 0

    cdef int count_opened(self) except -1:
        """Tell the worker that one more of its parcels has been opened here."""
        self.opened += 1
        atomic_store(self.opened_by_parent, self.opened)
        atomic_fence()                      # else a worker that lies down might not be seen
        if atomic_load_word(self.room) != AWAKE:
            self.ring(self.room)
        return 0

    cdef int ring(self, int32_t* bell) except -1:
        """Wake the worker if it sleeps at one of its bells."""
        if ring_bell(bell) == PIPE:
            try:
                self.pipe.send_bytes(b"")
            except OSError:
                pass                        # it has died, of which the manager is told
        return 0

    cdef object value_of(self, ResultHeader* header, char* data, Py_ssize_t n):
        """Return a result's value, or a Raw one that is not read yet."""
        cdef Raw raw
        if is_plain_kind(header.payload):
            return unpack_plain(header.payload, data, n)
        raw = Raw.__new__(Raw)
        raw.status = header.status
        raw.data = PyBytes_FromStringAndSize(data, n)
        if header.payload == PARCEL:
            raw.opening = Mutex()
        raw.sender = self.process.pid
        return raw
