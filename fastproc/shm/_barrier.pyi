"""Layer: shm.  Types of `_barrier.pyx`."""

import threading
from collections.abc import Callable
from typing import Any

class Barrier(threading.Barrier):
    def __init__(
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
        *,
        ctx: Any = None,
    ) -> None: ...
