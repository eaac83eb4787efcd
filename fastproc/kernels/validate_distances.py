"""Layer: kernels.  What the distances accept, what they convert, and every message that refuses."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from fastproc.kernels import validate

Array = npt.NDArray[Any]

METRICS = (
    "chebyshev",
    "cityblock",
    "correlation",
    "cosine",
    "euclidean",
    "hamming",
    "jaccard",
    "minkowski",
    "sqeuclidean",
)


def check_metric(name: str, metric: Any) -> str:
    """Return the name of a metric in lower case, as SciPy takes it in any."""
    if not isinstance(metric, str):
        raise TypeError(f"{name}: metric must be the name of one, not {metric!r}")
    if metric.lower() not in METRICS:
        raise ValueError(f"{name}: there is no metric {metric!r}; there are {', '.join(METRICS)}")
    return metric.lower()


def check_order(name: str, metric: str, p: Any) -> float:
    """Return the order of a Minkowski distance; other metrics have none."""
    try:
        order = float(p)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: p must be a number, not {p!r}") from None
    if metric != "minkowski":
        if order != 2:
            raise TypeError(f"{name}: p is the order of metric 'minkowski'; {metric!r} has none")
    elif math.isnan(order) or order < 1:
        raise ValueError(f"{name}: p must be at least 1, not {p}")
    return order


def rows(name: str, argument: str, x: Any, metric: str) -> Array:
    """Return an array of rows as contiguous float64, in which all distances are computed."""
    array = validate.as_array(name, x)
    if array.ndim != 2:
        raise ValueError(
            f"{name}: {argument} must have 2 dimensions, one row for each point, "
            f"not shape {array.shape}"
        )
    if metric == "jaccard":
        array = array != 0
    return validate.contiguous(array, np.float64)


def check_widths(name: str, a: Array, b: Array) -> None:
    """Refuse rows that have different numbers of columns."""
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{name}: XA and XB must have the same number of columns, "
            f"not {a.shape[1]} and {b.shape[1]}"
        )


def check_neighbours(name: str, k: Any, n: int) -> int:
    """Return how many neighbours are asked for of `n` that there are."""
    try:
        number = operator.index(k)
    except TypeError:
        raise TypeError(f"{name}: k must be an integer, not {k!r}") from None
    if not 1 <= number <= n:
        raise ValueError(f"{name}: k must be from 1 to the {n} rows of XB, not {number}")
    return number
