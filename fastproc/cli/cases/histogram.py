"""Layer: command line.  The cases of the histograms."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastproc.cli.cases.case import Case, Function
from fastproc.cli.cases.inputs import normal_numbers, points, two_arrays


def _histogram(x: list[float], bins: int, range: tuple[float, float]) -> list[int]:
    first, last = range
    scale = bins / (last - first)
    counts = [0] * (bins + 1)
    for v in x:
        if first <= v <= last:
            counts[int((v - first) * scale)] += 1
    counts[bins - 1] += counts.pop()  # the last bin has both its edges
    return counts


def _histogram2d(
    x: Sequence[float], y: Sequence[float], bins: int, range: tuple[tuple[float, float], ...]
) -> list[list[int]]:
    (left, right), (bottom, top) = range
    across, up = bins / (right - left), bins / (top - bottom)
    counts = [[0] * bins for _ in [None] * bins]
    for v, w in zip(x, y, strict=True):
        if left <= v < right and bottom <= w < top:
            counts[int((v - left) * across)][int((w - bottom) * up)] += 1
    return counts


def _histogramdd(
    points: list[list[float]], bins: int, range: tuple[tuple[float, float], ...]
) -> list[list[int]]:
    x, y = zip(*points, strict=True)
    return _histogram2d(x, y, bins, range)


def _fast_histogram(name: str) -> Function:
    function: Function = getattr(importlib.import_module("fast_histogram"), name)
    return function


def _counts(result: Any) -> Any:
    return result[0] if isinstance(result, tuple) else result


CASES = (
    Case(
        "histogram",
        "histogram",
        normal_numbers,
        np.histogram,
        {"fast_histogram": functools.partial(_fast_histogram, "histogram1d")},
        _histogram,
        # Some numbers lie outside, as with real data.
        options={"bins": 100, "range": (-3.0, 5.0)},
        # fast_histogram gives the counts alone, as floats.
        answer=_counts,
    ),
    Case(
        "histogram2d",
        "histogram",
        two_arrays,
        np.histogram2d,
        {"fast_histogram": functools.partial(_fast_histogram, "histogram2d")},
        _histogram2d,
        options={"bins": 100, "range": ((-3.0, 5.0), (-3.0, 5.0))},
        bytes_moved=16,
        answer=_counts,
    ),
    Case(
        "histogramdd",
        "histogram",
        points,
        np.histogramdd,
        {},
        _histogramdd,
        options={"bins": 100, "range": ((-3.0, 5.0), (-3.0, 5.0))},
        answer=_counts,
    ),
)
