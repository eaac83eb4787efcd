"""Layer: kernels.  The twins of the order statistics: a sorted line, and what is at a rank."""

from __future__ import annotations

import functools
import math
import operator
import warnings
from typing import Any

from fastproc.kernels.reference import buffers, dtypes

#: By the method's name: alpha and beta of Hyndman and Fan (1996), which say how ranks are spread.
_METHODS = {
    "linear": (1.0, 1.0),
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}


def median(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, workers: Any = None
) -> Any:
    """Return the median: the mean of the two elements in the middle; NaN if one is NaN.

    Parameters
    ----------
    a : buffer or nested sequences
        Real numbers.
    axis : None, int or tuple of ints, optional
        Axis or axes to reduce; None reduces all.
    out : writable buffer, optional
        Where to put the result.
    keepdims : bool, default False
        Whether reduced axes are left with length 1.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    nested lists, scalar or `out`
        float64 for integers, the input's dtype for floats; NaN, with a RuntimeWarning, for none.
    """
    return _reduced(a, axis, out, keepdims, _median, ignore_nan=False)


def nanmedian(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, workers: Any = None
) -> Any:
    """Return the median of what is not NaN; NaN, with a RuntimeWarning, if that is nothing."""
    return _reduced(a, axis, out, keepdims, _median, ignore_nan=True)


def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    method: str = "linear",
    keepdims: bool = False,
    *,
    workers: Any = None,
) -> Any:
    """Return quantiles, each between two neighbours of the sorted elements; NaN if one is NaN.

    Parameters
    ----------
    a : buffer or nested sequences
        Real numbers.
    q : number or nested sequences
        Which quantiles, from 0 to 1; their axes are the result's first.
    axis, out, keepdims, workers : optional
        As for `median`.
    method : str, default 'linear'
        How a rank between two elements is found.

    Returns
    -------
    nested lists, scalar or `out`
        float64 for integers, the input's dtype for floats.

    Raises
    ------
    ValueError
        If `q` is out of range, or there is no such method.
    """
    return _quantiles("quantile", a, q, axis, out, method, keepdims)


def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    method: str = "linear",
    keepdims: bool = False,
    *,
    workers: Any = None,
) -> Any:
    """Return quantiles of what is not NaN.  Arguments as for `quantile`."""
    return _quantiles("nanquantile", a, q, axis, out, method, keepdims)


def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    method: str = "linear",
    keepdims: bool = False,
    *,
    workers: Any = None,
) -> Any:
    """Return percentiles: quantiles in hundredths.  Arguments as for `quantile`."""
    return _quantiles("percentile", a, q, axis, out, method, keepdims)


def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    method: str = "linear",
    keepdims: bool = False,
    *,
    workers: Any = None,
) -> Any:
    """Return percentiles of what is not NaN.  Arguments as for `quantile`."""
    return _quantiles("nanpercentile", a, q, axis, out, method, keepdims)


def _quantiles(name: str, a: Any, q: Any, axis: Any, out: Any, method: str, keepdims: bool) -> Any:
    most = 100 if name.endswith("percentile") else 1
    given = buffers.read(q)
    if method not in _METHODS:
        raise ValueError(f"{name}: method must be one of {', '.join(_METHODS)}, not {method!r}")
    for number in given.flat:
        if not 0 <= number / most <= 1:
            raise ValueError(f"{name}: q must be in the range [0, {most}], which {number} is not")

    def between(line: list[Any], number: float) -> float:
        alpha, beta = _METHODS[method]
        n = len(line)
        if alpha == beta == 1:
            at = (n - 1) * number
        else:
            at = n * number + (alpha + number * (1 - alpha - beta)) - 1
        at = max(0.0, min(at, float(n - 1)))
        rank = math.floor(at)
        return _between(float(line[rank]), float(line[min(rank + 1, n - 1)]), at - rank)

    results = []
    for number in given.flat:  # in a comprehension there would be one more frame before Python 3.12
        of_sorted = functools.partial(between, number=number / most)
        ignore_nan = name.startswith("nan")
        results.append(
            _reduced(a, axis, None, keepdims, of_sorted, ignore_nan=ignore_nan, flat=True)
        )
    values = buffers.read(a)
    kept = buffers.reduced_shape(
        values.shape, buffers.normalized(axis, len(values.shape)), bool(operator.index(keepdims))
    )
    flat = [x for result in results for x in result]
    return buffers.deliver(flat, given.shape + kept, _float_of(values.dtype), out)


def _between(low: float, high: float, weight: float) -> float:
    """Return what lies `weight` of the way from `low` to `high`, from the end that is nearer."""
    if low == high or weight == 0:
        return low
    if weight < 0.5:
        return low + (high - low) * weight
    return high - (high - low) * (1 - weight)


def _median(line: list[Any]) -> float:
    low, high = float(line[(len(line) - 1) // 2]), float(line[len(line) // 2])
    if low == high:
        return low
    mean = (low + high) / 2
    overflows = math.isinf(mean) and math.isfinite(low) and math.isfinite(high)
    return low / 2 + high / 2 if overflows else mean


def _float_of(dtype: str) -> str:
    return dtype if dtypes.kind(dtype) == "float" else "float64"


def _reduced(
    a: Any,
    axis: Any,
    out: Any,
    keepdims: bool,
    of_sorted: Any,
    *,
    ignore_nan: bool,
    flat: bool = False,
) -> Any:
    """Apply a function of a sorted line to every line; `flat` says to return a plain list."""
    values = buffers.read(a)
    axes = buffers.normalized(axis, len(values.shape))
    dtype = _float_of(values.dtype)
    results = []
    for line in buffers.slices(values, axes):
        numbers = [x for x in line if x == x]
        if not numbers and (ignore_nan or not line):
            what = "All-NaN slice encountered" if line else "Mean of empty slice"
            # Quantiles are asked for by one call more than a median.
            warnings.warn(what, RuntimeWarning, stacklevel=4 if flat else 3)
        if not numbers or (len(numbers) < len(line) and not ignore_nan):
            results.append(math.nan)
        else:
            results.append(dtypes.rounded(of_sorted(sorted(numbers)) + 0.0, dtype))
    if flat:
        return results
    shape = buffers.reduced_shape(values.shape, axes, bool(operator.index(keepdims)))
    return buffers.deliver(results, shape, dtype, out)
