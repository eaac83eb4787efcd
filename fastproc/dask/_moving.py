"""Layer: bridges.  Moving windows over Dask arrays: each block with what lies before it."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
from dask.array import Array
from dask.array.overlap import ensure_minimum_chunksize

from fastproc import parallel
from fastproc.dask.chunks import as_dask, check_known, tried
from fastproc.dask.face import P, like
from fastproc.kernels import validate

_EXACT = "The result is exactly that of `fastproc.{}`."
_ROUNDED = """Sums begin anew with each block, so that the last bits of the result may differ from
those of `fastproc.{}`."""


def _moving(kernel: Callable[P, Any], exactness: str = _EXACT) -> Callable[P, Array]:
    name = kernel.__name__
    local: Callable[..., Any] = kernel

    @like(
        kernel,
        "A block is handed the ``window - 1`` elements before it; blocks shorter than `window`\n"
        f"are joined. {exactness.format(name)}",
        "bool((fd.{}(x, 2)[1:].compute() == fp.{}(x.compute(), 2)[1:]).all())\nTrue",
    )
    def lazy(a: Any, window: Any, min_count: Any, axis: Any, workers: int, **ddof: Any) -> Array:
        x = as_dask(a)
        dtype = tried(kernel, x, 1, None, axis, **ddof).dtype
        (along,) = validate.axes(axis, x.ndim)
        check_known(name, x, (along,))
        if not 1 <= (size := operator.index(window)) <= x.shape[along]:
            raise ValueError(
                f"{name}: window must be from 1 to {x.shape[along]} (the length of axis {axis}), "
                f"not {window}"
            )
        local(np.ones(size, x.dtype), size, min_count)  # whether min_count is right
        return da.map_overlap(
            functools.partial(
                local, window=size, min_count=min_count, axis=along, workers=workers, **ddof
            ),
            x.rechunk({along: ensure_minimum_chunksize(size, x.chunks[along])}),
            depth={along: (size - 1, 0)},
            boundary="none",
            dtype=dtype,
            meta=np.zeros((0,) * x.ndim, dtype),
        )

    return lazy


move_sum = _moving(parallel.move_sum, _ROUNDED)
move_mean = _moving(parallel.move_mean, _ROUNDED)
move_std = _moving(parallel.move_std, _ROUNDED)
move_var = _moving(parallel.move_var, _ROUNDED)
move_min = _moving(parallel.move_min)
move_max = _moving(parallel.move_max)
move_argmin = _moving(parallel.move_argmin)
move_argmax = _moving(parallel.move_argmax)
move_median = _moving(parallel.move_median)
move_rank = _moving(parallel.move_rank)
