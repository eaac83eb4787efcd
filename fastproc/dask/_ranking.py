"""Layer: bridges.  First elements of Dask arrays, merged; partitions and ranks along whole axes."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, Self

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.array import Array

from fastproc import parallel
from fastproc.dask.chunks import along_whole, as_dask, as_line, check_known, check_whole, tried
from fastproc.dask.face import P, like
from fastproc.dask.states import result_along, states
from fastproc.kernels import validate


class TopK:
    """The `k` first elements of pieces, and where they stand along an axis of the whole."""

    def __init__(self, k: int, axis: int, largest: bool) -> None:
        self._k, self._axis, self._largest = k, axis, largest
        self._found: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None = None

    def update(self, piece: npt.NDArray[Any], indices: npt.NDArray[Any], *, workers: int) -> Self:
        """Take in a piece, whose elements have these indices along the axis."""
        values, places = self._first_of(piece, workers)
        self._found = values, indices[places]
        return self

    def merge(self, other: Self) -> Self:
        """Take in what another has taken in, whose elements stand behind one's own."""
        if self._found is None:
            self._found = other._found
        elif other._found is not None:
            values, indices = (
                np.concatenate(each, self._axis)
                for each in zip(self._found, other._found, strict=True)
            )
            # Of equal elements the one before has the lower index, as it has in the whole.
            values, places = self._first_of(values, 1)
            self._found = values, np.take_along_axis(indices, places, self._axis)
        return self

    def result(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
        """Return the elements and their indices."""
        return self._found

    def _first_of(
        self, elements: npt.NDArray[Any], workers: int
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        k = min(self._k, elements.shape[self._axis])
        return parallel.topk(elements, k, self._axis, self._largest, workers=workers)


@like(
    parallel.topk,
    "Each chunk's first elements are found, and merged as a tree. The result is exactly that of\n"
    "`fastproc.topk`.",
    "values, indices = fd.topk(x, 2)\n>>> indices.compute().tolist()\n[3, 0]",
    "tuple of two dask.array.Array",
)
def topk(a: Any, k: Any, axis: Any, largest: bool, workers: int) -> tuple[Array, Array]:
    """Merge the first elements of blocks."""
    x = as_dask(a)
    kind = tried(parallel.topk, x, 0, axis, largest)[0].dtype
    if axis is None:
        x, axis = as_line("topk", x), 0
    (along,) = validate.axes(axis, x.ndim)
    check_known("topk", x, (along,))
    number, length = operator.index(k), x.shape[along]
    if not 0 <= number <= length:
        raise ValueError(f"topk: k must be from 0 to {length}, the length of the axis, not {k}")
    merged = states(
        functools.partial(TopK, number, along, largest),
        [
            (x, tuple(range(x.ndim))),
            (da.arange(length, chunks=(x.chunks[along],), dtype=np.int64), (along,)),
        ],
        x.ndim,
        (along,),
        workers,
    )
    values, indices = (
        result_along(merged, (i,), along, number, dtype) for i, dtype in enumerate((kind, np.int64))
    )
    return values, indices


def _of_lines(kernel: Callable[P, Any], example: str) -> Callable[P, Array]:
    """Return a kernel with a result for each element, which depends on all of a line."""
    name = kernel.__name__

    @like(
        kernel,
        "There must be one chunk along the axis; then the result is exactly that of\n"
        f"`fastproc.{name}`.",
        f"fd.{{}}(x.rechunk(-1){example}",
    )
    def lazy(a: Any, axis: Any, workers: int, **options: Any) -> Array:
        x = as_dask(a)
        dtype = tried(kernel, x, **{**options, "axis": axis, **_A_PLACE.get(name, {})}).dtype
        axes = validate.axes(axis, x.ndim)
        check_whole(name, x, axes)
        if axis is None:
            x, axes = as_line(name, x), (0,)
        return along_whole(kernel, x, axes, {**options, "axis": axes[0], "workers": workers}, dtype)

    return lazy


#: What is tried with an array of one element, in place of what the caller has for a longer one.
_A_PLACE = {"partition": {"kth": 0}, "argpartition": {"kth": 0}}

partition = _of_lines(parallel.partition, ", 2).compute().tolist()\n[1.0, 2.0, 3.0, 5.0]")
argpartition = _of_lines(parallel.argpartition, ", 2).compute().tolist()\n[1, 2, 0, 3]")
rankdata = _of_lines(parallel.rankdata, ").compute().tolist()\n[3.0, 1.0, 2.0, 4.0]")
nanrankdata = _of_lines(parallel.nanrankdata, ").compute().tolist()\n[3.0, 1.0, 2.0, 4.0]")
