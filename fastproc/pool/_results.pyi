"""Layer: pool.  Types of `_results.pyx`."""

from queue import SimpleQueue

from typing_extensions import disjoint_base

from fastproc.pool._job import Job
from fastproc.pool._waiting import Waiting
from fastproc.shm.serialize import Names

@disjoint_base
class Results(Waiting):
    broken: BaseException | None
    def __init__(self, names: Names) -> None: ...
    @property
    def unfinished(self) -> set[Job]: ...
    @property
    def ended(self) -> SimpleQueue[Job | None]: ...
    def fail_all(self, error: BaseException) -> None: ...
