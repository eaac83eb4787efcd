"""Layer: shm.  Types of `_placed.pyx`."""

from typing_extensions import disjoint_base

@disjoint_base
class Placed: ...
