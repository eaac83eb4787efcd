"""Layer: pool.  Processes that take tasks; it knows no kernel.

`pool.py` and `executor.py` are the faces, `result.py` what they return.  A call becomes a job of
`_dispatcher.pyx`, which knows which task is where; `_messages.pxd` says what goes to the workers
and back, `serialize.py` how values travel, `remote.py` how exceptions do.  `worker.py` and
`_worker.pyx` are the other side.  `manager.py` starts workers and notices their deaths.
`monitor.py` looks into other processes' pools.

Beside the pool, `process.py` is a single process, `popen.py` how it starts, `context.py` a start
method with all that it makes, and `script.py` what another process finds of the main script.
"""

from typing import TYPE_CHECKING

from fastproc import lazy

if TYPE_CHECKING:
    from multiprocessing.pool import MaybeEncodingError as MaybeEncodingError  # type: ignore[attr-defined]
    from multiprocessing.pool import RemoteTraceback as RemoteTraceback  # type: ignore[attr-defined]
    from multiprocessing.pool import ThreadPool as ThreadPool

    from fastproc.pool.executor import ProcessPoolExecutor as ProcessPoolExecutor
    from fastproc.pool.pool import Pool as Pool
    from fastproc.pool.result import AsyncResult as AsyncResult

__all__ = ["Pool", "ProcessPoolExecutor", "ThreadPool"]

__getattr__ = lazy.importer(
    __name__,
    {
        "Pool": "fastproc.pool.pool",
        "ProcessPoolExecutor": "fastproc.pool.executor",
        "AsyncResult": "fastproc.pool.result",
        # Looked for here by `import fastproc as mp`.
        "MaybeEncodingError": "multiprocessing.pool",
        "RemoteTraceback": "multiprocessing.pool",
        "ThreadPool": "multiprocessing.pool",
    },
)
