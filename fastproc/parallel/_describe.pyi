"""Layer: parallel.  Types of the gate of `describe`."""

from typing import Any, NamedTuple, SupportsIndex

import numpy as np
import numpy.typing as npt

from fastproc.parallel.processes import Workers as _Workers

_Array = npt.NDArray[Any]

class DescribeResult(NamedTuple):
    nobs: int
    minmax: tuple[Any, Any]
    mean: Any
    variance: Any
    skewness: Any
    kurtosis: Any

def describe(
    a: npt.ArrayLike,
    axis: SupportsIndex | None = 0,
    ddof: float = 1.0,
    bias: bool = True,
    *,
    workers: _Workers = None,
) -> DescribeResult: ...
def _states_of(array: _Array, axis: int, workers: _Workers) -> _Array: ...
def _merge_into(states: _Array, others: _Array, is_integer: bool) -> None: ...
def _result_of(states: _Array, dtype: np.dtype[Any], ddof: float, bias: bool) -> DescribeResult: ...
def _is_integer(dtype: np.dtype[Any]) -> bool: ...
def _compiled(a: npt.ArrayLike, axis: Any) -> tuple[_Array, np.dtype[Any], int]: ...
