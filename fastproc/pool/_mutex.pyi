"""Layer: pool.  Types of `_mutex.pyx`."""

from typing import Any, Self

from typing_extensions import disjoint_base

@disjoint_base
class Mutex:
    def __new__(cls) -> Self: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *exception: Any) -> None: ...
