"""Layer: kernels.  The twin of `describe`: extremes and moments, each by its definition."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from fastproc.kernels.reference import buffers


class DescribeResult(NamedTuple):
    """What `describe` returns; see there."""

    nobs: int
    minmax: tuple[Any, Any]
    mean: Any
    variance: Any
    skewness: Any
    kurtosis: Any


def describe(
    a: Any, axis: Any = 0, ddof: float = 1, bias: bool = True, *, workers: Any = None
) -> DescribeResult:
    """Return the number, extremes, mean, variance, skewness and excess kurtosis of the elements.

    Parameters
    ----------
    a : buffer or nested sequences
        Real numbers.
    axis : None or int, default 0
        Axis to go along; None takes all elements.
    ddof : float, default 1
        Delta degrees of freedom of the variance.
    bias : bool, default True
        Whether skewness and kurtosis are those of the elements; else of what they are a sample of.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    DescribeResult
        Its parts but `nobs` are nested lists, or numbers for one axis.

    Raises
    ------
    ValueError
        If there are no elements.
    """
    values = buffers.read(a)
    axes = buffers.normalized(axis if values.shape else None, len(values.shape))
    lines = list(buffers.slices(values, axes))
    if not values.flat:
        raise ValueError("describe: there are no elements to describe")
    shape = buffers.reduced_shape(values.shape, axes, False)

    def each(function: Callable[[list[Any]], Any]) -> Any:
        return buffers.nested([function(line) for line in lines], shape)

    return DescribeResult(
        len(lines[0]),
        (each(lambda x: _extreme(min, x)), each(lambda x: _extreme(max, x))),
        each(_mean),
        each(lambda x: _moment(x, 2) * len(x) / (len(x) - ddof) if len(x) != ddof else math.nan),
        each(lambda x: _skewness(x, bias)),
        each(lambda x: _kurtosis(x, bias)),
    )


def _extreme(choose: Callable[[list[Any]], Any], x: list[Any]) -> Any:
    return math.nan if any(v != v for v in x) else choose(x)


def _sum(x: list[float]) -> float:
    try:
        return math.fsum(x)
    except (ValueError, OverflowError):  # infinities of both signs, or beyond the greatest number
        return math.nan if any(v != v or math.isinf(v) for v in x) else math.inf


def _mean(x: list[Any]) -> float:
    return _sum(x) / len(x)


def _moment(x: list[Any], power: int) -> float:
    mean = _mean(x)
    deviations = [v - mean for v in x]
    off = _mean(deviations)  # by what the mean was rounded
    return _sum([float((v - off) ** power) for v in deviations]) / len(x)


def _skewness(x: list[Any], bias: bool) -> float:
    n, second = len(x), _moment(x, 2)
    if not second > (1e-15 * _mean(x)) ** 2:
        return math.nan
    skewness = _moment(x, 3) / (second * math.sqrt(second))
    return skewness if bias or n < 3 else skewness * math.sqrt(n * (n - 1)) / (n - 2)


def _kurtosis(x: list[Any], bias: bool) -> float:
    n, second = len(x), _moment(x, 2)
    if not second > (1e-15 * _mean(x)) ** 2:
        return math.nan
    kurtosis = _moment(x, 4) / second**2
    if bias or n < 4:
        return kurtosis - 3
    return ((n * n - 1) * kurtosis - 3 * (n - 1) ** 2) / ((n - 2) * (n - 3))
