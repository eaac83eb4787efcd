"""Layer: bridges.  Searches for the elements of Dask arrays: each block by itself."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from dask.array import Array
from dask.array.core import elemwise

from fastproc import parallel
from fastproc.dask.chunks import as_dask, tried
from fastproc.dask.face import like

_NOTES = "Each block by itself: the result is exactly that of `fastproc.{}`. {} must be in memory."


@like(
    parallel.digitize,
    _NOTES.format("digitize", "Bins"),
    "fd.digitize(x, [2.0, 4.0]).compute().tolist()\n[1, 0, 1, 2]",
)
def digitize(x: Any, bins: Any, right: bool, workers: int) -> Array:
    """Look up each block's elements; the bins go with it."""
    edges = _in_memory("digitize", "bins", bins)
    elements = as_dask(x)
    dtype = np.asarray(tried(parallel.digitize, elements, edges, right)).dtype
    kernel = functools.partial(parallel.digitize, bins=edges, right=right, workers=workers)
    return elemwise(kernel, elements, dtype=dtype)


@like(
    parallel.searchsorted,
    _NOTES.format("searchsorted", "The sorted array"),
    "fd.searchsorted([2.0, 4.0], x).compute().tolist()\n[1, 0, 0, 2]",
)
def searchsorted(a: Any, v: Any, side: Any, sorter: Any, workers: int) -> Array:
    """Look up each block's elements; the sorted array goes with it."""
    edges = _in_memory("searchsorted", "a", a)
    elements = as_dask(v)
    dtype = np.asarray(tried(parallel.searchsorted, edges, elements, side, sorter)).dtype
    kernel = functools.partial(
        parallel.searchsorted, edges, side=side, sorter=sorter, workers=workers
    )
    return elemwise(kernel, elements, dtype=dtype)


def _in_memory(name: str, argument: str, value: Any) -> np.ndarray[Any, Any]:
    if isinstance(value, Array):
        raise TypeError(
            f"{name}: {argument} must be in memory, where each chunk is looked up in all of it, "
            f"and not a Dask array; pass {argument}.compute()"
        )
    return np.asarray(value)
