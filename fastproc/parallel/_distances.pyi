"""Layer: parallel.  Types of the distances' gates."""

from typing import Any, SupportsFloat, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from fastproc.parallel.processes import Workers as _Workers

_Array: TypeAlias = npt.NDArray[Any]

def cdist(
    XA: npt.ArrayLike,
    XB: npt.ArrayLike,
    metric: str = "euclidean",
    *,
    out: _Array | None = None,
    p: SupportsFloat = 2,
    workers: _Workers = None,
) -> npt.NDArray[np.float64]: ...
def pdist(
    X: npt.ArrayLike,
    metric: str = "euclidean",
    *,
    out: _Array | None = None,
    p: SupportsFloat = 2,
    workers: _Workers = None,
) -> npt.NDArray[np.float64]: ...
def nearest(
    XA: npt.ArrayLike,
    XB: npt.ArrayLike,
    k: SupportsIndex = 1,
    metric: str = "euclidean",
    *,
    p: SupportsFloat = 2,
    workers: _Workers = None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]: ...
def _distance_units(metric: int, p: float, arrays: list[_Array], first: int, last: int) -> None: ...
def _nearest_units(
    metric: int,
    p: float,
    k: int,
    scale: float | None,
    arrays: list[_Array],
    first: int,
    last: int,
) -> None: ...
