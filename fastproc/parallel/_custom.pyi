"""Layer: parallel.  Types of users' kernels: what ``custom.py`` calls."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fastproc.parallel.cfunction import CFunction

_Array = npt.NDArray[Any]

def apply(
    function: CFunction, form: int, arrays: list[_Array], ns_per_element: float, workers: Any
) -> bool: ...
def n_units(size: int) -> int: ...
def apply_units(
    function: CFunction, form: int, arrays: list[_Array], first: int, last: int
) -> None: ...
def chunks_of(x: _Array) -> int: ...
def partial_states(
    partial: CFunction,
    x: _Array,
    states: _Array,
    width: int,
    ns_per_element: float,
    workers: Any,
) -> bool: ...
def partial_units(
    partial: CFunction, x: _Array, width: int, states: _Array, first: int, last: int
) -> None: ...
def merge_states(merge: CFunction, states: _Array, width: int) -> None: ...
def finalized(finalize: CFunction, state: _Array) -> np.float64: ...
