"""Layer: shm.  Identities of processes: who has a lock or waits, and whether it still lives."""
# Safe for free-threaded Python: the identity changes in a fork only, which begins with one thread.

import os

from libc.stdint cimport int64_t

cdef extern from "_process.h" nogil:
    const int64_t DEAD "FASTPROC_DEAD"
    const int64_t UNKNOWN "FASTPROC_UNKNOWN"
    int64_t this_pid "fastproc_this_pid"() noexcept
    int64_t birth_of "fastproc_birth"(int64_t pid) noexcept

cdef enum:
    # The time of birth is kept modulo 2^31: no two processes of one number are born so many ticks
    # apart to the tick.
    BIRTH_MASK = 0x7FFFFFFF


def _identify():
    global this_process
    cdef int64_t pid = this_pid()
    this_process = (birth_of(pid) & BIRTH_MASK) << 32 | pid


_identify()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_identify)


cdef bint has_ended(int64_t identity) noexcept nogil:
    cdef int64_t birth
    if identity == this_process:
        return False
    birth = birth_of(pid_of(identity))
    if birth == DEAD:
        return True
    # A process that lives and was born at another time has only got the number.
    return birth != UNKNOWN and identity >> 32 != 0 and birth & BIRTH_MASK != identity >> 32


def identity():
    """Return the identity of this process.

    Examples
    --------
    >>> identity() & 0x7FFFFFFF == os.getpid()
    True
    """
    return this_process


def is_over(int64_t identity):
    """Tell whether the process of an identity has ended; a zombie has.

    Examples
    --------
    >>> is_over(identity())
    False
    """
    return has_ended(identity)
