"""Layer: kernels.  What the kernels accept, what they convert, and every message that refuses.

The compiled dtypes are float64, float32, int64 and int32.  Another dtype is converted to one of
them in which the kernel gives NumPy's result, and the result is converted back; where there is
none (complex, long double, dates, strings, objects) the call is refused with TypeError.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Restore = Callable[[Array], Any]

_COMPILED = tuple(np.dtype(name) for name in ("float64", "float32", "int64", "int32"))

#: The reductions that answer True or False.
CHECKS = ("anynan", "allnan", "all_finite")

# What is a float for integers too.
_MEANS = ("mean", "var", "std", "logsumexp", "median", "quantile", "percentile")
_SIGN_BIT = np.uint64(1 << 63)

# The protocols by which NumPy makes an array of an object; it does not ask for DLPack by itself.
_NUMPYS_PROTOCOLS = ("__array__", "__array_interface__", "__array_struct__")


def asarray(name: str, a: Any) -> Array:
    """Return `a` as ``np.asarray`` does; of what has no protocol but DLPack, a view by that."""
    if (
        isinstance(a, np.ndarray)
        or not hasattr(a, "__dlpack__")
        or any(hasattr(a, protocol) for protocol in _NUMPYS_PROTOCOLS)
    ):
        return np.asarray(a)
    try:
        return np.from_dlpack(a)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as error:
        raise TypeError(
            f"{name}: {type(a).__name__} cannot be read through DLPack ({error}); pass real "
            f"numbers in main memory"
        ) from error


def as_array(name: str, a: Any) -> Array:
    """Return `a` as a plain ndarray in the machine's byte order, of a dtype with numbers."""
    if is_masked(a):
        raise TypeError(
            f"{name}: masked arrays are not supported; pass a.compressed(), or "
            f"a.filled(np.nan) to a nan variant"
        )
    array = asarray(name, a)
    if array.dtype.kind not in "bifu" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{name}: dtype {array.dtype} is not supported; "
            f"pass real numbers of at most 64 bits, e.g. a.astype(float)"
        )
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def contiguous(array: Array, dtype: npt.DTypeLike | None = None) -> Array:
    """Return an array in C order whose elements lie at addresses that compiled loops may read.

    Elements can lie one behind another and yet be unaligned, as those of ``np.frombuffer(data,
    offset=1)`` do, which NumPy's own ways to make an array contiguous leave where they are.
    """
    made = np.asarray(array, dtype, order="C")
    return made if made.flags.aligned else made.copy()


def is_masked(a: Any) -> bool:
    """Tell whether `a` is a masked array, without loading numpy.ma for the question."""
    # A module that another thread is just importing has no class yet, of which `a` could be.
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", None)
    return masked is not None and isinstance(a, masked)


def reducible(
    name: str, a: Any, dtype: npt.DTypeLike | None = None
) -> tuple[Array, Restore | None]:
    """Return `a` in a compiled dtype, and what turns results into those NumPy would give."""
    array = as_array(name, a)
    family = name.removeprefix("nan")
    if dtype is not None:
        wanted = np.dtype(dtype).newbyteorder("=")
        if wanted.kind not in ("f" if family in _MEANS else "bifu"):
            raise TypeError(f"{name}: dtype {wanted} is not supported for the result")
        if wanted.itemsize > 8:
            raise TypeError(f"{name}: dtype {wanted} is not supported; at most 64 bits are")
        array = array.astype(wanted, copy=False)
    convert, restore = _conversion(family, array.dtype, dtype is not None)
    return convert(array), restore


#: What converts a scan's elements, and restores its results, as a reduction's: by its name.
_LIKE = {
    "cumsum": "sum",
    "cumprod": "sum",
    "nancumsum": "sum",
    "nancumprod": "sum",
    "cummax": "max",
    "cummin": "min",
    "ewma": "mean",
    "push": "min",
}


def scannable(
    name: str, a: Any, dtype: npt.DTypeLike | None = None
) -> tuple[Array, Restore | None]:
    """Return `a` in a compiled dtype, and what turns results into those NumPy would give."""
    array = as_array(name, a)
    if dtype is not None:
        wanted = np.dtype(dtype).newbyteorder("=")
        if wanted.kind not in "bifu" or wanted.itemsize > 8:
            raise TypeError(
                f"{name}: dtype {wanted} is not supported for the result; real numbers of at "
                f"most 64 bits are"
            )
        array = array.astype(wanted, copy=False)
    convert, restore = _conversion(_LIKE[name], array.dtype, dtype is not None)
    return convert(array), restore


@functools.cache
def _conversion(
    family: str, dtype: np.dtype[Any], is_result: bool
) -> tuple[Callable[[Array], Array], Restore | None]:
    """Return how an array gets a compiled dtype, and how the result gets the one it should have.

    `is_result` says that the caller asked for a result of this very dtype.
    """
    kind, size = dtype.kind, dtype.itemsize
    is_mean = family in _MEANS
    is_arg = "arg" in family or family in CHECKS
    if dtype in _COMPILED:
        # int64 has two C types where long is 64 bits wide; either has compiled kernels.
        restored = is_result and not is_mean and size < 8
        return _as_dtype(dtype), _as_dtype(dtype) if restored else None
    if kind == "f":  # float16
        return _as_dtype(np.float32), None if is_arg else _as_dtype(np.float16)
    if is_mean:
        return _as_dtype(np.int32 if size < 4 else np.int64 if size == 4 else np.float64), None
    if family in ("sum", "ss"):
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
    if name == "sigmoid" and common.kind != "f":
        common = np.dtype(np.float64)
    if common.kind == "b":
        if name not in ("square", "cube"):
            raise TypeError(f"{name}: bool is not supported; use np.logical_not or np.logical_or")
        common = np.dtype(np.int8)  # as np.square has it
    if common.kind == "f":
        return common, common if common.itemsize == 8 else np.dtype(np.float32)
    # Arithmetic modulo 2**32 or 2**64 holds that of every narrower integer, signed or not.
    return common, np.dtype(np.int64 if common.itemsize == 8 else np.int32)


