"""Layer: shm.  Queues between processes, by the names of ``multiprocessing.queues``."""

from queue import Empty, Full

from fastproc.shm._queue import JoinableQueue, Queue, SimpleQueue

__all__ = ["Empty", "Full", "JoinableQueue", "Queue", "SimpleQueue"]
