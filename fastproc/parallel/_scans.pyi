"""Layer: parallel.  Types of the scans' gates."""

from typing import Any, SupportsFloat, SupportsIndex, TypeAlias

import numpy.typing as npt

from fastproc.parallel.processes import Workers as _Workers

_Array: TypeAlias = npt.NDArray[Any]

def cumsum(
    a: npt.ArrayLike,
    axis: SupportsIndex | None = None,
    dtype: npt.DTypeLike | None = None,
    out: _Array | None = None,
    *,
    workers: _Workers = None,
) -> _Array: ...
def cumprod(
    a: npt.ArrayLike,
    axis: SupportsIndex | None = None,
    dtype: npt.DTypeLike | None = None,
    out: _Array | None = None,
    *,
    workers: _Workers = None,
) -> _Array: ...
def nancumsum(
    a: npt.ArrayLike,
    axis: SupportsIndex | None = None,
    dtype: npt.DTypeLike | None = None,
    out: _Array | None = None,
    *,
    workers: _Workers = None,
) -> _Array: ...
def nancumprod(
    a: npt.ArrayLike,
    axis: SupportsIndex | None = None,
    dtype: npt.DTypeLike | None = None,
    out: _Array | None = None,
    *,
    workers: _Workers = None,
) -> _Array: ...
def cummax(
    a: npt.ArrayLike,
    axis: SupportsIndex | None = None,
    out: _Array | None = None,
    *,
    workers: _Workers = None,
) -> _Array: ...
def cummin(
    a: npt.ArrayLike,
    axis: SupportsIndex | None = None,
    out: _Array | None = None,
    *,
    workers: _Workers = None,
) -> _Array: ...
def push(
    a: npt.ArrayLike,
    n: SupportsIndex | None = None,
    axis: SupportsIndex = -1,
    *,
    workers: _Workers = None,
) -> _Array: ...
def ewma(
    a: npt.ArrayLike,
    alpha: SupportsFloat | None = None,
    halflife: SupportsFloat | None = None,
    *,
    adjust: bool = True,
    axis: SupportsIndex = -1,
    workers: _Workers = None,
) -> _Array: ...
def _find_states(
    name: int,
    parameters: bytes,
    axis: int,
    array: _Array,
    memory: _Array,
    first: int,
    last: int,
) -> None: ...
def _scan_units(
    name: int,
    parameters: bytes,
    axis: int,
    group: int,
    carries: bytes | None,
    arrays: list[_Array],
    first: int,
    last: int,
) -> None: ...
