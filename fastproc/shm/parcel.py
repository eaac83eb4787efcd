"""Layer: shm.  Parcels: large buffers, copied once into a recycled shared segment.

The other side uses them where they lie, so that an array costs one memcpy, arrives writable and
keeps its memory alive.  Loaded with the first parcel, as it needs NumPy.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastproc.shm import segment as segments
from fastproc.shm._root import Root
from fastproc.shm.array import segment_with
from fastproc.shm.segment import Handle

#: Buffers begin at multiples of this, as NumPy's own memory does at least.
ALIGNMENT = 64

#: Where each buffer begins and ends.
Ends = list[tuple[int, int]]


#: The memory of a parcel, in a process that has opened it.
Bytes = npt.NDArray[np.uint8]


def pack(parts: list[memoryview]) -> tuple[Root, Handle, Ends]:
    """Copy buffers into a shared segment, and return what must be kept until its handle is open."""
    ends, end = [], 0
    for part in parts:
        start = -(-end // ALIGNMENT) * ALIGNMENT
        end = start + part.nbytes
        ends.append((start, end))
    segment, memory = segment_with(parts, [start for start, _ in ends])
    return memory, segments.send(segment), ends


def opened(handle: Handle, ends: Ends) -> Bytes:
    """Return the memory of a parcel, which this process then keeps."""
    memory = np.frombuffer(memoryview(segments.receive(handle)[1]), np.uint8, ends[-1][1])
    # Where descriptors get scarce it had better be this process's own, which needs none.
    return memory.copy() if segments.is_crowded() else memory


def unpack(memory: Bytes, ends: Ends) -> list[Bytes]:
    """Return the buffers of a parcel; plain arrays, each of which keeps the segment."""
    return [memory[start:stop] for start, stop in ends]
