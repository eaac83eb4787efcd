"""Layer: shm.  Types of `_barrier.pyx`."""

import threading
from collections.abc import Callable

class Barrier(threading.Barrier):
    def __init__(
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
    ) -> None: ...
