"""Layer: parallel.  Types of the histogram's gate."""

from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from fastproc.pool import Pool

_Array: TypeAlias = npt.NDArray[Any]
_Workers: TypeAlias = SupportsIndex | Pool | None

def histogram(
    a: npt.ArrayLike,
    bins: SupportsIndex = 10,
    range: tuple[float, float] | None = None,
    *,
    workers: _Workers = None,
) -> tuple[npt.NDArray[np.int64], _Array]: ...
def _histogram_units(
    array: _Array,
    edges: _Array,
    margin: float,
    unit_size: int,
    counts: _Array,
    first: int,
    last: int,
) -> None: ...
