"""Layer: bridges.  Reductions of Dask arrays, by the accumulators of fastproc's own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from dask.array import Array

from fastproc import parallel
from fastproc.dask.chunks import Axes, as_dask, tried
from fastproc.dask.face import P, like
from fastproc.dask.places import place
from fastproc.dask.signed import logsumexp as logsumexp
from fastproc.dask.states import Path, result, states
from fastproc.kernels import validate
from fastproc.parallel import accumulators

_NOTES = """Chunks become states, which are merged as a tree that depends on the chunks alone.
{}"""
_EXACT = "The result is exactly that of `fastproc.{}`."
_ROUNDED = """Sums are added up in another order than by `fastproc.{}`, so that the last bits may
differ; for integers, and for a single chunk, they are the same."""
_EXAMPLE = "bool(fd.{}(x).compute() == fp.{}(x.compute()))\nTrue"
_PAIR_EXAMPLE = """least, greatest = fd.{}(x)
>>> [float(each) for each in da.compute(least, greatest)]
[1.0, 5.0]"""


def _states(accumulator: type, x: Array, axes: Axes, workers: int, **options: Any) -> Array:
    new = functools.partial(accumulator, axes, **options)
    return states(new, [(x, tuple(range(x.ndim)))], x.ndim, axes, workers)


def _reduction(
    kernel: Callable[P, Any], accumulator: type, exactness: str = _EXACT
) -> Callable[P, Array]:
    """Return a reduction with one result."""

    @like(kernel, _NOTES.format(exactness.format(kernel.__name__)), _EXAMPLE)
    def lazy(
        a: Any, axis: Any, keepdims: bool, workers: int, dtype: Any = None, **ddof: Any
    ) -> Array:
        x = as_dask(a)
        options = ddof if dtype is None else {"dtype": dtype, **ddof}
        dtype_of_result = np.asarray(tried(kernel, x, axis=axis, **options)).dtype
        if dtype is not None:
            x = x.astype(dtype)
        axes = validate.axes(axis, x.ndim)
        merged = _states(accumulator, x, axes, workers, **ddof)
        return result(merged, (), axes, dtype_of_result, keepdims)

    return lazy


def _extremes(kernel: Callable[P, Any], accumulator: type) -> Callable[P, tuple[Array, Array]]:
    """Return a reduction with two results, the least and the greatest."""

    @like(
        kernel,
        _NOTES.format(_EXACT.format(kernel.__name__)),
        _PAIR_EXAMPLE,
        "tuple of two dask.array.Array",
    )
    def lazy(a: Any, axis: Any, keepdims: bool, workers: int) -> tuple[Array, Array]:
        x = as_dask(a)
        dtype = np.asarray(tried(kernel, x, axis=axis)[0]).dtype  # in this machine's byte order
        axes = validate.axes(axis, x.ndim)
        merged = _states(accumulator, x, axes, workers)
        paths: tuple[Path, Path] = ((0,), (1,))
        least, greatest = (result(merged, path, axes, dtype, keepdims) for path in paths)
        return least, greatest

    return lazy


def _place(kernel: Callable[P, Any], accumulator: type) -> Callable[P, Array]:
    """Return a reduction whose result is where something stands."""

    @like(kernel, _NOTES.format(_EXACT.format(kernel.__name__)), _EXAMPLE)
    def lazy(a: Any, axis: Any, keepdims: bool, workers: int) -> Array:
        x = as_dask(a)
        tried(kernel, x, axis=axis)
        axes = validate.axes(axis, x.ndim)
        if len(axes) > 1:
            merged = place(kernel, x, workers)
        else:
            new = functools.partial(accumulator, *axes)
            merged = states(new, [(x, tuple(range(x.ndim)))], x.ndim, axes, workers)
        return result(merged, (), axes, np.intp, keepdims)

    return lazy


sum = _reduction(parallel.sum, accumulators.Sum, _ROUNDED)
mean = _reduction(parallel.mean, accumulators.Mean, _ROUNDED)
var = _reduction(parallel.var, accumulators.Var, _ROUNDED)
std = _reduction(parallel.std, accumulators.Std, _ROUNDED)
min = _reduction(parallel.min, accumulators.Min)
max = _reduction(parallel.max, accumulators.Max)
minmax = _extremes(parallel.minmax, accumulators.MinMax)
argmin = _place(parallel.argmin, accumulators.ArgMin)
argmax = _place(parallel.argmax, accumulators.ArgMax)
nansum = _reduction(parallel.nansum, accumulators.NanSum, _ROUNDED)
nanmean = _reduction(parallel.nanmean, accumulators.NanMean, _ROUNDED)
nanvar = _reduction(parallel.nanvar, accumulators.NanVar, _ROUNDED)
nanstd = _reduction(parallel.nanstd, accumulators.NanStd, _ROUNDED)
nanmin = _reduction(parallel.nanmin, accumulators.NanMin)
nanmax = _reduction(parallel.nanmax, accumulators.NanMax)
nanminmax = _extremes(parallel.nanminmax, accumulators.NanMinMax)
nanargmin = _place(parallel.nanargmin, accumulators.NanArgMin)
nanargmax = _place(parallel.nanargmax, accumulators.NanArgMax)
ss = _reduction(parallel.ss, accumulators.SumOfSquares, _ROUNDED)
anynan = _reduction(parallel.anynan, accumulators.AnyNan)
allnan = _reduction(parallel.allnan, accumulators.AllNan)
all_finite = _reduction(parallel.all_finite, accumulators.AllFinite)
