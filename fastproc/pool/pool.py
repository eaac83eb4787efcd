"""Layer: pool.  Pool: processes that take tasks, the standard library's and `map_blocks`.

A thin coat over multiprocessing.pool.Pool: its methods, its start methods and its rules for what
can be sent.  What it adds works on shared arrays, which every process sees without a copy.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.pool
from collections.abc import Callable, Iterable
from multiprocessing.context import BaseContext
from multiprocessing.queues import SimpleQueue
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from fastproc import config
from fastproc.shm import SharedArray

#: Blocks per process that `map_blocks` aims at: enough that no process waits long for the last.
BLOCKS_PER_PROCESS = 4


class _Results(SimpleQueue[Any]):
    """The way back from the workers, on which a result that cannot be read harms no other.

    The result is pickled within its message.  A shared array may arrive when the worker that made
    it has been killed; its error then belongs to the one task, whereas multiprocessing's thread
    for results would end and leave all tasks waiting for ever.
    """

    def put(self, message: Any) -> None:
        if message is not None:  # None tells the thread for results to end
            job, index, (is_success, value) = message
            message = job, index, (is_success, bytes(ForkingPickler.dumps(value)))
        super().put(message)

    def receive(self) -> Any:
        """Return the next message, with what its result raised in place of one."""
        message = self.get()
        if message is None:
            return None
        job, index, (is_success, data) = message
        try:
            value = ForkingPickler.loads(data)
        except Exception as error:
            is_success, value = False, error
        return job, index, (is_success, value)


class Pool(multiprocessing.pool.Pool):
    """Processes that take tasks; multiprocessing's Pool with `map_blocks`.

    Parameters
    ----------
    processes : int, optional
        How many; by default as many as there are cores that this process may use, by its affinity
        and its cgroup.
    initializer : callable, optional
        Called in each worker as it starts.
    initargs : tuple
        Its arguments.
    maxtasksperchild : int, optional
        The number of tasks after which a worker is replaced by a new one; by default never.
    context : str or multiprocessing context, optional
        The start method, "fork", "forkserver" or "spawn"; by default multiprocessing's.

    Raises
    ------
    ValueError
        If `processes` is less than 1 or there is no such start method.

    Examples
    --------
    >>> with Pool(2) as pool:
    ...     pool.map(abs, [-1, -2])
    [1, 2]
    """

    # What the destructor of the base asks for, even where bad arguments end our constructor.
    _state = "INIT"

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
        super().__init__(
            processes, _start_worker, (initializer, tuple(initargs)), maxtasksperchild, context
        )
        #: How many processes the pool has.
        self.processes = processes

    def _setup_queues(self) -> None:
        super()._setup_queues()  # type: ignore[misc]
        self._outqueue = _Results(ctx=self._ctx)  # type: ignore[attr-defined]
        self._quick_get = self._outqueue.receive

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


def _start_worker(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
    """Make this process a worker."""
    config.enter_pool_worker()
    if initializer is not None:
        initializer(*initargs)
