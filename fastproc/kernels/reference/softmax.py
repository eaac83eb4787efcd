"""Layer: kernels.  The twins of softmax and log_softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fastproc.kernels.reference import buffers, dtypes


def softmax(x: Any, axis: Any = None, *, workers: Any = None) -> Any:
    """Return ``exp(x) / sum(exp(x))`` along axes.

    Parameters
    ----------
    x : buffer or nested sequences
        Real numbers.
    axis : None, int or tuple of ints, optional
        Axis or axes along which the results sum to 1; None for all.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    nested lists or scalar
        float64 for integers, else of the input's dtype.  NaN where the greatest is not finite.
    """
    return _along(x, axis, _softmax)


def log_softmax(x: Any, axis: Any = None, *, workers: Any = None) -> Any:
    """Return ``x - log(sum(exp(x)))`` along axes.  Arguments as for `softmax`."""
    return _along(x, axis, _log_softmax)


def _along(x: Any, axis: Any, function: Callable[[list[float]], list[float]]) -> Any:
    values = buffers.read(x)
    axes = buffers.normalized(axis, len(values.shape))
    dtype = values.dtype if dtypes.kind(values.dtype) == "float" else "float64"
    places = buffers.Values(list(range(len(values.flat))), values.shape, "int64")
    flat = list(values.flat)
    for line in buffers.slices(places, axes) if flat else ():
        results = function([float(values.flat[place]) for place in line])
        for place, result in zip(line, results, strict=True):
            flat[place] = dtypes.rounded(result, dtype)
    return buffers.deliver(flat, values.shape, dtype, None)


def _greatest(x: list[float]) -> float:
    return math.nan if any(element != element for element in x) else max(x)


def _softmax(x: list[float]) -> list[float]:
    greatest = _greatest(x)
    if not math.isfinite(greatest):
        return [math.nan] * len(x)
    terms = [math.exp(element - greatest) for element in x]
    total = math.fsum(terms)
    return [term / total for term in terms]


def _log_softmax(x: list[float]) -> list[float]:
    greatest = _greatest(x)
    if not math.isfinite(greatest):
        # Inf - Inf is NaN, as is -Inf - -Inf.
        return [element - greatest for element in x]
    rest = math.log(math.fsum([math.exp(element - greatest) for element in x]))
    return [(element - greatest) - rest for element in x]
