"""Layer: parallel.  The public kernels: cut into units, run by threads or a pool, merged."""

from fastproc.parallel._elementwise import add, cube, negative, square
from fastproc.parallel._histogram import histogram
from fastproc.parallel._reduction import (
    argmax,
    argmin,
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
    std,
    sum,
    var,
)
from fastproc.parallel.docs import attach

__all__ = [
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
]

for _name in __all__:
    attach(globals()[_name])
