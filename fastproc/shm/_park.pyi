"""Layer: shm.  Types of `_park.pyx`, all of whose names are for Cython modules."""
