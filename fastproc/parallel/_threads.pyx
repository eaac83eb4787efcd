"""Layer: parallel.  A small set of threads that do the units of one kernel together.

The calling thread does units itself and so do helpers, each taking the next unit's number from an
atomic counter until none is left.  Helpers are started once, sleep between jobs on a lock of their
own, and never touch a Python object, the GIL or a thread state: to Python they do not exist.

One job at a time.  A second thread that calls while a job runs does its units alone: the cores are
busy anyway, and waiting for a team could deadlock.

A helper's life is one word, so that every step of it is one atomic operation:

    SLEEPING   it waits for its `wake` lock, which is taken
    ASSIGNED   the caller gave it the job and released `wake`
    CANCELLED  the caller took the job back before the helper woke; `wake` is still released
    RUNNING    it woke, took `wake`, and does units
    AWAITED    the same, and the caller sleeps until the helper releases `done`

    caller:  SLEEPING -> ASSIGNED (then releases wake), CANCELLED -> ASSIGNED,
             ASSIGNED -> CANCELLED, RUNNING -> AWAITED (then takes done)
    helper:  ASSIGNED -> RUNNING, CANCELLED -> SLEEPING,
             RUNNING -> SLEEPING, AWAITED -> SLEEPING (then releases done)

So a caller never waits for a helper that has not begun: waking takes longer than a small job.
Each arrow is a compare-and-exchange that acquires and releases: the job's fields, written before
SLEEPING -> ASSIGNED, are seen by the helper after ASSIGNED -> RUNNING, and what the helper wrote
is seen by the caller once it finds SLEEPING.

After a fork the child has none of these threads; it forgets the team and starts another when it
needs one.
"""
# Safe for free-threaded Python: the team is taken by one atomic operation on `_busy`, and only who
# has it touches the rest; `_is_fork` is written before a forked child has a second thread.

import operator
import os
import sys

from cpython.number cimport PyIndex_Check
from libc.stdint cimport int64_t

from fastproc.shm._atomic cimport (
    atomic_compare_exchange,
    atomic_fetch_add,
    atomic_load,
    atomic_store,
    pause,
)

from fastproc import config, plan


cdef extern from "pythread.h" nogil:
    ctypedef void* PyThread_type_lock
    enum:
        WAIT_LOCK
    PyThread_type_lock PyThread_allocate_lock()
    int PyThread_acquire_lock(PyThread_type_lock lock, int waitflag)
    void PyThread_release_lock(PyThread_type_lock lock)
    unsigned long PyThread_start_new_thread(void (*function)(void*) noexcept nogil, void* argument)
    unsigned long PYTHREAD_INVALID_THREAD_ID

cdef enum:
    SLEEPING = 0
    ASSIGNED
    CANCELLED
    RUNNING
    AWAITED

cdef enum:
    MAX_HELPERS = 255
    # Looks at a running helper before sleeping until it is done, some 20 us: a unit takes about
    # one, unless the system has taken the helper's core away.
    SPINS = 500
    # Turns at the counter per thread.  Many, so that threads finish together although one may be
    # disturbed; not one a unit, since the counter's cache line travels at each turn.
    TURNS = 16

cdef struct Helper:
    int64_t state
    PyThread_type_lock wake
    PyThread_type_lock done

cdef struct Job:
    unit_t do_unit
    void* argument
    Py_ssize_t n_units
    Py_ssize_t per_turn
    int64_t next_unit

cdef Helper _helpers[MAX_HELPERS]
cdef int _n_helpers = 0
cdef bint _is_fork = False
cdef int64_t _busy = 0
cdef Job _job


