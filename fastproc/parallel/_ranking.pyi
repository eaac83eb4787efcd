"""Layer: parallel.  Types of the gates of the k first elements, of partitions and of ranks."""

from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from fastproc.parallel.processes import Workers as _Workers

_Array: TypeAlias = npt.NDArray[Any]
_Kth: TypeAlias = SupportsIndex | Sequence[SupportsIndex]

def topk(
    a: npt.ArrayLike,
    k: SupportsIndex,
    axis: SupportsIndex | None = -1,
    largest: bool = True,
    *,
    workers: _Workers = None,
) -> tuple[_Array, npt.NDArray[np.int64]]: ...
def partition(
    a: npt.ArrayLike, kth: _Kth, axis: SupportsIndex | None = -1, *, workers: _Workers = None
) -> _Array: ...
def argpartition(
    a: npt.ArrayLike, kth: _Kth, axis: SupportsIndex | None = -1, *, workers: _Workers = None
) -> npt.NDArray[np.int64]: ...
def rankdata(
    a: npt.ArrayLike,
    method: str = "average",
    axis: SupportsIndex | None = None,
    *,
    workers: _Workers = None,
) -> npt.NDArray[np.float64]: ...
def nanrankdata(
    a: npt.ArrayLike,
    method: str = "average",
    axis: SupportsIndex | None = None,
    *,
    workers: _Workers = None,
) -> npt.NDArray[np.float64]: ...
def _first_units(
    first: bytes, limit: bytes, capacity: int, arrays: list[_Array], start: int, stop: int
) -> None: ...
