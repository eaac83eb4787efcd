"""Layer: pool.  Parcels: large buffers, copied once into a recycled shared segment.

The other side uses them where they lie, so that an array costs one memcpy, arrives writable and
keeps its memory alive.  Loaded with the first parcel, as it needs NumPy.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastproc.shm.array import SharedArray, shared_bytes

#: Buffers begin at multiples of this, as NumPy's own memory does at least.
ALIGNMENT = 64

#: Where each buffer begins and ends.
Ends = list[tuple[int, int]]


def pack(parts: list[memoryview]) -> tuple[SharedArray, Ends]:
    """Copy buffers into a shared segment."""
    ends, end = [], 0
    for part in parts:
        start = -(-end // ALIGNMENT) * ALIGNMENT
        end = start + part.nbytes
        ends.append((start, end))
    return shared_bytes(parts, [start for start, _ in ends]), ends


def moved_out(memory: SharedArray) -> npt.NDArray[np.uint8]:
    """Return the memory of a parcel as this process's own, for which no descriptor is needed."""
    return np.array(memory, subok=False)


def unpack(memory: npt.NDArray[np.uint8], ends: Ends) -> list[npt.NDArray[np.uint8]]:
    """Return the buffers of a parcel; plain arrays, each of which keeps the segment."""
    plain = memory.view(np.ndarray)
    return [plain[start:stop] for start, stop in ends]
