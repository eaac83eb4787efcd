"""Layer: parallel.  Types of the distances' gates."""

from typing import Any, SupportsFloat, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from fastproc.pool import Pool

_Array: TypeAlias = npt.NDArray[Any]
_Workers: TypeAlias = SupportsIndex | Pool | None

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
def _distance_units(metric: int, p: float, arrays: list[_Array], first: int, last: int) -> None: ...
