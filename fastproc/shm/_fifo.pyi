"""Layer: shm.  Types of `_fifo.pyx`."""

from typing import Self

from typing_extensions import disjoint_base

from fastproc.shm.block import Block

@disjoint_base
class Fifo:
    def __init__(self, most_items: int) -> None: ...
    @property
    def block(self) -> Block: ...
    @classmethod
    def over(cls, block: Block) -> Self: ...
