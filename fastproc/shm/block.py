"""Layer: shm.  Blocks: a few bytes of shared memory each, for locks, numbers and the like.

A segment costs a descriptor and two pages, too much for eight bytes.  So a process puts its small
things into one segment, an *arena*, one behind the other, and begins another when it is full.  An
arena is given back as a whole, when nothing in it is used any more by anybody: then it is recycled
like any segment, and who may die where is told there (``segment.py``, ``header.py``).

A block travels as the handle of its arena and its place there, as arrays do.
"""

from __future__ import annotations

import os
from typing import Any, NoReturn

from fastproc.shm import segment as segments
from fastproc.shm._mutex import Mutex
from fastproc.shm._root import Root
from fastproc.shm.segment import Handle, Segment

#: Bytes of an arena.
ARENA_BYTES = 64 * 1024

#: Blocks begin at multiples of this, a cache line: two locks in one would slow each other down.
LINE = 64


class Block:
    """Some bytes of a segment, which the block keeps alive."""

    __slots__ = ("nbytes", "offset", "root", "segment")

    def __init__(self, segment: Segment, root: Root, offset: int, nbytes: int) -> None:
        self.segment = segment
        self.root = root
        self.offset = offset
        self.nbytes = nbytes

    def __reduce__(self) -> NoReturn:
        raise TypeError("a block travels with what lies in it")


class _Arena:
    """Where this process puts its next blocks."""

    def __init__(self) -> None:
        self.lock = Mutex()
        self.segment: Segment | None = None
        self.root: Root | None = None
        self.end = 0

    def allocate(self, nbytes: int) -> Block:
        """Return the next block, its bytes not set."""
        size = -(-nbytes // LINE) * LINE
        if size > ARENA_BYTES // 4:
            segment, root, _ = segments.create(size)
            return Block(segment, root, 0, nbytes)
        with self.lock:
            if self.segment is None or self.root is None or self.end + size > len(self.root):
                self.segment, self.root, _ = segments.create(ARENA_BYTES)
                self.end = 0
            start, self.end = self.end, self.end + size
            return Block(self.segment, self.root, start, nbytes)


_arena = _Arena()


def _begin_another() -> None:
    """In a fork: what follows in the arena is the parent's to give away."""
    global _arena
    _arena = _Arena()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_another)


def allocate(nbytes: int) -> Block:
    """Return a new block of zeros; O(nbytes).

    Raises
    ------
    MemoryError
        If the machine, or this process's cgroup, does not have so much memory.

    Examples
    --------
    >>> block = allocate(16)
    >>> bytes(memoryview(block.root)[block.offset : block.offset + 16]) == bytes(16)
    True
    """
    block = _arena.allocate(nbytes)
    memoryview(block.root)[block.offset : block.offset + nbytes] = bytes(nbytes)
    return block


def reduce(obj: Any, block: Block, *state: Any) -> tuple[Any, ...]:
    """Reduce to a handle an object that ``type(obj)._over(block, *state)`` makes again."""
    handle = tuple(segments.send(block.segment))
    return _rebuild, (handle, block.offset, block.nbytes, type(obj), *state)


def _rebuild(handle: tuple[Any, ...], offset: int, nbytes: int, cls: Any, *state: Any) -> Any:
    segment, root = segments.receive(Handle(*handle))
    return cls._over(Block(segment, root, offset, nbytes), *state)


def refuse_to_pickle(obj: Any) -> NoReturn:
    """Raise what multiprocessing raises where its locks and queues cannot be pickled."""
    raise RuntimeError(
        f"{type(obj).__name__} objects are shared memory, which means nothing in a file or in an "
        "unrelated process; pass them to a Process or to a pool's task as an argument, or through "
        "a Queue or a Pipe"
    )
