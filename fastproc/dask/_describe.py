"""Layer: bridges.  The description of Dask arrays."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from fastproc import parallel
from fastproc.dask.chunks import as_dask, tried
from fastproc.dask.face import like
from fastproc.dask.states import result, states
from fastproc.kernels import validate
from fastproc.parallel._describe import DescribeResult
from fastproc.parallel.accumulators import Describe


@like(
    parallel.describe,
    "Chunks become states, which are merged as a tree that depends on the chunks alone. Sums are\n"
    "added up in another order than by `fastproc.describe`, so that the last bits may differ. The\n"
    "results share their work if they are computed together, by ``dask.compute(result)``.",
    "float(fd.describe(x).mean.compute())\n2.75",
    "DescribeResult\n    Of Dask arrays, but for the number of elements: NaN if it is not known.",
)
def describe(a: Any, axis: Any, ddof: float, bias: bool, workers: int) -> DescribeResult:
    """Merge states, and pick each part of the result."""
    x = as_dask(a)
    model = tried(parallel.describe, x, axis, ddof, bias)
    axes = validate.axes(axis, x.ndim)
    new = functools.partial(Describe, None if axis is None else axes[0], ddof, bias)
    merged = states(new, [(x, tuple(range(x.ndim)))], x.ndim, axes, workers)

    def part(*path: int) -> Any:
        value = model
        for index in path:
            value = value[index]
        return result(merged, path, axes, np.asarray(value).dtype)

    n = math.prod(x.shape[i] for i in axes)
    return DescribeResult(n, (part(1, 0), part(1, 1)), part(2), part(3), part(4), part(5))
