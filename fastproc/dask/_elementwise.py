"""Layer: bridges.  Elementwise kernels of Dask arrays: each block by itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from dask.array import Array
from dask.array.core import elemwise

from fastproc import parallel
from fastproc.dask.chunks import as_dask, tried
from fastproc.dask.face import P, like

_NOTES = "Each block by itself: the result is exactly that of `fastproc.{}`."


def _elementwise(kernel: Callable[P, Any], example: str) -> Callable[P, Array]:
    """Return a kernel whose arguments are all operands, which are broadcast."""

    @like(kernel, _NOTES.format(kernel.__name__), example)
    def lazy(workers: int, **operands: Any) -> Array:
        return _of_blocks(kernel, list(operands.values()), workers)

    return lazy


def _of_blocks(kernel: Callable[..., Any], operands: list[Any], workers: int) -> Array:
    # Numbers stay as they are, since their types count for less in the choice of the dtype.
    is_number = [each is None or np.ndim(each) == 0 for each in operands]
    operands = [
        each if number and not isinstance(each, Array) else as_dask(each)
        for each, number in zip(operands, is_number, strict=True)
    ]
    if not any(isinstance(each, Array) for each in operands):
        operands[-1] = as_dask(operands[-1])
    dtype = np.asarray(tried(kernel, *operands)).dtype
    return elemwise(functools.partial(kernel, workers=workers), *operands, dtype=dtype)


square = _elementwise(parallel.square, "fd.square(x).compute().tolist()\n[9.0, 1.0, 4.0, 25.0]")
cube = _elementwise(parallel.cube, "fd.cube(x).compute().tolist()\n[27.0, 1.0, 8.0, 125.0]")
negative = _elementwise(
    parallel.negative, "fd.negative(x).compute().tolist()\n[-3.0, -1.0, -2.0, -5.0]"
)
add = _elementwise(parallel.add, "fd.add(x, 1).compute().tolist()\n[4.0, 2.0, 3.0, 6.0]")
axpy = _elementwise(parallel.axpy, "fd.axpy(2, x, x).compute().tolist()\n[9.0, 3.0, 6.0, 15.0]")
sigmoid = _elementwise(parallel.sigmoid, "float(fd.sigmoid(x - 3.0)[0].compute())\n0.5")


@like(
    parallel.polyval,
    _NOTES.format("polyval"),
    "fd.polyval([1, 0, 1], x).compute().tolist()\n[10.0, 2.0, 5.0, 26.0]",
)
def polyval(p: Any, x: Any, workers: int) -> Array:
    """Evaluate each block; the coefficients go with it."""
    if isinstance(p, Array):
        raise TypeError("polyval: p must be coefficients in memory, not a Dask array")
    points = as_dask(x)
    coefficients = np.asarray(p)
    dtype = np.asarray(tried(parallel.polyval, coefficients, points)).dtype
    kernel = functools.partial(parallel.polyval, coefficients, workers=workers)
    return elemwise(kernel, points, dtype=dtype)


@like(
    parallel.clip,
    _NOTES.format("clip"),
    "fd.clip(x, 2, 4).compute().tolist()\n[3.0, 2.0, 2.0, 4.0]",
)
def clip(a: Any, a_min: Any, a_max: Any, workers: int) -> Array:
    """Clip each block; the bounds may be arrays."""
    return _of_blocks(parallel.clip, [as_dask(a), a_min, a_max], workers)


@like(
    parallel.replace,
    "Refused, as a Dask array cannot be changed: ``dask.array.where`` makes another one.",
    "da.where(x == 5.0, 0.0, x).compute().tolist()\n[3.0, 1.0, 2.0, 0.0]",
    "Nothing; it always raises NotImplementedError.",
)
def replace(a: Any, old: Any, new: Any, workers: int) -> NoReturn:
    """Say what to do instead."""
    raise NotImplementedError(
        "replace: a Dask array cannot be changed in place; use dask.array.where(a == old, new, a), "
        "or dask.array.where(dask.array.isnan(a), new, a) for NaN"
    )
