"""Layer: kernels.  The twins of the reductions that add: sums, means, variances, logsumexp.

Each is one loop over the values that are reduced to one result; `_total` and `_moment` do what all
share: reading, walking along axes, the dtype, and delivery.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from fastproc.kernels.reference import buffers, dtypes


def sum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    workers: Any = None,
) -> Any:
    """Return the sum of the elements; 0 for none.

    Parameters
    ----------
    a : buffer or nested sequences
        Real numbers.
    axis : None, int or tuple of ints, optional
        Axis or axes to reduce; None reduces all.
    dtype : str, optional
        What to convert the elements to first, and the dtype of the result.  By default int64 for
        bools and signed integers, uint64 for unsigned ones, else the input's.
    out : writable buffer, optional
        Where to put the result.
    keepdims : bool, default False
        Whether reduced axes are left with length 1.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    nested lists, scalar or `out`
        Sums of floats are exact before they are rounded; those of integers wrap around.
    """
    return _total(a, axis, dtype, out, keepdims, ignore_nan=False)


def ss(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, workers: Any = None
) -> Any:
    """Return the sum of the squares of the elements; 0 for none.  Arguments as for `sum`."""
    return _total(a, axis, None, out, keepdims, ignore_nan=False, power=2)


def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    workers: Any = None,
) -> Any:
    """Return the sum of the elements that are not NaN; 0 for none.  Arguments as for `sum`."""
    return _total(a, axis, dtype, out, keepdims, ignore_nan=True)


def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    workers: Any = None,
) -> Any:
    """Return the arithmetic mean of the elements; NaN, with a RuntimeWarning, for none.

    Arguments as for `sum`; the result of integers is float64.
    """
    return _moment("mean", a, axis, dtype, out, keepdims, _mean, ignore_nan=False)


def nanmean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    workers: Any = None,
) -> Any:
    """Return the arithmetic mean of the elements that are not NaN; otherwise as `mean`."""
    return _moment("nanmean", a, axis, dtype, out, keepdims, _mean, ignore_nan=True)


def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    workers: Any = None,
) -> Any:
    """Return the variance of the elements: the squared deviations' sum divided by ``n - ddof``.

    Where ``n - ddof <= 0``, the division is one by 0: NaN or Inf, with a RuntimeWarning.
    Arguments as for `sum`; the result of integers is float64.
    """
    return _moment("var", a, axis, dtype, out, keepdims, lambda x: _var(x, ddof), ignore_nan=False)


def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    workers: Any = None,
) -> Any:
    """Return the variance of the elements that are not NaN; NaN where ``n - ddof <= 0``."""
    return _moment(
        "nanvar", a, axis, dtype, out, keepdims, lambda x: _nanvar(x, ddof), ignore_nan=True
    )


def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    workers: Any = None,
) -> Any:
    """Return the standard deviation of the elements, the square root of `var`."""
    return _moment(
        "std", a, axis, dtype, out, keepdims, lambda x: math.sqrt(_var(x, ddof)), ignore_nan=False
    )


def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    workers: Any = None,
) -> Any:
    """Return the standard deviation of the elements that are not NaN, the root of `nanvar`."""
    return _moment(
        "nanstd",
        a,
        axis,
        dtype,
        out,
        keepdims,
        lambda x: math.sqrt(_nanvar(x, ddof)),
        ignore_nan=True,
    )


def logsumexp(
    a: Any,
    axis: Any = None,
    b: Any = None,
    keepdims: bool = False,
    return_sign: bool = False,
    *,
    workers: Any = None,
) -> Any:
    """Return ``log(sum(b * exp(a)))``; -Inf for no elements.

    `b` has factors, broadcast against `a`; 1 by default.  Of a negative sum the result is NaN, or
    with `return_sign` the logarithm of its magnitude, and the sign beside it.  Other arguments as
    for `sum`; the result of integers is float64.
    """
    if b is None and not return_sign:
        return _moment("logsumexp", a, axis, None, None, keepdims, _logsumexp, ignore_nan=False)
    values, factors = buffers.read(a), buffers.read(1.0 if b is None else b)
    shape = buffers.common_shape(values.shape, factors.shape)
    axes = buffers.normalized(axis, len(shape))
    lines = zip(
        buffers.slices(buffers.Values(buffers.broadcast(values, shape), shape, "float64"), axes),
        buffers.slices(buffers.Values(buffers.broadcast(factors, shape), shape, "float64"), axes),
        strict=True,
    )
    pairs = [_signed_logsumexp(x, y) for x, y in lines]
    left = buffers.reduced_shape(shape, axes, keepdims)
    if return_sign:
        return tuple(buffers.nested(list(part), left) for part in zip(*pairs, strict=True))
    return buffers.nested([math.nan if sign < 0 else log for log, sign in pairs], left)


def _total(
    a: Any,
    axis: Any,
    dtype: Any,
    out: Any,
    keepdims: bool,
    *,
    ignore_nan: bool,
    power: int = 1,
) -> Any:
    values = buffers.read(a)
    axes = buffers.normalized(axis, len(values.shape))
    if dtype is not None:
        dtype = dtypes.named(dtype)
    elif dtypes.kind(values.dtype) == "float":
        dtype = values.dtype
    else:
        dtype = "uint64" if dtypes.kind(values.dtype) == "uint" else "int64"
    if ignore_nan and dtypes.kind(dtype) != "float":
        # A NaN has to go before it is made an integer; 0 adds nothing.
        values = buffers.Values(
            [x if x == x else 0 for x in values.flat], values.shape, values.dtype
        )
    values = values.astype(dtype)
    results = []
    for x in buffers.slices(values, axes):
        if dtypes.kind(dtype) == "float":
            numbers = _without_nan(x) if ignore_nan else x
            total: Any = exact_sum(numbers if power == 1 else [v * v for v in numbers])
        else:
            total = 0
            for element in x:
                total += element**power
        results.append(dtypes.converted(total, dtype))
    shape = buffers.reduced_shape(values.shape, axes, keepdims)
    return buffers.deliver(results, shape, dtype, out)


def _moment(
    name: str,
    a: Any,
    axis: Any,
    dtype: Any,
    out: Any,
    keepdims: bool,
    moment: Callable[[list[float]], float],
    *,
    ignore_nan: bool,
) -> Any:
    values = buffers.read(a)
    axes = buffers.normalized(axis, len(values.shape))
    if dtype is not None:
        dtype = dtypes.named(dtype)
        if dtypes.kind(dtype) != "float":
            raise TypeError(f"{name}: dtype {dtype} is not supported for the result")
    else:
        dtype = values.dtype if dtypes.kind(values.dtype) == "float" else "float64"
    values = values.astype(dtype)
    results = []
    for x in buffers.slices(values, axes):
        results.append(dtypes.rounded(moment(_without_nan(x) if ignore_nan else x), dtype))
    shape = buffers.reduced_shape(values.shape, axes, keepdims)
    return buffers.deliver(results, shape, dtype, out)


def _without_nan(x: list[Any]) -> list[Any]:
    return [element for element in x if element == element]


def exact_sum(x: Sequence[float]) -> float:
    """Return the sum of floats, exact before it is rounded."""
    try:
        return math.fsum(x)
    except (ValueError, OverflowError):
        # Inf - Inf, or beyond the greatest double on the way: a plain loop gives NaN or Inf.
        total = 0.0
        for element in x:
            total += element
        return total


def _mean(x: list[float]) -> float:
    if not x:
        _warn("Mean of empty slice", 5)
        return math.nan
    return exact_sum(x) / len(x)


def _logsumexp(x: list[float]) -> float:
    if any(element != element for element in x):
        return math.nan
    greatest = max(x, default=-math.inf)
    if math.isinf(greatest):
        return greatest
    # No term is greater than 1.
    return greatest + math.log(math.fsum([math.exp(element - greatest) for element in x]))


def _signed_logsumexp(x: list[float], factors: list[float]) -> tuple[float, float]:
    """Return the logarithm of the magnitude of a sum, and the sum's sign."""
    if any(v != v for v in (*x, *factors)):
        return math.nan, math.nan
    greatest = max((v for v, factor in zip(x, factors, strict=True) if factor), default=-math.inf)
    if greatest == -math.inf:
        return -math.inf, 0.0
    total = exact_sum([f * math.exp(v - greatest) for v, f in zip(x, factors, strict=True) if f])
    if total == 0:
        return -math.inf, 0.0
    return greatest + math.log(abs(total)), math.copysign(1.0, total)


def _squared_deviations(x: list[float]) -> float:
    center = exact_sum(x) / len(x)
    return exact_sum([(element - center) * (element - center) for element in x])


def _var(x: list[float], ddof: float) -> float:
    if not len(x) - ddof <= 0:  # a `ddof` of NaN makes the result NaN, without a warning
        # A negative ddof gives even no elements a degree of freedom.
        return _squared_deviations(x) / (len(x) - ddof) if x else 0.0
    _warn("Degrees of freedom <= 0 for slice", 6)
    # Divided by 0, as NumPy does, also where n - ddof < 0.
    return math.inf if x and _squared_deviations(x) > 0 else math.nan


def _nanvar(x: list[float], ddof: float) -> float:
    if not len(x) - ddof <= 0:
        return _var(x, ddof)
    _warn("Degrees of freedom <= 0 for slice", 6)
    return math.nan


def _warn(text: str, stacklevel: int) -> None:
    # The level is that of the public function's caller.
    warnings.warn(text, RuntimeWarning, stacklevel=stacklevel)
