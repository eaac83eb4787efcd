"""Layer: pool.  Types of `_worker.pyx`."""

from typing import Any, Final, Self

from typing_extensions import disjoint_base

PAGE_BYTES: Final[int]

def resident_bytes() -> int: ...

@disjoint_base
class Worker:
    def __new__(
        cls,
        memory: Any,
        slot: int,
        wake: Any,
        bell: Any,
        spin_ns: int,
        most_memory: int,
    ) -> Self: ...
    def run(self) -> None: ...
    def fail_to_start(self, error: BaseException) -> None: ...
