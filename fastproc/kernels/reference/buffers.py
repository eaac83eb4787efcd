"""Layer: kernels.  What the twins read and write, and how they walk along axes.

Input is anything with the buffer protocol, or nested sequences of numbers.  It is read whole, as a
flat list in C order; results go out as scalars and nested lists, or into a writable buffer.
"""

from __future__ import annotations

import itertools
import math
import operator
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastproc.kernels.reference import dtypes


class AxisError(ValueError, IndexError):
    """An axis that the array does not have; the twin of ``numpy.exceptions.AxisError``."""

    def __init__(self, axis: int, n_dims: int) -> None:
        super().__init__(f"axis {axis} is out of bounds for array of dimension {n_dims}")


@dataclass(frozen=True, slots=True)
class Values:
    """An array as the twins see it: its values in C order, its shape, its dtype."""

    flat: list[Any]
    shape: tuple[int, ...]
    dtype: str

    def astype(self, dtype: str) -> Values:
        """Return the values converted to a dtype."""
        if dtype == self.dtype:
            return self
        return Values([dtypes.converted(x, dtype) for x in self.flat], self.shape, dtype)


def read(a: Any) -> Values:
    """Return the values of a buffer, a number or nested sequences of these; Values as they are.

    Raises
    ------
    TypeError
        If there is something else than real numbers of at most 64 bits.
    ValueError
        If the sequences are ragged.
    """
    if isinstance(a, Values):
        return a
    if isinstance(a, (str, bytes)):
        raise TypeError(f"{type(a).__name__} is not supported, only real numbers")
    if hasattr(a, "mask"):
        # The buffer of a masked array says nothing of the mask.
        raise TypeError("masked arrays are not supported")
    try:
        view = memoryview(a)
    except TypeError:
        pass
    except (ValueError, BufferError) as error:  # e.g. dates, which have no buffer format
        raise TypeError(f"{type(a).__name__} without numbers in its buffer: {error}") from None
    else:
        return _read_buffer(view)
    if isinstance(a, (bool, int, float)):
        return Values([a], (), _dtype_of_number(a))
    if isinstance(a, Sequence):
        return _read_sequence(a)
    raise TypeError(f"{type(a).__name__} is not supported, only real numbers")


def _read_buffer(view: memoryview) -> Values:
    # By struct instead of view.tolist(), which knows neither foreign byte orders nor, before
    # Python 3.12, float16.  "^" is PEP 3118's native without alignment.
    code = view.format.lstrip("@=<>!^")
    dtype = dtypes.of_format(code, view.itemsize)
    order = view.format[0] if view.format[0] in "<>!" else "="
    shape = tuple(view.shape or ())
    layout = f"{order}{math.prod(shape)}{dtypes.CODES[dtype]}"
    return Values(list(struct.unpack(layout, view.tobytes())), shape, dtype)


def _dtype_of_number(number: float) -> str:
    if isinstance(number, bool):
        return "bool"
    if isinstance(number, float):
        return "float64"
    if -(2**63) <= number < 2**63:
        return "int64"
    if 0 < number < 2**64:
        return "uint64"
    raise TypeError(f"the integer {number} has more than 64 bits")


def _read_sequence(sequence: Sequence[Any]) -> Values:
    items = [read(item) for item in sequence]
    if not items:
        return Values([], (0,), "float64")
    shape = items[0].shape
    if any(item.shape != shape for item in items):
        raise ValueError(f"ragged sequences: not all {len(items)} elements have shape {shape}")
    dtype = items[0].dtype
    for item in items:
        dtype = dtypes.promote(dtype, item.dtype)
    flat = [x for item in items for x in item.astype(dtype).flat]
    return Values(flat, (len(items), *shape), dtype)


def nested(flat: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """Return values in C order as nested lists of this shape; the value itself for no axes."""
    if not shape:
        return flat[0]
    step = math.prod(shape[1:])
    return [nested(flat[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]


def deliver(flat: list[Any], shape: tuple[int, ...], dtype: str, out: Any) -> Any:
    """Return a result: as nested lists, or in `out` if that is not None.

    Raises
    ------
    TypeError
        If `out` has no buffer, or one to which the dtype cannot be cast by 'same_kind'.
    ValueError
        If `out` is read-only or has another shape.
    """
    if out is None:
        return nested(flat, shape)
    try:
        view = memoryview(out)
    except TypeError:
        raise TypeError(f"out must be a writable buffer, not {type(out).__name__}") from None
    if view.shape != shape:
        raise ValueError(f"out has shape {view.shape}; the result has shape {shape}")
    out_dtype = dtypes.of_format(view.format.lstrip("@=<>!^"), view.itemsize)
    if not dtypes.can_cast(dtype, out_dtype):
        raise TypeError(
            f"out has dtype {out_dtype}, which cannot hold the result's {dtype} by the casting "
            f"rule 'same_kind'"
        )
    if view.readonly:
        raise ValueError("out is read-only")
    for index, value in zip(indices(shape), flat, strict=True):
        view[index] = dtypes.converted(value, out_dtype)
    return out


def indices(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Return every index of an array of this shape, in C order."""
    return itertools.product(*map(range, shape))


def normalized(axis: Any, n_dims: int) -> tuple[int, ...]:
    """Return the `axis` argument of a reduction as axes in ascending order, none negative."""
    if axis is None:
        return tuple(range(n_dims))
    axes = []
    for each in axis if isinstance(axis, tuple) else (axis,):
        number = operator.index(each)
        if not -n_dims <= number < n_dims:
            raise AxisError(number, n_dims)
        axes.append(number % n_dims)
    if len(set(axes)) < len(axes):
        raise ValueError("duplicate value in 'axis'")
    return tuple(sorted(axes))


def reduced_shape(shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """Return the shape that is left of `shape` when these axes are reduced."""
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def slices(values: Values, axes: tuple[int, ...]) -> Iterator[list[Any]]:
    """Yield, for each element of the result, the values that are reduced to it, in C order."""
    kept = tuple(i for i in range(len(values.shape)) if i not in axes)
    within = _offsets(values.shape, axes)
    if len(within) == len(values.flat) > 0:
        yield values.flat
        return
    for start in _offsets(values.shape, kept):
        yield [values.flat[start + offset] for offset in within]


def _offsets(shape: tuple[int, ...], axes: tuple[int, ...]) -> list[int]:
    """Return the places in C order of the elements with index 0 in all but these axes."""
    steps = [math.prod(shape[axis + 1 :]) for axis in axes]
    return [
        sum(map(operator.mul, index, steps)) for index in indices(tuple(shape[a] for a in axes))
    ]


def broadcast(values: Values, shape: tuple[int, ...]) -> list[Any]:
    """Return the values in C order, repeated along axes until they have this shape."""
    if values.shape == shape:
        return values.flat
    padded = (1,) * (len(shape) - len(values.shape)) + values.shape
    steps = [0 if n == 1 else math.prod(padded[axis + 1 :]) for axis, n in enumerate(padded)]
    return [values.flat[sum(map(operator.mul, index, steps))] for index in indices(shape)]


def common_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape to which the two are broadcast."""
    shape = []
    for m, n in itertools.zip_longest(reversed(a), reversed(b), fillvalue=1):
        if m != n and 1 not in (m, n):
            raise ValueError(f"operands could not be broadcast together with shapes {a} {b}")
        shape.append(n if m == 1 else m)
    return tuple(reversed(shape))
