"""Layer: shm.  The face of `_core.h`: which core a thread runs on, and leaving it to another."""

cdef extern from "_core.h" nogil:
    const int NO_CORE "FASTPROC_NO_CORE"
    int this_core "fastproc_this_core"() noexcept
    void leave_core "fastproc_leave_core"(int core) noexcept
