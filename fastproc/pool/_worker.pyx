"""Layer: pool.  The worker's side: take a message, run its tasks, put their results.

A worker owns nothing but the task in its hands.  It says that it begins with a task before it does,
and publishes a result before it begins with the next.  So whoever finds it dead can tell the task
that was running from those that are done and those that were only waiting.
"""
# Safe for free-threaded Python: a worker runs its tasks one after another, in one thread.

from cpython.buffer cimport PyBUF_READ, PyBUF_SIMPLE, PyBUF_WRITABLE
from cpython.buffer cimport PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

from fastproc.pool._messages cimport (
    BELL, BUSY, CALL, CONDEMNED, CORE, EDITION, ENDED, FAILURE, FLAGS, FUNCTION, MAP, NAME,
    NAME_BYTES, OPENED, OVERWEIGHT, PAGE, READY, RING_BYTES, ROOM, SINCE, STARTED, STARTING, STOP,
    SUCCESS, UNREADABLE, ResultHeader, TaskHeader, slot_bytes,
)
from fastproc.shm._atomic cimport (
    atomic_fence, atomic_load, atomic_load_word, atomic_set_bits, atomic_store, atomic_store_word,
    pause,
)
from fastproc.shm._bell cimport (
    AWAKE, FUTEX, PIPE, futex_wait, lie_down, may_spin, now_ns, ring_bell,
)
from fastproc.shm._core cimport Company, part_company
from fastproc.shm._plain cimport PARCEL, PICKLE, is_plain_kind, pack_scalar, unpack_plain
from fastproc.shm._ring cimport Ring

cdef extern from *:
    """
    #ifdef _WIN32
    #include <process.h>
    #define FASTPROC_GETPID() _getpid()
    #else
    #include <unistd.h>
    #define FASTPROC_GETPID() getpid()
    #endif
    """
    int getpid "FASTPROC_GETPID"()

import mmap
import os
import pickle
import sys

from fastproc.pool import remote
from fastproc.shm import serialize

PAGE_BYTES = mmap.PAGESIZE

cdef enum:
    # Nanoseconds after which the parent is told of results although the message is not done.
    RING_EVERY = 200_000
    # Nanoseconds between two looks at this process's memory.
    WEIGH_EVERY = 5_000_000


