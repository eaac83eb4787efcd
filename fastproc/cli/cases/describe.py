"""Layer: command line.  The case of `describe`."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from fastproc.cli.cases.case import Array, Case, Function
from fastproc.cli.cases.inputs import normal_numbers

Moments = tuple[Any, ...]


def _numpy_describe(x: Array) -> Moments:
    deviation = x - x.mean()
    square = deviation * deviation
    second = square.mean()
    with np.errstate(all="ignore"):
        skewness = (square * deviation).mean() / second**1.5
        kurtosis = (square * square).mean() / second**2 - 3
        variance = square.sum() / (x.size - 1)
    return x.size, (x.min(), x.max()), x.mean(), variance, skewness, kurtosis


def _scipy_describe() -> Function:
    function: Function = importlib.import_module("scipy.stats").describe
    return function


def _plain_describe(x: list[float]) -> Moments:
    n = len(x)
    mean = sum(x) / n
    squares = [(v - mean) * (v - mean) for v in x]
    second = sum(squares) / n
    if n == 1 or second == 0:
        return n, (min(x), max(x)), mean, np.nan, np.nan, np.nan
    third = sum([s * (v - mean) for s, v in zip(squares, x, strict=True)]) / n
    fourth = sum([s * s for s in squares]) / n
    variance = sum(squares) / (n - 1)
    return n, (min(x), max(x)), mean, variance, third / second**1.5, fourth / second**2 - 3


def _flat(result: Moments) -> Moments:
    n, (least, greatest), mean, variance, skewness, kurtosis = result
    return n, least, greatest, mean, variance, skewness, kurtosis


CASES = (
    Case(
        "describe",
        "reduction",
        normal_numbers,
        _numpy_describe,
        {"scipy": _scipy_describe},
        _plain_describe,
        answer=_flat,
        # Normal numbers have neither skewness nor excess kurtosis but what is left of larger terms.
        atol=1e-12,
    ),
)
