"""Layer: pool.  Pool: processes that take tasks, with multiprocessing.Pool's methods.

The face of the pool.  What a call asks for becomes a Job (``_dispatcher.pyx``), whose tasks go to
workers through rings in shared memory; ``manager.py`` looks after the workers.
"""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from multiprocessing import util
from multiprocessing.context import BaseContext
from typing import Any

import numpy as np

from fastproc import config
from fastproc.pool._dispatcher import CALL, MAP, STARMAP, Job
from fastproc.pool.manager import Manager
from fastproc.pool.result import AsyncResult, IMapIterator
from fastproc.shm import SharedArray

#: Blocks per process that `map_blocks` aims at: enough that no process waits long for the last.
BLOCKS_PER_PROCESS = 4

#: Items per task chosen by the pool from how long they take.
ADAPTIVE = -1

Callback = Callable[[Any], object] | None


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

    Raises
    ------
    ValueError
        If `processes` or `maxtasksperchild` is less than 1 or there is no such start method.

    Notes
    -----
    What differs from multiprocessing.Pool:

    - A worker that dies costs the task that it ran, which raises WorkerDied; all else goes on.
    - Lambdas, closures and what a notebook defines can be sent, under every start method.
    - Large arrays in arguments and results are copied once; shared arrays are not copied.
    - Without a `chunksize`, `map` chooses how many items make a task while it runs.
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
    ) -> None:
        if not isinstance(context, BaseContext):
            context = multiprocessing.get_context(context)
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer must be callable, not {initializer!r}")
        if processes is None:
            processes = config.allowed_cpus()
        if processes < 1:
            raise ValueError(f"Number of processes must be at least 1, not {processes}")
        if maxtasksperchild is not None and (
            not isinstance(maxtasksperchild, int) or maxtasksperchild < 1
        ):
            raise ValueError(
                f"maxtasksperchild must be a positive int or None, not {maxtasksperchild!r}"
            )
        #: How many processes the pool has.
        self.processes = processes
        self._manager = Manager(processes, initializer, tuple(initargs), maxtasksperchild, context)
        self._is_open = True
        # Before multiprocessing waits for its processes at exit, which would not end by themselves.
        self._terminate = util.Finalize(self, self._manager.terminate, exitpriority=15)

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
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")

    def __enter__(self) -> Pool:
        self._check_open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.terminate()

    # One call -----------------------------------------------------------------------------------

    def apply(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return ``func(*args, **kwds)``, called in a worker."""
        return self._wait(self.apply_async(func, args, kwds))

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        callback: Callback = None,
        error_callback: Callback = None,
    ) -> AsyncResult:
        """Begin ``func(*args, **kwds)`` in a worker; return its AsyncResult."""
        item = (tuple(args), dict(kwds) if kwds else {})
        return self._begin(func, CALL, [item], 0, True, callback, error_callback)

    # Many calls ---------------------------------------------------------------------------------

    def map(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None = None
    ) -> list[Any]:
        """Return the results of ``func(item)`` for each item, in their order."""
        return self._wait(self.map_async(func, iterable, chunksize))  # type: ignore[no-any-return]

    def map_async(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callback = None,
        error_callback: Callback = None,
    ) -> AsyncResult:
        """Begin a `map`; return its AsyncResult."""
        return self._begin(
            func, MAP, list(iterable), _chunk(chunksize), False, callback, error_callback
        )

    def starmap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
    ) -> list[Any]:
        """Return the results of ``func(*item)`` for each item, in their order."""
        return self._wait(  # type: ignore[no-any-return]
            self.starmap_async(func, iterable, chunksize)
        )

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callback = None,
        error_callback: Callback = None,
    ) -> AsyncResult:
        """Begin a `starmap`; return its AsyncResult."""
        return self._begin(
            func, STARMAP, list(iterable), _chunk(chunksize), False, callback, error_callback
        )

    def imap(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int = 1
    ) -> IMapIterator:
        """Return an iterator over the results of ``func(item)``, in the order of the items.

        Items are drawn as workers have time for them, and not far ahead of the results taken.
        """
        return self._draw(func, iterable, chunksize, True)

    def imap_unordered(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int = 1
    ) -> IMapIterator:
        """Return an iterator over the results of ``func(item)``, each as soon as it is there."""
        return self._draw(func, iterable, chunksize, False)

    def _begin(
        self,
        func: Callable[..., Any],
        style: int,
        items: list[Any],
        chunk: int,
        is_single: bool,
        callback: Callback,
        error_callback: Callback,
    ) -> AsyncResult:
        dispatcher = self._check_open().dispatcher
        job = Job(dispatcher.function(func), style, items, chunk)
        result = AsyncResult(dispatcher, job, is_single, callback, error_callback)
        dispatcher.submit(job)
        return result

    def _draw(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int, is_ordered: bool
    ) -> IMapIterator:
        dispatcher = self._check_open().dispatcher
        chunk = _chunk(chunksize)
        job = Job(dispatcher.function(func), MAP, iter(iterable), chunk, is_ordered)
        dispatcher.submit(job)
        return IMapIterator(dispatcher, job)

    def _wait(self, result: AsyncResult) -> Any:
        """Return a result; if the waiting is interrupted, do no more for it."""
        try:
            return result.get()
        except BaseException:
            if not result._job.done:
                result._dispatcher.abandon(result._job)
            raise

    # The end ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Take no more tasks; workers end when all are done."""
        if self._is_open and self._manager is not None:
            self._is_open = False
            self._manager.close()

    def terminate(self) -> None:
        """End the workers now; what they had not done raises PoolTerminated."""
        self._is_open = False
        self._terminate()

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
        if os.getpid() != manager.pid:
            raise RuntimeError(
                f"this pool belongs to process {manager.pid}, of which this one is a fork; "
                "make a pool here"
            )
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
            Where to store what `func` returns, each block in its place by NumPy's rules of
            assignment; of the same length along `axis`.
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
            If an array is not in shared memory.
        numpy.exceptions.AxisError
            If an array has no such axis.
        ValueError
            If the lengths along `axis` differ, `block_size` is less than 1 or `out` is read-only.

        Notes
        -----
        Per block the cost is that of one task, whatever its size.  An exception in `func` is
        raised here, and blocks that other workers had in hand may be done or not.

        Examples
        --------
        >>> from fastproc.shm import share
        >>> with Pool(2) as pool:
        ...     list(map(int, pool.map_blocks(np.sum, share([1, 2, 3, 4]), block_size=2)))
        [3, 7]
        """
        inputs = (array, *arrays)
        names = ["array", *(f"arrays[{index}]" for index in range(len(arrays)))]
        length = _common_length(dict(zip(names, inputs, strict=True)), out, axis)
        if block_size is None:
            block_size = max(1, -(-length // (BLOCKS_PER_PROCESS * self.processes)))
        if block_size < 1:
            raise ValueError(f"block_size must be at least 1, not {block_size}")
        tasks = []
        for start in range(0, length, block_size):
            part = slice(start, start + block_size)
            blocks = [_along(each, axis, part) for each in inputs]
            tasks.append((func, blocks, None if out is None else _along(out, axis, part)))
        results = self.starmap(_run_block, tasks, chunksize=1)
        return results if out is None else out


def _common_length(arrays: dict[str, Any], out: Any, axis: int) -> int:
    """Check the arguments of `map_blocks`; return how long the arrays are along `axis`."""
    length: int = -1
    for name, array in (arrays if out is None else {**arrays, "out": out}).items():
        if not isinstance(array, SharedArray) or not array.is_shared:
            raise TypeError(
                f"{name} must be a shared array, not {type(array).__name__}: workers cannot see "
                "other memory; make it with shared_empty() or copy it with share()"
            )
        if not -array.ndim <= axis < array.ndim:
            raise np.exceptions.AxisError(axis, array.ndim, f"map_blocks cannot cut {name}")
        if length < 0:
            length = array.shape[axis]
        if array.shape[axis] != length:
            raise ValueError(
                f"all arrays must have the same length along axis {axis}; {name} has "
                f"{array.shape[axis]} and array has {length}"
            )
    if out is not None and not out.flags.writeable:
        raise ValueError("out is read-only; pass an array that may be written")
    return length


def _along(array: SharedArray, axis: int, part: slice) -> SharedArray:
    """Return the view of one part of `array` along `axis`."""
    index = [slice(None)] * array.ndim
    index[axis] = part
    view: SharedArray = array[tuple(index)]
    return view


def _run_block(func: Callable[..., Any], blocks: list[SharedArray], out: Any) -> Any:
    """Do one task of `map_blocks`, in a worker."""
    result = func(*blocks)
    if out is None:
        return result
    out[...] = result
    return None


def _chunk(chunksize: int | None) -> int:
    """Return a job's `chunk` for a `chunksize`."""
    if chunksize is None:
        return ADAPTIVE
    if chunksize < 1:
        raise ValueError(f"Chunksize must be 1+, not {chunksize:n}")
    return 0 if chunksize == 1 else chunksize
