"""Layer: bridges.  Chunks of Dask arrays: what a kernel is called on, and what it must find whole.

A kernel is tried on a few ones before a graph is made.  That tells the dtypes of its results, and
raises what bad arguments raise where they are given, not on a worker much later.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.array import Array

Axes = tuple[int, ...]


def as_dask(a: Any) -> Array:
    """Return a Dask array; what is none becomes one of a single chunk."""
    return a if isinstance(a, Array) else da.asanyarray(a)


def ones_like(x: Array) -> npt.NDArray[Any]:
    """Return an array of one element with the dtype and the number of axes of a Dask array."""
    return np.ones((1,) * x.ndim, x.dtype)


def tried(kernel: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Return what a kernel makes of one element of each Dask array."""
    args = tuple(ones_like(arg) if isinstance(arg, Array) else arg for arg in args)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one element there is no variance
        return kernel(*args, **options)


def check_whole(name: str, x: Array, axes: Axes) -> None:
    """Refuse an array that is cut along axes which the kernel must see whole.

    Raises
    ------
    ValueError
        If there are several chunks along one of them.
    """
    cut = {axis: -1 for axis in axes if x.numblocks[axis] > 1}
    if cut:
        raise ValueError(
            f"{name}: there are several chunks along {_named(list(cut))}, which must be whole, as "
            f"no part of the result can be had from a part of it; pass x.rechunk({cut}) if such "
            f"chunks fit into the memory of a worker"
        )


def _named(axes: list[int]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"


def along_whole(
    kernel: Callable[..., Any],
    x: Array,
    axes: Axes,
    options: dict[str, Any],
    dtype: npt.DTypeLike,
    sizes: dict[int, int] | None = None,
    leading: tuple[int, ...] = (),
) -> Array:
    """Return a kernel of the blocks, which must be whole along the axes.

    `sizes` are lengths along axes of the results, where they are not those of the blocks;
    `leading` are those of axes that results have in front.
    """
    check_whole(kernel.__name__, x, axes)
    inds = tuple(range(x.ndim))
    in_front = tuple(range(x.ndim, x.ndim + len(leading)))
    return da.blockwise(
        functools.partial(kernel, **options),
        in_front + inds,
        x,
        inds,
        adjust_chunks=sizes,
        new_axes=dict(zip(in_front, leading, strict=True)),
        dtype=dtype,
        meta=np.zeros((0,) * (len(leading) + x.ndim), dtype),
        token=kernel.__name__,
    )


def check_known(name: str, x: Array, axes: Axes) -> None:
    """Refuse an array whose chunks' lengths are not known along axes on which places depend."""
    unknown = [axis for axis in axes if math.isnan(x.shape[axis])]
    if unknown:
        raise ValueError(
            f"{name}: the chunks' lengths along {_named(unknown)} are not known; call "
            f"x.compute_chunk_sizes() first"
        )


def without_empty(x: Array, axes: Axes) -> Array:
    """Return the array without chunks of no elements along some axes.

    Such a chunk has no last element, and Dask cannot reshape it.
    """
    return x.rechunk({axis: tuple(n for n in x.chunks[axis] if n) or (0,) for axis in axes})


def as_line(name: str, x: Array) -> Array:
    """Return all elements in C order."""
    axes = tuple(range(x.ndim))
    if x.ndim > 1:
        check_known(name, x, axes)
        x = without_empty(x, axes)
    return x.ravel()
