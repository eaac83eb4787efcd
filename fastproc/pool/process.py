"""Layer: pool.  Process: multiprocessing's, whose target may come from anywhere.

A forked process has everything already.  For any other multiprocessing pickles the process object,
by name where it comes to functions and classes.  Here it travels as the tasks of a pool do
(``serialize.py``): by value what the other side would not find, large arrays in shared memory.
All else is multiprocessing's own.
"""

from __future__ import annotations

import multiprocessing.context as context  # pyright does not find it by `from`
from multiprocessing.process import BaseProcess
from typing import Any

from fastproc.pool import script
from fastproc.shm import serialize
from fastproc.shm.serialize import Payload

#: Whose target need not travel.
ForkProcess = context.ForkProcess


class SpawnProcess(context.SpawnProcess):
    """A Process that begins as a new interpreter; see `Process`."""

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:
        from fastproc.pool.popen import SpawnPopen

        return SpawnPopen(process_obj)


class ForkServerProcess(context.ForkServerProcess):
    """A Process that the fork server forks; see `Process`."""

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:
        from fastproc.pool.popen import ForkServerPopen

        return ForkServerPopen(process_obj)


#: By start method.
CLASSES: dict[str, Any] = {
    "fork": ForkProcess,
    "spawn": SpawnProcess,
    "forkserver": ForkServerProcess,
}


class Process(context.Process):
    """A process that runs a function: multiprocessing.Process, with targets from anywhere.

    Parameters
    ----------
    group : None
        There for the sake of `threading.Thread`'s signature.
    target : callable, optional
        What `run` calls, under every start method: lambdas, closures and what a notebook, a REPL
        or ``python -c`` defines can be sent, and so can instances of subclasses that are defined
        there and have a `run` of their own.
    name : str, optional
        The process's name; by default the class's with a number.
    args : iterable
        The target's arguments.  Large arrays are copied once, shared arrays not at all.
    kwargs : dict
        Its keyword arguments.
    daemon : bool, optional
        Whether the process is terminated when this one ends; by default as this one is.

    Notes
    -----
    The start method is multiprocessing's; ``get_context(method).Process`` has another.  `start`
    raises what pickling raises, and then nothing has been started.

    Examples
    --------
    >>> from fastproc.shm.array import shared_zeros
    >>> squares = shared_zeros(4, "i8")
    >>> def work(out):
    ...     out[:] = [x * x for x in range(4)]
    >>> process = Process(target=work, args=(squares,))
    >>> process.start()
    >>> process.join()
    >>> squares, process.exitcode
    (SharedArray([0, 1, 4, 9]), 0)
    """

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:
        method = context._default_context.get_start_method()
        return CLASSES[method]._Popen(process_obj)


class Traveller:
    """Stands for a process object while multiprocessing pickles it for a process to be started.

    The process object's own pickling is left as it is: it is pickled *inside* the payload, where it
    may be referred to again, by a target that is one of its methods for instance.
    """

    def __init__(self, process: BaseProcess) -> None:
        self._name = process.name  # multiprocessing asks for it
        self._process = process
        self._names = script.names_after_import()
        self._payload: Payload | None = None

    def __reduce__(self) -> Any:
        payload = self._payload = serialize.dumps(self._process, self._names)
        return arrive, (payload.data, payload.kind)

    def handles(self) -> list[Any]:
        """Return the handles of the shared memory that travels along."""
        return self._payload.handles if self._payload is not None else []


def arrive(data: bytes, kind: int) -> Any:
    """Return the process object, in the process that it describes."""
    return serialize.loads(serialize.open_parcel(data) if kind == serialize.PARCEL else data)
