"""Layer: command line.  The kernels as one would write them in plain Python, on lists.

The twins in ``fastproc.kernels.reference`` say what a kernel does with any shape and dtype, and pay
for it; to call them "Python's speed" would flatter us.  These are the idioms: as fast as plain
Python gets in a line or three.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

List = list[float]


def _numbers(x: List) -> List:
    return [v for v in x if v == v]


def _mean(x: List) -> float:
    return sum(x) / len(x)


def _var(x: List) -> float:
    mean = sum(x) / len(x)
    return sum([(v - mean) * (v - mean) for v in x]) / len(x)


def _std(x: List) -> float:
    return math.sqrt(_var(x))


def _minmax(x: List) -> tuple[float, float]:
    return min(x), max(x)


def _of_numbers(function: Callable[[List], Any]) -> Callable[[List], Any]:
    return lambda x: function(_numbers(x))


def _histogram(x: List, bins: int, range: tuple[float, float]) -> list[int]:
    first, last = range
    scale = bins / (last - first)
    counts = [0] * (bins + 1)
    for v in x:
        if first <= v <= last:
            counts[int((v - first) * scale)] += 1
    counts[bins - 1] += counts.pop()  # the last bin has both its edges
    return counts


#: By kernel.
PLAIN: dict[str, Callable[..., Any]] = {
    "square": lambda x: [v * v for v in x],
    "cube": lambda x: [v * v * v for v in x],
    "negative": lambda x: [-v for v in x],
    "add": lambda x, y: [v + w for v, w in zip(x, y, strict=True)],
    "sum": sum,
    "mean": _mean,
    "var": _var,
    "std": _std,
    "min": min,
    "max": max,
    "minmax": _minmax,
    "argmin": lambda x: x.index(min(x)),
    "argmax": lambda x: x.index(max(x)),
    "nansum": _of_numbers(sum),
    "nanmean": _of_numbers(_mean),
    "nanvar": _of_numbers(_var),
    "nanstd": _of_numbers(_std),
    "nanmin": _of_numbers(min),
    "nanmax": _of_numbers(max),
    "nanminmax": _of_numbers(_minmax),
    "nanargmin": lambda x: x.index(min(_numbers(x))),
    "nanargmax": lambda x: x.index(max(_numbers(x))),
    "histogram": _histogram,
}
