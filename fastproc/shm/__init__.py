"""Layer: shm.  Memory that many processes see; it knows no kernel and no pool."""
