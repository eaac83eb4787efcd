"""Layer: parallel.  Types of the gates of softmax and log_softmax."""

from concurrent.futures import Executor
from typing import Any, SupportsIndex, TypeAlias

import numpy.typing as npt

from fastproc.pool import Pool

_Array: TypeAlias = npt.NDArray[Any]
_Axes: TypeAlias = SupportsIndex | tuple[SupportsIndex, ...] | None
_Workers: TypeAlias = SupportsIndex | Pool | Executor | None

def softmax(x: npt.ArrayLike, axis: _Axes = None, *, workers: _Workers = None) -> Any: ...
def log_softmax(x: npt.ArrayLike, axis: _Axes = None, *, workers: _Workers = None) -> Any: ...
def _softmax_units(
    is_log: bool, states: _Array, is_second: bool, arrays: list[_Array], first: int, last: int
) -> None: ...
