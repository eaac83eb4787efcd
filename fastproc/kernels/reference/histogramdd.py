"""Layer: kernels.  The twins of histograms of several axes: each axis by itself, then the cells."""

from __future__ import annotations

import itertools
import math
from functools import reduce
from typing import Any

from fastproc.kernels.reference import buffers, dtypes
from fastproc.kernels.reference.histogram import axis_of, length_of, weights_of


def histogram2d(
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
    *,
    workers: Any = None,
) -> tuple[list[Any], list[Any], list[Any]]:
    """Count pairs of elements in cells, or add up their weights.

    Parameters
    ----------
    x, y : buffers or sequences
        Real numbers, along one axis.
    bins : int, sequence of edges or pair of these, default 10
        Bins of both axes or of each, as of `histogram`.
    range : pair of (float, float) or None, optional
        The outer edges of each axis.
    density, weights, workers : optional
        As of `histogram`.

    Returns
    -------
    counts : nested lists of float
    x_edges, y_edges : list of float
    """
    columns = [buffers.read(x), buffers.read(y)]
    if len(columns[0].shape) != 1 or columns[0].shape != columns[1].shape:
        raise ValueError(
            f"histogram2d: x and y must be lines of one length, but their shapes are "
            f"{columns[0].shape} and {columns[1].shape}"
        )
    dtype = dtypes.promote(columns[0].dtype, columns[1].dtype)
    columns = [column.astype(dtype) for column in columns]
    if length_of(bins) > 2:
        bins = [bins, bins]
    counts, edges = _of_columns("histogram2d", columns, bins, range, density, weights)
    return counts, edges[0], edges[1]


def histogramdd(
    sample: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
    *,
    workers: Any = None,
) -> tuple[Any, tuple[list[Any], ...]]:
    """Count points in cells, or add up their weights.

    Parameters
    ----------
    sample : buffer of two axes, or sequence
        A row for each point; a sequence has an item for each axis instead.
    bins : int or sequence, default 10
        Bins of all axes, or an item for each, as of `histogram`.
    range : sequence of (float, float) or None, optional
        The outer edges of each axis.
    density, weights, workers : optional
        As of `histogram`.

    Returns
    -------
    counts : nested lists of float
    edges : tuple of list of float
    """
    read = buffers.read(sample)
    if len(read.shape) > 2:
        raise ValueError(f"histogramdd: sample must have one axis or two, not {len(read.shape)}")
    flat, width = read.flat, read.shape[-1] if read.shape else 1
    if isinstance(sample, list | tuple) or len(read.shape) < 2:
        lines = [flat[i * width : (i + 1) * width] for i in _range(len(flat) // max(width, 1))]
        if len(read.shape) == 2:
            lines = lines or [[] for _ in _range(read.shape[0])]
        else:
            lines = lines or [[]]
    else:
        lines = [flat[i::width] for i in _range(width)]
    columns = [buffers.Values(line, (len(line),), read.dtype) for line in lines]
    counts, edges = _of_columns("histogramdd", columns, bins, range, density, weights)
    return counts, tuple(edges)


_range = range


def _of_columns(
    name: str, columns: list[buffers.Values], bins: Any, limits: Any, density: Any, weights: Any
) -> tuple[Any, list[list[Any]]]:
    n_axes = len(columns)
    if not n_axes:
        raise ValueError(f"{name}: there must be at least one axis")
    each = list(bins) if length_of(bins) >= 0 else [bins] * n_axes
    if len(each) != n_axes:
        raise ValueError(f"{name}: bins must be one for each of {n_axes} axes, not {len(each)}")
    ranges = [None] * n_axes if limits is None else list(limits)
    if len(ranges) != n_axes:
        raise ValueError(
            f"{name}: range must have one for each of {n_axes} axes, not {len(ranges)}"
        )
    axes = [
        axis_of(name, f"bins[{i}]", column, each[i], ranges[i]) for i, column in enumerate(columns)
    ]
    shape = tuple(len(edges) - 1 for edges, _ in axes)
    flat = [0.0] * math.prod(shape)
    points = zip(*(column.flat for column in columns), strict=True)
    for point, weight in zip(points, weights_of(name, weights, columns[0]), strict=True):
        places = [place(float(x)) for x, (_, place) in zip(point, axes, strict=True)]
        if None not in places:
            cell = reduce(lambda cell, i: cell * shape[i] + (places[i] or 0), _range(n_axes), 0)
            flat[cell] += weight
    if density:
        total = sum(flat)
        for cell, index in enumerate(itertools.product(*map(_range, shape))):
            for (edges, _), i in zip(axes, index, strict=True):
                flat[cell] /= edges[i + 1] - edges[i]
            flat[cell] /= total
    return buffers.nested(flat, shape), [edges for edges, _ in axes]
