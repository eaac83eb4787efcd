"""Layer: pool.  Types of `_function.pyx`."""

from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from fastproc.shm.serialize import Names

@disjoint_base
class Function:
    def __init__(self, function: Callable[..., Any], number: int, names: Names) -> None: ...
    @property
    def function(self) -> Callable[..., Any]: ...

@disjoint_base
class Functions:
    def __init__(self, names: Names) -> None: ...
