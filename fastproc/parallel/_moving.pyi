"""Layer: parallel.  Types of the moving windows' gate."""

from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from fastproc.parallel.processes import Workers as _Workers

_Array: TypeAlias = npt.NDArray[Any]

def move_sum(
    a: npt.ArrayLike,
    window: SupportsIndex,
    min_count: SupportsIndex | None = None,
    axis: SupportsIndex = -1,
    *,
    workers: _Workers = None,
) -> npt.NDArray[np.floating[Any]]: ...
def move_mean(
    a: npt.ArrayLike,
    window: SupportsIndex,
    min_count: SupportsIndex | None = None,
    axis: SupportsIndex = -1,
    *,
    workers: _Workers = None,
) -> npt.NDArray[np.floating[Any]]: ...
def move_std(
    a: npt.ArrayLike,
    window: SupportsIndex,
    min_count: SupportsIndex | None = None,
    axis: SupportsIndex = -1,
    ddof: SupportsIndex = 0,
    *,
    workers: _Workers = None,
) -> npt.NDArray[np.floating[Any]]: ...
def move_var(
    a: npt.ArrayLike,
    window: SupportsIndex,
    min_count: SupportsIndex | None = None,
    axis: SupportsIndex = -1,
    ddof: SupportsIndex = 0,
    *,
    workers: _Workers = None,
) -> npt.NDArray[np.floating[Any]]: ...
def move_min(
    a: npt.ArrayLike,
    window: SupportsIndex,
    min_count: SupportsIndex | None = None,
    axis: SupportsIndex = -1,
    *,
    workers: _Workers = None,
) -> npt.NDArray[np.floating[Any]]: ...
def move_max(
    a: npt.ArrayLike,
    window: SupportsIndex,
    min_count: SupportsIndex | None = None,
    axis: SupportsIndex = -1,
    *,
    workers: _Workers = None,
) -> npt.NDArray[np.floating[Any]]: ...
def move_argmin(
    a: npt.ArrayLike,
    window: SupportsIndex,
    min_count: SupportsIndex | None = None,
    axis: SupportsIndex = -1,
    *,
    workers: _Workers = None,
) -> npt.NDArray[np.floating[Any]]: ...
def move_argmax(
    a: npt.ArrayLike,
    window: SupportsIndex,
    min_count: SupportsIndex | None = None,
    axis: SupportsIndex = -1,
    *,
    workers: _Workers = None,
) -> npt.NDArray[np.floating[Any]]: ...
def move_median(
    a: npt.ArrayLike,
    window: SupportsIndex,
    min_count: SupportsIndex | None = None,
    axis: SupportsIndex = -1,
    *,
    workers: _Workers = None,
) -> npt.NDArray[np.floating[Any]]: ...
def move_rank(
    a: npt.ArrayLike,
    window: SupportsIndex,
    min_count: SupportsIndex | None = None,
    axis: SupportsIndex = -1,
    *,
    workers: _Workers = None,
) -> npt.NDArray[np.floating[Any]]: ...
def _converted(name: str, a: Any) -> tuple[_Array, bool]: ...
def _integer(name: str, argument: str, value: Any) -> int: ...
