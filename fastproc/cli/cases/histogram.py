"""Layer: command line.  The cases of the histograms."""

from __future__ import annotations

import importlib

import numpy as np

from fastproc.cli.cases.case import Case, Function
from fastproc.cli.cases.inputs import normal_numbers


def _histogram(x: list[float], bins: int, range: tuple[float, float]) -> list[int]:
    first, last = range
    scale = bins / (last - first)
    counts = [0] * (bins + 1)
    for v in x:
        if first <= v <= last:
            counts[int((v - first) * scale)] += 1
    counts[bins - 1] += counts.pop()  # the last bin has both its edges
    return counts


def _fast_histogram() -> Function:
    function: Function = importlib.import_module("fast_histogram").histogram1d
    return function


CASES = (
    Case(
        "histogram",
        "histogram",
        normal_numbers,
        np.histogram,
        {"fast_histogram": _fast_histogram},
        _histogram,
        # Some numbers lie outside, as with real data.
        options={"bins": 100, "range": (-3.0, 5.0)},
        # fast_histogram gives the counts alone, as floats.
        answer=lambda result: result[0] if isinstance(result, tuple) else result,
    ),
)
