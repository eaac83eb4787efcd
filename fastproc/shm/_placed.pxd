"""Layer: shm.  The face of `_placed.pyx` for other Cython modules."""


cdef class Placed:
    cdef object __weakref__
    cdef dict __dict__                      # users give names to locks
    cdef readonly object _block

# Raises the error of an object whose __init__ was not called.
cdef int complain(Placed obj) except -1


cdef inline int check_made(Placed obj) except -1:
    """Make sure that there is memory under an object, before it is looked at."""
    return complain(obj) if obj._block is None else 0
