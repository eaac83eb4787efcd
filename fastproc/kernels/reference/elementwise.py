"""Layer: kernels.  The twins of the elementwise kernels, from square to replace.

Every operation is rounded (floats) or wrapped (integers) to the dtype of the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from fastproc.kernels.reference import buffers, dtypes


def square(x: Any, out: Any = None, *, workers: Any = None) -> Any:
    """Return ``x * x``, element by element.

    Parameters
    ----------
    x : buffer or nested sequences
        Real numbers.
    out : writable buffer, optional
        Where to put the result.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    nested lists, scalar or `out`
        int8 for bools, else of the input's dtype.
    """
    return _unary(x, out, lambda value, held: held(value * value))


def cube(x: Any, out: Any = None, *, workers: Any = None) -> Any:
    """Return ``x * x * x``, element by element: two multiplications, each rounded."""
    return _unary(x, out, lambda value, held: held(held(value * value) * value))


def negative(x: Any, out: Any = None, *, workers: Any = None) -> Any:
    """Return ``-x``, element by element; the least integer stays what it is."""
    values = buffers.read(x)
    if values.dtype == "bool":
        raise TypeError("negative: bool is not supported; use np.logical_not or np.logical_or")
    return _unary(values, out, lambda value, held: held(-value))


def add(x1: Any, x2: Any, out: Any = None, *, workers: Any = None) -> Any:
    """Return ``x1 + x2``, element by element, broadcast against each other.

    A Python int or float beside an array takes the array's dtype, if that is of its kind.
    """
    return _sum("add", None, x1, x2, out)


def axpy(alpha: Any, x: Any, y: Any, out: Any = None, *, workers: Any = None) -> Any:
    """Return ``alpha * x + y``, element by element: the product rounded, then the sum.

    `alpha` is a number; of Python's own it decides the dtype by its kind alone, as in `add`.
    """
    return _sum("axpy", alpha, x, y, out)


def sigmoid(x: Any, out: Any = None, *, workers: Any = None) -> Any:
    """Return ``1 / (1 + exp(-x))``; float64 for integers and bools, else the input's dtype."""
    values = buffers.read(x)
    dtype = values.dtype if dtypes.kind(values.dtype) == "float" else "float64"
    held = _holder(dtype)
    return buffers.deliver([held(_sigmoid(v)) for v in values.flat], values.shape, dtype, out)


def _sigmoid(x: float) -> float:
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    # The same times exp(x) / exp(x): exp(-x) would overflow.
    return math.exp(x) / (1 + math.exp(x))


def polyval(p: Any, x: Any, out: Any = None, *, workers: Any = None) -> Any:
    """Return ``p[0] * x**(n-1) + ... + p[n-1]`` by Horner's scheme, each step rounded.

    0 for no coefficients, in the dtype of `x`.
    """
    values, coefficients = buffers.read(x), buffers.read(p)
    if len(coefficients.shape) != 1:
        raise ValueError(f"polyval: p must have one axis, not shape {coefficients.shape}")
    if not coefficients.flat:
        coefficients = buffers.Values([0], (1,), values.dtype)
    dtype = dtypes.promote(values.dtype, coefficients.dtype)
    if dtype == "bool":
        raise TypeError("polyval: bool is not supported; use np.logical_not or np.logical_or")
    held = _holder(dtype)
    first, *others = coefficients.astype(dtype).flat
    flat = []
    for value in values.astype(dtype).flat:
        y = first
        for coefficient in others:
            y = held(held(y * value) + coefficient)
        flat.append(y)
    return buffers.deliver(flat, values.shape, dtype, out)


def clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, workers: Any = None
) -> Any:
    """Return the elements, those below `a_min` or above `a_max` replaced by these numbers."""
    values = buffers.read(a)
    bounds = [bound for bound in (a_min, a_max) if bound is not None]
    dtype = _dtype_with(values.dtype, bounds)
    flat = values.astype(dtype).flat
    if any(bound != bound for bound in bounds):
        flat = [math.nan] * len(flat)
    if a_min is not None:
        least = dtypes.converted(a_min, dtype)
        flat = [least if value < least else value for value in flat]
    if a_max is not None:
        greatest = dtypes.converted(a_max, dtype)
        flat = [greatest if value > greatest else value for value in flat]
    return buffers.deliver(flat, values.shape, dtype, out)


