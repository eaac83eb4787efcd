"""Layer: kernels.  The twins of the k first elements, of partitions and of ranks: sorted lines.

NaN counts as greater than all else, and as equal to NaN.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from fastproc.kernels.reference import buffers

_METHODS = ("average", "min", "max", "dense", "ordinal")


def topk(
    a: Any, k: Any, axis: Any = -1, largest: bool = True, *, workers: Any = None
) -> tuple[Any, Any]:
    """Return the k greatest or least elements, sorted, and where they stand.

    Parameters
    ----------
    a : buffer or nested sequences
        Real numbers.
    k : int
        How many, from 0 to the length of the axis.
    axis : None or int, default -1
        Axis along which lines lie; None takes all elements in C order as one.
    largest : bool, default True
        Whether the greatest elements are wanted, or the least.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    values, indices : nested lists
        Of equal elements the one with the lower index stands first.

    Raises
    ------
    ValueError
        If `k` is out of range.
    """
    values, line_axis = _along(buffers.read(a), axis)
    n = values.shape[line_axis]
    number = operator.index(k)
    if not 0 <= number <= n:
        raise ValueError(f"topk: k must be from 0 to {n}, the length of the axis, not {number}")

    def first(line: list[Any]) -> list[int]:
        # Python's sort is stable in reverse too.
        return sorted(range(n), key=lambda i: _key(line[i]), reverse=bool(largest))[:number]

    return (
        _by_line(values, line_axis, number, lambda line: [line[i] for i in first(line)]),
        _by_line(values, line_axis, number, first),
    )


def partition(a: Any, kth: Any, axis: Any = -1, *, workers: Any = None) -> Any:
    """Return a copy in which elements `kth` stand where they would if sorted: all are, here."""
    values, line_axis = _along(buffers.read(a), axis)
    n = values.shape[line_axis]
    _check_kth("partition", kth, n)
    return _by_line(values, line_axis, n, lambda line: sorted(line, key=_key))


def argpartition(a: Any, kth: Any, axis: Any = -1, *, workers: Any = None) -> Any:
    """Return the indices that would partition an array: those that would sort it, here."""
    values, line_axis = _along(buffers.read(a), axis)
    n = values.shape[line_axis]
    _check_kth("argpartition", kth, n)
    return _by_line(
        values, line_axis, n, lambda line: sorted(range(n), key=lambda i: _key(line[i]))
    )


def rankdata(a: Any, method: str = "average", axis: Any = None, *, workers: Any = None) -> Any:
    """Return the ranks of the elements, counted from 1.

    Parameters
    ----------
    a : buffer or nested sequences
        Real numbers.
    method : {'average', 'min', 'max', 'dense', 'ordinal'}
        What equal elements get.
    axis : None or int, optional
        Axis along which lines lie; None takes all elements in C order as one.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    nested lists of float

    Raises
    ------
    ValueError
        If there is no such method.
    """
    return _ranked("rankdata", a, method, axis, ignore_nan=False)


def nanrankdata(a: Any, method: str = "average", axis: Any = None, *, workers: Any = None) -> Any:
    """Return the ranks of what is not NaN, and NaN for what is.  Arguments as for `rankdata`."""
    return _ranked("nanrankdata", a, method, axis, ignore_nan=True)


def _key(value: Any) -> tuple[bool, Any]:
    return (True, 0) if value != value else (False, value)


def _along(values: buffers.Values, axis: Any) -> tuple[buffers.Values, int]:
    if axis is None:
        return buffers.Values(values.flat, (len(values.flat),), values.dtype), 0
    return values, buffers.normalized(operator.index(axis), len(values.shape))[0]


def _by_line(
    values: buffers.Values, axis: int, n_out: int, function: Callable[[list[Any]], list[Any]]
) -> Any:
    """Return what a function makes of each line, in the place of the line."""
    shape = tuple(n_out if i == axis else n for i, n in enumerate(values.shape))
    step = math.prod(shape[axis + 1 :])
    flat = [None] * math.prod(shape)
    # Lines come in C order of the axes that are left.
    for number, line in enumerate(buffers.slices(values, (axis,))):
        start = number // step * n_out * step + number % step
        flat[start : start + n_out * step : step] = function(line)
    return buffers.nested(flat, shape)


def _check_kth(name: str, kth: Any, n: int) -> None:
    for number in buffers.read(kth).flat:
        if n > 0 and not -n <= operator.index(number) < n:
            raise ValueError(f"{name}: kth(={number}) out of bounds ({n})")


def _ranked(name: str, a: Any, method: str, axis: Any, *, ignore_nan: bool) -> Any:
    if method not in _METHODS:
        raise ValueError(f"{name}: method must be one of {', '.join(_METHODS)}, not {method!r}")
    values, line_axis = _along(buffers.read(a), axis)

    def ranks(line: list[Any]) -> list[float]:
        order = sorted(range(len(line)), key=lambda i: _key(line[i]))
        if ignore_nan:
            order = [i for i in order if line[i] == line[i]]
        result = [math.nan] * len(line)
        first = n_different = 0
        while first < len(order):
            last = first
            while last + 1 < len(order) and _key(line[order[last + 1]]) == _key(line[order[first]]):
                last += 1
            n_different += 1
            for i in range(first, last + 1):
                result[order[i]] = {
                    "average": 1 + (first + last) / 2,
                    "min": first + 1.0,
                    "max": last + 1.0,
                    "dense": float(n_different),
                    "ordinal": i + 1.0,
                }[method]
            first = last + 1
        return result

    return _by_line(values, line_axis, values.shape[line_axis], ranks)
