"""Layer: pool.  What the memory of a pool says to others, in the layout of ``_messages.pxd``.

It is read while the pool is at work and without its help, so that what is read here is of one
moment only where the order of the looks sees to that.
"""
# Safe for free-threaded Python: there is no module state, and nothing is written.

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy

from fastproc.pool._messages cimport (
    BORN, BUSY, EDITION, ENDED, LAYOUT, MAGIC, NAME, NAME_BYTES, PAGE, PID, POOL_LAYOUT, POOL_MADE,
    POOL_MAGIC, POOL_PARENT, POOL_SLOTS, READY, RESTARTS, SINCE, STARTED, slot_bytes,
)
from fastproc.shm._atomic cimport atomic_fence, atomic_load, atomic_load_word
from fastproc.shm._bell cimport now_ns as _now_ns

cdef enum:
    # Looks at a slot that changes meanwhile, before what was seen last is taken.
    MOST_LOOKS = 20

LAYOUT_HERE = LAYOUT


def now_ns():
    """Return the time by the clock of all that is read here, in nanoseconds."""
    return _now_ns()


def pool_in(page, int64_t size):
    """Return what a pool's first page says, or None if the memory, of this size, is no pool's.

    It is the layout, how many slots there are, the parent's process number and when it was made; of
    another layout nothing is known but its number.
    """
    cdef Py_buffer view
    cdef const char* base
    cdef int32_t layout
    PyObject_GetBuffer(page, &view, PyBUF_SIMPLE)
    try:
        base = <const char*>view.buf
        if view.len < PAGE or atomic_load(<const int64_t*>(base + POOL_MAGIC)) != MAGIC:
            return None
        layout = atomic_load_word(<const int32_t*>(base + POOL_LAYOUT))
        if layout != LAYOUT:
            return layout, 0, 0, 0
        n_slots = atomic_load_word(<const int32_t*>(base + POOL_SLOTS))
        if n_slots < 0 or size < PAGE + n_slots * slot_bytes():
            return None
        return (
            layout, n_slots, atomic_load(<const int64_t*>(base + POOL_PARENT)),
            atomic_load(<const int64_t*>(base + POOL_MADE)))
    finally:
        PyBuffer_Release(&view)


def workers_in(buffer, Py_ssize_t n_slots):
    """Return by slot what its worker has stored, in the order of `monitor.WorkerView`."""
    cdef Py_buffer view
    cdef Py_ssize_t slot
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        if n_slots < 0 or view.len < PAGE + n_slots * slot_bytes():
            raise ValueError(f"there are no {n_slots} slots in a memory of {view.len} bytes")
        return [
            _worker(slot, <const char*>view.buf + PAGE + slot * slot_bytes())
            for slot in range(n_slots)
        ]
    finally:
        PyBuffer_Release(&view)


cdef tuple _worker(Py_ssize_t slot, const char* place):
    cdef char[NAME_BYTES] name
    cdef int64_t edition, started = 0, ended = 0, busy = 0, since = 0
    cdef bint is_whole = False
    cdef int _
    for _ in range(MOST_LOOKS):
        edition = atomic_load(<const int64_t*>(place + EDITION))
        started = atomic_load(<const int64_t*>(place + STARTED))
        ended = atomic_load(<const int64_t*>(place + ENDED))
        busy = atomic_load(<const int64_t*>(place + BUSY))
        since = atomic_load(<const int64_t*>(place + SINCE))
        memcpy(name, place + NAME, NAME_BYTES)
        atomic_fence()                                                  # [edition]
        is_whole = edition % 2 == 0 and atomic_load(<const int64_t*>(place + EDITION)) == edition
        if is_whole and atomic_load(<const int64_t*>(place + STARTED)) == started:
            break
    return (
        slot,
        atomic_load(<const int64_t*>(place + PID)),
        atomic_load(<const int64_t*>(place + BORN)),
        atomic_load(<const int64_t*>(place + RESTARTS)),
        atomic_load(<const int64_t*>(place + READY)) != 0,
        ended,
        busy,
        since if started > ended else 0,
        PyBytes_FromStringAndSize(name, NAME_BYTES if is_whole else 0),
    )
