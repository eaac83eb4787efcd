"""Layer: shm.  Two who wake each other had better run on two cores.

The system likes to wake a process on the core of who wakes it.  There the two take turns, each
looks for the other in vain, and neither is ever ready to run beside the other for long enough that
the system would part them: a pool's round trip takes 12 us rather than 6, and one in a hundred 65.
So who has been waked on its waker's core some times in a row moves.  Where all cores are busy
moving is no help, and is tried ever less.
"""
# Safe for free-threaded Python: nothing is kept here.

from libc.stdint cimport int32_t, int64_t

from fastproc.shm._bell cimport now_ns

cdef extern from "_core.h" nogil:
    void leave_core "fastproc_leave_core"(int core) noexcept

cdef enum:
    MOST_TOGETHER = 3
    # Nanoseconds between two moves: less, and more where moving does not help.
    MOVE_EVERY = 2_000_000
    MOVE_SELDOM = 1_000_000_000


cdef void part_company(Company* company, int32_t wakers_core) noexcept nogil:
    cdef int core = this_core()
    cdef int64_t now, every
    if core != wakers_core or core < 0:
        company.together = 0
        return
    company.together += 1
    if company.together < MOST_TOGETHER:
        return
    now = now_ns()
    every = max(company.move_every, <int64_t>MOVE_EVERY)
    if now - company.moved < every:
        return
    # In vain if the last move did not part the two for long.
    if now - company.moved < 4 * every:
        company.move_every = min(2 * every, <int64_t>MOVE_SELDOM)
    else:
        company.move_every = MOVE_EVERY
    leave_core(core)
    company.moved, company.together = now, 0
