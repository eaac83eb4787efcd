"""Layer: kernels.  The twins of the checks: is there a NaN, is all NaN, is all finite."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fastproc.kernels.reference import buffers


def anynan(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, workers: Any = None
) -> Any:
    """Tell whether any element is NaN; False for none.

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
        Of bools.
    """
    return _check(lambda x: any(map(math.isnan, x)), a, axis, out, keepdims)


def allnan(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, workers: Any = None
) -> Any:
    """Tell whether all elements are NaN; True for none.  Arguments as for `anynan`."""
    return _check(lambda x: all(map(math.isnan, x)), a, axis, out, keepdims)


def all_finite(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, workers: Any = None
) -> Any:
    """Tell whether no element is NaN or infinite; True for none.  Arguments as for `anynan`."""
    return _check(lambda x: all(map(math.isfinite, x)), a, axis, out, keepdims)


def _check(holds: Callable[[list[Any]], bool], a: Any, axis: Any, out: Any, keepdims: bool) -> Any:
    values = buffers.read(a)
    axes = buffers.normalized(axis, len(values.shape))
    results = [holds(x) for x in buffers.slices(values, axes)]
    shape = buffers.reduced_shape(values.shape, axes, keepdims)
    return buffers.deliver(results, shape, "bool", out)
