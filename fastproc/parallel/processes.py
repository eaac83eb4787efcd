"""Layer: parallel.  Kernels on the workers of a pool or an executor: where arrays and states are.

A pool's processes get handles.  A plain array is copied into a recycled segment once; a shared
array goes as it is.  Every task is a range of units and writes its states, or its part of the
output, into shared memory, so nothing but handles and numbers travels.  The same goes for threads,
and for processes of concurrent.futures, whose pickling sends shared arrays as handles.

Of any other executor the workers may be on other machines.  They get the arrays by value, write to
zeros of their own, and return what they wrote.  Each byte is written by one task, so that putting
the parts together is a bitwise or, whatever the bytes mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, wait
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from fastproc import config, plan
from fastproc.pool import Pool
from fastproc.pool import ProcessPoolExecutor as OurExecutor
from fastproc.shm.array import as_shared, share, shared_empty

Array = npt.NDArray[Any]

_Others = Pool | Executor

#: Who does a kernel's work: this process's threads, or others.
Workers: TypeAlias = SupportsIndex | _Others | None

#: Executors whose workers are threads of this process, or its children.
_NEAR = ThreadPoolExecutor, ProcessPoolExecutor, OurExecutor

#: Bytes of a result, and where in it they begin; all others are zero.
_Written = tuple[int, Array]


def count(workers: Any) -> int:
    """Return how many workers a pool or an executor has; this process's cores if it does not tell.

    Examples
    --------
    >>> count(ThreadPoolExecutor(3))
    3
    """
    # Of a Pool; of mpi4py's executor; of those of concurrent.futures and their likes.
    for name in ("processes", "num_workers", "_max_workers"):
        number = getattr(workers, name, None)
        if isinstance(number, int) and number > 0:
            return number
    return config.allowed_cpus()


def share_memory(workers: Any) -> bool:
    """Tell whether workers see the shared memory of this process."""
    return isinstance(workers, (Pool, *_NEAR))


def shared_like(array: Array, flipped_axes: tuple[int, ...]) -> Array:
    """Return `array` in shared memory, its axes in the same order of strides.

    The order decides how a reduction is cut, so the copy gives the same bits as the array itself.
    `flipped_axes` are those that are walked in the order of memory: where such a one runs
    backwards, the copy runs forwards.
    """
    shared = as_shared(array)
    if shared is not None:
        return shared
    flips = tuple(
        slice(None, None, -1) if axis in flipped_axes and stride < 0 else slice(None)
        for axis, stride in enumerate(array.strides)
    )
    # Stable, like the sort of the axes in the gate.
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    copy = share(np.ascontiguousarray(array[flips].transpose(order)))
    return copy.reshape([array.shape[axis] for axis in order]).transpose(np.argsort(order))


def run_units(
    workers: _Others,
    do_units: Callable[..., None],
    head: tuple[Any, ...],
    array: Array,
    tail: tuple[Any, ...],
    n_units: int,
    n_bytes: int,
) -> Array:
    """Call ``do_units(*head, array, *tail, memory, first, last)`` by the workers for all units.

    Returns `memory`, `n_bytes` of memory into which the units have written.
    """
    arguments = (*head, array, *tail)
    if not share_memory(workers):
        memory = np.zeros(n_bytes, np.uint8)
        ranges = plan.task_ranges(n_units, count(workers), tasks_per_worker=1)
        sent = tuple(_Laid(each) if isinstance(each, np.ndarray) else each for each in arguments)
        tasks = [(do_units, sent, n_bytes, first, last) for first, last in ranges]
        _put_together(memory, _run(workers, _states_elsewhere, tasks))
        return memory
    shared = shared_empty((n_bytes,), np.uint8)
    ranges = plan.task_ranges(n_units, count(workers))
    _run(workers, do_units, [(*arguments, shared, first, last) for first, last in ranges])
    return shared.view(np.ndarray)


def compute_elementwise(
    workers: _Others,
    do_units: Callable[..., None],
    head: tuple[Any, ...],
    target: Array,
    arrays: list[Array],
    n_units: int,
) -> Array:
    """Call ``do_units(*head, [target, *arrays], first, last)`` by the workers for all units.

    Returns the target, which is a new array if the one given is not shared.
    """
    shared_target = as_shared(target)
    # The strides of a plain target say in which order its axes lie.
    order = tuple(sorted(range(target.ndim), key=lambda axis: -abs(target.strides[axis])))
    shape = [target.shape[axis] for axis in order]
    if not share_memory(workers):
        ranges = plan.task_ranges(n_units, count(workers), tasks_per_worker=1)
        layout = shape, target.dtype, order
        tasks = [(do_units, head, layout, arrays, first, last) for first, last in ranges]
        result, memory = _zeros(*layout)
        _put_together(memory, _run(workers, _elements_elsewhere, tasks))
        if shared_target is None:
            return result
        target[...] = result
        return target
    inputs = [shared_like(array, ()) for array in arrays]
    if shared_target is None:
        shared_target = shared_empty(shape, target.dtype).transpose(np.argsort(order))
    ranges = plan.task_ranges(n_units, count(workers))
    tasks = [(*head, [shared_target, *inputs], first, last) for first, last in ranges]
    _run(workers, do_units, tasks)
    return target if as_shared(target) is not None else shared_target.view(np.ndarray)


def _run(workers: _Others, function: Callable[..., Any], tasks: list[Any]) -> list[Any]:
    """Return the results of all tasks, or raise what the first to fail raised."""
    if isinstance(workers, Pool):
        return workers.starmap(function, tasks, chunksize=1)
    futures: list[Any] = []
    try:
        for task in tasks:
            futures.append(workers.submit(function, *task))
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()
        if share_memory(workers):  # none may write to memory that its caller has back
            wait(futures)


def _zeros(shape: list[int], dtype: np.dtype[Any], order: tuple[int, ...]) -> tuple[Array, Array]:
    """Return zeros whose axes lie in an order, and their bytes."""
    zeros = np.zeros(shape, dtype)
    return zeros.transpose(np.argsort(order)), zeros.reshape(-1).view(np.uint8)


class _Laid:
    """An array on its way elsewhere that arrives with its axes in the same order of memory.

    Pickled as it is, one whose order is neither C's nor Fortran's would arrive in C's, and one that
    runs backwards would run forwards; but a reduction is cut as its array lies.
    """

    def __init__(self, array: Array) -> None:
        # Stable, like the sort of the axes in the gate.
        self._order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        flips = (slice(None, None, -1 if step < 0 else 1) for step in array.strides)
        self._flips: tuple[Any, ...] = (..., *flips)  # a view, of no axes too
        self._forwards = array[self._flips].transpose(self._order)

    def array(self) -> Array:
        """Return the array; where it has arrived, a copy."""
        result: Array = self._forwards.transpose(np.argsort(self._order))[self._flips]
        return result


def _states_elsewhere(
    do_units: Callable[..., None], arguments: tuple[Any, ...], n_bytes: int, first: int, last: int
) -> _Written:
    memory = np.zeros(n_bytes, np.uint8)
    given = [each.array() if isinstance(each, _Laid) else each for each in arguments]
    do_units(*given, memory, first, last)
    return _written(memory)


def _elements_elsewhere(
    do_units: Callable[..., None],
    head: tuple[Any, ...],
    layout: tuple[list[int], np.dtype[Any], tuple[int, ...]],
    arrays: list[Array],
    first: int,
    last: int,
) -> _Written:
    target, memory = _zeros(*layout)
    do_units(*head, [target, *arrays], first, last)
    return _written(memory)


def _written(memory: Array) -> _Written:
    """Return the bytes from the first that is not zero to the last."""
    is_set = memory != 0
    if not is_set.any():
        return 0, memory[:0]
    first, last = int(is_set.argmax()), len(memory) - int(is_set[::-1].argmax())
    return first, memory[first:last]


def _put_together(memory: Array, parts: Iterable[_Written]) -> None:
    for start, part in parts:
        memory[start : start + len(part)] |= part
