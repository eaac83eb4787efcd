"""Layer: pool.  The face of `_waiting.pyx` for other Cython modules."""

from libc.stdint cimport int32_t, int64_t

from fastproc.pool._job cimport Job
from fastproc.pool._roster cimport Roster
from fastproc.shm._mutex cimport Mutex


cdef class Waiting:
    cdef Mutex _lock                        # guards all state of the pool
    cdef Mutex _leading                     # held by the leader
    cdef unsigned long _leader              # the leader's thread
    cdef object _followers
    cdef int32_t* _bell
    cdef int32_t* _core                     # that the leader runs on, for the workers
    cdef int64_t* _flags
    cdef Py_ssize_t _n_words
    cdef int64_t _spin_ns
    cdef int64_t _vain                      # looks, one after another, that saw nothing
    cdef Py_ssize_t _n_cpus
    cdef Roster _roster                     # the workers
    cdef object _wake
    cdef int _wake_fd                       # its descriptor, where that can be written to
    cdef bint _is_waking                    # a message to the manager is on its way
    cdef object _doorbell                   # at which the leader sleeps, where there is no futex
    cdef public bint is_foreign             # this process is a fork of the pool's
    cdef int _check_process(self) except -1
    cdef bint _collect(self) except -1
    cdef int _hand_out(self) except -1
    cdef bint _take_lead(self)
    cdef int _leave_lead(self) except -1
    cdef int _lead(self, Job job, int64_t end) except -1
    cdef bint _look_until(self, int64_t stop) noexcept nogil
    cdef int _sleep_until(self, int64_t stop) except -1
    cdef bint _flag_is_up(self) noexcept nogil
    cdef int _pass_on(self) except -1
    cdef int _follow(self, Job job, int64_t end) except -1
    cdef int _wake_waiters(self) except -1
    cdef int _wake_leader(self) except -1
