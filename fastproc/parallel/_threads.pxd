"""Layer: parallel.  The C face of the thread team; see ``_threads.pyx``."""

# Does one unit of a job; units may be done in any order, by any thread.
ctypedef void (*unit_t)(void* job, Py_ssize_t unit) noexcept nogil

# Do units 0 to n_units - 1 of `job`, by this thread and up to n_threads - 1 others.  Returns when
# all are done.  Takes the GIL's holder; releases the GIL for as long as it runs.
cdef int run_units(unit_t do_unit, void* job, Py_ssize_t n_units, int n_threads) except -1

# How many threads to take for a kernel that one thread would do in `work_ns`, cut into `n_units`;
# 0 says that `workers` is a pool or an executor and worth asking.  TypeError or ValueError for what
# is neither of these, nor None, nor a positive number.
cdef int threads_for(object workers, double work_ns, Py_ssize_t n_units) except -1

# The same for a kernel whose units all write to the same places: 1 in place of 0 for an executor
# whose workers may have no memory in common.
cdef int threads_sharing(object workers, double work_ns, Py_ssize_t n_units) except -1
