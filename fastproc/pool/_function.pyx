"""Layer: pool.  Functions: pickled once, sent once per worker, then called by a number."""
# Safe for free-threaded Python: a dict's steps are atomic, and two functions that come by the same
# number are told apart by the channels, which remember the function itself.

from libc.stdint cimport int32_t

from fastproc.pool._messages cimport NAME_BYTES

from fastproc.pool import remote
from fastproc.shm import serialize

cdef enum:
    # Numbers of functions that travel by their names, which are small and often used again, and of
    # others, of which a worker need not keep many: they may have large data.
    NAMED_NUMBERS = 256
    OTHER_NUMBERS = 8


cdef class Function:
    """A function with what is sent of it, once per worker.

    `number` is what messages call it by; a worker forgets a function when another comes with its
    number.
    """

    def __init__(self, function, int32_t number, names):
        self.function = function
        self.number = number
        self.name = remote.name_of(function).encode(errors="replace")[:NAME_BYTES]
        self.payload = serialize.dumps(function, names)


cdef class Functions:
    """The functions of a pool.

    Parameters
    ----------
    names : serialize.Names
        What workers find by name.
    """

    def __init__(self, names):
        self._names = names
        self._known = {}

    cdef Function find(self, object function):
        """Return the Function that stands for a callable; raises what pickling raises."""
        cdef Function known = self._known.get(id(function))
        if known is not None:
            return known
        # What travels by its name alone is always the same; a closure may have changed tomorrow.
        if hasattr(function, "__qualname__") and self._names.has(function) and (
                not hasattr(function, "__self__") or function.__self__ is None
                or hasattr(function.__self__, "__loader__")):
            known = Function(function, self._n_named % NAMED_NUMBERS, self._names)
            self._n_named += 1
            if len(self._known) >= NAMED_NUMBERS:
                self._known.clear()
            self._known[id(function)] = known
            return known
        return self.by_value(function, self._names)

    cdef Function by_value(self, object function, object names):
        """Return a Function anew."""
        self._n_others += 1
        return Function(function, NAMED_NUMBERS + self._n_others % OTHER_NUMBERS, names)
