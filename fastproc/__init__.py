"""fastproc: GIL-free kernels over shared-memory NumPy arrays, on every core.

This is the public face, above all layers: the kernels of ``fastproc.parallel``, the shared arrays
of ``fastproc.shm`` and the ``Pool`` of ``fastproc.pool``, and with them all names of the module
``multiprocessing``, so that ``import fastproc as mp`` serves in its place.  Each is imported when
it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproc import catalogue, lazy
from fastproc.errors import (
    ConfigError,
    FastprocError,
    OwnerDied,
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
    from multiprocessing import SUBDEBUG as SUBDEBUG  # type: ignore[attr-defined]
    from multiprocessing import SUBWARNING as SUBWARNING  # type: ignore[attr-defined]
    from multiprocessing import AuthenticationError as AuthenticationError
    from multiprocessing import BufferTooShort as BufferTooShort
    from multiprocessing import ProcessError as ProcessError
    from multiprocessing import TimeoutError as TimeoutError
    from multiprocessing import connection as connection
    from multiprocessing import context as context
    from multiprocessing import dummy as dummy
    from multiprocessing import forkserver as forkserver
    from multiprocessing import heap as heap
    from multiprocessing import managers as managers
    from multiprocessing import process as process
    from multiprocessing import reduction as reduction
    from multiprocessing import resource_sharer as resource_sharer
    from multiprocessing import resource_tracker as resource_tracker
    from multiprocessing import shared_memory as shared_memory
    from multiprocessing import spawn as spawn
    from multiprocessing import util as util

    from fastproc import pool as pool
    from fastproc.parallel import *
    from fastproc.parallel.accumulators import AllFinite as AllFinite
    from fastproc.parallel.accumulators import AllNan as AllNan
    from fastproc.parallel.accumulators import AnyNan as AnyNan
    from fastproc.parallel.accumulators import ArgMax as ArgMax
    from fastproc.parallel.accumulators import ArgMin as ArgMin
    from fastproc.parallel.accumulators import Describe as Describe
    from fastproc.parallel.accumulators import LogSumExp as LogSumExp
    from fastproc.parallel.accumulators import Max as Max
    from fastproc.parallel.accumulators import Mean as Mean
    from fastproc.parallel.accumulators import Min as Min
    from fastproc.parallel.accumulators import MinMax as MinMax
    from fastproc.parallel.accumulators import NanArgMax as NanArgMax
    from fastproc.parallel.accumulators import NanArgMin as NanArgMin
    from fastproc.parallel.accumulators import NanMax as NanMax
    from fastproc.parallel.accumulators import NanMean as NanMean
    from fastproc.parallel.accumulators import NanMin as NanMin
    from fastproc.parallel.accumulators import NanMinMax as NanMinMax
    from fastproc.parallel.accumulators import NanStd as NanStd
    from fastproc.parallel.accumulators import NanSum as NanSum
    from fastproc.parallel.accumulators import NanVar as NanVar
    from fastproc.parallel.accumulators import Std as Std
    from fastproc.parallel.accumulators import Sum as Sum
    from fastproc.parallel.accumulators import SumOfSquares as SumOfSquares
    from fastproc.parallel.accumulators import Var as Var
    from fastproc.parallel.custom import kernel as kernel
    from fastproc.parallel.tallies import BinCount as BinCount
    from fastproc.parallel.tallies import GroupCount as GroupCount
    from fastproc.parallel.tallies import GroupFirst as GroupFirst
    from fastproc.parallel.tallies import GroupLast as GroupLast
    from fastproc.parallel.tallies import GroupMax as GroupMax
    from fastproc.parallel.tallies import GroupMean as GroupMean
    from fastproc.parallel.tallies import GroupMin as GroupMin
    from fastproc.parallel.tallies import GroupStd as GroupStd
    from fastproc.parallel.tallies import GroupSum as GroupSum
    from fastproc.parallel.tallies import GroupVar as GroupVar
    from fastproc.parallel.tallies import Histogram as Histogram
    from fastproc.parallel.tallies import HistogramDD as HistogramDD
    from fastproc.pool import Pool as Pool
    from fastproc.pool import ProcessPoolExecutor as ProcessPoolExecutor
    from fastproc.pool.context import Array as Array
    from fastproc.pool.context import Barrier as Barrier
    from fastproc.pool.context import BoundedSemaphore as BoundedSemaphore
    from fastproc.pool.context import Condition as Condition
    from fastproc.pool.context import Event as Event
    from fastproc.pool.context import JoinableQueue as JoinableQueue
    from fastproc.pool.context import Lock as Lock
    from fastproc.pool.context import Manager as Manager
    from fastproc.pool.context import Pipe as Pipe
    from fastproc.pool.context import Queue as Queue
    from fastproc.pool.context import RawArray as RawArray
    from fastproc.pool.context import RawValue as RawValue
    from fastproc.pool.context import RLock as RLock
    from fastproc.pool.context import Semaphore as Semaphore
    from fastproc.pool.context import SimpleQueue as SimpleQueue
    from fastproc.pool.context import Value as Value
    from fastproc.pool.context import active_children as active_children
    from fastproc.pool.context import allow_connection_pickling as allow_connection_pickling
    from fastproc.pool.context import cpu_count as cpu_count
    from fastproc.pool.context import current_process as current_process
    from fastproc.pool.context import freeze_support as freeze_support
    from fastproc.pool.context import get_all_start_methods as get_all_start_methods
    from fastproc.pool.context import get_context as get_context
    from fastproc.pool.context import get_logger as get_logger
    from fastproc.pool.context import get_start_method as get_start_method
    from fastproc.pool.context import log_to_stderr as log_to_stderr
    from fastproc.pool.context import parent_process as parent_process
    from fastproc.pool.context import reducer as reducer
    from fastproc.pool.context import set_executable as set_executable
    from fastproc.pool.context import set_forkserver_preload as set_forkserver_preload
    from fastproc.pool.context import set_start_method as set_start_method
    from fastproc.pool.process import Process as Process
    from fastproc.shm import queues as queues
    from fastproc.shm import sharedctypes as sharedctypes
    from fastproc.shm import synchronize as synchronize
    from fastproc.shm.array import SharedArray as SharedArray
    from fastproc.shm.array import share as share
    from fastproc.shm.array import shared_empty as shared_empty
    from fastproc.shm.array import shared_zeros as shared_zeros

    __version__: str

__all__ = [
    "AllFinite",
    "AllNan",
    "AnyNan",
    "ArgMax",
    "ArgMin",
    "Array",
    "AuthenticationError",
    "Barrier",
    "BinCount",
    "BoundedSemaphore",
    "BufferTooShort",
    "Condition",
    "ConfigError",
    "Describe",
    "DescribeResult",
    "Event",
    "FastprocError",
    "GroupCount",
    "GroupFirst",
    "GroupLast",
    "GroupMax",
    "GroupMean",
    "GroupMin",
    "GroupStd",
    "GroupSum",
    "GroupVar",
    "Histogram",
    "HistogramDD",
    "JoinableQueue",
    "Lock",
    "LogSumExp",
    "Manager",
    "Max",
    "Mean",
    "Min",
    "MinMax",
    "NanArgMax",
    "NanArgMin",
    "NanMax",
    "NanMean",
    "NanMin",
    "NanMinMax",
    "NanStd",
    "NanSum",
    "NanVar",
    "OwnerDied",
    "Pipe",
    "Pool",
    "PoolTerminated",
    "Process",
    "ProcessError",
    "ProcessPoolExecutor",
    "Queue",
    "RLock",
    "RawArray",
    "RawValue",
    "RemoteError",
    "SegmentGoneError",
    "Semaphore",
    "SharedArray",
    "SimpleQueue",
    "Std",
    "Sum",
    "SumOfSquares",
    "TaskTimeout",
    "TimeoutError",
    "Value",
    "Var",
    "WorkerDied",
    "__version__",
    "active_children",
    "add",
    "all_finite",
    "allnan",
    "allow_connection_pickling",
    "anynan",
    "argmax",
    "argmin",
    "argpartition",
    "axpy",
    "bincount",
    "cdist",
    "clip",
    "cpu_count",
    "cube",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "current_process",
    "describe",
    "digitize",
    "ewma",
    "freeze_support",
    "get_all_start_methods",
    "get_context",
    "get_logger",
    "get_start_method",
    "group_count",
    "group_first",
    "group_last",
    "group_max",
    "group_mean",
    "group_min",
    "group_std",
    "group_sum",
    "group_var",
    "histogram",
    "histogram2d",
    "histogramdd",
    "kernel",
    "log_softmax",
    "log_to_stderr",
    "logsumexp",
    "max",
    "mean",
    "median",
    "min",
    "minmax",
    "move_argmax",
    "move_argmin",
    "move_max",
    "move_mean",
    "move_median",
    "move_min",
    "move_rank",
    "move_std",
    "move_sum",
    "move_var",
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanminmax",
    "nanpercentile",
    "nanquantile",
    "nanrankdata",
    "nanstd",
    "nansum",
    "nanvar",
    "nearest",
    "negative",
    "parent_process",
    "partition",
    "pdist",
    "percentile",
    "polyval",
    "push",
    "quantile",
    "rankdata",
    "reducer",
    "replace",
    "searchsorted",
    "set_executable",
    "set_forkserver_preload",
    "set_start_method",
    "share",
    "shared_empty",
    "shared_zeros",
    "sigmoid",
    "softmax",
    "square",
    "ss",
    "std",
    "sum",
    "topk",
    "var",
]

_ACCUMULATORS = (
    "AllFinite",
    "AllNan",
    "AnyNan",
    "ArgMax",
    "ArgMin",
    "Describe",
    "LogSumExp",
    "Max",
    "Mean",
    "Min",
    "MinMax",
    "NanArgMax",
    "NanArgMin",
    "NanMax",
    "NanMean",
    "NanMin",
    "NanMinMax",
    "NanStd",
    "NanSum",
    "NanVar",
    "Std",
    "Sum",
    "SumOfSquares",
    "Var",
)

_TALLIES = (
    "BinCount",
    "GroupCount",
    "GroupFirst",
    "GroupLast",
    "GroupMax",
    "GroupMean",
    "GroupMin",
    "GroupStd",
    "GroupSum",
    "GroupVar",
    "Histogram",
    "HistogramDD",
)

_MULTIPROCESSINGS_OWN = (
    "AuthenticationError",
    "BufferTooShort",
    "ProcessError",
    "SUBDEBUG",
    "SUBWARNING",
    "TimeoutError",
)

#: Methods of the default context, as in the module multiprocessing.
_OF_THE_CONTEXT = (
    "Array",
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "JoinableQueue",
    "Lock",
    "Manager",
    "OwnerDied",
    "Pipe",
    "Queue",
    "RLock",
    "RawArray",
    "RawValue",
    "Semaphore",
    "SimpleQueue",
    "Value",
    "active_children",
    "allow_connection_pickling",
    "cpu_count",
    "current_process",
    "freeze_support",
    "get_all_start_methods",
    "get_context",
    "get_logger",
    "get_start_method",
    "log_to_stderr",
    "parent_process",
    "reducer",
    "set_executable",
    "set_forkserver_preload",
    "set_start_method",
)

#: Submodules that programs reach as attributes of multiprocessing; ours where we have the like.
_MODULES = {
    "connection": "multiprocessing.connection",
    "context": "multiprocessing.context",
    "dummy": "multiprocessing.dummy",
    "forkserver": "multiprocessing.forkserver",
    "heap": "multiprocessing.heap",
    "managers": "multiprocessing.managers",
    "process": "multiprocessing.process",
    "reduction": "multiprocessing.reduction",
    "resource_sharer": "multiprocessing.resource_sharer",
    "resource_tracker": "multiprocessing.resource_tracker",
    "shared_memory": "multiprocessing.shared_memory",
    "spawn": "multiprocessing.spawn",
    "util": "multiprocessing.util",
    "pool": "fastproc.pool",
    "queues": "fastproc.shm.queues",
    "sharedctypes": "fastproc.shm.sharedctypes",
    "synchronize": "fastproc.shm.synchronize",
}

_import = lazy.importer(
    __name__,
    {
        "Pool": "fastproc.pool",
        "Process": "fastproc.pool.process",
        "ProcessPoolExecutor": "fastproc.pool",
        "SharedArray": "fastproc.shm.array",
        "share": "fastproc.shm.array",
        "shared_empty": "fastproc.shm.array",
        "shared_zeros": "fastproc.shm.array",
        "DescribeResult": "fastproc.parallel",
        "kernel": "fastproc.parallel.custom",
        **dict.fromkeys(_TALLIES, "fastproc.parallel.tallies"),
        **dict.fromkeys(_ACCUMULATORS, "fastproc.parallel.accumulators"),
        **dict.fromkeys(catalogue.FAMILY_OF, "fastproc.parallel"),
        **dict.fromkeys(_OF_THE_CONTEXT, "fastproc.pool.context"),
        **dict.fromkeys(_MULTIPROCESSINGS_OWN, "multiprocessing"),
    },
    _MODULES,
)


def __getattr__(name: str) -> object:
    if name == "__version__":
        import importlib.metadata

        return importlib.metadata.version("fastproc")
    return _import(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
