"""Layer: kernels.  The twins of the elementwise kernels: square, cube, negative, add.

Every operation is rounded (floats) or wrapped (integers) to the dtype of the result.
"""

from __future__ import annotations

from collections.abc import Callable
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
    first, second = _operand(x1, x2), _operand(x2, x1)
    dtype = _common_dtype(x1, first, x2, second)
    if dtype == "bool":
        raise TypeError("add: bool is not supported; use np.logical_not or np.logical_or")
    shape = buffers.common_shape(first.shape, second.shape)
    first, second = first.astype(dtype), second.astype(dtype)
    held = _holder(dtype)
    pairs = zip(buffers.broadcast(first, shape), buffers.broadcast(second, shape), strict=True)
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
