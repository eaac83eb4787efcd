"""Layer: shm.  Functions and classes by value; loaded when the first of them must travel."""

from __future__ import annotations

import io
from collections import ChainMap
from multiprocessing.reduction import ForkingPickler
from types import FunctionType
from typing import TYPE_CHECKING, Any

import cloudpickle

from fastproc.shm import serialize

if TYPE_CHECKING:
    from fastproc.shm.segment import Handle


class ValuePickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles by value what the other side does not find by name, and shared arrays as handles."""

    dispatch_table: Any = ChainMap(  # noqa: RUF012
        ForkingPickler._extra_reducers,  # type: ignore[attr-defined]
        cloudpickle.Pickler.dispatch_table,
    )

    def __init__(
        self, file: io.BytesIO, names: serialize.Names, handles: list[Handle], keep: Any
    ) -> None:
        if names.reducers:
            # Before the pickler is made, which looks for its table then and never again.
            self.dispatch_table = ChainMap(names.reducers, *self.dispatch_table.maps)
        super().__init__(file, serialize.PROTOCOL, buffer_callback=keep)
        self._names = names
        self._handles = handles

    def reducer_override(self, obj: Any) -> Any:
        """Reduce what pickle would not, or not in the way that the other side needs."""
        if (type(obj) is FunctionType or isinstance(obj, type)) and self._names.has(obj):
            return NotImplemented
        reduced = serialize.reduce_shared(obj, self._handles)
        return super().reducer_override(obj) if reduced is NotImplemented else reduced
