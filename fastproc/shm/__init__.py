"""Layer: shm.  Memory that many processes see; it knows no kernel and no pool.

`memory.py` gets bytes from the system, `header.py` counts who uses them, `segment.py` decides when
they may be used again, and `array.py` makes NumPy arrays of them.
"""

from fastproc.shm.array import SharedArray, as_shared, share, shared_empty, shared_zeros

__all__ = ["SharedArray", "as_shared", "share", "shared_empty", "shared_zeros"]