#: The names of the numbers that kernels take besides their operands.
_NUMBERS = {"clip": ("a_min", "a_max"), "replace": ("old", "new"), "axpy": ("alpha",)}


def dtype_givers(name: str, numbers: Any) -> list[Any]:
    """Return what a kernel's parameters say in the choice of its dtype."""
    if numbers is None:
        return []
    if not isinstance(numbers, tuple):
        return [numbers]
    return [
        number if type(number) in (int, float) else _as_number(name, argument, number)
        for argument, number in zip(_NUMBERS[name], numbers, strict=True)
        if number is not None
    ]


def _as_number(name: str, argument: str, value: Any) -> Array:
    array = as_array(name, value)
    if array.ndim > 0:
        raise TypeError(f"{name}: {argument} must be a number, not an array of shape {array.shape}")
    return array


def parameters(numbers: Any, dtype: np.dtype[Any]) -> Any:
    """Return a kernel's parameters, in whose place None is a bound that bounds nothing.

    They are not converted yet: NumPy warns of one that the dtype does not hold, and the caller, who
    is compiled and has no frame, is taken for the user's line.
    """
    if numbers is None:
        return ()
    if not isinstance(numbers, tuple):
        return numbers
    if dtype.kind == "f":
        bounds: tuple[Any, ...] = (-np.inf, np.inf)
    else:
        bounds = (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return [bounds[i] if number is None else number for i, number in enumerate(numbers)]


def coefficients(p: Any, x: Any) -> Array:
    """Return the coefficients of a polynomial; for none, the zero that NumPy has as its value."""
    array = p if type(p) is np.ndarray and p.dtype in _COMPILED else as_array("polyval", p)
    if array.ndim != 1:
        raise ValueError(f"polyval: p must have one axis, not shape {array.shape}")
    if array.size == 0:
        return np.zeros(1, as_array("polyval", x).dtype)
    return contiguous(array)


def is_clipped_by_numpy(a: Any, a_min: Any, a_max: Any) -> bool:
    """Tell whether NumPy clips: with bounds that are arrays, and for dtypes not compiled.

    It has loops of its own for every dtype, where the kernel would have to convert.
    """
    dtype = as_array("clip", a).dtype
    for bound in (a_min, a_max):
        if bound is not None and as_array("clip", bound).ndim > 0:
            return True
    return dtype not in _COMPILED


def check_in_place(name: str, a: Any) -> None:
    """Refuse what is no array of numbers that can be changed in place."""
    if not isinstance(a, np.ndarray):
        raise TypeError(
            f"{name}: a must be an array, since it is changed in place, not {type(a).__name__}"
        )
    if is_masked(a) or a.dtype not in _COMPILED:
        as_array(name, a)
    if not a.flags.writeable:
        raise ValueError(f"{name}: a is read-only")


def replacement(dtype: np.dtype[Any], old: Any, new: Any) -> Array:
    """Return what is replaced and by what, in the array's dtype; ValueError if it has no such."""
    values = []
    for argument, value in (("old", old), ("new", new)):
        number = _as_number("replace", argument, value)
        if dtype.kind != "f" and not _is_held(number, dtype):
            raise ValueError(f"replace: {argument} is {value!r}, which {dtype} cannot hold")
        values.append(number.astype(dtype))
    return np.array(values, dtype)


def _is_held(number: Array, dtype: np.dtype[Any]) -> bool:
    value = number.item()
    if value != value or value in (np.inf, -np.inf) or value != int(value):
        return False
    if dtype.kind == "b":
        return value in (0, 1)
    limits = np.iinfo(dtype)
    return bool(limits.min <= value <= limits.max)


def as_floats(name: str, a: Any) -> tuple[Array, np.dtype[Any]]:
    """Return `a` as float64 or float32, and the dtype of the result: float64 for integers."""
    array = as_array(name, a)
    dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
    return array.astype(np.float32 if dtype.itemsize < 8 else np.float64, copy=False), dtype


def axes(axis: Any, n_dims: int) -> tuple[int, ...]:
    """Return the axes that `axis` names; AxisError, ValueError and TypeError as NumPy's."""
    if axis is None:
        return tuple(range(n_dims))
    named: list[int] = []
    for each in axis if isinstance(axis, tuple) else (axis,):
        number = operator.index(each)
        if not -n_dims <= number < n_dims:
            raise np.exceptions.AxisError(number, n_dims)
        if number % n_dims in named:
            raise ValueError("duplicate value in 'axis'")
        named.append(number % n_dims)
    return tuple(named)


def as_weights(name: str, weights: Any) -> Array:
    """Return weights as contiguous float64."""
    dtype = asarray(name, weights).dtype
    if dtype.kind == "c":
        raise TypeError(
            f"{name}: weights of dtype {dtype} are not supported; pass "
            f"weights.real and weights.imag, one after the other"
        )
    return contiguous(as_array(name, weights), np.float64)
