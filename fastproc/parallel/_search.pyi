"""Layer: parallel.  Types of the gates of the searches."""

from typing import Any, Literal, TypeAlias

import numpy.typing as npt

from fastproc.parallel.processes import Workers as _Workers

_Array: TypeAlias = npt.NDArray[Any]

def digitize(
    x: npt.ArrayLike, bins: npt.ArrayLike, right: bool = False, *, workers: _Workers = None
) -> Any: ...
def searchsorted(
    a: npt.ArrayLike,
    v: npt.ArrayLike,
    side: Literal["left", "right"] = "left",
    sorter: npt.ArrayLike | None = None,
    *,
    workers: _Workers = None,
) -> Any: ...
def _search_units(
    edges: _Array, right: bool, x: _Array, memory: _Array, first: int, last: int
) -> None: ...
