"""Layer: bridges.  Where the least or greatest element stands in an array of several axes.

Chunks of such an array do not lie one after another in it, so each element's index is counted in
the whole, and the lower of two equal elements' indices need not be that of the chunk merged first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Self

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.array import Array

from fastproc import parallel
from fastproc.dask.chunks import check_known
from fastproc.dask.states import states


def place(kernel: Callable[..., Any], x: Array, workers: int) -> Array:
    """Return the merged state of a kernel that says where something stands among all elements."""
    check_known(kernel.__name__, x, tuple(range(x.ndim)))
    indices = [(da.arange(n, chunks=(x.chunks[i],)), (i,)) for i, n in enumerate(x.shape)]
    return states(
        functools.partial(Place, kernel, x.shape),
        [(x, tuple(range(x.ndim))), *indices],
        x.ndim,
        tuple(range(x.ndim)),
        workers,
    )


class Place:
    """The place of the extreme in pieces of an array of this shape."""

    def __init__(self, kernel: Callable[..., Any], shape: tuple[int, ...]) -> None:
        self._kernel, self._shape = kernel, shape
        self._count = 0
        #: The extreme and its index, or None as long as there are no elements but NaN.
        self._found: tuple[Any, int] | None = None

    def update(self, piece: npt.NDArray[Any], *indices: npt.NDArray[Any], workers: int) -> Self:
        """Take in a piece, whose elements have these indices along each axis."""
        self._count += piece.size
        skips = self._kernel.__name__.startswith("nan")
        if piece.size and not (skips and parallel.allnan(piece, workers=workers)):
            inside = np.unravel_index(self._kernel(piece, workers=workers), piece.shape)
            where = [index[i] for index, i in zip(indices, inside, strict=True)]
            flat = int(np.ravel_multi_index(tuple(where), self._shape))
            self._choose((piece[inside], flat))
        return self

    def merge(self, other: Self) -> Self:
        """Take in what another has taken in."""
        self._count += other._count
        if other._found is not None:
            self._choose(other._found)
        return self

    def result(self) -> int:
        """Return the index of the extreme, in C order; ValueError if there is none."""
        if self._found is None:
            # Of as many elements, or none, for the error that the kernel has then.
            return int(self._kernel(np.full(min(self._count, 1), np.nan)))
        return self._found[1]

    def _choose(self, found: tuple[Any, int]) -> None:
        """Keep the extreme of two, by the kernel's own rule for NaN and for equal ones."""
        if self._found is None:
            self._found = found
            return
        pair = sorted((self._found, found), key=lambda each: each[1])
        self._found = pair[self._kernel(np.array([value for value, _ in pair]))]
