"""Layer: kernels.  The pure-Python twins of the kernels: specification, oracle, naive baseline.

Every public kernel has a twin here with its name and signature.  A twin takes the same arrays (by
the buffer protocol) or nested sequences, uses only the standard library, and is written to be
read: plain loops in place of the kernels' lanes, blocks and threads.

``dtypes`` says how numbers promote, round and wrap; ``buffers``, above it, reads, writes and walks
along axes; each of the others has a family of kernels.
"""

from fastproc.kernels.reference.buffers import AxisError
from fastproc.kernels.reference.checks import all_finite, allnan, anynan
from fastproc.kernels.reference.describe import DescribeResult, describe
from fastproc.kernels.reference.distances import cdist, nearest, pdist
from fastproc.kernels.reference.elementwise import (
    add,
    axpy,
    clip,
    cube,
    negative,
    polyval,
    replace,
    sigmoid,
    square,
)
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
from fastproc.kernels.reference.moving import (
    move_argmax,
    move_argmin,
    move_max,
    move_mean,
    move_median,
    move_min,
    move_rank,
    move_std,
    move_sum,
    move_var,
)
from fastproc.kernels.reference.order import (
    median,
    nanmedian,
    nanpercentile,
    nanquantile,
    percentile,
    quantile,
)
from fastproc.kernels.reference.ranking import argpartition, nanrankdata, partition, rankdata, topk
from fastproc.kernels.reference.reductions import (
    logsumexp,
    mean,
    nanmean,
    nanstd,
    nansum,
    nanvar,
    ss,
    std,
    sum,
    var,
)
from fastproc.kernels.reference.scans import (
    cummax,
    cummin,
    cumprod,
    cumsum,
    ewma,
    nancumprod,
    nancumsum,
    push,
)
from fastproc.kernels.reference.search import digitize, searchsorted
from fastproc.kernels.reference.softmax import log_softmax, softmax

__all__ = [
    "AxisError",
    "DescribeResult",
    "add",
    "all_finite",
    "allnan",
    "anynan",
    "argmax",
    "argmin",
    "argpartition",
    "axpy",
    "bincount",
    "cdist",
    "clip",
    "cube",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "describe",
    "digitize",
    "ewma",
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
    "log_softmax",
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
    "partition",
    "pdist",
    "percentile",
    "polyval",
    "push",
    "quantile",
    "rankdata",
    "replace",
    "searchsorted",
    "sigmoid",
    "softmax",
    "square",
    "ss",
    "std",
    "sum",
    "topk",
    "var",
]
