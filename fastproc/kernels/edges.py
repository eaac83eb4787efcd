"""Layer: kernels.  What edges of bins must be like, and every message that refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from fastproc.kernels import validate

Array = npt.NDArray[Any]

#: Cells of a histogram: their numbers are 32 bits wide, and one stands for no cell.
MOST_CELLS = 2**31 - 2


def check_line(name: str, argument: str, edges: Array) -> None:
    """Refuse edges of more axes than one, or of none."""
    if edges.ndim != 1:
        raise ValueError(f"{name}: {argument} must have one axis, but the shape is {edges.shape}")


def disordered(name: str, edges: Array, order: str) -> ValueError:
    """Return the error of edges that have no order; `order` says which ones are right."""
    if np.isnan(edges).any():
        return ValueError(f"{name}: bins must not have NaN, which is neither below nor above any")
    down = int(np.argmax(edges[:-1] > edges[1:]))
    return ValueError(
        f"{name}: bins must {order}, but {edges[down]} stands before {edges[down + 1]}, at "
        f"index {down}"
    )


def as_bins(name: str, argument: str, bins: Any) -> int | Array:
    """Return a number of bins, or edges in the dtype that they have."""
    if isinstance(bins, str):
        raise TypeError(
            f"{name}: {argument} must be an integer or edges, not {bins!r}; "
            f"np.histogram_bin_edges(a, {bins!r}) makes edges"
        )
    if validate.asarray(name, bins).ndim == 0:
        return check_bins(name, argument, bins)
    edges = validate.as_array(name, bins)
    check_line(name, argument, edges)
    if edges.size < 2:
        raise ValueError(f"{name}: {argument} must have at least 2 edges, not {edges.size}")
    if np.isnan(edges).any() or (edges[:-1] > edges[1:]).any():
        raise disordered(name, edges, "ascend")
    return edges


def check_bins(name: str, argument: str, bins: Any) -> int:
    """Return the number of bins, which NumPy takes as an integer of at least 1."""
    try:
        number = int(bins.__index__())
    except (AttributeError, TypeError):
        raise TypeError(f"{name}: {argument} must be an integer or edges, not {bins!r}") from None
    if number < 1:
        raise ValueError(f"{name}: {argument} must be at least 1, not {number}")
    if number > MOST_CELLS:
        raise ValueError(f"{name}: {argument} must be less than 2**31 - 1, not {number}")
    return number


def check_cells(name: str, shape: tuple[int, ...]) -> int:
    """Return how many cells the bins of several axes make."""
    n_cells = math.prod(shape)
    if n_cells > MOST_CELLS:
        raise ValueError(
            f"{name}: bins of {shape} make {n_cells} cells; there must be less than 2**31 - 1"
        )
    return n_cells


def check_range(name: str, limits: Any) -> tuple[Any, Any]:
    """Return a range's two ends."""
    try:
        first, last = limits
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name}: range must be (least, greatest), not {limits!r}") from None
    if first > last:
        raise ValueError(
            f"{name}: the range's maximum must not be below its minimum, but it is "
            f"({first}, {last})"
        )
    return first, last


def outer_edges(name: str, first: Any, last: Any, given: bool) -> tuple[Any, Any]:
    """Return the outer edges of bins from the least to the greatest, by NumPy's rules."""
    if not (np.isfinite(first) and np.isfinite(last)):
        kind = "supplied" if given else "autodetected"
        raise ValueError(f"{name}: {kind} range of [{first}, {last}] is not finite")
    if first == last:
        return first - 0.5, last + 0.5
    return first, last


def check_widths(name: str, edges: Array) -> None:
    """Refuse bins so narrow that the dtype of the edges cannot tell them apart."""
    if not np.all(edges[:-1] < edges[1:]):
        raise ValueError(
            f"{name}: too many bins for the range: {edges.size - 1} bins from {edges[0]} to "
            f"{edges[-1]} cannot all be wider than nothing in {edges.dtype}"
        )


def as_sorter(name: str, sorter: Any, size: int) -> Array:
    """Return the indices that sort an array of `size` elements."""
    indices = validate.asarray(name, sorter)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{name}: sorter must be integers, not {indices.dtype}")
    if indices.shape != (size,):
        raise ValueError(
            f"{name}: sorter has shape {indices.shape}; like a it must have shape ({size},)"
        )
    if size and not 0 <= indices.min() <= indices.max() < size:
        raise ValueError(
            f"{name}: sorter has indices from {indices.min()} to {indices.max()}; they must be "
            f"from 0 to {size - 1}"
        )
    return indices