cdef int run_units(unit_t do_unit, void* job, Py_ssize_t n_units, int n_threads) except -1:
    cdef Py_ssize_t unit
    cdef int n_helpers, i
    if n_threads > n_units:
        n_threads = <int>n_units
    if n_threads <= 1 or not atomic_compare_exchange(&_busy, 0, 1):
        with nogil:
            for unit in range(n_units):
                do_unit(job, unit)
        return 0

    n_helpers = _start_helpers(n_threads - 1)
    _job.do_unit = do_unit
    _job.argument = job
    _job.n_units = n_units
    _job.per_turn = max(1, n_units // (<Py_ssize_t>n_threads * TURNS))
    _job.next_unit = 0
    with nogil:
        for i in range(n_helpers):
            _assign(&_helpers[i])
        _do_units()
        for i in range(n_helpers):
            _await(&_helpers[i])
    atomic_store(&_busy, 0)
    return 0


cdef int threads_for(object workers, double work_ns, Py_ssize_t n_units) except -1:
    cdef bint small = n_units < 2 or work_ns < 2 * <double>plan.THREAD_SHARE_NS
    if workers is None:
        return 1 if small else plan.useful_threads(work_ns, n_units, config.default_workers())
    if not PyIndex_Check(workers):
        return _processes_for(workers, work_ns, n_units)
    most = operator.index(workers) if type(workers) is not int else workers
    if most < 1:
        raise ValueError(f"workers must be at least 1, not {most}")
    return 1 if small else plan.useful_threads(work_ns, n_units, most)


cdef int _processes_for(object workers, double work_ns, Py_ssize_t n_units) except -1:
    """Return 0 if `workers` is a pool and the work is worth its processes, 1 if it is not."""
    # Imported by now if it is one: multiprocessing is slow to import.  Another thread may just be
    # importing it, and then there is no class yet.
    pool = getattr((<dict>sys.modules).get("fastproc.pool.pool"), "Pool", None)
    if pool is None or not isinstance(workers, pool):
        return _executor_for(workers, work_ns, n_units)
    # Also where the pool is not needed, as the mistake is the same.  A process that is no fork has
    # only pools of its own, and to ask for its number takes longer than a small array's kernel.
    if _is_fork or not workers._is_open:
        workers._check_open()
    if n_units < 2 or plan.useful_processes(work_ns, n_units, workers.processes) < 2:
        return 1
    return 0


cdef int _executor_for(object workers, double work_ns, Py_ssize_t n_units) except -1:
    """The same for whatever else may do the work."""
    if not callable(getattr(workers, "submit", None)):
        raise TypeError(
            "workers must be None, a number of threads or a fastproc.Pool (or another executor, "
            f"which has submit()), not {workers!r}")
    from fastproc.parallel import processes

    n_workers = processes.count(workers)
    return n_units < 2 or plan.useful_processes(work_ns, n_units, n_workers) < 2


cdef int threads_sharing(object workers, double work_ns, Py_ssize_t n_units) except -1:
    cdef int n_threads = threads_for(workers, work_ns, n_units)
    if n_threads == 0:
        from fastproc.parallel import processes

        return not processes.share_memory(workers)
    return n_threads


cdef void _assign(Helper* helper) noexcept nogil:
    """Give the job to a helper that sleeps, or that has yet to wake from the job before."""
    if atomic_compare_exchange(&helper.state, SLEEPING, ASSIGNED):
        PyThread_release_lock(helper.wake)
    elif not atomic_compare_exchange(&helper.state, CANCELLED, ASSIGNED):
        # It went from CANCELLED to SLEEPING between the two looks, and nobody else assigns.
        atomic_compare_exchange(&helper.state, SLEEPING, ASSIGNED)
        PyThread_release_lock(helper.wake)


cdef void _await(Helper* helper) noexcept nogil:
    """Take the job back from a helper, or wait until it has done its part."""
    cdef int _spin
    if atomic_compare_exchange(&helper.state, ASSIGNED, CANCELLED):
        return
    for _spin in range(SPINS):
        if atomic_load(&helper.state) == SLEEPING:
            return
        pause()
    if atomic_compare_exchange(&helper.state, RUNNING, AWAITED):
        PyThread_acquire_lock(helper.done, WAIT_LOCK)


cdef void _do_units() noexcept nogil:
    """Take units from the counter and do them, until there is none left."""
    cdef Py_ssize_t unit, stop
    while True:
        unit = <Py_ssize_t>atomic_fetch_add(&_job.next_unit, _job.per_turn)
        if unit >= _job.n_units:
            return
        stop = min(unit + _job.per_turn, _job.n_units)
        while unit < stop:
            _job.do_unit(_job.argument, unit)
            unit += 1


cdef void _live(void* argument) noexcept nogil:
    """Be a helper: the body of its thread."""
    cdef Helper* helper = <Helper*>argument
    while True:
        PyThread_acquire_lock(helper.wake, WAIT_LOCK)
        if atomic_compare_exchange(&helper.state, ASSIGNED, RUNNING):
            _do_units()
            if not atomic_compare_exchange(&helper.state, RUNNING, SLEEPING):
                atomic_store(&helper.state, SLEEPING)
                PyThread_release_lock(helper.done)
        elif not atomic_compare_exchange(&helper.state, CANCELLED, SLEEPING):
            # It was assigned again between the two looks, with `wake` already taken.
            PyThread_release_lock(helper.wake)


cdef int _start_helpers(int wanted):
    """Start helpers until there are `wanted`; return how many of them there are."""
    global _n_helpers
    cdef Helper* helper
    wanted = min(wanted, MAX_HELPERS)
    while _n_helpers < wanted:
        helper = &_helpers[_n_helpers]
        helper.state = SLEEPING
        helper.wake = _taken_lock()
        helper.done = _taken_lock()
        if helper.wake == NULL or helper.done == NULL:
            break
        if PyThread_start_new_thread(_live, helper) == PYTHREAD_INVALID_THREAD_ID:
            break               # the system gives no more threads: fewer do the work
        _n_helpers += 1
    return min(wanted, _n_helpers)


cdef PyThread_type_lock _taken_lock() noexcept nogil:
    cdef PyThread_type_lock lock = PyThread_allocate_lock()
    if lock != NULL:
        PyThread_acquire_lock(lock, WAIT_LOCK)
    return lock


def _forget_team():
    """Start anew in a forked child, where the helpers are not and the locks may be in any state."""
    global _n_helpers, _is_fork
    _n_helpers = 0
    _is_fork = True
    atomic_store(&_busy, 0)


def helper_count():
    """Return how many helpers have been started in this process."""
    return _n_helpers


os.register_at_fork(after_in_child=_forget_team)
