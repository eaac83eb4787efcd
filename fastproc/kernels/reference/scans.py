"""Layer: kernels.  The twins of the scans: cumsum, cumprod, cummax, cummin, push, ewma.

Sums are exact until they are rounded to the dtype of the result; products, extremes and averages
are made one by one.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from fastproc.kernels.reference import buffers, dtypes


def cumsum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, *, workers: Any = None
) -> Any:
    """Return the sums of all elements up to each.

    Parameters
    ----------
    a : buffer or nested sequences
        Real numbers.
    axis : int, optional
        Along which to go; by default through all elements in C order.
    dtype : optional
        What to convert the elements to first, and the dtype of the result.
    out : writable buffer, optional
        Where to put the result.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    nested lists or `out`
        int64 (uint64) for integers, else of the input's dtype.
    """
    return _accumulated(a, axis, dtype, out, _sums)


def cumprod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, *, workers: Any = None
) -> Any:
    """Return the products of all elements up to each; floats are multiplied in float64."""
    return _accumulated(a, axis, dtype, out, _products)


def nancumsum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, *, workers: Any = None
) -> Any:
    """Return the sums of all elements up to each that are not NaN."""
    return _accumulated(a, axis, dtype, out, lambda line: _sums(_without_nan(line, 0)))


def nancumprod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, *, workers: Any = None
) -> Any:
    """Return the products of all elements up to each that are not NaN."""
    return _accumulated(a, axis, dtype, out, lambda line: _products(_without_nan(line, 1)))


def cummax(a: Any, axis: Any = None, out: Any = None, *, workers: Any = None) -> Any:
    """Return the greatest of all elements up to each; NaN from the first one on."""
    values = buffers.read(a)
    return _scanned(values, axis, values.dtype, out, lambda line: _extremes(line, operator.gt))


def cummin(a: Any, axis: Any = None, out: Any = None, *, workers: Any = None) -> Any:
    """Return the least of all elements up to each; NaN from the first one on."""
    values = buffers.read(a)
    return _scanned(values, axis, values.dtype, out, lambda line: _extremes(line, operator.lt))


def push(a: Any, n: Any = None, axis: Any = -1, *, workers: Any = None) -> Any:
    """Fill each NaN with the last element before it that is none.

    Parameters
    ----------
    a : buffer or nested sequences
        Real numbers.
    n : int, optional
        How many elements of NaN one after another to fill at the most; all by default.
    axis : int, default -1
        Along which to go.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    nested lists
        Of the input's dtype.
    """
    if n is not None and operator.index(n) < 0:
        raise ValueError(f"push: n must not be negative, but it is {n}")
    limit = math.inf if n is None else n
    values = buffers.read(a)
    return _scanned(values, _one(axis), values.dtype, None, lambda line: _pushed(line, limit))


def ewma(
    a: Any,
    alpha: Any = None,
    halflife: Any = None,
    *,
    adjust: Any = True,
    axis: Any = -1,
    workers: Any = None,
) -> Any:
    """Return the exponentially weighted moving average.

    Parameters
    ----------
    a : buffer or nested sequences
        Real numbers.
    alpha : float, optional
        How much an element weighs in the average without `adjust`.
    halflife : float, optional
        After how many elements a weight is half of what it was, in place of `alpha`.
    adjust : bool, default True
        Divide by the sum of the weights that there are, rather than let the first element stand
        for endlessly many before it.
    axis : int, default -1
        Along which to go.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    nested lists
        float64 for integers, else of the input's dtype.
    """
    decay = _decay(alpha, halflife)
    values = buffers.read(a)
    dtype = values.dtype if dtypes.kind(values.dtype) == "float" else "float64"
    return _scanned(values, _one(axis), dtype, None, lambda line: _averages(line, decay, adjust))


def _decay(alpha: Any, halflife: Any) -> float:
    if (alpha is None) == (halflife is None):
        raise ValueError("ewma: pass either alpha or halflife")
    if halflife is None and not 0 < alpha <= 1:
        raise ValueError(f"ewma: alpha must be more than 0 and at most 1, not {alpha!r}")
    if alpha is None and not halflife > 0:
        raise ValueError(f"ewma: halflife must be more than 0, not {halflife!r}")
    return 1.0 - alpha if halflife is None else math.exp2(-1 / halflife)


def _one(axis: Any) -> int:
    if axis is None:
        raise ValueError("axis must be an integer, not None")
    return operator.index(axis)


# Lines -------------------------------------------------------------------------------------------

Scan = Callable[[list[Any]], Iterator[Any]]


def _accumulated(a: Any, axis: Any, dtype: Any, out: Any, scan: Scan) -> Any:
    values = buffers.read(a)
    if dtype is not None:
        values = values.astype(dtypes.named(dtype))
    result = values.dtype
    if dtype is None and dtypes.kind(result) in ("bool", "int", "uint"):
        result = "uint64" if dtypes.kind(result) == "uint" else "int64"
    return _scanned(values, axis, result, out, scan)


def _scanned(values: buffers.Values, axis: Any, dtype: str, out: Any, scan: Scan) -> Any:
    """Return the scans of all lines along an axis, or of all elements."""
    if axis is None or (not values.shape and axis in (0, -1)):
        values = buffers.Values(values.flat, (len(values.flat),), values.dtype)
        axis = 0
    shape = values.shape
    (number,) = buffers.normalized(axis, len(shape))
    is_float = dtypes.kind(dtype) == "float"
    held = dtypes.rounded if is_float else dtypes.converted
    results: list[Any] = [None] * len(values.flat)
    step = math.prod(shape[number + 1 :])
    for first in range(0, len(values.flat), max(step * shape[number], 1)):
        for start in range(first, first + step):
            places = range(start, start + step * shape[number], step)
            line = [values.flat[place] for place in places]
            for place, result in zip(places, scan(line), strict=True):
                results[place] = held(result, dtype)
    return buffers.deliver(results, shape, dtype, out)


def _without_nan(line: list[Any], other: int) -> list[Any]:
    return [x if x == x else type(x)(other) for x in line]


def _sums(line: list[Any]) -> Iterator[Any]:
    """Yield the sums, each as if it were exact before it is rounded."""
    exact: Any = 0
    special = -0.0
    for x in line:
        if isinstance(x, float) and not math.isfinite(x):
            special += x
        else:
            exact += Fraction(x) if isinstance(x, float) else x
        if not isinstance(x, float):
            yield exact
        elif not math.isfinite(special):
            yield special
        else:
            special += math.copysign(0.0, x)  # the sum of zeros is -0.0 if all are
            yield _nearest(exact) if exact else special


def _nearest(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return math.copysign(math.inf, exact)


def _products(line: list[Any]) -> Iterator[Any]:
    total: Any = 1
    for x in line:
        total *= x
        yield total


def _extremes(line: list[Any], is_more: Callable[[Any, Any], bool]) -> Iterator[Any]:
    extreme = None
    for x in line:
        if extreme is None or is_more(x, extreme) or (x != x and extreme == extreme):
            extreme = x
        yield extreme


def _pushed(line: list[Any], limit: float) -> Iterator[Any]:
    last: Any = math.nan
    distance = 0
    for x in line:
        last, distance = (x, 0) if x == x else (last, distance + 1)
        yield last if distance <= limit else math.nan


def _averages(line: list[Any], decay: float, adjust: bool) -> Iterator[float]:
    """Yield the averages; before the first element's, NaN."""
    average, weight = math.nan, 0.0
    for x in line:
        weight *= decay
        if x == x:
            average = float(x) if weight == 0 else (weight * average + x) / (weight + 1)
            weight = weight + 1 if adjust else 1 / (1 - decay)
        yield average
