"""Layer: parallel.  Types of the gates of the kernels over groups."""

from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from fastproc.parallel.processes import Workers as _Workers

_Array: TypeAlias = npt.NDArray[Any]

def bincount(
    x: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    minlength: SupportsIndex = 0,
    *,
    workers: _Workers = None,
) -> _Array: ...
def group_sum(
    values: npt.ArrayLike,
    labels: npt.ArrayLike,
    num_labels: SupportsIndex | None = None,
    axis: SupportsIndex | None = -1,
    *,
    workers: _Workers = None,
) -> _Array: ...
def group_mean(
    values: npt.ArrayLike,
    labels: npt.ArrayLike,
    num_labels: SupportsIndex | None = None,
    axis: SupportsIndex | None = -1,
    *,
    workers: _Workers = None,
) -> _Array: ...
def group_var(
    values: npt.ArrayLike,
    labels: npt.ArrayLike,
    num_labels: SupportsIndex | None = None,
    axis: SupportsIndex | None = -1,
    *,
    ddof: float = 1,
    workers: _Workers = None,
) -> _Array: ...
def group_std(
    values: npt.ArrayLike,
    labels: npt.ArrayLike,
    num_labels: SupportsIndex | None = None,
    axis: SupportsIndex | None = -1,
    *,
    ddof: float = 1,
    workers: _Workers = None,
) -> _Array: ...
def group_min(
    values: npt.ArrayLike,
    labels: npt.ArrayLike,
    num_labels: SupportsIndex | None = None,
    axis: SupportsIndex | None = -1,
    *,
    workers: _Workers = None,
) -> _Array: ...
def group_max(
    values: npt.ArrayLike,
    labels: npt.ArrayLike,
    num_labels: SupportsIndex | None = None,
    axis: SupportsIndex | None = -1,
    *,
    workers: _Workers = None,
) -> _Array: ...
def group_count(
    values: npt.ArrayLike,
    labels: npt.ArrayLike,
    num_labels: SupportsIndex | None = None,
    axis: SupportsIndex | None = -1,
    *,
    workers: _Workers = None,
) -> npt.NDArray[np.int64]: ...
def group_first(
    values: npt.ArrayLike,
    labels: npt.ArrayLike,
    num_labels: SupportsIndex | None = None,
    axis: SupportsIndex | None = -1,
    *,
    workers: _Workers = None,
) -> _Array: ...
def group_last(
    values: npt.ArrayLike,
    labels: npt.ArrayLike,
    num_labels: SupportsIndex | None = None,
    axis: SupportsIndex | None = -1,
    *,
    workers: _Workers = None,
) -> _Array: ...
def _grouped_units(
    name: int,
    labels: _Array,
    n_groups: int,
    n_units: int,
    lines: _Array,
    memory: _Array,
    first: int,
    last: int,
) -> None: ...
