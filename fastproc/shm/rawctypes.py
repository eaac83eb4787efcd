"""Layer: shm.  ctypes objects in shared memory, without a lock: how they are made and travel.

Such an object lies over a block (``block.py``), which it keeps.  multiprocessing pickles with
ForkingPickler, which looks for a reducer by the exact type, so each type is registered once an
object of it is handed out.  The memory hangs at the object as multiprocessing hangs its own there:
only one reducer can be registered for, say, c_int, and whichever it is can send the objects of
both.
"""

from __future__ import annotations

import ctypes
import sys
from multiprocessing.reduction import ForkingPickler
from typing import Any, NoReturn

from fastproc.shm import block as blocks
from fastproc.shm.block import Block

#: The classes of all ctypes objects have this in common; ctypes has no name for it.
_CData: Any = ctypes._SimpleCData.__mro__[1]

typecode_to_type: dict[str, Any] = {
    "c": ctypes.c_char,
    "u": ctypes.c_wchar,
    "b": ctypes.c_byte,
    "B": ctypes.c_ubyte,
    "h": ctypes.c_short,
    "H": ctypes.c_ushort,
    "i": ctypes.c_int,
    "I": ctypes.c_uint,
    "l": ctypes.c_long,
    "L": ctypes.c_ulong,
    "q": ctypes.c_longlong,
    "Q": ctypes.c_ulonglong,
    "f": ctypes.c_float,
    "d": ctypes.c_double,
}

#: What one may have meant who gives a type of Python's.
_MEANT: dict[Any, str] = {
    int: "'q' (64 bits) or 'i' (32)",
    float: "'d'",
    complex: "an array of two 'd'",
    bool: "ctypes.c_bool",
    str: "'u', or 'c' for bytes",
    bytes: "'c'",
}


class RawMemory:
    """The memory of one ctypes object."""

    __slots__ = ("_block",)

    def __init__(self, block: Block) -> None:
        self._block = block

    @classmethod
    def _over(cls, block: Block) -> RawMemory:
        return cls(block)

    def create_memoryview(self) -> memoryview:
        """Return the bytes; so is the method called that multiprocessing's memory has."""
        block = self._block
        return memoryview(block.root)[block.offset : block.offset + block.nbytes]

    def _reduce_to_handle(self) -> Any:
        return blocks.reduce(self, self._block)

    def __reduce__(self) -> NoReturn:
        blocks.refuse_to_pickle(self)


ForkingPickler.register(RawMemory, RawMemory._reduce_to_handle)


def type_of(typecode_or_type: Any) -> Any:
    """Return a ctypes type by itself or by its code.

    Raises
    ------
    TypeError
        If it is neither.

    Examples
    --------
    >>> type_of("d")
    <class 'ctypes.c_double'>
    """
    type_ = typecode_to_type.get(typecode_or_type, typecode_or_type)
    if isinstance(type_, type) and issubclass(type_, _CData):
        return type_
    meant = f"; did you mean {_MEANT[type_]}?" if type_ in _MEANT else ""
    raise TypeError(
        f"{typecode_or_type!r} is neither a ctypes type nor a typecode, of which there are "
        f"{', '.join(map(repr, typecode_to_type))}{meant}"
    )


def create(type_: Any) -> Any:
    """Return a new object of zeros."""
    # A block of no bytes would be the next one's place.
    return _lie_over(type_, RawMemory(blocks.allocate(max(1, ctypes.sizeof(type_)))))


def _lie_over(type_: Any, memory: Any) -> Any:
    obj = type_.from_buffer(memory.create_memoryview())
    obj._wrapper = memory
    return obj


def is_shared(obj: Any) -> bool:
    """Tell whether an object lies in shared memory, ours or multiprocessing's.

    Users may give an ordinary one any attribute, this too.
    """
    memory = getattr(obj, "_wrapper", None)
    if type(memory) is RawMemory:
        return True
    # Loaded if an object of its is here; where another thread is just loading it, none can be.
    wrapper = getattr(sys.modules.get("multiprocessing.heap"), "BufferWrapper", None)
    return wrapper is not None and isinstance(memory, wrapper)


def describe(obj: Any) -> tuple[Any, Any, tuple[int, ...]] | None:
    """Return what travels of an object in shared memory: its memory, type and lengths.

    A type of arrays has no name by which it could be pickled, so it is taken apart into that of
    the items and the lengths.  None if the object does not lie in shared memory.
    """
    if not is_shared(obj):
        return None
    type_: Any = type(obj)
    lengths: list[int] = []
    while _is_plain_array(type_):
        lengths.append(type_._length_)
        type_ = type_._type_
    return obj._wrapper, type_, tuple(lengths)


def _is_plain_array(type_: Any) -> bool:
    """Tell whether a type is ctypes' own of so many items, rather than a subclass."""
    return issubclass(type_, ctypes.Array) and type_ is type_._type_ * type_._length_


def rebuild(memory: Any, type_: Any, lengths: tuple[int, ...]) -> Any:
    """Return the object that `describe` described."""
    for length in reversed(lengths):
        type_ = type_ * length
    return _lie_over(type_, memory)


def _rebuild_and_register(*description: Any) -> Any:
    return register(rebuild(*description))


def _reduce(obj: Any) -> Any:
    description = describe(obj)
    if description is None:
        return obj.__reduce__()  # an ordinary one of the same type, which travels by value
    return _rebuild_and_register, description


def register(obj: Any) -> Any:
    """Let an object travel, and all of its type; return it."""
    ForkingPickler.register(type(obj), _reduce)
    return obj
