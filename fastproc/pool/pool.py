"""Layer: pool.  Pool: processes that take tasks, with multiprocessing.Pool's methods.

The face of the pool.  What a call asks for becomes a Job (``_dispatcher.pyx``), whose tasks go to
workers through rings in shared memory; ``manager.py`` looks after the workers.
"""

from __future__ import annotations

import multiprocessing
import operator
import os
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from multiprocessing.context import BaseContext
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from fastproc import config
from fastproc.pool._job import CALL, MAP, STARMAP, Job
from fastproc.pool.manager import Manager
from fastproc.pool.result import AsyncResult, IMapIterator, load_tqdm

if TYPE_CHECKING:
    from fastproc.shm.array import SharedArray

#: A job's `chunk` beside a number of items: each item's result comes by itself, or the pool
#: chooses how many items make a task from how long they take.
SINGLE, ADAPTIVE = 0, -1

_S = TypeVar("_S")
_T = TypeVar("_T")

Callback = Callable[[Any], object] | None


class WorkerStats(NamedTuple):
    """What one worker of a pool has done since it was started; see `Pool.stats`."""

    #: Its process number.
    pid: int
    #: Tasks that it has ended; several items may have made one.
    tasks: int
    #: Seconds in tasks.
    busy: float
    #: Seconds between them.
    idle: float
    #: Seconds from its start until it was ready, or None if it is not yet.
    start_up: float | None
    #: Bytes of messages to it.  What lies in shared memory beside them is not counted.
    bytes_in: int
    #: Bytes of messages from it.
    bytes_out: int
    #: How many workers were in its place before.
    restarts: int


