"""Layer: bridges.  softmax and log_softmax of Dask arrays, along whole axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from dask.array import Array

from fastproc import parallel
from fastproc.dask.chunks import along_whole, as_dask, tried
from fastproc.dask.face import P, like
from fastproc.kernels import validate


def _softmax(kernel: Callable[P, Any], last: float) -> Callable[P, Array]:
    @like(
        kernel,
        f"There must be one chunk along the axis; then the result is exactly that of\n"
        f"`fastproc.{kernel.__name__}`.",
        f"round(float(fd.{{}}(x.rechunk(-1))[3].compute()), 3)\n{last}",
    )
    def lazy(x: Any, axis: Any, workers: int) -> Array:
        array = as_dask(x)
        dtype = np.asarray(tried(kernel, array, axis)).dtype
        axes = validate.axes(axis, array.ndim)
        return along_whole(kernel, array, axes, {"axis": axis, "workers": workers}, dtype)

    return lazy


softmax = _softmax(parallel.softmax, 0.831)
log_softmax = _softmax(parallel.log_softmax, -0.185)
