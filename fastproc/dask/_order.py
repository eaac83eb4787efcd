"""Layer: bridges.  Order statistics of Dask arrays, along whole axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
from dask.array import Array

from fastproc import parallel
from fastproc.dask.chunks import along_whole, as_dask, tried
from fastproc.dask.face import P, like
from fastproc.kernels import validate

_NOTES = """There must be one chunk along each axis that is reduced; then the result is exactly that
of `fastproc.{}`."""


def _median(kernel: Callable[P, Any]) -> Callable[P, Array]:
    @like(kernel, _NOTES.format(kernel.__name__), "float(fd.{}(x.rechunk(-1)).compute())\n2.5")
    def lazy(a: Any, axis: Any, keepdims: bool, workers: int) -> Array:
        x = as_dask(a)
        dtype = np.asarray(tried(kernel, x, axis)).dtype
        axes = validate.axes(axis, x.ndim)
        options = {"axis": axes, "keepdims": True, "workers": workers}
        result = along_whole(kernel, x, axes, options, dtype, dict.fromkeys(axes, 1))
        return result if keepdims else da.squeeze(result, axes)

    return lazy


def _quantile(kernel: Callable[P, Any], most: int) -> Callable[P, Array]:
    @like(
        kernel,
        _NOTES.format(kernel.__name__),
        f"fd.{{}}(x.rechunk(-1), [0, {most}]).compute().tolist()\n[1.0, 5.0]",
    )
    def lazy(a: Any, q: Any, axis: Any, method: Any, keepdims: bool, workers: int) -> Array:
        x = as_dask(a)
        if isinstance(q, Array):
            raise TypeError(f"{kernel.__name__}: q must be in memory, not a Dask array")
        dtype = np.asarray(tried(kernel, x, q, axis, method=method)).dtype
        axes = validate.axes(axis, x.ndim)
        options = {"q": q, "axis": axes, "method": method, "keepdims": True, "workers": workers}
        leading = np.shape(q)
        result = along_whole(kernel, x, axes, options, dtype, dict.fromkeys(axes, 1), leading)
        return result if keepdims else da.squeeze(result, tuple(len(leading) + i for i in axes))

    return lazy


median = _median(parallel.median)
nanmedian = _median(parallel.nanmedian)
quantile = _quantile(parallel.quantile, 1)
nanquantile = _quantile(parallel.nanquantile, 1)
percentile = _quantile(parallel.percentile, 100)
nanpercentile = _quantile(parallel.nanpercentile, 100)
