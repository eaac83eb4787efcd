"""Layer: kernels.  The twins of the searches in sorted edges, by bisection."""

from __future__ import annotations

import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from fastproc.kernels.reference import buffers, dtypes


def digitize(x: Any, bins: Any, right: bool = False, *, workers: Any = None) -> Any:
    """Return in which bin each value is.

    Parameters
    ----------
    x : buffer or nested sequences
        Real numbers, of any shape.
    bins : buffer or sequence
        Edges, all ascending or all descending; equal ones may follow one another.
    right : bool, default False
        Whether a bin has its right edge rather than its left one.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    int or nested lists
        ``i`` where ``bins[i - 1] <= x < bins[i]``, ``bins[i - 1] < x <= bins[i]`` if `right`; where
        they descend ``bins[i - 1] > x >= bins[i]`` and ``bins[i - 1] >= x > bins[i]``.  0 before
        the first, ``len(bins)`` behind the last; NaN counts as greater than all.
    """
    edges, values = _same_dtype(bins, x)
    _check_line("digitize", "bins", edges)
    bisect = bisect_left if right else bisect_right
    if all(one <= other for one, other in pairwise(edges.flat)):
        return _found(edges.flat, values, bisect)
    if all(one >= other for one, other in pairwise(edges.flat)):
        n = len(edges.flat)
        places = [n - place for place in _places(edges.flat[::-1], values.flat, bisect)]
        return buffers.nested(places, values.shape)
    raise ValueError("digitize: bins must ascend or descend, without NaN")


def searchsorted(
    a: Any, v: Any, side: str = "left", sorter: Any = None, *, workers: Any = None
) -> Any:
    """Return how many elements of a sorted array are below each value.

    Parameters
    ----------
    a : buffer or sequence
        Ascending, NaN at the end.
    v : buffer or nested sequences
        The values, of any shape.
    side : {'left', 'right'}
        'right' counts those that are equal, too.
    sorter : sequence of int, optional
        Indices that sort `a`.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    int or nested lists
    """
    edges, values = _same_dtype(a, v)
    _check_line("searchsorted", "a", edges)
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', not {side!r}")
    flat = edges.flat
    if sorter is not None:
        order = [operator.index(i) for i in buffers.read(sorter).flat]
        if len(order) != len(flat) or not all(0 <= i < len(flat) for i in order):
            raise ValueError("searchsorted: sorter must have an index of `a` for each element")
        flat = [flat[i] for i in order]
    return _found(flat, values, bisect_left if side == "left" else bisect_right)


#: Where a value belongs among sorted ones.
Bisect = Callable[..., int]


def _places(edges: list[Any], values: list[Any], bisect: Bisect) -> list[int]:
    n_numbers = sum(edge == edge for edge in edges)
    nan_place = n_numbers if bisect is bisect_left else len(edges)
    return [bisect(edges, x, 0, n_numbers) if x == x else nan_place for x in values]


def _found(edges: list[Any], values: buffers.Values, bisect: Bisect) -> Any:
    return buffers.nested(_places(edges, values.flat, bisect), values.shape)


def _same_dtype(edges: Any, x: Any) -> tuple[buffers.Values, buffers.Values]:
    """Return both in the dtype to which NumPy promotes them."""
    read = buffers.read(edges), buffers.read(x)
    dtype = dtypes.promote(read[0].dtype, read[1].dtype)
    return read[0].astype(dtype), read[1].astype(dtype)


def _check_line(name: str, argument: str, edges: buffers.Values) -> None:
    if len(edges.shape) != 1:
        raise ValueError(f"{name}: {argument} must have one axis, but the shape is {edges.shape}")
