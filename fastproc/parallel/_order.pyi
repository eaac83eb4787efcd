"""Layer: parallel.  Types of the order statistics' gates."""

from typing import Any, SupportsIndex, TypeAlias

import numpy.typing as npt

from fastproc.parallel.processes import Workers as _Workers

_Array: TypeAlias = npt.NDArray[Any]
_Axis: TypeAlias = SupportsIndex | tuple[SupportsIndex, ...] | None

def median(
    a: npt.ArrayLike,
    axis: _Axis = None,
    out: _Array | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def nanmedian(
    a: npt.ArrayLike,
    axis: _Axis = None,
    out: _Array | None = None,
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def quantile(
    a: npt.ArrayLike,
    q: npt.ArrayLike,
    axis: _Axis = None,
    out: _Array | None = None,
    method: str = "linear",
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def nanquantile(
    a: npt.ArrayLike,
    q: npt.ArrayLike,
    axis: _Axis = None,
    out: _Array | None = None,
    method: str = "linear",
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def percentile(
    a: npt.ArrayLike,
    q: npt.ArrayLike,
    axis: _Axis = None,
    out: _Array | None = None,
    method: str = "linear",
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def nanpercentile(
    a: npt.ArrayLike,
    q: npt.ArrayLike,
    axis: _Axis = None,
    out: _Array | None = None,
    method: str = "linear",
    keepdims: bool = False,
    *,
    workers: _Workers = None,
) -> Any: ...
def _order_units(
    brackets: bytes,
    n_brackets: int,
    capacity: int,
    arrays: list[_Array],
    first: int,
    last: int,
) -> None: ...
