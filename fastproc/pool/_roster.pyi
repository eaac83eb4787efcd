"""Layer: pool.  Types of `_roster.pyx`."""

from typing_extensions import disjoint_base

from fastproc.pool._channel import Channel

@disjoint_base
class Roster:
    def __init__(self, n_slots: int) -> None: ...
    @property
    def channels(self) -> list[Channel | None]: ...
    @property
    def n_workers(self) -> int: ...