def replace(a: Any, old: Any, new: Any, *, workers: Any = None) -> None:
    """Replace in place, in a writable buffer, what equals `old` by `new`; NaN is every NaN."""
    values = buffers.read(a)
    if dtypes.kind(values.dtype) != "float":
        for argument, value in (("old", old), ("new", new)):
            if not (math.isfinite(value) and dtypes.converted(value, values.dtype) == value):
                raise ValueError(
                    f"replace: {argument} is {value!r}, which {values.dtype} cannot hold"
                )
    old, new = dtypes.converted(old, values.dtype), dtypes.converted(new, values.dtype)
    flat = [new if v == old or (v != v and old != old) else v for v in values.flat]
    buffers.deliver(flat, values.shape, values.dtype, a)


def _sum(name: str, alpha: Any, x1: Any, x2: Any, out: Any) -> Any:
    first, second = _operand(x1, x2), _operand(x2, x1)
    dtype = _common_dtype(x1, first, x2, second)
    if alpha is not None:
        dtype = _dtype_with(dtype, [alpha])
    if dtype == "bool":
        raise TypeError(f"{name}: bool is not supported; use np.logical_not or np.logical_or")
    shape = buffers.common_shape(first.shape, second.shape)
    first, second = first.astype(dtype), second.astype(dtype)
    held = _holder(dtype)
    left: Iterable[Any] = buffers.broadcast(first, shape)
    if alpha is not None:
        factor = dtypes.converted(alpha, dtype)
        left = [held(factor * x) for x in left]
    pairs = zip(left, buffers.broadcast(second, shape), strict=True)
    return buffers.deliver([held(x + y) for x, y in pairs], shape, dtype, out)


def _unary(x: Any, out: Any, operation: Callable[[Any, Callable[[Any], Any]], Any]) -> Any:
    values = buffers.read(x)
    dtype = "int8" if values.dtype == "bool" else values.dtype
    held = _holder(dtype)
    flat = [operation(value, held) for value in values.flat]
    return buffers.deliver(flat, values.shape, dtype, out)


def _holder(dtype: str) -> Callable[[Any], Any]:
    """Return what makes of an exact result the one that the dtype holds."""
    if dtype == "float64":
        return float
    if dtypes.kind(dtype) == "float":
        # Rounded twice, to float64 before, it is still right: 53 bits are more than 2 * 24 + 2.
        return lambda value: dtypes.rounded(value, dtype)
    return lambda value: dtypes.wrapped(value, dtype)


def _dtype_with(dtype: str, numbers: list[Any]) -> str:
    """Return the dtype of an array of `dtype` and numbers, all of which it has to hold."""
    for number in numbers:
        if _is_weak(number):
            dtype = dtypes.promote_weak(dtype, type(number).__name__)
        else:
            dtype = dtypes.promote(dtype, buffers.read(number).dtype)
    for number in numbers:
        if (
            type(number) is int
            and dtypes.kind(dtype) in ("int", "uint")
            and (dtypes.wrapped(number, dtype) != number)
        ):
            raise OverflowError(f"Python integer {number} out of bounds for {dtype}")
    return dtype


def _is_weak(x: Any) -> bool:
    # Not isinstance: numpy.float64 is a float with a dtype of its own, and bool an int.
    return type(x) is int or type(x) is float


def _operand(x: Any, other: Any) -> buffers.Values:
    if type(x) is int and not _is_weak(other):
        # Of any size: whether it fits is asked once the dtype is known.
        return buffers.Values([x], (), "int64")
    return buffers.read(x)


def _common_dtype(x1: Any, first: buffers.Values, x2: Any, second: buffers.Values) -> str:
    if _is_weak(x1) == _is_weak(x2):
        return dtypes.promote(first.dtype, second.dtype)
    scalar, array = (x1, second) if _is_weak(x1) else (x2, first)
    dtype = dtypes.promote_weak(array.dtype, type(scalar).__name__)
    if dtypes.kind(dtype) in ("int", "uint") and dtypes.wrapped(scalar, dtype) != scalar:
        raise OverflowError(f"Python integer {scalar} out of bounds for {dtype}")
    return dtype
