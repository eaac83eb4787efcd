"""Layer: kernels.  The twins of the distances: cdist, pdist, nearest.

A distance is a sum over two rows, column after column, as the compiled loops add up too; so all
bits are theirs, but for powers and for the means of a correlation, which are exact sums here.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from fastproc.kernels.reference import buffers

Row = list[float]
Distance = Callable[[Row, Row], float]


def cdist(
    XA: Any,
    XB: Any,
    metric: str = "euclidean",
    *,
    out: Any = None,
    p: float = 2,
    workers: Any = None,
) -> Any:
    """Return the distances between the rows of two arrays.

    Parameters
    ----------
    XA, XB : buffer or nested sequences, two-dimensional
        Points, one a row.
    metric : str, default "euclidean"
        A name in `METRICS`.
    out : writable buffer, optional
        Where to put the result.
    p : float, default 2
        The order of metric "minkowski".
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    nested lists or `out`
        A row for each row of `XA`.
    """
    distance = _distance("cdist", metric, p)
    a, b = _two_sets("cdist", XA, XB, metric)
    flat = [distance(one, other) for one in a for other in b]
    return buffers.deliver(flat, (len(a), len(b)), "float64", out)


def pdist(
    X: Any, metric: str = "euclidean", *, out: Any = None, p: float = 2, workers: Any = None
) -> Any:
    """Return the distances between the rows i < j of an array: (0, 1), (0, 2), ..., (1, 2), ..."""
    distance = _distance("pdist", metric, p)
    rows, _ = _rows("pdist", "X", X, metric)
    flat = [distance(one, other) for i, one in enumerate(rows) for other in rows[i + 1 :]]
    return buffers.deliver(flat, (len(flat),), "float64", out)


def nearest(
    XA: Any,
    XB: Any,
    k: int = 1,
    metric: str = "euclidean",
    *,
    p: float = 2,
    workers: Any = None,
) -> tuple[list[Row], list[list[int]]]:
    """Return the k least distances from each row of `XA`, and to which rows of `XB` they are.

    The nearest comes first; of equal distances that to the lower index; NaN after all numbers.
    """
    distance = _distance("nearest", metric, p)
    a, b = _two_sets("nearest", XA, XB, metric)
    try:
        number = operator.index(k)
    except TypeError:
        raise TypeError(f"nearest: k must be an integer, not {k!r}") from None
    if not 1 <= number <= len(b):
        raise ValueError(f"nearest: k must be from 1 to the {len(b)} rows of XB, not {number}")
    found = []
    for row in a:
        pairs = [(distance(row, other), i) for i, other in enumerate(b)]
        found.append(sorted(pairs, key=lambda pair: (pair[0] != pair[0], *pair))[:number])
    return (
        [[value for value, _ in pairs] for pairs in found],
        [[index for _, index in pairs] for pairs in found],
    )


def _rows(name: str, argument: str, x: Any, metric: str) -> tuple[list[Row], int]:
    """Return rows as lists of floats, prepared for the metric, and how many columns they have."""
    values = buffers.read(x)
    if len(values.shape) != 2:
        raise ValueError(
            f"{name}: {argument} must have 2 dimensions, one row for each point, "
            f"not shape {values.shape}"
        )
    n, width = values.shape
    flat = [float(value) for value in values.flat]
    rows = [flat[i * width : (i + 1) * width] for i in range(n)]
    metric = metric.lower()
    if metric == "jaccard":
        rows = [[float(value != 0) for value in row] for row in rows]
    if metric == "correlation" and width > 0:
        rows = [_centred(row) for row in rows]
    return rows, width


def _centred(row: Row) -> Row:
    try:
        mean = math.fsum(row) / len(row)
    except (ValueError, OverflowError):  # infinities of both signs; a sum beyond the greatest
        mean = sum(row) / len(row)
    return [value - mean for value in row]


def _two_sets(name: str, XA: Any, XB: Any, metric: str) -> tuple[list[Row], list[Row]]:
    a, width_a = _rows(name, "XA", XA, metric)
    b, width_b = _rows(name, "XB", XB, metric)
    if width_a != width_b:
        raise ValueError(
            f"{name}: XA and XB must have the same number of columns, not {width_a} and {width_b}"
        )
    return a, b


# The metrics -------------------------------------------------------------------------------------


def sqeuclidean(a: Row, b: Row) -> float:
    """Return the sum of the squares of the differences."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += (x - y) * (x - y)
    return total


