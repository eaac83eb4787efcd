"""Layer: bridges.  Histograms of Dask arrays: counts of chunks, added up."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from dask.array import Array

from fastproc import parallel
from fastproc.dask.chunks import as_dask
from fastproc.dask.face import like
from fastproc.dask.states import states, table
from fastproc.parallel import tallies

_NOTES = """Counts of chunks are added up. The result is exactly that of `fastproc.{}`, but for the
last bits of sums of weights. The edges are known at once; so `range` must be given if bins are
only counted."""


@like(
    parallel.histogram,
    _NOTES.format("histogram"),
    "counts, edges = fd.histogram(x, bins=2, range=(0, 6))\n"
    ">>> counts.compute().tolist(), edges.tolist()\n([2, 2], [0.0, 3.0, 6.0])",
    "(dask.array.Array, ndarray)",
)
def histogram(
    a: Any, bins: Any, range: Any, density: Any, weights: Any, workers: int
) -> tuple[Array, npt.NDArray[Any]]:
    """Add up the counts of blocks."""
    x = as_dask(a)
    _check_limits("histogram", [bins], [range])
    factors = _weights("histogram", weights, x)
    # Of no elements, for the edges and the dtype that they give, and what bad arguments raise.
    model, edges = parallel.histogram(_none(x), bins, range, weights=_none(*factors))
    counts = _counts(
        functools.partial(tallies.Histogram, edges), [x], factors, workers, model.dtype, model.shape
    )
    return (_density(counts, [edges]) if density else counts), edges


@like(
    parallel.histogram2d,
    _NOTES.format("histogram2d"),
    "counts, rows, columns = fd.histogram2d(x, x, bins=2, range=[(0, 6), (0, 6)])\n"
    ">>> counts.compute().tolist()\n[[2.0, 0.0], [0.0, 2.0]]",
    "(dask.array.Array, ndarray, ndarray)",
)
def histogram2d(
    x: Any, y: Any, bins: Any, range: Any, density: Any, weights: Any, workers: int
) -> tuple[Array, npt.NDArray[Any], npt.NDArray[Any]]:
    """Add up the counts of pairs of blocks."""
    columns = [as_dask(x), as_dask(y)]
    if columns[0].ndim != 1 or columns[0].shape != columns[1].shape:
        raise ValueError(
            f"histogram2d: x and y must be lines of one length, but their shapes are "
            f"{columns[0].shape} and {columns[1].shape}"
        )
    kind = np.result_type(*columns)
    if _is_for_all(bins) or len(bins) != 2:
        bins = [bins, bins]  # a number of bins, or edges, for both
    columns = [column.astype(kind) for column in columns]
    counts, edges = _of_columns("histogram2d", columns, bins, range, density, weights, workers)
    return counts, edges[0], edges[1]


@like(
    parallel.histogramdd,
    _NOTES.format("histogramdd"),
    "counts, edges = fd.histogramdd([x, x], bins=2, range=[(0, 6), (0, 6)])\n"
    ">>> counts.compute().tolist()\n[[2.0, 0.0], [0.0, 2.0]]",
    "(dask.array.Array, tuple of ndarray)",
)
def histogramdd(
    sample: Any, bins: Any, range: Any, density: Any, weights: Any, workers: int
) -> tuple[Array, tuple[npt.NDArray[Any], ...]]:
    """Add up the counts of blocks of rows, or of a block for each axis."""
    if isinstance(sample, list | tuple):
        columns = [as_dask(column) for column in sample]
    else:
        array = as_dask(sample)
        columns = [array] if array.ndim == 1 else list(array.T)
    kind = np.result_type(*columns)
    columns = [column.astype(kind) for column in columns]
    if _is_for_all(bins):
        bins = [bins] * len(columns)
    counts, edges = _of_columns("histogramdd", columns, bins, range, density, weights, workers)
    return counts, tuple(edges)


def _of_columns(
    name: str,
    columns: list[Array],
    bins: Any,
    limits: Any,
    density: Any,
    weights: Any,
    workers: int,
) -> tuple[Array, list[npt.NDArray[Any]]]:
    """Return a histogram of several axes and the list of its edges."""
    _check_limits(name, bins, [None] * len(columns) if limits is None else limits)
    factors = _weights(name, weights, columns[0])
    points = [_none(column) for column in columns]
    model, edges = parallel.histogramdd(points, bins, limits, weights=_none(*factors))
    counts = _counts(
        functools.partial(tallies.HistogramDD, list(edges)),
        columns,
        factors,
        workers,
        model.dtype,
        model.shape,
    )
    return (_density(counts, list(edges)) if density else counts), list(edges)


def _counts(
    new: Any,
    columns: list[Array],
    factors: list[Array],
    workers: int,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
) -> Array:
    n_dims = columns[0].ndim
    axes = tuple(np.arange(n_dims).tolist())
    operands = [(each, axes) for each in columns + factors]
    arrange = None if len(columns) == 1 else functools.partial(_stacked, len(columns))
    merged = states(new, operands, n_dims, axes, workers, arrange)
    return table(merged, (0,), axes, dtype, shape)


def _stacked(n_columns: int, *blocks: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    """Return points, one a row, and weights if there are any."""
    return np.stack(blocks[:n_columns], axis=1), *blocks[n_columns:]


def _density(counts: Array, edges: list[npt.NDArray[Any]]) -> Array:
    """Return counts per unit of all axes together, as a share of all."""
    total = counts.sum()
    for i, each in enumerate(edges):
        widths = np.diff(each).astype(float)
        counts = counts / widths.reshape([-1 if i == j else 1 for j in np.arange(len(edges))])
    return counts / total


def _is_for_all(bins: Any) -> bool:
    """Tell whether `bins` is one for all axes; a list of others need not make an array."""
    return isinstance(bins, str | np.generic) or not hasattr(bins, "__len__")


def _check_limits(name: str, bins: Any, limits: Any) -> None:
    for each, limit in zip(bins, limits, strict=False):
        if np.ndim(each) == 0 and limit is None:
            raise ValueError(
                f"{name}: pass the range, or edges, since the least and the greatest element are "
                f"not known before all are computed, e.g. range=dask.compute(x.min(), x.max())"
            )


def _weights(name: str, weights: Any, x: Array) -> list[Array]:
    """Return the weights in a list, which is empty if there are none."""
    if weights is None:
        return []
    factors = as_dask(weights)
    if str(factors.shape) != str(x.shape):  # as text NaN equals NaN
        raise ValueError(
            f"{name}: weights have shape {factors.shape}; they must have that of the elements, "
            f"{x.shape}"
        )
    return [factors]


def _none(x: Array | None = None) -> Any:
    """Return an array of no elements of a Dask array's dtype; None for none."""
    return None if x is None else np.empty((0,) * x.ndim, x.dtype)
