"""Layer: command line.  The cases of the kernels over groups."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from fastproc.cli.cases.case import Array, Case, Function
from fastproc.cli.cases.inputs import groups_of_numbers, numbers_in_groups

List = list[float]


# NumPy's own ways --------------------------------------------------------------------------------


def _mean(values: Array, labels: Array) -> Array:
    mean: Array = np.bincount(labels, values) / np.bincount(labels)
    return mean


def _var(values: Array, labels: Array, ddof: int) -> Array:
    distances = values - _mean(values, labels)[labels]
    var: Array = np.bincount(labels, distances * distances) / (np.bincount(labels) - ddof)
    return var


def _std(values: Array, labels: Array, ddof: int) -> Array:
    std: Array = np.sqrt(_var(values, labels, ddof))
    return std


def _min(values: Array, labels: Array) -> Array:
    least = np.full(labels.max() + 1, np.inf)
    np.minimum.at(least, labels, values)
    return least


def _max(values: Array, labels: Array) -> Array:
    greatest = np.full(labels.max() + 1, -np.inf)
    np.maximum.at(greatest, labels, values)
    return greatest


def _first(values: Array, labels: Array) -> Array:
    first = np.full(labels.max() + 1, np.nan)
    first[labels[::-1]] = values[::-1]  # of several, the last that is written stays
    return first


def _last(values: Array, labels: Array) -> Array:
    last = np.full(labels.max() + 1, np.nan)
    last[labels] = values
    return last


# Plain Python ------------------------------------------------------------------------------------


def _groups(values: List, labels: list[int]) -> list[List]:
    groups: list[List] = [[] for _ in range(max(labels) + 1)]
    for value, label in zip(values, labels, strict=True):
        groups[label].append(value)
    return groups


def _of_groups(reduce: Callable[..., float]) -> Function:
    return lambda values, labels, **options: [
        reduce(group, **options) for group in _groups(values, labels)
    ]


def _plain_mean(group: List) -> float:
    return sum(group) / len(group)


def _plain_var(group: List, ddof: int) -> float:
    mean = _plain_mean(group)
    return sum([(v - mean) * (v - mean) for v in group]) / (len(group) - ddof)


def _plain_std(group: List, ddof: int) -> float:
    return float(_plain_var(group, ddof) ** 0.5)


def _plain_bincount(labels: list[int], weights: List) -> List:
    sums = [0.0] * (max(labels) + 1)
    for label, weight in zip(labels, weights, strict=True):
        sums[label] += weight
    return sums


# Peers -------------------------------------------------------------------------------------------


def _numbagg(name: str) -> Function:
    function: Function = getattr(importlib.import_module("numbagg"), f"group_nan{name}")
    return function


def _pandas(name: str) -> Function:
    pandas: Any = importlib.import_module("pandas")

    def group(values: Array, labels: Array, **options: Any) -> Array:
        result: Array = getattr(pandas.Series(values).groupby(labels), name)(**options).to_numpy()
        return result

    return group


def _case(
    name: str, numpy: Function, plain: Callable[..., float], options: dict[str, Any] | None = None
) -> Case:
    peers = {
        package: functools.partial(importer, name)
        for package, importer in (("numbagg", _numbagg), ("pandas", _pandas))
    }
    return Case(
        f"group_{name}",
        "groups",
        numbers_in_groups,
        numpy,
        peers,
        _of_groups(plain),
        options=options or {},
        bytes_moved=16,
    )


CASES = (
    Case(
        "bincount",
        "groups",
        groups_of_numbers,
        np.bincount,
        {},
        _plain_bincount,
        bytes_moved=16,
    ),
    _case("sum", lambda values, labels: np.bincount(labels, values), sum),
    _case("mean", _mean, _plain_mean),
    # Divided by n, so that a group of one element has a variance.
    _case("var", _var, _plain_var, {"ddof": 0}),
    _case("std", _std, _plain_std, {"ddof": 0}),
    _case("min", _min, min),
    _case("max", _max, max),
    _case("count", lambda values, labels: np.bincount(labels), len),
    _case("first", _first, lambda group: group[0]),
    _case("last", _last, lambda group: group[-1]),
)
