"""Layer: parallel.  Types of the histogram's gate."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fastproc.parallel.processes import Workers as _Workers

_Array: TypeAlias = npt.NDArray[Any]

_Range: TypeAlias = Sequence[float]

def histogram(
    a: npt.ArrayLike,
    bins: npt.ArrayLike = 10,
    range: _Range | None = None,
    density: bool | None = None,
    weights: npt.ArrayLike | None = None,
    *,
    workers: _Workers = None,
) -> tuple[_Array, _Array]: ...
def histogram2d(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    bins: npt.ArrayLike | Sequence[npt.ArrayLike] = 10,
    range: Sequence[_Range | None] | None = None,
    density: bool | None = None,
    weights: npt.ArrayLike | None = None,
    *,
    workers: _Workers = None,
) -> tuple[npt.NDArray[np.float64], _Array, _Array]: ...
def histogramdd(
    sample: npt.ArrayLike,
    bins: npt.ArrayLike | Sequence[npt.ArrayLike] = 10,
    range: Sequence[_Range | None] | None = None,
    density: bool | None = None,
    weights: npt.ArrayLike | None = None,
    *,
    workers: _Workers = None,
) -> tuple[npt.NDArray[np.float64], tuple[_Array, ...]]: ...
def _histogram_units(
    columns: list[_Array],
    edges: list[_Array],
    margins: list[float],
    weights: _Array | None,
    unit_size: int,
    memory: _Array,
    first: int,
    last: int,
) -> None: ...
