"""Layer: parallel.  Types of the reductions' gates."""

from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy.typing as npt

from fastproc.pool import Pool

_Array: TypeAlias = npt.NDArray[Any]
_Axes: TypeAlias = SupportsIndex | tuple[SupportsIndex, ...] | None
_Workers: TypeAlias = SupportsIndex | Pool | None

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
def logsumexp(
    a: npt.ArrayLike,
    axis: _Axes = None,
    b: None = None,
    keepdims: bool = False,
    return_sign: Literal[False] = False,
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
