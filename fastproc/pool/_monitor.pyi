"""Layer: pool.  Types of `_monitor.pyx`."""

from typing import Final

from typing_extensions import Buffer

LAYOUT_HERE: Final[int]

def now_ns() -> int: ...
def pool_in(page: Buffer, size: int) -> tuple[int, int, int, int] | None: ...
def workers_in(
    buffer: Buffer, n_slots: int
) -> list[tuple[int, int, int, int, bool, int, int, int, bytes]]: ...