cdef class Worker:
    """A worker's end of its slot.

    Parameters
    ----------
    memory : mmap
        The pool's shared memory.
    slot : int
        Which slot is this worker's.
    wake : Connection
        Where a message wakes the parent's manager.
    bell : Connection or None
        Where a message wakes this worker, if there are no futexes.
    spin_ns : int
        How long to look for the next message before going to sleep, in nanoseconds.
    most_memory : int
        Bytes of resident memory beyond which this worker asks to be replaced; 0 for any number.
    """

    cdef object _memory
    cdef Ring _tasks
    cdef Ring _results
    cdef int32_t* _bell
    cdef int32_t* _room
    cdef int32_t* _parents_bell
    cdef int32_t* _parents_core
    cdef Company _company
    cdef int64_t* _flags
    cdef int64_t _flag
    cdef int64_t* _started
    cdef int64_t* _since
    cdef int64_t* _ended
    cdef int64_t* _busy
    cdef int64_t* _edition
    cdef char* _name
    cdef int32_t _named                     # the number of the function whose name stands there
    cdef int64_t _begun
    cdef int64_t _rung
    cdef int64_t _spin_ns
    cdef int64_t _vain                      # looks, one after another, that saw nothing
    cdef object _wake
    cdef object _pipe
    cdef int32_t _asleep                    # what a bell says while this worker sleeps at it
    cdef dict _functions                    # by number: whether it is read, it, and its name
    cdef bint _has_skipped                  # messages that were withdrawn
    cdef int _pid
    cdef int64_t* _condemned
    cdef int64_t* _ready
    cdef int64_t* _overweight
    cdef int64_t* _opened
    cdef int64_t _parcels                   # sent
    cdef int64_t _most_memory
    cdef int64_t _weighed                   # when

    def __cinit__(
        self, memory, Py_ssize_t slot, wake, bell, int64_t spin_ns, int64_t most_memory
    ):
        cdef Py_buffer view
        cdef Py_ssize_t start = PAGE + slot * slot_bytes()
        cdef char* base
        PyObject_GetBuffer(memory, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        base = <char*>view.buf
        PyBuffer_Release(&view)             # the mapping, which does not move, is kept below
        self._memory = memory
        self._tasks = Ring(memory, start + PAGE, RING_BYTES)
        self._results = Ring(memory, start + PAGE + 2 * 64 + RING_BYTES, RING_BYTES)
        self._bell = <int32_t*>(base + start + BELL)
        self._room = <int32_t*>(base + start + ROOM)
        self._started = <int64_t*>(base + start + STARTED)
        self._since = <int64_t*>(base + start + SINCE)
        self._ended = <int64_t*>(base + start + ENDED)
        self._busy = <int64_t*>(base + start + BUSY)
        self._edition = <int64_t*>(base + start + EDITION)
        self._name = base + start + NAME
        self._named = -1
        self._condemned = <int64_t*>(base + start + CONDEMNED)
        self._ready = <int64_t*>(base + start + READY)
        self._overweight = <int64_t*>(base + start + OVERWEIGHT)
        self._opened = <int64_t*>(base + start + OPENED)
        self._most_memory = most_memory
        self._weighed = 0
        self._parents_bell = <int32_t*>(base + BELL)
        self._parents_core = <int32_t*>(base + CORE)
        self._flags = <int64_t*>(base + FLAGS) + slot // 64
        self._flag = <int64_t>1 << (slot % 64)
        self._wake = wake
        self._pipe = bell
        self._asleep = FUTEX if bell is None else PIPE
        self._spin_ns = spin_ns
        self._functions = {}
        self._pid = getpid()

    def run(self):
        """Do what messages say, until one says stop."""
        cdef Py_ssize_t n
        cdef char* message
        cdef TaskHeader header
        atomic_store(self._ready, now_ns())
        while True:
            message = self._wait_for_message(&n)
            memcpy(&header, message, sizeof(TaskHeader))
            if not self._tasks.take():
                self._tasks.consume()
                self._has_skipped = True
                continue
            if header.kind == STOP:
                self._tasks.consume()
                self._wait_for_opening()
                return
            message += sizeof(TaskHeader)
            n -= sizeof(TaskHeader)
            if header.kind == FUNCTION:
                self._keep_function(&header, message, n)
                self._tasks.consume()
                continue
            if header.function != self._named:
                self._write_name(header.function)
            # Reading the function and the arguments runs the user's code, which may end this
            # process: it is part of the first task.
            self._begin()
            function = items = error = None
            try:
                function = self._function(header.function)
                items = self._load(message, n, header.payload)
            except BaseException as caught:
                error = caught
            self._tasks.consume()
            if error is not None:
                self._put_failure(UNREADABLE, error, 0)
                self._end(0)
                self._tell_parent()
            else:
                self._run_tasks(function, header.style, header.chunk, items)

    cdef int _keep_function(self, TaskHeader* header, char* data, Py_ssize_t n) except -1:
        """Keep a function that is not read yet, and its memory at once, while the parent has it."""
        cdef Py_ssize_t n_name = header.chunk
        cdef object name = PyBytes_FromStringAndSize(data, n_name)
        cdef object kept = PyBytes_FromStringAndSize(data + n_name, n - n_name)
        if header.payload == PARCEL:
            try:
                kept = serialize.open_parcel(kept)
            except Exception as error:
                kept = error
        self._functions[header.function] = False, kept, name
        if self._named == header.function:
            self._named = -1
        return 0

    cdef int _write_name(self, int32_t number) except -1:
        """Write down for others what this worker is about to run; between two tasks."""
        cdef bytes name = self._functions[number][2]
        cdef int64_t edition = self._edition[0]
        atomic_store(self._edition, edition + 1)
        atomic_fence()                                                  # [edition]
        memset(self._name, 0, NAME_BYTES)
        memcpy(self._name, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
        atomic_store(self._edition, edition + 2)
        self._named = number
        return 0

    cdef object _function(self, int32_t number):
        is_read, function, name = self._functions[number]
        if is_read:
            return function
        if isinstance(function, Exception):
            raise function
        function = serialize.loads(function)
        self._functions[number] = True, function, name
        return function

    cdef int _begin(self) except -1:
        """Say that a task begins."""
        if self._parcels > atomic_load(self._opened):
            self._wait_for_opening()                                    # [opened]
        self._begun += 1
        atomic_store(self._since, now_ns())
        atomic_store(self._started, self._begun)
        atomic_fence()                                                  # [condemn]
        if atomic_load(self._condemned):
            self._await_sentence()
        return 0

    cdef int _end(self, int64_t duration) except -1:
        """Say that the task has ended that had begun last."""
        atomic_store(self._busy, self._busy[0] + duration)
        atomic_store(self._ended, self._begun)
        return 0

    cdef char* _wait_for_message(self, Py_ssize_t* n) except NULL:
        cdef char* message = self._tasks.front(n)
        cdef int64_t end
        cdef int _
        if message != NULL:
            return message
        if self._has_skipped:
            self._has_skipped = False
            self._tell_parent()             # there is room in the ring now
        if may_spin(self._vain):
            with nogil:
                end = now_ns() + self._spin_ns
                while message == NULL and now_ns() < end:
                    for _ in range(32):             # a look is cheaper than the time
                        pause()
                        message = self._tasks.front(n)
                        if message != NULL:
                            break
        self._vain = self._vain + 1 if message == NULL else 0
        while message == NULL:
            lie_down(self._bell, self._asleep)
            message = self._tasks.front(n)
            self._sleep(self._bell, message != NULL)
            if message == NULL:
                message = self._tasks.front(n)
            if self._spin_ns:
                with nogil:
                    part_company(&self._company, atomic_load_word(self._parents_core))
        return message

    cdef int _sleep(self, int32_t* bell, bint has_come) except -1:
        """Sleep at a bell after lying down, unless what this worker waits for has come."""
        cdef bint interrupted = False
        if not has_come:
            if self._pipe is not None:
                self._pipe.recv_bytes()
            else:
                with nogil:
                    interrupted = futex_wait(bell, FUTEX, -1)
        atomic_store_word(bell, AWAKE)
        if interrupted:
            PyErr_CheckSignals()
        return 0

    cdef object _load(self, char* data, Py_ssize_t n, int32_t kind):
        if is_plain_kind(kind):
            return unpack_plain(kind, data, n)
        view = PyMemoryView_FromMemory(data, n, PyBUF_READ)
        if kind == PARCEL:
            return serialize.loads(serialize.open_parcel(bytes(view)))
        return pickle.loads(view)

    cdef int _run_tasks(self, object function, int style, int64_t chunk, list items) except -1:
        """Run the tasks of a message: one per item, or one of all items; the first has begun."""
        cdef int64_t before, after
        cdef object item, value
        cdef Py_ssize_t i, n = len(items)
        self._rung = after = now_ns()
        for i in range(1 if chunk else n):
            before = after
            if i:
                self._begin()
            try:
                # Arguments are let go before the parent hears of the result: it may then use their
                # memory for the next task's.
                if chunk:
                    value = [_call(function, style, item) for item in items]
                    items.clear()
                else:
                    value = _call(function, style, items[i])
                    items[i] = None
            except BaseException as error:
                after = now_ns()
                self._put_failure(FAILURE, error, after - before)
            else:
                after = now_ns()
                self._put(SUCCESS, value, after - before)
            self._end(after - before)
            if self._most_memory and after - self._weighed > WEIGH_EVERY:
                self._weighed = after
                if resident_bytes() > self._most_memory:
                    atomic_store(self._overweight, 1)
            if after - self._rung > RING_EVERY:
                self._tell_parent()
                self._rung = after
        self._tell_parent()
        return 0

    cdef int _await_sentence(self) except -1:
        """Wait until the parent kills this process or says that it is too late for that."""
        while atomic_load(self._condemned):
            lie_down(self._bell, self._asleep)
            self._sleep(self._bell, not atomic_load(self._condemned))
        return 0

    cdef int _put(self, int32_t status, object value, int64_t duration) except -1:
        """Publish a result; numbers as they are, anything else pickled."""
        cdef ResultHeader header
        cdef int64_t word = 0
        cdef bytes data
        header.status = status
        header.duration = duration
        header.payload = pack_scalar(value, &word)
        if header.payload != PICKLE:
            self._publish(&header, <char*>&word, sizeof(word))
            return 0
        try:
            payload = serialize.dumps(value, serialize.HERE).to_be_opened()
        except BaseException as error:
            if status != SUCCESS:
                raise
            return self._put_failure(FAILURE, remote.unwritable(error, value), duration)
        data = payload.data
        header.payload = payload.kind
        self._publish(&header, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        self._parcels += payload.kind == PARCEL
        return 0

    cdef int _put_failure(self, int32_t status, object error, int64_t duration) except -1:
        return self._put(status, remote.packed(error), duration)

    cdef int _publish(self, ResultHeader* header, const char* data, Py_ssize_t n) except -1:
        if getpid() != self._pid:
            print(
                "fastproc: a process that a task forked came back from the task; it ends here",
                file=sys.stderr, flush=True)
            os._exit(1)                     # else two processes would write to one ring
        cdef char* place = self._results.claim(sizeof(ResultHeader) + n)
        while place == NULL:
            place = self._wait_for_room(sizeof(ResultHeader) + n)
        memcpy(place, header, sizeof(ResultHeader))
        if n:
            memcpy(place + sizeof(ResultHeader), data, n)
        self._results.publish(sizeof(ResultHeader) + n)
        return 0

    cdef char* _wait_for_room(self, Py_ssize_t n) except? NULL:
        """Sleep until the parent has consumed some results; NULL if still not enough."""
        cdef char* place
        self._tell_parent()
        lie_down(self._room, self._asleep)
        place = self._results.claim(n)
        self._sleep(self._room, place != NULL)
        return self._results.claim(n) if place == NULL else place

    cdef int _wait_for_opening(self) except -1:
        """Sleep until the parent has opened all parcels: they are memory of this process."""
        self._tell_parent()
        while self._parcels > atomic_load(self._opened):
            lie_down(self._room, self._asleep)
            self._sleep(self._room, self._parcels <= atomic_load(self._opened))
        return 0

    cdef int _tell_parent(self) except -1:
        """Raise this worker's flag and wake the parent, after publishing."""
        cdef int32_t state
        atomic_fence()                                                  # [flag]
        if not atomic_load(self._flags) & self._flag:
            atomic_set_bits(self._flags, self._flag)
        with nogil:
            state = ring_bell(self._parents_bell)
        if state == PIPE:
            self._wake.send_bytes(b"")
        return 0

    def fail_to_start(self, error):
        """Tell the parent that the initializer raised `error`."""
        atomic_store(self._ready, now_ns())
        self._put_failure(STARTING, error, 0)
        self._tell_parent()


def resident_bytes():
    """Return how much memory this process has, in bytes; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb", 0) as file:
            return int(file.read(100).split()[1]) * PAGE_BYTES
    except OSError:
        return 0


cdef inline object _call(object function, int style, object item):
    if style == MAP:
        return function(item)
    if style == CALL:
        return function(*item[0], **item[1])
    return function(*item)
