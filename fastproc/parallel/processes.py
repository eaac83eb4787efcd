"""Layer: parallel.  Kernels on a pool's processes: arrays go as handles, states come in memory.

A plain array is copied into a recycled segment once; a shared array goes as it is.  Every task is a
range of units and writes its states, or its part of the output, into shared memory, so nothing but
handles and numbers travels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastproc import plan
from fastproc.pool import Pool
from fastproc.shm.array import as_shared, share, shared_empty

Array = npt.NDArray[Any]


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
    pool: Pool,
    do_units: Callable[..., None],
    head: tuple[Any, ...],
    array: Array,
    tail: tuple[Any, ...],
    n_units: int,
    n_bytes: int,
) -> Array:
    """Call ``do_units(*head, array, *tail, memory, first, last)`` in the pool for all units.

    Returns `memory`, `n_bytes` of shared memory into which the units have written.
    """
    memory = shared_empty((n_bytes,), np.uint8)
    pool.starmap(
        do_units,
        [
            (*head, array, *tail, memory, first, last)
            for first, last in plan.task_ranges(n_units, pool.processes)
        ],
        chunksize=1,
    )
    return memory.view(np.ndarray)


def compute_elementwise(
    pool: Pool,
    do_units: Callable[..., None],
    head: tuple[Any, ...],
    target: Array,
    arrays: list[Array],
    n_units: int,
) -> Array:
    """Call ``do_units(*head, [target, *arrays], first, last)`` in the pool for all units.

    Returns the target, which is a new shared array if the one given is not shared.
    """
    inputs = [shared_like(array, ()) for array in arrays]
    shared_target = as_shared(target)
    if shared_target is None:
        # The strides of a plain target say in which order its axes lie.
        order = sorted(range(target.ndim), key=lambda axis: -abs(target.strides[axis]))
        memory = shared_empty([target.shape[axis] for axis in order], target.dtype)
        shared_target = memory.transpose(np.argsort(order))
    pool.starmap(
        do_units,
        [
            (*head, [shared_target, *inputs], first, last)
            for first, last in plan.task_ranges(n_units, pool.processes)
        ],
        chunksize=1,
    )
    return target if as_shared(target) is not None else shared_target.view(np.ndarray)
