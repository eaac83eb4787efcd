"""fastproc: GIL-free kernels over shared-memory NumPy arrays, on every core.

This is the public face, above all layers: the kernels of ``fastproc.parallel``, the shared arrays
of ``fastproc.shm`` and the ``Pool`` of ``fastproc.pool``.  Each is imported when it is first asked
for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproc import lazy
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

if TYPE_CHECKING:
    from fastproc.parallel import add as add
    from fastproc.parallel import argmax as argmax
    from fastproc.parallel import argmin as argmin
    from fastproc.parallel import cube as cube
    from fastproc.parallel import histogram as histogram
    from fastproc.parallel import max as max
    from fastproc.parallel import mean as mean
    from fastproc.parallel import min as min
    from fastproc.parallel import minmax as minmax
    from fastproc.parallel import nanargmax as nanargmax
    from fastproc.parallel import nanargmin as nanargmin
    from fastproc.parallel import nanmax as nanmax
    from fastproc.parallel import nanmean as nanmean
    from fastproc.parallel import nanmin as nanmin
    from fastproc.parallel import nanminmax as nanminmax
    from fastproc.parallel import nanstd as nanstd
    from fastproc.parallel import nansum as nansum
    from fastproc.parallel import nanvar as nanvar
    from fastproc.parallel import negative as negative
    from fastproc.parallel import square as square
    from fastproc.parallel import std as std
    from fastproc.parallel import sum as sum
    from fastproc.parallel import var as var
    from fastproc.pool import Pool as Pool
    from fastproc.pool import ProcessPoolExecutor as ProcessPoolExecutor
    from fastproc.shm.array import SharedArray as SharedArray
    from fastproc.shm.array import share as share
    from fastproc.shm.array import shared_empty as shared_empty
    from fastproc.shm.array import shared_zeros as shared_zeros

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

_KERNELS = (
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
    "square",
    "std",
    "sum",
    "var",
)

_import = lazy.importer(
    __name__,
    {
        "Pool": "fastproc.pool",
        "ProcessPoolExecutor": "fastproc.pool",
        "SharedArray": "fastproc.shm.array",
        "share": "fastproc.shm.array",
        "shared_empty": "fastproc.shm.array",
        "shared_zeros": "fastproc.shm.array",
        **dict.fromkeys(_KERNELS, "fastproc.parallel"),
    },
)


def __getattr__(name: str) -> object:
    if name == "__version__":
        import importlib.metadata

        return importlib.metadata.version("fastproc")
    return _import(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
