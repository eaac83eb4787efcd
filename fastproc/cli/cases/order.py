"""Layer: command line.  The cases of the order statistics."""

from __future__ import annotations

import functools
import importlib
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from fastproc.cli.cases.case import Case, Function
from fastproc.cli.cases.inputs import normal_numbers, with_nan

List = list[float]

#: Those of a box plot with whiskers.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, **options: function([v for v in x if v == v], **options)


def _quantile(x: List, q: tuple[float, ...]) -> List:
    x = sorted(x)
    results = []
    for each in q:
        at = (len(x) - 1) * each
        rank = int(at)
        low, high = x[rank], x[min(rank + 1, len(x) - 1)]
        results.append(low + (high - low) * (at - rank))
    return results


def _percentile(x: List, q: tuple[float, ...]) -> List:
    return _quantile(x, tuple(each / 100 for each in q))


def _bottleneck(name: str) -> Function:
    function: Function = getattr(importlib.import_module("bottleneck"), name)
    return function


def _median(kernel: str, numpy: Function, plain: Function) -> Case:
    make = with_nan if kernel.startswith("nan") else normal_numbers
    peers = {"bottleneck": functools.partial(_bottleneck, kernel)}
    return Case(kernel, "order", make, numpy, peers, plain)


def _quantiles(kernel: str, numpy: Function, plain: Function, q: tuple[float, ...]) -> Case:
    make = with_nan if kernel.startswith("nan") else normal_numbers
    return Case(kernel, "order", make, numpy, {}, plain, options={"q": q})


_PERCENTS = tuple(100 * each for each in QUANTILES)

CASES = (
    _median("median", np.median, statistics.median),
    _median("nanmedian", np.nanmedian, _of_numbers(statistics.median)),
    _quantiles("quantile", np.quantile, _quantile, QUANTILES),
    _quantiles("nanquantile", np.nanquantile, _of_numbers(_quantile), QUANTILES),
    _quantiles("percentile", np.percentile, _percentile, _PERCENTS),
    _quantiles("nanpercentile", np.nanpercentile, _of_numbers(_percentile), _PERCENTS),
)
