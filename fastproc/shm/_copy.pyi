"""Layer: shm.  Types of `_copy.pyx`."""

from typing_extensions import Buffer

def copy(to: Buffer, source: Buffer, threads: int = 1) -> None: ...
