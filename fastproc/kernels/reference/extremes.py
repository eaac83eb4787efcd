"""Layer: kernels.  The twins of the reductions that choose an element: extremes and their places.

NaN is less and greater than all: a plain extreme of values with NaN is NaN, at the first one.
"""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable
from typing import Any

from fastproc.kernels.reference import buffers

Precedes = Callable[[Any, Any], bool]


def min(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, workers: Any = None
) -> Any:
    """Return the least element; NaN if there is one.

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
        Of the input's dtype.

    Raises
    ------
    ValueError
        If there are no elements to choose from.
    """
    return _extreme("minimum", operator.lt, a, axis, out, keepdims, ignore_nan=False)


def nanmin(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, workers: Any = None
) -> Any:
    """Return the least element that is not NaN; NaN, with a RuntimeWarning, if all are."""
    return _extreme("minimum", operator.lt, a, axis, out, keepdims, ignore_nan=True)


def max(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, workers: Any = None
) -> Any:
    """Return the greatest element; NaN if there is one.  Arguments as for `min`."""
    return _extreme("maximum", operator.gt, a, axis, out, keepdims, ignore_nan=False)


def nanmax(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, workers: Any = None
) -> Any:
    """Return the greatest element that is not NaN; NaN, with a RuntimeWarning, if all are."""
    return _extreme("maximum", operator.gt, a, axis, out, keepdims, ignore_nan=True)


def minmax(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, workers: Any = None
) -> tuple[Any, Any]:
    """Return the least and the greatest element, as `min` and `max`; `out` is a tuple of two."""
    values = buffers.read(a)
    first, second = _pair(out)
    return min(values, axis, first, keepdims), max(values, axis, second, keepdims)


def nanminmax(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, workers: Any = None
) -> tuple[Any, Any]:
    """Return the least and the greatest element that are not NaN; `out` is a tuple of two."""
    values = buffers.read(a)
    first, second = _pair(out)
    return (
        _extreme("minimum", operator.lt, values, axis, first, keepdims, ignore_nan=True),
        _extreme(
            "maximum", operator.gt, values, axis, second, keepdims, ignore_nan=True, warns=False
        ),
    )


def argmin(
    a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False, workers: Any = None
) -> Any:
    """Return the index of the least element, the first of several, or of the first NaN.

    Parameters
    ----------
    a : buffer or nested sequences
        Real numbers.
    axis : None or int, optional
        Axis to search along; None searches the array in C order.
    out : writable buffer, optional
        Where to put the result, an int64.
    keepdims : bool, default False
        Whether the axis is left with length 1.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    nested lists, scalar or `out`

    Raises
    ------
    ValueError
        If there are no elements to choose from.
    """
    return _place("argmin", operator.lt, a, axis, out, keepdims, ignore_nan=False)


def nanargmin(
    a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False, workers: Any = None
) -> Any:
    """Return the index of the least element that is not NaN; ValueError if all are."""
    return _place("argmin", operator.lt, a, axis, out, keepdims, ignore_nan=True)


def argmax(
    a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False, workers: Any = None
) -> Any:
    """Return the index of the greatest element, the first of several, or of the first NaN."""
    return _place("argmax", operator.gt, a, axis, out, keepdims, ignore_nan=False)


def nanargmax(
    a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False, workers: Any = None
) -> Any:
    """Return the index of the greatest element that is not NaN; ValueError if all are."""
    return _place("argmax", operator.gt, a, axis, out, keepdims, ignore_nan=True)


def _pair(out: Any) -> tuple[Any, Any]:
    if out is None:
        return None, None
    if not isinstance(out, tuple) or len(out) != 2:
        raise TypeError(f"out must be a tuple of two buffers, not {out!r}")
    return out


def _extreme(
    ufunc: str,
    precedes: Precedes,
    a: Any,
    axis: Any,
    out: Any,
    keepdims: bool,
    *,
    ignore_nan: bool,
    warns: bool = True,
) -> Any:
    values = buffers.read(a)
    axes = buffers.normalized(axis, len(values.shape))
    if _reduces_nothing(values, axes):
        raise ValueError(f"zero-size array to reduction operation {ufunc} which has no identity")
    results = []
    for x in buffers.slices(values, axes):
        place = _first_extreme(x, precedes, ignore_nan)
        if place is None and warns:
            warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=3)
        results.append(math.nan if place is None else x[place])
    shape = buffers.reduced_shape(values.shape, axes, keepdims)
    return buffers.deliver(results, shape, values.dtype, out)


def _place(
    family: str,
    precedes: Precedes,
    a: Any,
    axis: Any,
    out: Any,
    keepdims: bool,
    *,
    ignore_nan: bool,
) -> Any:
    values = buffers.read(a)
    axes = buffers.normalized(None if axis is None else operator.index(axis), len(values.shape))
    if _reduces_nothing(values, axes):
        raise ValueError(f"attempt to get {family} of an empty sequence")
    results = []
    for x in buffers.slices(values, axes):
        place = _first_extreme(x, precedes, ignore_nan)
        if place is None:
            raise ValueError("All-NaN slice encountered")
        results.append(place)
    shape = buffers.reduced_shape(values.shape, axes, keepdims)
    return buffers.deliver(results, shape, "int64", out)


def _reduces_nothing(values: buffers.Values, axes: tuple[int, ...]) -> bool:
    # Not asked slice by slice: NumPy refuses shape (0, 0) along one axis, which has no slices.
    return any(values.shape[axis] == 0 for axis in axes)


def _first_extreme(x: list[Any], precedes: Precedes, ignore_nan: bool) -> int | None:
    """Return the index of the first extreme; None if all are NaN and these are ignored."""
    best = None
    for i, element in enumerate(x):
        if element != element:
            if ignore_nan:
                continue
            return i
        if best is None or precedes(element, x[best]):
            best = i
    return best
