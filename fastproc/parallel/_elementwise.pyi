"""Layer: parallel.  Types of the elementwise gates."""

from typing import Any, SupportsIndex, TypeAlias

import numpy.typing as npt

from fastproc.pool import Pool

_Array: TypeAlias = npt.NDArray[Any]
_Workers: TypeAlias = SupportsIndex | Pool | None

def square(x: npt.ArrayLike, out: _Array | None = None, *, workers: _Workers = None) -> Any: ...
def cube(x: npt.ArrayLike, out: _Array | None = None, *, workers: _Workers = None) -> Any: ...
def negative(x: npt.ArrayLike, out: _Array | None = None, *, workers: _Workers = None) -> Any: ...
def add(
    x1: npt.ArrayLike, x2: npt.ArrayLike, out: _Array | None = None, *, workers: _Workers = None
) -> Any: ...
def _elementwise_units(
    name: int, is_unary: bool, arrays: list[_Array], first: int, last: int
) -> None: ...
