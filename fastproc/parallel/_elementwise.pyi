"""Layer: parallel.  Types of the elementwise gates."""

from concurrent.futures import Executor
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from fastproc.pool import Pool

_Array: TypeAlias = npt.NDArray[Any]
_Workers: TypeAlias = SupportsIndex | Pool | Executor | None

def square(x: npt.ArrayLike, out: _Array | None = None, *, workers: _Workers = None) -> Any: ...
def cube(x: npt.ArrayLike, out: _Array | None = None, *, workers: _Workers = None) -> Any: ...
def negative(x: npt.ArrayLike, out: _Array | None = None, *, workers: _Workers = None) -> Any: ...
def add(
    x1: npt.ArrayLike, x2: npt.ArrayLike, out: _Array | None = None, *, workers: _Workers = None
) -> Any: ...
def axpy(
    alpha: float | np.number[Any] | _Array,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    out: _Array | None = None,
    *,
    workers: _Workers = None,
) -> Any: ...
def sigmoid(x: npt.ArrayLike, out: _Array | None = None, *, workers: _Workers = None) -> Any: ...
def polyval(
    p: npt.ArrayLike, x: npt.ArrayLike, out: _Array | None = None, *, workers: _Workers = None
) -> Any: ...
def clip(
    a: npt.ArrayLike,
    a_min: npt.ArrayLike | None = None,
    a_max: npt.ArrayLike | None = None,
    out: _Array | None = None,
    *,
    workers: _Workers = None,
) -> Any: ...
def replace(
    a: _Array,
    old: float | np.number[Any] | _Array,
    new: float | np.number[Any] | _Array,
    *,
    workers: _Workers = None,
) -> None: ...
def _elementwise_units(
    name: int, is_unary: bool, values: _Array, arrays: list[_Array], first: int, last: int
) -> None: ...
