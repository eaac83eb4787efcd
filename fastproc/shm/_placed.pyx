"""Layer: shm.  Placed: what lies in a block of shared memory (`block.py`) and travels with it.

Each class says in `_lie_over` how it lies over a block, which `__init__` has allocated or another
process has sent.  multiprocessing's pickler looks for the very class of an object, so each class is
told to it with its first object, a user's subclass too.
"""
# Safe for free-threaded Python: an object is placed once, before anybody else has it.

from multiprocessing.reduction import ForkingPickler

from fastproc.shm import block as blocks


cdef class Placed:
    def __cinit__(self, *args, **kwargs):
        ForkingPickler.register(type(self), type(self)._reduce_to_handle)

    @classmethod
    def _over(cls, block, *state):
        obj = cls.__new__(cls)
        obj._lie_over(block, *state)
        return obj

    def _state(self):
        """Return what `_lie_over` needs besides the block."""
        return ()

    def _reduce_to_handle(self):
        check_made(self)
        reduced = blocks.reduce(self, self._block, *self._state())
        attributes = getattr(self, "__dict__", None)    # a subclass's
        return (*reduced, attributes) if attributes else reduced

    def __reduce__(self):
        blocks.refuse_to_pickle(self)


cdef int complain(Placed obj) except -1:
    raise RuntimeError(
        f"{type(obj).__name__}.__init__() was not called; a subclass's __init__ calls "
        "super().__init__()")
