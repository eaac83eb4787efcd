"""Layer: pool.  Blocks of shared arrays: the tasks of `Pool.map_blocks`, views without a copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastproc.shm.array import SharedArray

#: Blocks per process to aim at: enough that no process waits long for the last.
BLOCKS_PER_PROCESS = 4

#: The function, views of the arrays and of `out`.
Task = tuple[Callable[..., Any], list[SharedArray], SharedArray | None]


def cut(
    func: Callable[..., Any],
    arrays: tuple[SharedArray, ...],
    out: SharedArray | None,
    axis: int,
    block_size: int | None,
    processes: int,
) -> list[Task]:
    """Check the arguments of `Pool.map_blocks` and return its tasks."""
    names = ["array", *(f"arrays[{index}]" for index in range(len(arrays) - 1))]
    length = _common_length(dict(zip(names, arrays, strict=True)), out, axis)
    if block_size is None:
        block_size = max(1, -(-length // (BLOCKS_PER_PROCESS * processes)))
    if block_size < 1:
        raise ValueError(f"block_size must be at least 1, not {block_size}")
    tasks = []
    for start in range(0, length, block_size):
        part = slice(start, start + block_size)
        blocks = [_along(each, axis, part) for each in arrays]
        tasks.append((func, blocks, None if out is None else _along(out, axis, part)))
    return tasks


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


def map_block(func: Callable[..., Any], blocks: list[SharedArray], out: Any) -> Any:
    """Do one task of `map_blocks`, in a worker."""
    result = func(*blocks)
    if out is None:
        return result
    if result is None:
        raise TypeError(
            "func returned None; with out it must return what is to be stored in a block of out"
        )
    if np.shape(result) != out.shape:
        raise ValueError(
            f"could not broadcast what func returned, of shape {np.shape(result)}, to a block of "
            f"out, of shape {out.shape}; the two must be equal"
        )
    out[...] = result
    return None
