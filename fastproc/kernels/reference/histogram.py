"""Layer: kernels.  The twin of histogram: edges as linspace gives them, bins by comparison."""

from __future__ import annotations

import math
import operator
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any

from fastproc.kernels.reference import buffers, dtypes
from fastproc.kernels.reference.extremes import minmax


def histogram(
    a: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
    *,
    workers: Any = None,
) -> tuple[list[Any], list[Any]]:
    """Count the elements in bins, or add up their weights.

    An element is in bin ``i`` when ``edges[i] <= x < edges[i + 1]``; the last bin includes its
    right edge.  What lies outside the range, and NaN if a range or edges are given, is in no bin.

    Parameters
    ----------
    a : buffer or nested sequences
        Real numbers, of any shape.
    bins : int or sequence, default 10
        How many bins of the same width, or the bins' edges.
    range : (float, float), optional
        The outer edges; by default the least and the greatest element, for no elements 0 and 1.
        Equal edges are moved apart by half on either side.
    density : bool, optional
        Whether to divide by the bins' widths and the sum of all.
    weights : buffer or nested sequences, optional
        A weight for each element.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    counts : list of int or float
    edges : list of float
        Rounded to the data's dtype if that is one of floats; given ones as they are.
    """
    values = buffers.read(a)
    edges, place = axis_of("histogram", "bins", values, bins, range)
    sums: list[Any] = [0] * (len(edges) - 1)
    for x, weight in zip(values.flat, weights_of("histogram", weights, values), strict=True):
        i = place(float(x))
        if i is not None:
            sums[i] += weight
    if density:
        total = sum(sums)
        widths = [right - left for left, right in pairwise(edges)]
        sums = [count / width / total for count, width in zip(sums, widths, strict=True)]
    return sums, edges


def axis_of(
    name: str, argument: str, values: buffers.Values, bins: Any, limits: Any
) -> tuple[list[Any], Callable[[float], int | None]]:
    """Return edges of bins, and a function that says in which bin a value is."""
    if length_of(bins) < 0:
        edges = _edges(name, values, _checked_bins(name, argument, bins), limits)
    else:
        edges = _given_edges(name, argument, bins)

    def place(x: float) -> int | None:
        if edges[0] <= x < edges[-1]:
            return bisect_right(edges, x) - 1
        return len(edges) - 2 if x == edges[-1] else None

    return edges, place


def length_of(bins: Any) -> int:
    """Return how many items `bins` has; -1 if it is a number, or a word, that has none."""
    if isinstance(bins, str) or getattr(bins, "shape", None) == () or not hasattr(bins, "__len__"):
        return -1
    return len(bins)


def weights_of(name: str, weights: Any, values: buffers.Values) -> list[Any]:
    """Return a weight for each element, 1 if none are given."""
    if weights is None:
        return [1] * len(values.flat)
    given = buffers.read(weights)
    if given.shape != values.shape:
        raise ValueError(
            f"{name}: weights have shape {given.shape}; they must have that of the elements, "
            f"{values.shape}"
        )
    return given.flat


def _given_edges(name: str, argument: str, bins: Any) -> list[Any]:
    edges = buffers.read(bins)
    if len(edges.shape) != 1:
        raise ValueError(f"{name}: {argument} must have one axis, but the shape is {edges.shape}")
    if len(edges.flat) < 2:
        raise ValueError(f"{name}: {argument} must have at least 2 edges, not {len(edges.flat)}")
    if not all(left <= right for left, right in pairwise(edges.flat)):
        raise ValueError(f"{name}: bins must ascend, without NaN")
    return edges.flat


def _checked_bins(name: str, argument: str, bins: Any) -> int:
    try:
        number = operator.index(bins)
    except TypeError:
        raise TypeError(f"{name}: {argument} must be an integer or edges, not {bins!r}") from None
    if number < 1:
        raise ValueError(f"{name}: {argument} must be at least 1, not {number}")
    return number


def _edges(name: str, values: buffers.Values, n_bins: int, limits: Any) -> list[float]:
    """Return n_bins + 1 edges in the dtype that NumPy gives them."""
    first, last = _data_limits(values) if limits is None else _given_limits(name, limits)
    if not (math.isfinite(first.value) and math.isfinite(last.value)):
        source = "autodetected" if limits is None else "supplied"
        raise ValueError(f"{name}: {source} range of [{first.value}, {last.value}] is not finite")
    # linspace computes in the dtype of the limits, and converts at the end.
    strong = [limit.dtype for limit in (first, last) if limit.dtype is not None]
    inner_dtype = _as_float(reduce(dtypes.promote, strong)) if strong else "float64"
    dtype = _as_float(reduce(dtypes.promote, strong, values.dtype))
    low, high = float(first.value), float(last.value)
    if low == high:
        low = dtypes.rounded(low - 0.5, _as_float(first.dtype))
        high = dtypes.rounded(high + 0.5, _as_float(last.dtype))
    edges = [dtypes.rounded(edge, dtype) for edge in _steps(low, high, n_bins, inner_dtype)]
    if any(left >= right for left, right in pairwise(edges)):
        raise ValueError(
            f"{name}: too many bins for the range: {n_bins} bins from {edges[0]} to "
            f"{edges[-1]} cannot all be wider than nothing in {dtype}"
        )
    return edges


@dataclass(frozen=True, slots=True)
class _Limit:
    """An outer edge before it is one; `dtype` is None for a Python number, which is weak."""

    value: float
    dtype: str | None


def _as_float(dtype: str | None) -> str:
    return dtype if dtype is not None and dtypes.kind(dtype) == "float" else "float64"


def _data_limits(values: buffers.Values) -> tuple[_Limit, _Limit]:
    if not values.flat:
        return _Limit(0.0, None), _Limit(1.0, None)
    least, greatest = minmax(values)
    return _Limit(least, values.dtype), _Limit(greatest, values.dtype)


def _given_limits(name: str, limits: Any) -> tuple[_Limit, _Limit]:
    try:
        first, last = limits
    except (TypeError, ValueError):
        raise ValueError(f"{name}: range must be (least, greatest), not {limits!r}") from None
    low, high = buffers.read(first), buffers.read(last)
    if low.flat[0] > high.flat[0]:
        raise ValueError(
            f"{name}: the range's maximum must not be below its minimum, but it is "
            f"({first}, {last})"
        )
    return (
        _Limit(low.flat[0], None if type(first) in (int, float) else low.dtype),
        _Limit(high.flat[0], None if type(last) in (int, float) else high.dtype),
    )


def _steps(first: float, last: float, n_bins: int, dtype: str) -> list[float]:
    """Return ``linspace(first, last, n_bins + 1)``, every operation rounded to the dtype."""

    def held(value: float) -> float:
        return dtypes.rounded(value, dtype)

    span = held(last - first)
    step = held(span / n_bins)
    edges = []
    for i in range(n_bins):
        # A step too small for the dtype is 0; then the place is divided before the span comes in.
        offset = held(held(i) * step) if step else held(held(held(i) / n_bins) * span)
        edges.append(held(offset + first))
    return [*edges, last]