class Pool:
    """Processes that take tasks: multiprocessing.Pool, quick to answer and hard to hang.

    Parameters
    ----------
    processes : int, optional
        How many; by default as many as there are cores that this process may use, by its affinity
        and its cgroup.
    initializer : callable, optional
        Called in each worker as it starts.  If it raises, so does every call of the pool.
    initargs : tuple
        Its arguments.
    maxtasksperchild : int, optional
        The number of tasks after which a worker is replaced by a new one; by default never.
    context : str or multiprocessing context, optional
        The start method, "fork", "forkserver" or "spawn"; by default multiprocessing's.
    max_memory : int, optional
        Bytes of resident memory beyond which a worker is replaced, after the tasks that it has in
        hand; by default never.  Looked at between tasks, on systems with ``/proc``.

    Raises
    ------
    ValueError
        If `processes`, `maxtasksperchild` or `max_memory` is less than 1 or there is no such start
        method.

    Notes
    -----
    What differs from multiprocessing.Pool:

    - A worker that dies costs the task that it ran, which raises WorkerDied; all else goes on.
    - Lambdas, closures and what a notebook defines can be sent, under every start method.
    - Large arrays in arguments and results are copied once; shared arrays are not copied.
    - Without a `chunksize`, `map` chooses how many items make a task while it runs.
    - Every method takes `timeout`, the seconds that a task may run before its worker is killed and
      it raises TaskTimeout, and `retries`, how often a task is done again whose worker died or
      that ran out of time.  With either, an item is a task of its own unless `chunksize` says more.
    - The methods that map take `progress`: True shows a bar (tqdm), in a terminal or a notebook.
    - Workers may have children of their own, pools for instance.

    Examples
    --------
    >>> with Pool(2) as pool:
    ...     pool.map(abs, [-1, -2])
    [1, 2]
    """

    # What the destructor asks for, even where bad arguments end the constructor.
    _manager: Manager | None = None

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: str | BaseContext | None = None,
        *,
        max_memory: int | None = None,
    ) -> None:
        if not isinstance(context, BaseContext):
            context = multiprocessing.get_context(context)
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer must be callable, not {initializer!r}")
        if processes is None:
            processes = config.allowed_cpus()
        try:
            processes = operator.index(processes)
        except TypeError:
            raise TypeError(f"processes must be an int or None, not {processes!r}") from None
        if processes < 1:
            raise ValueError(f"Number of processes must be at least 1, not {processes}")
        if maxtasksperchild is not None and (
            not isinstance(maxtasksperchild, int) or maxtasksperchild < 1
        ):
            raise ValueError(
                f"maxtasksperchild must be a positive int or None, not {maxtasksperchild!r}"
            )
        if max_memory is not None and max_memory < 1:
            raise ValueError(f"max_memory must be at least 1 byte, not {max_memory}")
        #: How many processes the pool has.
        self.processes = processes
        self._manager = Manager(
            processes, initializer, tuple(initargs), maxtasksperchild, max_memory, context
        )
        self._is_open = True
        # A finalizer may run anywhere, also where the pool is at work: it asks the manager to end.
        weakref.finalize(self, self._manager.request_end).atexit = False

    def __repr__(self) -> str:
        state = "open" if self._is_open else "closed"
        return f"<fastproc.Pool of {self.processes} processes, {state}>"

    def __del__(self) -> None:
        if self._manager is not None and self._is_open and os.getpid() == self._manager.pid:
            warnings.warn(
                f"unclosed running pool {self!r}; use it in a with statement",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    def __reduce__(self) -> Any:
        # The type that multiprocessing raises: programs catch it to find out.
        raise NotImplementedError(
            "a pool's workers answer to the process that made it, so it cannot be pickled; make "
            "another one there, or let the tasks return what they would have asked of this one"
        )

    def __enter__(self) -> Pool:
        self._check_open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.terminate()

    # One call -----------------------------------------------------------------------------------

    def apply(
        self,
        func: Callable[..., _T],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
    ) -> _T:
        """Return ``func(*args, **kwds)``, called in a worker."""
        return self._call(self._single(func, args, kwds, timeout, retries), True)  # type: ignore[no-any-return]

    def apply_async(
        self,
        func: Callable[..., _T],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        callback: Callback = None,
        error_callback: Callback = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
    ) -> AsyncResult[_T]:
        """Begin ``func(*args, **kwds)`` in a worker; return its AsyncResult."""
        job = self._single(func, args, kwds, timeout, retries)
        return self._begin(job, True, callback, error_callback)

    def _single(
        self,
        func: Callable[..., Any],
        args: Iterable[Any],
        kwds: Mapping[str, Any] | None,
        timeout: float | None,
        retries: int,
    ) -> Job:
        item = (tuple(args), dict(kwds) if kwds else {})
        return self._job(func, CALL, [item], 1, timeout, retries)

    # Many calls ---------------------------------------------------------------------------------

    def map(
        self,
        func: Callable[[_S], _T],
        iterable: Iterable[_S],
        chunksize: int | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        progress: bool = False,
    ) -> list[_T]:
        """Return the results of ``func(item)`` for each item, in their order."""
        job = self._job(func, MAP, list(iterable), chunksize, timeout, retries)
        return self._call(job, False, progress)  # type: ignore[no-any-return]

    def map_async(
        self,
        func: Callable[[_S], _T],
        iterable: Iterable[_S],
        chunksize: int | None = None,
        callback: Callback = None,
        error_callback: Callback = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
    ) -> AsyncResult[list[_T]]:
        """Begin a `map`; return its AsyncResult."""
        job = self._job(func, MAP, list(iterable), chunksize, timeout, retries)
        return self._begin(job, False, callback, error_callback)

    def starmap(
        self,
        func: Callable[..., _T],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        progress: bool = False,
    ) -> list[_T]:
        """Return the results of ``func(*item)`` for each item, in their order."""
        job = self._job(func, STARMAP, list(iterable), chunksize, timeout, retries)
        return self._call(job, False, progress)  # type: ignore[no-any-return]

    def starmap_async(
        self,
        func: Callable[..., _T],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callback = None,
        error_callback: Callback = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
    ) -> AsyncResult[list[_T]]:
        """Begin a `starmap`; return its AsyncResult."""
        job = self._job(func, STARMAP, list(iterable), chunksize, timeout, retries)
        return self._begin(job, False, callback, error_callback)

    def imap(
        self,
        func: Callable[[_S], _T],
        iterable: Iterable[_S],
        chunksize: int = 1,
        *,
        timeout: float | None = None,
        retries: int = 0,
        progress: bool = False,
    ) -> Iterator[_T]:
        """Return an iterator over the results of ``func(item)``, in the order of the items.

        Items are drawn as workers have time for them, and not far ahead of the results taken.
        """
        job = self._job(func, MAP, iter(iterable), chunksize, timeout, retries)
        return self._draw(job, iterable, progress)

    def imap_unordered(
        self,
        func: Callable[[_S], _T],
        iterable: Iterable[_S],
        chunksize: int = 1,
        *,
        timeout: float | None = None,
        retries: int = 0,
        progress: bool = False,
    ) -> Iterator[_T]:
        """Return an iterator over the results of ``func(item)``, each as soon as it is there."""
        job = self._job(func, MAP, iter(iterable), chunksize, timeout, retries, False)
        return self._draw(job, iterable, progress)

    def _job(
        self,
        func: Callable[..., Any],
        style: int,
        items: list[Any] | Iterator[Any],
        chunksize: int | None,
        timeout: float | None,
        retries: int,
        is_ordered: bool = True,
    ) -> Job:
        """Check the arguments of a call and return its Job."""
        if chunksize is not None and chunksize < 1:
            raise ValueError(f"Chunksize must be 1+, not {chunksize:n}")
        if timeout is not None and not timeout > 0:
            raise ValueError(f"timeout must be a positive number of seconds, not {timeout!r}")
        if retries < 0:
            raise ValueError(f"retries must be 0 or more, not {retries!r}")
        if chunksize is None:
            chunk = SINGLE if timeout or retries else ADAPTIVE
        else:
            chunk = SINGLE if chunksize == 1 else chunksize
        function = self._check_open().dispatcher.function(func)
        return Job(function, style, items, chunk, is_ordered, timeout or 0, retries)

    def _begin(
        self,
        job: Job,
        is_single: bool,
        callback: Callback = None,
        error_callback: Callback = None,
    ) -> AsyncResult[Any]:
        dispatcher = self._check_open().dispatcher
        result: AsyncResult[Any] = AsyncResult(
            self, dispatcher, job, is_single, callback, error_callback
        )
        if job.on_end is not None and self._manager is not None:
            self._manager.start_calling_back()
        dispatcher.submit(job)
        return result

    def _draw(self, job: Job, iterable: Iterable[Any], progress: bool) -> Iterator[Any]:
        dispatcher = self._check_open().dispatcher
        dispatcher.submit(job)
        results: IMapIterator[Any] = IMapIterator(self, dispatcher, job)
        if not progress:
            return results
        total = len(iterable) if isinstance(iterable, Sized) else None
        return iter(load_tqdm()(results, total=total))

    def _call(self, job: Job, is_single: bool, progress: bool = False) -> Any:
        """Return a job's result; if the waiting is interrupted, do no more for it."""
        dispatcher = self._check_open().dispatcher
        result: AsyncResult[Any] = AsyncResult(self, dispatcher, job, is_single)
        try:
            if progress:
                dispatcher.submit(job)
                result.show_progress()
            else:
                dispatcher.run(job)
            return result.get()
        except BaseException:
            if not result.ended:
                result.abandon()
            raise

    def stats(self) -> list[WorkerStats]:
        """Return what each worker that runs now has done.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     _ = pool.map(abs, range(100))
        ...     sum(worker.tasks for worker in pool.stats()) > 0
        True
        """
        if self._manager is None:
            return []
        rows = self._manager.dispatcher.stats()
        return [WorkerStats(*row) for row in rows if row is not None]

    # The end ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Take no more tasks; workers end when all are done."""
        if self._is_open and self._manager is not None:
            self._is_open = False
            self._manager.close()

    def terminate(self) -> None:
        """End the workers now; what they had not done raises PoolTerminated."""
        self._is_open = False
        if self._manager is not None:
            self._manager.terminate()

    def join(self) -> None:
        """Wait for the workers' end.

        Raises
        ------
        ValueError
            If neither `close` nor `terminate` has been called.
        """
        if self._is_open:
            raise ValueError("Pool is still running; call close() or terminate() first")
        if self._manager is not None:
            self._manager.join()

    def _check_open(self) -> Manager:
        manager = self._manager
        if manager is None or not self._is_open:
            raise ValueError("Pool not running; it was closed or terminated")
        manager.check_process()
        return manager

    # Blocks of shared arrays --------------------------------------------------------------------

    def map_blocks(
        self,
        func: Callable[..., Any],
        array: SharedArray,
        *arrays: SharedArray,
        out: SharedArray | None = None,
        axis: int = 0,
        block_size: int | None = None,
    ) -> Any:
        """Call `func` in the workers on blocks of shared arrays, without copying them.

        Parameters
        ----------
        func : callable
            Called as ``func(block, *blocks)`` with views of `array` and `arrays`; it may write to
            them.  It must be picklable.
        array, *arrays : SharedArray
            Of any shapes and dtypes, but all of one length along `axis`.
        out : SharedArray, optional
            Where to store what `func` returns, which must have the shape of its block of `out`;
            of the same length along `axis`.
        axis : int, default 0
            The axis to cut along, in each of the arrays.
        block_size : int, optional
            Elements along `axis` per block; the last may have fewer.  By default there are about
            four blocks per process.

        Returns
        -------
        list or SharedArray
            What `func` returned, in the blocks' order; with `out`, `out`.

        Raises
        ------
        TypeError
            If an array is not in shared memory, or `func` returns None for a block of `out`.
        numpy.exceptions.AxisError
            If an array has no such axis.
        ValueError
            If the lengths along `axis` differ, `block_size` is less than 1, `out` is read-only, or
            `func` returns another shape than its block of `out` has.

        Notes
        -----
        Per block the cost is that of one task, whatever its size.  An exception in `func` is
        raised here, and blocks that other workers had in hand may be done or not.

        Examples
        --------
        >>> import numpy as np
        >>> from fastproc.shm.array import share
        >>> with Pool(2) as pool:
        ...     list(map(int, pool.map_blocks(np.sum, share([1, 2, 3, 4]), block_size=2)))
        [3, 7]
        """
        from fastproc.pool import blocks

        tasks = blocks.cut(func, (array, *arrays), out, axis, block_size, self.processes)
        results = self.starmap(blocks.map_block, tasks, chunksize=1)
        return results if out is None else out
