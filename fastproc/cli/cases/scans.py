"""Layer: command line.  The cases of the scans."""

from __future__ import annotations

import functools
import importlib
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from fastproc.cli.cases.case import Array, Arrays, Case, Function
from fastproc.cli.cases.inputs import normal_numbers, with_nan

List = list[float]

ALPHA = 0.1


def _factors(size: int, version: int = 0) -> Arrays:
    """Return numbers around 1, of which the product stays in range, as of relative changes."""
    (x,) = normal_numbers(size, version)
    return (1 + (x - 1) * 1e-3,)


def _factors_with_nan(size: int, version: int = 0) -> Arrays:
    (x,) = with_nan(size, version)
    return (1 + (x - 1) * 1e-3,)


def _numpy_push(x: Array) -> Array:
    # The index of the last number before each element is a running maximum.
    places = np.where(np.isnan(x), 0, np.arange(x.size))
    np.maximum.accumulate(places, out=places)
    return x[places]


def _numpy_ewma(x: Array, alpha: float) -> Array:
    """Halve the distance to what was before, as often as it takes: NumPy has no recurrence."""
    sums, weights = x.copy(), np.ones(x.size)
    decay, step = 1 - alpha, 1
    while step < x.size and decay**step > 0:
        sums[step:] += decay**step * sums[:-step]
        weights[step:] += decay**step * weights[:-step]
        step *= 2
    return sums / weights


def _plain_push(x: List) -> List:
    last, pushed = math.nan, []
    for v in x:
        if v == v:
            last = v
        pushed.append(last)
    return pushed


def _plain_ewma(x: List, alpha: float) -> List:
    total = weight = 0.0
    averages = []
    for v in x:
        total = v + (1 - alpha) * total
        weight = 1 + (1 - alpha) * weight
        averages.append(total / weight)
    return averages


def _accumulate(function: Callable[[Any, Any], Any]) -> Callable[[List], List]:
    return lambda x: list(itertools.accumulate(x, function))


def _accumulate_numbers(function: Callable[[Any, Any], Any], other: float) -> Function:
    return lambda x: list(itertools.accumulate([v if v == v else other for v in x], function))


def _pandas(method: str) -> Function:
    series: Any = importlib.import_module("pandas").Series
    if method == "ewm":
        return lambda x, alpha: series(x, copy=False).ewm(alpha=alpha).mean().to_numpy()
    return lambda x: getattr(series(x, copy=False), method)().to_numpy()


def _scipy() -> Function:
    lfilter: Any = importlib.import_module("scipy.signal").lfilter

    def ewma(x: Array, alpha: float) -> Any:
        recurrence = [1.0], [1.0, alpha - 1]
        return lfilter(*recurrence, x) / lfilter(*recurrence, np.ones(x.size))

    return ewma


def _numbagg() -> Function:
    function: Function = importlib.import_module("numbagg").move_exp_nanmean
    return function


def _bottleneck() -> Function:
    function: Function = importlib.import_module("bottleneck").push
    return function


def _scan(
    kernel: str,
    numpy: Function,
    plain: Function,
    make: Callable[..., Arrays] = normal_numbers,
) -> Case:
    return Case(kernel, "scan", make, numpy, {}, plain, has_out=True, bytes_moved=16)


CASES = (
    _scan("cumsum", np.cumsum, _accumulate(operator.add)),
    _scan("cumprod", np.cumprod, _accumulate(operator.mul), _factors),
    _scan("nancumsum", np.nancumsum, _accumulate_numbers(operator.add, 0.0), with_nan),
    _scan("nancumprod", np.nancumprod, _accumulate_numbers(operator.mul, 1.0), _factors_with_nan),
    _scan("cummax", np.maximum.accumulate, _accumulate(max)),
    _scan("cummin", np.minimum.accumulate, _accumulate(min)),
    Case(
        "push",
        "scan",
        with_nan,
        _numpy_push,
        {"bottleneck": _bottleneck, "pandas": functools.partial(_pandas, "ffill")},
        _plain_push,
        bytes_moved=16,
    ),
    Case(
        "ewma",
        "scan",
        normal_numbers,
        _numpy_ewma,
        {"numbagg": _numbagg, "pandas": functools.partial(_pandas, "ewm"), "scipy": _scipy},
        _plain_ewma,
        options={"alpha": ALPHA},
        bytes_moved=16,
        # Averages of normal numbers around 1 may be next to 0.
        atol=1e-12,
    ),
)
