"""Layer: shm.  Memory that many processes see; it knows no kernel and no pool.

`memory.py` gets bytes from the system, `header.py` counts who uses them, `segment.py` decides when
they may be used again, and `array.py` makes NumPy arrays of them.  `_ring.pyx` and `_bell.pxd` are
how two processes talk through such memory; they need no NumPy.

multiprocessing's objects lie in such memory, too: locks and the like (`synchronize.py`) and numbers
(`sharedctypes.py`) in its small pieces (`block.py`), queues (`queues.py`) in segments of their own.
"""
