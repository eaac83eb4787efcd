"""Layer: kernels.  The pure-Python twins of the kernels: specification, oracle, naive baseline.

Every public kernel has a twin here with its name and signature.  A twin takes the same arrays (by
the buffer protocol) or nested sequences, uses only the standard library, and is written to be
read: plain loops in place of the kernels' lanes, blocks and threads.

::

    dtypes        how numbers promote, round and wrap
      buffers     reading, writing, walking along axes
        elementwise  reductions  extremes
                     moving        histogram
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
    "cube",
    "histogram",
    "max",
    "mean",
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
]
