"""Layer: command line.  The cases of the reductions."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastproc.cli.cases.case import Array, Case, Function
from fastproc.cli.cases.inputs import normal_numbers, with_nan

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


def _numpy_minmax(x: Array) -> tuple[Any, Any]:
    return np.min(x), np.max(x)


def _numpy_nanminmax(x: Array) -> tuple[Any, Any]:
    return np.nanmin(x), np.nanmax(x)


def _logsumexp(x: List) -> float:
    greatest = max(x)
    return greatest + math.log(sum([math.exp(v - greatest) for v in x]))


def _numpy_logsumexp(x: Array) -> Any:
    greatest = np.max(x)
    terms = np.subtract(x, greatest)
    return greatest + np.log(np.sum(np.exp(terms, out=terms)))


def _scipy_logsumexp() -> Function:
    function: Function = importlib.import_module("scipy.special").logsumexp
    return function


def _bottleneck(name: str) -> Function:
    bottleneck = importlib.import_module("bottleneck")
    if name == "nanminmax":
        nanmin, nanmax = bottleneck.nanmin, bottleneck.nanmax
        return lambda x: (nanmin(x), nanmax(x))
    function: Function = getattr(bottleneck, name)
    return function


def _reduction(kernel: str, numpy: Function, plain: Function) -> Case:
    """Return the case of a reduction; bottleneck has nan variants only, which do on any array."""
    has_nan = kernel.startswith("nan")
    peers = {
        "bottleneck": functools.partial(_bottleneck, kernel if has_nan else f"nan{kernel}"),
    }
    family = "reduction, with NaN" if has_nan else "reduction"
    return Case(kernel, family, with_nan if has_nan else normal_numbers, numpy, peers, plain)


def _numpy_anynan(x: Array) -> Any:
    # Quicker than np.isnan(x).any(), which makes an array of bools.
    return np.isnan(np.min(x))


def _check(kernel: str, numpy: Function, plain: Function) -> Case:
    """Return the case of a check on numbers without NaN: only `allnan` may stop early then."""
    peers = {} if kernel == "all_finite" else {"bottleneck": functools.partial(_bottleneck, kernel)}
    return Case(kernel, "reduction", normal_numbers, numpy, peers, plain)


CASES = (
    _reduction("sum", np.sum, sum),
    _reduction("mean", np.mean, _mean),
    _reduction("var", np.var, _var),
    _reduction("std", np.std, _std),
    _reduction("min", np.min, min),
    _reduction("max", np.max, max),
    _reduction("minmax", _numpy_minmax, _minmax),
    _reduction("argmin", np.argmin, lambda x: x.index(min(x))),
    _reduction("argmax", np.argmax, lambda x: x.index(max(x))),
    _reduction("nansum", np.nansum, _of_numbers(sum)),
    _reduction("nanmean", np.nanmean, _of_numbers(_mean)),
    _reduction("nanvar", np.nanvar, _of_numbers(_var)),
    _reduction("nanstd", np.nanstd, _of_numbers(_std)),
    _reduction("nanmin", np.nanmin, _of_numbers(min)),
    _reduction("nanmax", np.nanmax, _of_numbers(max)),
    _reduction("nanminmax", _numpy_nanminmax, _of_numbers(_minmax)),
    _reduction("nanargmin", np.nanargmin, lambda x: x.index(min(_numbers(x)))),
    _reduction("nanargmax", np.nanargmax, lambda x: x.index(max(_numbers(x)))),
    Case(
        "ss",
        "reduction",
        normal_numbers,
        lambda x: np.dot(x, x),
        {"bottleneck": functools.partial(_bottleneck, "ss")},
        lambda x: sum([v * v for v in x]),
    ),
    _check("anynan", _numpy_anynan, lambda x: any([v != v for v in x])),
    _check("allnan", lambda x: np.isnan(x).all(), lambda x: all([v != v for v in x])),
    _check("all_finite", lambda x: np.isfinite(x).all(), lambda x: all(map(math.isfinite, x))),
    Case(
        "logsumexp",
        "reduction",
        normal_numbers,
        _numpy_logsumexp,
        {"scipy": _scipy_logsumexp},
        _logsumexp,
    ),
)
