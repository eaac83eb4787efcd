"""fastproc: GIL-free kernels over shared-memory NumPy arrays, on every core.

This is the public face, above all layers: the kernels of ``fastproc.parallel``, the shared arrays
of ``fastproc.shm`` and the ``Pool`` of ``fastproc.pool``.  What needs multiprocessing is imported
when it is first asked for, so that ``import fastproc`` costs little more than ``import numpy``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproc.errors import (
    ConfigError,
    FastprocError,
    PoolTerminated,
    RemoteError,
    SegmentGoneError,
    TaskTimeout,
    WorkerDied,
)

try:
    from fastproc.kernels import _cpu as _cpu
except ImportError as error:
    raise ImportError(
        f"the fastproc in {__path__[0]} has no compiled modules for this Python: it is a folder of "
        f"sources. Start Python in another folder to get the installed fastproc, or compile these "
        f"sources in place with: pip install -e ."
    ) from error

from fastproc.parallel import (
    add,
    argmax,
    argmin,
    cube,
    histogram,
    max,
    mean,
    min,
    minmax,
    nanargmax,
    nanargmin,
    nanmax,
    nanmean,
    nanmin,
    nanminmax,
    nanstd,
    nansum,
    nanvar,
    negative,
    square,
    std,
    sum,
    var,
)

if TYPE_CHECKING:
    from fastproc.pool import Pool as Pool
    from fastproc.pool import ProcessPoolExecutor as ProcessPoolExecutor
    from fastproc.shm import SharedArray as SharedArray
    from fastproc.shm import share as share
    from fastproc.shm import shared_empty as shared_empty
    from fastproc.shm import shared_zeros as shared_zeros

    __version__: str

__all__ = [
    "ConfigError",
    "FastprocError",
    "Pool",
    "PoolTerminated",
    "ProcessPoolExecutor",
    "RemoteError",
    "SegmentGoneError",
    "SharedArray",
    "TaskTimeout",
    "WorkerDied",
    "__version__",
    "add",
    "argmax",
    "argmin",
    "cube",
    "histogram",
    "max",
    "mean",
    "min",
    "minmax",
    "nanargmax",
    "nanargmin",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanminmax",
    "nanstd",
    "nansum",
    "nanvar",
    "negative",
    "share",
    "shared_empty",
    "shared_zeros",
    "square",
    "std",
    "sum",
    "var",
]

_LAZY = {
    "Pool": "fastproc.pool",
    "ProcessPoolExecutor": "fastproc.pool",
    "SharedArray": "fastproc.shm",
    "share": "fastproc.shm",
    "shared_empty": "fastproc.shm",
    "shared_zeros": "fastproc.shm",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        import importlib

        value = getattr(importlib.import_module(_LAZY[name]), name)
    elif name == "__version__":
        import importlib.metadata

        value = importlib.metadata.version("fastproc")
    else:
        raise AttributeError(f"module 'fastproc' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
