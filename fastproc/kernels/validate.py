"""Layer: kernels.  What the kernels accept, what they convert, and every message that refuses.

The compiled dtypes are float64, float32, int64 and int32.  Another dtype is converted to one of
them in which the kernel gives NumPy's result, and the result is converted back; where there is
none (complex, long double, dates, strings, objects) the call is refused with TypeError.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Restore = Callable[[Array], Any]

_COMPILED = tuple(np.dtype(name) for name in ("float64", "float32", "int64", "int32"))
_SIGN_BIT = np.uint64(1 << 63)


def as_array(name: str, a: Any) -> Array:
    """Return `a` as a plain ndarray in the machine's byte order, of a dtype with numbers."""
    if is_masked(a):
        raise TypeError(
            f"{name}: masked arrays are not supported; pass a.compressed(), or "
            f"a.filled(np.nan) to a nan variant"
        )
    array = np.asarray(a)
    if array.dtype.kind not in "bifu" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{name}: dtype {array.dtype} is not supported; "
            f"pass real numbers of at most 64 bits, e.g. a.astype(float)"
        )
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def is_masked(a: Any) -> bool:
    """Tell whether `a` is a masked array, without loading numpy.ma for the question."""
    ma = sys.modules.get("numpy.ma")
    return ma is not None and isinstance(a, ma.MaskedArray)


def reducible(
    name: str, a: Any, dtype: npt.DTypeLike | None = None
) -> tuple[Array, Restore | None]:
    """Return `a` in a compiled dtype, and what turns results into those NumPy would give."""
    array = as_array(name, a)
    family = name.removeprefix("nan")
    if dtype is not None:
        wanted = np.dtype(dtype).newbyteorder("=")
        if wanted.kind not in ("f" if family in ("mean", "var", "std") else "bifu"):
            raise TypeError(f"{name}: dtype {wanted} is not supported for the result")
        if wanted.itemsize > 8:
            raise TypeError(f"{name}: dtype {wanted} is not supported; at most 64 bits are")
        array = array.astype(wanted, copy=False)
    convert, restore = _conversion(family, array.dtype, dtype is not None)
    return convert(array), restore


@functools.cache
def _conversion(
    family: str, dtype: np.dtype[Any], is_result: bool
) -> tuple[Callable[[Array], Array], Restore | None]:
    """Return how an array gets a compiled dtype, and how the result gets the one it should have.

    `is_result` says that the caller asked for a result of this very dtype.
    """
    kind, size = dtype.kind, dtype.itemsize
    is_mean, is_arg = family in ("mean", "var", "std"), "arg" in family
    if dtype in _COMPILED:
        # int64 has two C types where long is 64 bits wide; either has compiled kernels.
        restored = is_result and not is_mean and size < 8
        return _as_dtype(dtype), _as_dtype(dtype) if restored else None
    if kind == "f":  # float16
        return _as_dtype(np.float32), None if is_arg else _as_dtype(np.float16)
    if is_mean:
        return _as_dtype(np.int32 if size < 4 else np.int64 if size == 4 else np.float64), None
    if family == "sum":
        # Sums modulo 2**64 have the same bits with and without a sign.
        wide = _as_dtype(np.uint64 if kind == "u" else np.int64)
        return lambda array: wide(array).view(np.int64), _as_dtype(dtype) if is_result else wide
    if dtype == np.uint64:
        # Flipping the highest bit maps uint64 to int64 and keeps the order.
        return (
            lambda array: np.asarray(array ^ _SIGN_BIT).view(np.int64),
            None if is_arg else _flip_sign_bit,
        )
    wider = np.int32 if size < 4 else np.int64
    return _as_dtype(wider), None if is_arg else _as_dtype(dtype)


def _as_dtype(dtype: npt.DTypeLike) -> Restore:
    # With a dtype, not a type, `astype` need not look the dtype up.
    wanted = np.dtype(dtype)
    return lambda result: result.astype(wanted, copy=False)


def _flip_sign_bit(result: Array) -> Any:
    return result.view(np.uint64) ^ _SIGN_BIT


def no_identity(name: str) -> str:
    """Return what NumPy says of an extreme of no elements."""
    family = name.removeprefix("nan")
    if family.startswith("arg"):
        return f"attempt to get {family} of an empty sequence"
    ufunc = {"min": "minimum", "max": "maximum", "minmax": "minimum"}[family]
    return f"zero-size array to reduction operation {ufunc} which has no identity"


def check_out(name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse an `out` into which a result of this shape and dtype cannot go."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name}: out must be an array, not {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"{name}: out has shape {out.shape}; the result has shape {shape}")
    if not np.can_cast(dtype, out.dtype, casting="same_kind"):
        raise TypeError(
            f"{name}: out has dtype {out.dtype}, which cannot hold the result's {dtype} by the "
            f"casting rule 'same_kind'"
        )
    if not out.flags.writeable:
        raise ValueError(f"{name}: out is read-only")


def store(name: str, results: tuple[Any, ...], outs: tuple[Array | None, ...]) -> tuple[Any, ...]:
    """Copy a reduction's results into the caller's arrays and return these; None stands for none.

    All arrays are checked before the first is written.
    """
    given = [(result, out) for result, out in zip(results, outs, strict=True) if out is not None]
    for result, out in given:
        check_out(name, out, np.shape(result), np.asarray(result).dtype)
        if "arg" in name and out.dtype.kind != "i":
            raise TypeError(
                f"{name}: out has dtype {out.dtype}, which cannot hold indices as they are; "
                f"pass signed integers, such as np.intp"
            )
    if len(given) == 2 and np.shares_memory(outs[0], outs[1]):
        raise ValueError(f"{name}: the two arrays of out share memory; pass two that do not")
    for result, out in given:
        np.copyto(out, result, casting="same_kind")
    return tuple(result if out is None else out for result, out in zip(results, outs, strict=True))


def flag(name: str, argument: str, value: Any) -> bool:
    """Return a flag that is True or False, or a number that stands for one."""
    if not isinstance(value, int | np.integer | np.bool_):
        raise TypeError(f"{name}: {argument} must be True or False, not {value!r}")
    return bool(value)


def elementwise_dtypes(name: str, *operands: Any) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """Return the dtype that NumPy would give, and the compiled one to compute it in."""
    common = np.result_type(*operands)
    if common.kind == "b":
        if name not in ("square", "cube"):
            raise TypeError(f"{name}: bool is not supported; use np.logical_not or np.logical_or")
        common = np.dtype(np.int8)  # as np.square has it
    if common.kind == "f":
        return common, common if common.itemsize == 8 else np.dtype(np.float32)
    # Arithmetic modulo 2**32 or 2**64 holds that of every narrower integer, signed or not.
    return common, np.dtype(np.int64 if common.itemsize == 8 else np.int32)


def as_weights(name: str, weights: Any) -> Array:
    """Return weights as contiguous float64."""
    if np.asarray(weights).dtype.kind == "c":
        raise TypeError(
            f"{name}: weights of dtype {np.asarray(weights).dtype} are not supported; pass "
            f"weights.real and weights.imag, one after the other"
        )
    return as_array(name, weights).astype(np.float64, order="C", copy=False)
