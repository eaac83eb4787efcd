"""Layer: pool.  Contexts: multiprocessing's, with fastproc's classes.

A context is a start method and all that can be made with it.  Which method is the default is known
to multiprocessing alone, so that ``multiprocessing.set_start_method`` and ours are the same thing,
also in a child.

The functions of the module ``multiprocessing`` are methods of its default context; so are those at
the end of this file of ours, which ``fastproc`` hands on.
"""

# Where multiprocessing's types are declared its own classes are; ours do the same and are others.
# mypy: disable-error-code="override, misc"

from __future__ import annotations

import multiprocessing.context as context  # pyright does not find it by `from`
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from fastproc.pool import process

if TYPE_CHECKING:
    from fastproc.pool.pool import Pool as _Pool
    from fastproc.shm import queues, synchronize

#: multiprocessing's own default context, which is where the default start method is kept.
_DEFAULT: Any = context._default_context


class _Context(context.BaseContext):
    """What all contexts have in common: fastproc's classes, loaded when they are first asked for.

    What is not here is multiprocessing's: Pipe, cpu_count, get_logger and so on, and Manager, whose
    server is a Process of the context.
    """

    def get_context(self, method: str | None = None) -> Any:
        """Return the context of a start method; by default this one."""
        if method is None:
            return self
        _DEFAULT.get_context(method)  # raises for a method that does not exist or not work here
        return _CONTEXTS[method]

    def Pool(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        *,
        max_memory: int | None = None,
    ) -> _Pool:
        """Return a fastproc.Pool of this context."""
        from fastproc.pool.pool import Pool

        return Pool(
            processes,
            initializer,
            initargs,
            maxtasksperchild,
            self.get_context(),
            max_memory=max_memory,
        )

    def Lock(self) -> synchronize.Lock:
        """Return a lock that processes share."""
        from fastproc.shm.synchronize import Lock

        return Lock()

    def RLock(self) -> synchronize.RLock:
        """Return a lock that its holder may take again."""
        from fastproc.shm.synchronize import RLock

        return RLock()

    def Condition(self, lock: Any = None) -> synchronize.Condition:
        """Return a condition, of a lock of its own or of the one given."""
        from fastproc.shm.synchronize import Condition

        return Condition(lock)

    def Semaphore(self, value: int = 1) -> synchronize.Semaphore:
        """Return a semaphore that lets `value` holders in."""
        from fastproc.shm.synchronize import Semaphore

        return Semaphore(value)

    def BoundedSemaphore(self, value: int = 1) -> synchronize.BoundedSemaphore:
        """Return a semaphore that is not released more often than taken."""
        from fastproc.shm.synchronize import BoundedSemaphore

        return BoundedSemaphore(value)

    def Event(self) -> synchronize.Event:
        """Return an event for which processes can wait."""
        from fastproc.shm.synchronize import Event

        return Event()

    def Barrier(
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
    ) -> synchronize.Barrier:
        """Return a barrier at which `parties` wait for one another."""
        from fastproc.shm.synchronize import Barrier

        return Barrier(parties, action, timeout)

    def Queue(self, maxsize: int = 0) -> queues.Queue:
        """Return a queue between processes."""
        from fastproc.shm.queues import Queue

        return Queue(maxsize, ctx=self)

    def JoinableQueue(self, maxsize: int = 0) -> queues.JoinableQueue:
        """Return a queue that can be waited for until all in it is done."""
        from fastproc.shm.queues import JoinableQueue

        return JoinableQueue(maxsize, ctx=self)

    def SimpleQueue(self) -> queues.SimpleQueue:
        """Return a queue of the fewest parts."""
        from fastproc.shm.queues import SimpleQueue

        return SimpleQueue(ctx=self)

    def RawValue(self, typecode_or_type: Any, *args: Any) -> Any:
        """Return a ctypes object in shared memory."""
        from fastproc.shm.sharedctypes import RawValue

        return RawValue(typecode_or_type, *args)

    def RawArray(self, typecode_or_type: Any, size_or_initializer: Any) -> Any:
        """Return a ctypes array in shared memory."""
        from fastproc.shm.sharedctypes import RawArray

        return RawArray(typecode_or_type, size_or_initializer)

    def Value(self, typecode_or_type: Any, *args: Any, lock: Any = True) -> Any:
        """Return a ctypes object in shared memory with a lock."""
        from fastproc.shm.sharedctypes import Value

        return Value(typecode_or_type, *args, lock=lock)

    def Array(self, typecode_or_type: Any, size_or_initializer: Any, *, lock: Any = True) -> Any:
        """Return a ctypes array in shared memory with a lock."""
        from fastproc.shm.sharedctypes import Array

        return Array(typecode_or_type, size_or_initializer, lock=lock)


class ForkContext(_Context, context.ForkContext):
    """The context whose processes are forks of this one."""

    Process = process.ForkProcess


class SpawnContext(_Context, context.SpawnContext):
    """The context whose processes begin as new interpreters."""

    Process = process.SpawnProcess


class ForkServerContext(_Context, context.ForkServerContext):
    """The context whose processes a server forks, which has nothing of this one."""

    Process = process.ForkServerProcess


_CONTEXTS: dict[str, Any] = {
    "fork": ForkContext(),
    "spawn": SpawnContext(),
    "forkserver": ForkServerContext(),
}


class DefaultContext(_Context):
    """The context of multiprocessing's default start method, whichever that is at the time."""

    Process = process.Process

    def get_context(self, method: str | None = None) -> Any:
        """Return the context of a start method, by default of the default one.

        Parameters
        ----------
        method : str, optional
            "fork", "forkserver" or "spawn".  Asking for the default fixes it, as in
            multiprocessing.

        Raises
        ------
        ValueError
            If there is no such method here.

        Examples
        --------
        >>> spawn = get_context("spawn")
        >>> with spawn.Pool(1) as pool:
        ...     pool.map(lambda x: x + 1, [1, 2])
        [2, 3]
        """
        return super().get_context(self.get_start_method() if method is None else method)

    def get_start_method(self, allow_none: bool = False) -> Any:
        """Return the default start method; None, if so wished, while it is not fixed yet."""
        return _DEFAULT.get_start_method(allow_none)

    def set_start_method(self, method: str | None, force: bool = False) -> None:
        """Fix the default start method, of multiprocessing too; once, unless by force."""
        _DEFAULT.set_start_method(method, force)

    def get_all_start_methods(self) -> list[str]:
        """Return the start methods that there are here, the default one first."""
        return list(_DEFAULT.get_all_start_methods())


_default = DefaultContext()

Array = _default.Array
Barrier = _default.Barrier
BoundedSemaphore = _default.BoundedSemaphore
Condition = _default.Condition
Event = _default.Event
JoinableQueue = _default.JoinableQueue
Lock = _default.Lock
Manager = _default.Manager
Pipe = _default.Pipe
Queue = _default.Queue
RLock = _default.RLock
RawArray = _default.RawArray
RawValue = _default.RawValue
Semaphore = _default.Semaphore
SimpleQueue = _default.SimpleQueue
Value = _default.Value
active_children = _default.active_children
allow_connection_pickling = _default.allow_connection_pickling
cpu_count = _default.cpu_count
current_process = _default.current_process
freeze_support = _default.freeze_support
get_all_start_methods = _default.get_all_start_methods
get_context = _default.get_context
get_logger = _default.get_logger
get_start_method = _default.get_start_method
log_to_stderr = _default.log_to_stderr
parent_process = _default.parent_process
reducer = _default.reducer
set_executable = _default.set_executable
set_forkserver_preload = _default.set_forkserver_preload
set_start_method = _default.set_start_method
