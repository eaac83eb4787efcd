"""Layer: parallel.  Types of the gates of softmax and log_softmax."""

from typing import Any, SupportsIndex, TypeAlias

import numpy.typing as npt

from fastproc.parallel.processes import Workers as _Workers

_Array: TypeAlias = npt.NDArray[Any]
_Axes: TypeAlias = SupportsIndex | tuple[SupportsIndex, ...] | None

def softmax(x: npt.ArrayLike, axis: _Axes = None, *, workers: _Workers = None) -> Any: ...
def log_softmax(x: npt.ArrayLike, axis: _Axes = None, *, workers: _Workers = None) -> Any: ...
def _softmax_units(
    is_log: bool, states: _Array, is_second: bool, arrays: list[_Array], first: int, last: int
) -> None: ...
