"""Layer: kernels.  The pure-Python twins of the kernels: specification, oracle, naive baseline.

Every public kernel has a twin here with its name and signature.  A twin takes the same arrays (by
the buffer protocol) or nested sequences, uses only the standard library, and is written to be
read: plain loops in place of the kernels' lanes, blocks and threads.

::

    dtypes        how numbers promote, round and wrap
      buffers     reading, writing, walking along axes
        elementwise  reductions  extremes  grouped
        search                     histogram
                                     histogramdd
"""

from fastproc.kernels.reference.buffers import AxisError
from fastproc.kernels.reference.elementwise import add, cube, negative, square
from fastproc.kernels.reference.extremes import (
    argmax,
    argmin,
    max,
    min,
    minmax,
    nanargmax,
    nanargmin,
    nanmax,
    nanmin,
    nanminmax,
)
from fastproc.kernels.reference.grouped import (
    bincount,
    group_count,
    group_first,
    group_last,
    group_max,
    group_mean,
    group_min,
    group_std,
    group_sum,
    group_var,
)
from fastproc.kernels.reference.histogram import histogram
from fastproc.kernels.reference.histogramdd import histogram2d, histogramdd
from fastproc.kernels.reference.reductions import (
    mean,
    nanmean,
    nanstd,
    nansum,
    nanvar,
    std,
    sum,
    var,
)
from fastproc.kernels.reference.search import digitize, searchsorted

__all__ = [
    "AxisError",
    "add",
    "argmax",
    "argmin",
    "bincount",
    "cube",
    "digitize",
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
    "searchsorted",
    "square",
    "std",
    "sum",
    "var",
]
