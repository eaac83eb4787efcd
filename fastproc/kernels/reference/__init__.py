"""Layer: kernels.  The pure-Python twins of the kernels: specification, oracle, naive baseline.

Every public kernel has a twin here with its name and signature.  A twin takes the same arrays (by
the buffer protocol) or nested sequences, uses only the standard library, and is written to be
read: plain loops in place of the kernels' lanes, blocks and threads.

::

    dtypes        how numbers promote, round and wrap
      buffers     reading, writing, walking along axes
        elementwise  reductions  extremes  order  ranking
                                   histogram
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
from fastproc.kernels.reference.histogram import histogram
from fastproc.kernels.reference.order import (
    median,
    nanmedian,
    nanpercentile,
    nanquantile,
    percentile,
    quantile,
)
from fastproc.kernels.reference.ranking import (
    argpartition,
    nanrankdata,
    partition,
    rankdata,
    topk,
)
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

__all__ = [
    "AxisError",
    "add",
    "argmax",
    "argmin",
    "argpartition",
    "cube",
    "histogram",
    "max",
    "mean",
    "median",
    "min",
    "minmax",
    "nanargmax",
    "nanargmin",
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
    "negative",
    "partition",
    "percentile",
    "quantile",
    "rankdata",
    "square",
    "std",
    "sum",
    "topk",
    "var",
]