def euclidean(a: Row, b: Row) -> float:
    """Return the root of the sum of the squares of the differences."""
    return math.sqrt(sqeuclidean(a, b))


def cityblock(a: Row, b: Row) -> float:
    """Return the sum of the differences."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += abs(x - y)
    return total


def chebyshev(a: Row, b: Row) -> float:
    """Return the greatest difference; one that is NaN is passed over, as in SciPy's cdist."""
    greatest = 0.0
    for x, y in zip(a, b, strict=True):
        greatest = abs(x - y) if abs(x - y) > greatest else greatest
    return greatest


def cosine(a: Row, b: Row) -> float:
    """Return 1 less the cosine of the angle between the rows; that of a row of zeros is NaN."""
    quotient = _quotient(_product(a, b), math.sqrt(_product(a, a)) * math.sqrt(_product(b, b)))
    return 1.0 - (math.copysign(1.0, quotient) if abs(quotient) > 1.0 else quotient)


def hamming(a: Row, b: Row) -> float:
    """Return the share of the columns in which the rows differ."""
    return _quotient(float(sum(x != y for x, y in zip(a, b, strict=True))), float(len(a)))


def jaccard(a: Row, b: Row) -> float:
    """Return the share of the columns that are 1 in one row, among those that are in either."""
    either = sum(x + y > 0 for x, y in zip(a, b, strict=True))
    return sum(x != y for x, y in zip(a, b, strict=True)) / either if either else 0.0


def _minkowski(p: float) -> Distance:
    """Return the distance of order p; three orders need no powers."""
    if p in (1, 2, math.inf):
        return {1: cityblock, 2: euclidean, math.inf: chebyshev}[p]

    def minkowski(a: Row, b: Row) -> float:
        total = 0.0
        for x, y in zip(a, b, strict=True):
            total += _power(abs(x - y), p)
        return _power(total, 1 / p)

    return minkowski


#: By name, the distance of two rows.  The correlation is the cosine of rows less their means.
METRICS: dict[str, Distance | None] = {
    "chebyshev": chebyshev,
    "cityblock": cityblock,
    "correlation": cosine,
    "cosine": cosine,
    "euclidean": euclidean,
    "hamming": hamming,
    "jaccard": jaccard,
    "minkowski": None,
    "sqeuclidean": sqeuclidean,
}


def _distance(name: str, metric: Any, p: Any) -> Distance:
    """Return the distance that is asked for."""
    if not isinstance(metric, str):
        raise TypeError(f"{name}: metric must be the name of one, not {metric!r}")
    if metric.lower() not in METRICS:
        raise ValueError(f"{name}: there is no metric {metric!r}; there are {', '.join(METRICS)}")
    try:
        order = float(p)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: p must be a number, not {p!r}") from None
    distance = METRICS[metric.lower()]
    if distance is None:
        if not order >= 1:
            raise ValueError(f"{name}: p must be at least 1, not {p}")
        return _minkowski(order)
    if order != 2:
        raise TypeError(f"{name}: p is the order of metric 'minkowski'; {metric!r} has none")
    return distance


def _product(a: Row, b: Row) -> float:
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += x * y
    return total


def _quotient(x: float, y: float) -> float:
    """Return x / y as a machine divides."""
    if y != 0 or x != x:
        return x / y if y != 0 else x
    return math.copysign(math.inf, x) if x else math.nan


def _power(x: float, p: float) -> float:
    try:
        return math.pow(x, p)
    except OverflowError:
        return math.inf
