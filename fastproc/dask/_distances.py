"""Layer: bridges.  Distances between the rows of Dask arrays, by blocks of pairs."""

from __future__ import annotations

import functools
from typing import Any, NoReturn, Self

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.array import Array

from fastproc import parallel
from fastproc.dask.chunks import as_dask, check_known, ones_like
from fastproc.dask.face import like
from fastproc.dask.states import result_along, states
from fastproc.kernels import validate_distances

_PAIRS = "x[:, None], x[:, None]"


@like(
    parallel.cdist,
    "A block of the result is that of two blocks of rows; blocks of columns are joined. The\n"
    "result is exactly that of `fastproc.cdist`.",
    f"fd.cdist({_PAIRS})[0].compute().tolist()\n[0.0, 2.0, 1.0, 2.0]",
)
def cdist(XA: Any, XB: Any, metric: Any, p: Any, workers: int) -> Array:
    """Compare each block of rows with each."""
    rows, others = _checked("cdist", XA, XB, metric, p)
    return da.blockwise(
        functools.partial(parallel.cdist, metric=metric, p=p, workers=workers),
        "ij",
        rows,
        "ik",
        others,
        "jk",
        concatenate=True,
        dtype=np.float64,
        meta=np.zeros((0, 0)),
        token="cdist",
    )


@like(
    parallel.pdist,
    "Refused, as its condensed result has no blocks; `cdist` of an array with itself has.",
    f"fd.cdist({_PAIRS}).shape\n(4, 4)",
    "Nothing; it always raises NotImplementedError.",
)
def pdist(X: Any, metric: Any, p: Any, workers: int) -> NoReturn:
    """Say what to do instead."""
    raise NotImplementedError(
        "pdist: its condensed result has no blocks; use fastproc.dask.cdist(X, X), which has each "
        "distance twice"
    )


class Nearest:
    """The nearest rows in pieces of an array, their distances and their indices in the whole."""

    def __init__(self, k: int, metric: str, p: float) -> None:
        self._k, self._metric, self._p = k, metric, p
        self._found: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None = None

    def update(
        self,
        rows: npt.NDArray[Any],
        piece: npt.NDArray[Any],
        indices: npt.NDArray[Any],
        *,
        workers: int,
    ) -> Self:
        """Take in a piece, whose rows have these indices, as neighbours of `rows`."""
        if len(piece) == 0:
            return self
        k = min(self._k, len(piece))
        distances, places = parallel.nearest(
            rows, piece, k, self._metric, p=self._p, workers=workers
        )
        self._found = distances, indices[places]
        return self

    def merge(self, other: Self) -> Self:
        """Take in what another has taken in, whose rows stand behind one's own."""
        if self._found is None:
            self._found = other._found
        elif other._found is not None:
            distances, indices = (
                np.concatenate(each, 1) for each in zip(self._found, other._found, strict=True)
            )
            # Of rows at the same distance the one with the lower index stands first.
            order = np.argsort(distances, axis=1, kind="stable")[:, : self._k]
            self._found = (
                np.take_along_axis(distances, order, 1),
                np.take_along_axis(indices, order, 1),
            )
        return self

    def result(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
        """Return distances and indices, a row for each of `rows`."""
        return self._found


@like(
    parallel.nearest,
    "Of each block of rows the nearest are found, and merged as a tree. The result is exactly\n"
    "that of `fastproc.nearest`.",
    f"distances, indices = fd.nearest({_PAIRS}, k=2)\n"
    ">>> indices.compute().tolist()\n[[0, 2], [1, 2], [2, 0], [3, 0]]",
    "tuple of two dask.array.Array",
)
def nearest(XA: Any, XB: Any, k: Any, metric: Any, p: Any, workers: int) -> tuple[Array, Array]:
    """Merge the nearest of blocks."""
    rows, others = _checked("nearest", XA, XB, metric, p)
    check_known("nearest", others, (0,))
    number = validate_distances.check_neighbours("nearest", k, others.shape[0])
    indices = da.arange(len(others), chunks=(others.chunks[0],), dtype=np.int64)
    merged = states(
        functools.partial(Nearest, number, metric, p),
        [(rows, (0, 2)), (others, (1, 2)), (indices, (1,))],
        2,
        (1,),
        workers,
    )
    distances, indices = (
        result_along(merged, (i,), 1, number, dtype)
        for i, dtype in enumerate((np.float64, np.int64))
    )
    return distances, indices


def _checked(name: str, XA: Any, XB: Any, metric: Any, p: Any) -> tuple[Array, Array]:
    """Return two arrays of rows, which are whole."""
    known = validate_distances.check_metric(name, metric)
    validate_distances.check_order(name, known, p)
    arrays = []
    for argument, rows in (("XA", as_dask(XA)), ("XB", as_dask(XB))):
        validate_distances.rows(name, argument, ones_like(rows), known)
        arrays.append(rows.rechunk({1: -1}))
    validate_distances.check_widths(name, *arrays)
    return arrays[0], arrays[1]
