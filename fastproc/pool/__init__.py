"""Layer: pool.  Processes that take tasks; it knows no kernel.

`pool.py` and `executor.py` are the faces, `result.py` what they return.  A call becomes a job of
`_dispatcher.pyx`, which knows which task is where; `_messages.pxd` says what goes to the workers
and back, `serialize.py` how values travel, `remote.py` how exceptions do.  `worker.py` and
`_worker.pyx` are the other side.  `manager.py` starts workers and notices their deaths.
"""

from typing import TYPE_CHECKING

from fastproc import lazy

if TYPE_CHECKING:
    from fastproc.pool.executor import ProcessPoolExecutor as ProcessPoolExecutor
    from fastproc.pool.pool import Pool as Pool

__all__ = ["Pool", "ProcessPoolExecutor"]

__getattr__ = lazy.importer(
    __name__,
    {"Pool": "fastproc.pool.pool", "ProcessPoolExecutor": "fastproc.pool.executor"},
)
