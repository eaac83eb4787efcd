"""Layer: shm.  Memory that many processes see; it knows no kernel and no pool.

`memory.py` gets bytes from the system, `header.py` counts who uses them, `segment.py` decides when
they may be used again, and `array.py` makes NumPy arrays of them.  `_ring.pyx` and `_bell.pxd` are
how two processes talk through such memory; they need no NumPy.  `synchronize.py` has locks and the
like, which lie in the small pieces of memory of `block.py`.
"""
