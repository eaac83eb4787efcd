"""Layer: shm.  Types of `_items.pyx`."""

from types import GenericAlias
from typing import Any

from typing_extensions import disjoint_base

from fastproc.shm._placed import Placed

@disjoint_base
class Items(Placed):
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...
