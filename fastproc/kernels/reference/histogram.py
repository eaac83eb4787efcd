"""Layer: kernels.  The twin of the histogram: edges as linspace gives them, bins by comparison."""

from __future__ import annotations

import math
import operator
from bisect import bisect_right
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any

from fastproc.kernels.reference import buffers, dtypes
from fastproc.kernels.reference.extremes import minmax


def histogram(
    a: Any, bins: Any = 10, range: Any = None, *, workers: Any = None
) -> tuple[list[int], list[float]]:
    """Count the elements in bins of the same width.

    An element is in bin ``i`` when ``edges[i] <= x < edges[i + 1]``; the last bin includes its
    right edge.  What lies outside the range, and NaN if a range is given, is in no bin.

    Parameters
    ----------
    a : buffer or nested sequences
        Real numbers, of any shape.
    bins : int, default 10
        How many bins.
    range : (float, float), optional
        The outer edges; by default the least and the greatest element, for no elements 0 and 1.
        Equal edges are moved apart by half on either side.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    counts : list of int
    edges : list of float
        Rounded to the data's dtype if that is one of floats.
    """
    values = buffers.read(a)
    edges = _edges(values, _checked_bins(bins), range)
    counts = [0] * (len(edges) - 1)
    for x in map(float, values.flat):
        if edges[0] <= x < edges[-1]:
            counts[bisect_right(edges, x) - 1] += 1
        elif x == edges[-1]:
            counts[-1] += 1
    return counts, edges


def _checked_bins(bins: Any) -> int:
    try:
        number = operator.index(bins)
    except TypeError:
        raise TypeError(f"histogram: bins must be an integer, not {bins!r}") from None
    if number < 1:
        raise ValueError(f"histogram: bins must be at least 1, not {number}")
    return number


def _edges(values: buffers.Values, n_bins: int, limits: Any) -> list[float]:
    """Return n_bins + 1 edges in the dtype that NumPy gives them."""
    first, last = _data_limits(values) if limits is None else _given_limits(limits)
    if not (math.isfinite(first.value) and math.isfinite(last.value)):
        source = "autodetected" if limits is None else "supplied"
        raise ValueError(
            f"histogram: {source} range of [{first.value}, {last.value}] is not finite"
        )
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
            f"histogram: too many bins for the range: {n_bins} bins from {edges[0]} to "
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


def _given_limits(limits: Any) -> tuple[_Limit, _Limit]:
    try:
        first, last = limits
    except (TypeError, ValueError):
        raise ValueError(f"histogram: range must be (least, greatest), not {limits!r}") from None
    low, high = buffers.read(first), buffers.read(last)
    if low.flat[0] > high.flat[0]:
        raise ValueError(
            f"histogram: the range's maximum must not be below its minimum, but it is "
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
