"""Layer: shm.  Locks and the like, by the names that multiprocessing gives them.

Each lies in a few bytes of shared memory (``block.py``), travels to related processes as a handle
to them, and stays usable whichever process is killed at whichever moment; the head of each module
says how.
"""

from fastproc.shm._barrier import Barrier
from fastproc.shm._condition import Condition
from fastproc.shm._event import Event
from fastproc.shm._lock import Lock, RLock
from fastproc.shm._semaphore import SEM_VALUE_MAX as SEM_VALUE_MAX
from fastproc.shm._semaphore import BoundedSemaphore, Semaphore

__all__ = ["Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "RLock", "Semaphore"]
