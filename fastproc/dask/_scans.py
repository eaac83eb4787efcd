"""Layer: bridges.  Scans of Dask arrays: each block by itself, then with what the ones before it
leave.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.array import Array
from dask.array.reductions import cumreduction

from fastproc import parallel
from fastproc.dask.chunks import along_whole, as_dask, as_line, check_known, tried, without_empty
from fastproc.dask.face import P, like
from fastproc.kernels import validate

#: Puts what comes before a block together with the block's own scan.
Join = Callable[[npt.NDArray[Any], npt.NDArray[Any]], npt.NDArray[Any]]

_NOTES = """A block is scanned by itself, and then joined with the last elements of the block before
it. {}"""
_EXACT = "The result is exactly that of `fastproc.{}`."
_ROUNDED = """Numbers are added in another order than by `fastproc.{}`, so that the last bits may
differ; for integers they are the same."""
_MULTIPLIED = """Numbers are multiplied in another order than by `fastproc.{}`, so that the last
bits may differ, and a block by itself may over- or underflow; integers are the same."""


def _scan(
    kernel: Callable[P, Any], join: Join, first: Callable[[Any], Any], exactness: str
) -> Callable[P, Array]:
    """Return a scan.

    `first` tells, given a dtype, what comes before the first block.
    """
    name = kernel.__name__

    @like(
        kernel,
        _NOTES.format(exactness.format(name)),
        "bool((fd.{}(x).compute() == fp.{}(x.compute())).all())\nTrue",
    )
    def lazy(a: Any, axis: Any, workers: int, dtype: Any = None) -> Array:
        x = as_dask(a)
        options = {} if dtype is None else {"dtype": dtype}
        result = tried(kernel, x, axis, **options).dtype
        if axis is None:
            x, axis = as_line(name, x), 0
        (along,) = validate.axes(axis, x.ndim)
        check_known(name, x, (along,))
        x = without_empty(x, (along,))
        # The carry is kept as exactly as the kernel keeps it.
        inner = np.dtype(np.float64) if result.kind == "f" and "sum" in name else result
        scanned = cumreduction(
            functools.update_wrapper(functools.partial(_scanned, kernel, workers), kernel),
            join,
            first(inner),
            x if dtype is None else x.astype(result),
            along,
            inner,
        )
        return scanned.astype(result)

    return lazy


def _scanned(
    kernel: Callable[..., Any], workers: int, x: npt.NDArray[Any], axis: int, dtype: Any = None
) -> Any:
    if kernel.__name__ in ("cummax", "cummin"):
        return kernel(x, axis, workers=workers)
    return kernel(x, axis, dtype, workers=workers)


def _plus(before: npt.NDArray[Any], block: npt.NDArray[Any]) -> npt.NDArray[Any]:
    with np.errstate(all="ignore"):
        return np.asarray(np.add(before, block))


def _times(before: npt.NDArray[Any], block: npt.NDArray[Any]) -> npt.NDArray[Any]:
    with np.errstate(all="ignore"):
        return np.asarray(np.multiply(before, block))


def _greater(before: npt.NDArray[Any], block: npt.NDArray[Any]) -> npt.NDArray[Any]:
    # Of zeros with different signs the first is kept, and a NaN stays: as the kernel has it.
    return np.where((block > before) | (block != block), block, before)


def _less(before: npt.NDArray[Any], block: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.where((block < before) | (block != block), block, before)


def _least(dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return -np.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min


def _greatest(dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return np.inf
    return True if dtype.kind == "b" else np.iinfo(dtype).max


def _zero(dtype: np.dtype[Any]) -> int:
    return 0


def _unit(dtype: np.dtype[Any]) -> int:
    return 1


cumsum = _scan(parallel.cumsum, _plus, _zero, _ROUNDED)
cumprod = _scan(parallel.cumprod, _times, _unit, _MULTIPLIED)
nancumsum = _scan(parallel.nancumsum, _plus, _zero, _ROUNDED)
nancumprod = _scan(parallel.nancumprod, _times, _unit, _MULTIPLIED)
cummax = _scan(parallel.cummax, _greater, _least, _EXACT)
cummin = _scan(parallel.cummin, _less, _greatest, _EXACT)


@like(
    parallel.push,
    "Without `n` a block is filled by itself, and then from the last elements of the block before\n"
    "it; with `n` it is handed the `n` elements before it. The result is exactly that of\n"
    "`fastproc.push`.",
    "fd.push(da.where(x < 3.0, float('nan'), x)).compute().tolist()\n[3.0, 3.0, 3.0, 5.0]",
)
def push(a: Any, n: Any, axis: Any, workers: int) -> Array:
    """Fill blocks from those before them."""
    x = as_dask(a)
    dtype = tried(parallel.push, x, n, axis).dtype
    (along,) = validate.axes(axis, x.ndim)
    check_known("push", x, (along,))
    x = without_empty(x, (along,))
    kernel = functools.partial(parallel.push, n=n, axis=along, workers=workers)
    if x.dtype.kind != "f" or x.numblocks[along] == 1:
        return x.map_blocks(kernel, dtype=dtype)
    if n is None:
        scan = functools.update_wrapper(functools.partial(_pushed, workers), parallel.push)
        return cumreduction(scan, _filled, np.nan, x, along, dtype)
    depth = {along: (min(int(n), max(x.shape[along] - 1, 0)), 0)}
    none = np.zeros((0,) * x.ndim, dtype)
    return da.map_overlap(kernel, x, depth=depth, boundary="none", dtype=dtype, meta=none)


def _pushed(workers: int, x: npt.NDArray[Any], axis: int) -> Any:
    return parallel.push(x, axis=axis, workers=workers)


def _filled(before: npt.NDArray[Any], block: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.where(np.isnan(block), before, block)


@like(
    parallel.ewma,
    "There must be one chunk along the axis; then the result is exactly that of\n`fastproc.ewma`.",
    "fd.ewma(x.rechunk(-1), 0.5, adjust=False).compute().tolist()\n[3.0, 2.0, 2.0, 3.5]",
)
def ewma(a: Any, alpha: Any, halflife: Any, adjust: bool, axis: Any, workers: int) -> Array:
    """Average along whole axes."""
    x = as_dask(a)
    options = {"alpha": alpha, "halflife": halflife, "adjust": adjust, "axis": axis}
    dtype = tried(parallel.ewma, x, **options).dtype
    axes = validate.axes(axis, x.ndim)
    return along_whole(parallel.ewma, x, axes, {**options, "workers": workers}, dtype)
