"""Layer: parallel.  Types of the elementwise gates."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fastproc.parallel.processes import Workers as _Workers

_Array: TypeAlias = npt.NDArray[Any]

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
