"""Layer: bridges.  Groups of Dask arrays: tables of chunks, merged in their order."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from dask.array import Array

from fastproc import parallel
from fastproc.dask.chunks import as_dask, as_line, tried
from fastproc.dask.face import P, like
from fastproc.dask.integers import GroupOfIntegers
from fastproc.dask.states import states, table
from fastproc.kernels import labels as checks
from fastproc.kernels import validate
from fastproc.parallel import tallies

_NOTES = """Chunks become tables, which are merged in their order as a tree; `num_labels` must be
given. {}"""
_EXACT = "The result is exactly that of `fastproc.{}`."
_ROUNDED = """Elements are added up in another order than by `fastproc.{}`, so that the last bits
may differ; sums of integers are the same."""


@like(
    parallel.bincount,
    "Counts of chunks are added up. The result is exactly that of `fastproc.bincount`, but for\n"
    "the last bits of sums of weights. Its length is not known before it is computed.",
    "fd.bincount(x.astype(int)).compute().tolist()\n[0, 1, 1, 1, 0, 1]",
)
def bincount(x: Any, weights: Any, minlength: Any, workers: int) -> Array:
    """Add up the counts of blocks."""
    numbers = as_dask(x)
    operands = [numbers] if weights is None else [numbers, as_dask(weights)]
    if numbers.ndim == 1 and str(operands[-1].shape) != str(numbers.shape):
        raise ValueError(
            f"bincount: weights have shape {operands[-1].shape}; like x they must have shape "
            f"{numbers.shape}"
        )
    dtype = tried(parallel.bincount, *operands, minlength=minlength).dtype
    new = functools.partial(tallies.BinCount, minlength)
    merged = states(new, [(each, (0,)) for each in operands], 1, (0,), workers)
    return table(merged, (), (0,), dtype, (math.nan,))


def _group(kernel: Callable[P, Any], tally: type, exactness: str = _EXACT) -> Callable[P, Array]:
    name = kernel.__name__

    @like(
        kernel,
        _NOTES.format(exactness.format(name)),
        "bool((fd.{}(x, [0, 1, 0, 1], 2).compute() == fp.{}(x.compute(), [0, 1, 0, 1], 2)).all())"
        "\nTrue",
    )
    def lazy(
        values: Any, labels: Any, num_labels: Any, axis: Any, workers: int, **ddof: Any
    ) -> Array:
        x, marks = as_dask(values), as_dask(labels)
        if num_labels is None:
            raise ValueError(
                f"{name}: pass num_labels, since the greatest label is not known before all are "
                f"computed"
            )
        n_groups = checks.check_groups(name, "num_labels", num_labels)
        axes = validate.axes(axis, x.ndim)
        _check_shape(name, x, marks, axis)
        label = np.zeros((1,) * marks.ndim, marks.dtype)
        dtype = tried(kernel, x, label, 1, axis, **ddof).dtype
        if axis is None and name in ("group_first", "group_last"):
            # The order counts, in which chunks of several axes do not lie.
            x, marks, axes = as_line(name, x), as_line(name, marks), (0,)
        if x.dtype.kind in "bui" and name in _WITHOUT_VALUE:
            new = functools.partial(GroupOfIntegers, kernel, n_groups)
        else:
            new = functools.partial(tally, n_groups, **ddof)
        merged = states(
            new,
            [(x, tuple(range(x.ndim))), (marks, axes)],
            x.ndim,
            axes,
            workers,
            functools.partial(_arranged, axes, name == "group_sum"),
        )
        return table(merged, (), axes, dtype, (n_groups,))

    return lazy


#: What a group of integers without elements has no value for.
_WITHOUT_VALUE = ("group_min", "group_max", "group_first", "group_last")


def _arranged(
    axes: tuple[int, ...],
    is_sum: bool,
    values: npt.NDArray[Any],
    labels: npt.NDArray[Any],
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return values whose last axis is that of the labels."""
    if is_sum and values.dtype.kind == "f":
        values = values.astype(np.float64, copy=False)  # so that they are rounded once, at the end
    if len(axes) == 1:
        return np.moveaxis(values, axes[0], -1), labels
    return values.ravel(), labels.ravel()


def _check_shape(name: str, x: Array, labels: Array, axis: Any) -> None:
    shape = x.shape if axis is None else (x.shape[axis],)
    if str(labels.shape) != str(shape):  # as text NaN equals NaN
        raise ValueError(
            f"{name}: labels have shape {labels.shape}; for axis {axis} of values of shape "
            f"{x.shape} they must have shape {shape}"
        )


group_sum = _group(parallel.group_sum, tallies.GroupSum, _ROUNDED)
group_mean = _group(parallel.group_mean, tallies.GroupMean, _ROUNDED)
group_var = _group(parallel.group_var, tallies.GroupVar, _ROUNDED)
group_std = _group(parallel.group_std, tallies.GroupStd, _ROUNDED)
group_min = _group(parallel.group_min, tallies.GroupMin)
group_max = _group(parallel.group_max, tallies.GroupMax)
group_count = _group(parallel.group_count, tallies.GroupCount)
group_first = _group(parallel.group_first, tallies.GroupFirst)
group_last = _group(parallel.group_last, tallies.GroupLast)
