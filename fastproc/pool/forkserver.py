"""Layer: pool.  What the fork server loads, once for all processes that it forks."""

from __future__ import annotations

import sys
from multiprocessing import forkserver


def preload(*others: str) -> None:
    """Have the fork server load what a process or a pool's worker needs, and other modules.

    And NumPy if it is used here, which takes longer to load than a worker to start.  What the user
    has asked the server to load stays; a server that runs already loads nothing more.
    """
    modules = getattr(forkserver._forkserver, "_preload_modules", None)  # private, so it may go
    if isinstance(modules, list):
        wanted = ["fastproc.pool.process", "fastproc.pool.worker", *others]
        wanted += ["numpy"] if "numpy" in sys.modules else []
        modules += [name for name in wanted if name not in modules]
