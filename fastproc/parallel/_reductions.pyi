"""Layer: parallel.  Types of the reductions' gates."""

from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from fastproc.parallel.processes import Workers as _Workers

_Array: TypeAlias = npt.NDArray[Any]
_Axes: TypeAlias = SupportsIndex | tuple[SupportsIndex, ...] | None

_NAMES: tuple[str, ...]

def sum(
    a: npt.ArrayLike,
    axis: _Axes = None,
    dtype: npt.DTypeLike | None = None,
    out: _Array | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def mean(
    a: npt.ArrayLike,
    axis: _Axes = None,
    dtype: npt.DTypeLike | None = None,
    out: _Array | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def nansum(
    a: npt.ArrayLike,
    axis: _Axes = None,
    dtype: npt.DTypeLike | None = None,
    out: _Array | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def nanmean(
    a: npt.ArrayLike,
    axis: _Axes = None,
    dtype: npt.DTypeLike | None = None,
    out: _Array | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def var(
    a: npt.ArrayLike,
    axis: _Axes = None,
    dtype: npt.DTypeLike | None = None,
    out: _Array | None = None,
    ddof: float = 0.0,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def std(
    a: npt.ArrayLike,
    axis: _Axes = None,
    dtype: npt.DTypeLike | None = None,
    out: _Array | None = None,
    ddof: float = 0.0,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def nanvar(
    a: npt.ArrayLike,
    axis: _Axes = None,
    dtype: npt.DTypeLike | None = None,
    out: _Array | None = None,
    ddof: float = 0.0,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def nanstd(
    a: npt.ArrayLike,
    axis: _Axes = None,
    dtype: npt.DTypeLike | None = None,
    out: _Array | None = None,
    ddof: float = 0.0,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def min(
    a: npt.ArrayLike,
    axis: _Axes = None,
    out: _Array | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def max(
    a: npt.ArrayLike,
    axis: _Axes = None,
    out: _Array | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def nanmin(
    a: npt.ArrayLike,
    axis: _Axes = None,
    out: _Array | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def nanmax(
    a: npt.ArrayLike,
    axis: _Axes = None,
    out: _Array | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def minmax(
    a: npt.ArrayLike,
    axis: _Axes = None,
    out: tuple[_Array, _Array] | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> tuple[Any, Any]: ...
def nanminmax(
    a: npt.ArrayLike,
    axis: _Axes = None,
    out: tuple[_Array, _Array] | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> tuple[Any, Any]: ...
def argmin(
    a: npt.ArrayLike,
    axis: SupportsIndex | None = None,
    out: _Array | None = None,
    *,
    keepdims: bool = False,
    workers: _Workers = None,
) -> Any: ...
def argmax(
    a: npt.ArrayLike,
    axis: SupportsIndex | None = None,
    out: _Array | None = None,
    *,
    keepdims: bool = False,
    workers: _Workers = None,
) -> Any: ...
def nanargmin(
    a: npt.ArrayLike,
    axis: SupportsIndex | None = None,
    out: _Array | None = None,
    *,
    keepdims: bool = False,
    workers: _Workers = None,
) -> Any: ...
def nanargmax(
    a: npt.ArrayLike,
    axis: SupportsIndex | None = None,
    out: _Array | None = None,
    *,
    keepdims: bool = False,
    workers: _Workers = None,
) -> Any: ...
def ss(
    a: npt.ArrayLike,
    axis: _Axes = None,
    out: _Array | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def anynan(
    a: npt.ArrayLike,
    axis: _Axes = None,
    out: _Array | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def allnan(
    a: npt.ArrayLike,
    axis: _Axes = None,
    out: _Array | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def all_finite(
    a: npt.ArrayLike,
    axis: _Axes = None,
    out: _Array | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def logsumexp(
    a: npt.ArrayLike,
    axis: _Axes = None,
    b: npt.ArrayLike | None = None,
    keepdims: bool = False,
    return_sign: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def _reduce_units(
    name: int,
    array: _Array,
    axes: tuple[int, ...],
    states: _Array,
    first: int,
    last: int,
) -> None: ...

_STATE: np.dtype[np.void]

def _states_of(name: int, a: _Array, axis: _Axes, workers: _Workers) -> tuple[_Array, int]: ...
def _merge_states(
    name: int, dtype: np.dtype[Any], into: _Array, other: _Array, before: int
) -> None: ...
def _results_of(
    name: int, dtype: np.dtype[Any], states: _Array, count: int, ddof: float
) -> tuple[_Array, ...]: ...
def _as_bool(result: _Array) -> _Array: ...
