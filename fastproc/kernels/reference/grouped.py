"""Layer: kernels.  The twins of the kernels over groups: a list for each group, then its value."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from fastproc.kernels.reference import buffers, dtypes


def bincount(x: Any, weights: Any = None, minlength: Any = 0, *, workers: Any = None) -> list[Any]:
    """Count how often each of the numbers 0, 1, 2, ... occurs, or add up their weights.

    Parameters
    ----------
    x : buffer or sequence
        Integers, none negative, along one axis.
    weights : buffer or sequence, optional
        A number for each; NaN counts.
    minlength : int, default 0
        How long the result is at least.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    list of int or float
        As long as the greatest number plus 1.
    """
    numbers = _labels("bincount", "x", x)
    if len(numbers.shape) != 1:
        raise ValueError(f"bincount: x must have one axis, but its shape is {numbers.shape}")
    least = _number_of_groups("bincount", "minlength", minlength)
    if any(number < 0 for number in numbers.flat):
        raise ValueError(f"bincount: x must not be negative, but its least is {min(numbers.flat)}")
    length = max(least, *(number + 1 for number in numbers.flat), 0)
    if weights is None:
        counts = [0] * length
        for number in numbers.flat:
            counts[number] += 1
        return counts
    given = buffers.read(weights)
    if given.shape != numbers.shape:
        raise ValueError(
            f"bincount: weights have shape {given.shape}; like x they must have shape "
            f"{numbers.shape}"
        )
    groups: list[list[float]] = [[] for _ in range(length)]
    for number, weight in zip(numbers.flat, given.flat, strict=True):
        groups[number].append(float(weight))
    return [_sum_of_floats(group) for group in groups]


def group_sum(
    values: Any, labels: Any, num_labels: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Add up each group's elements; 0 for a group without."""

    def total(group: list[Any], dtype: str) -> Any:
        if dtypes.kind(dtype) == "float":
            return dtypes.rounded(_sum_of_floats(group), dtype)
        return dtypes.wrapped(sum(group), "uint64" if dtypes.kind(dtype) == "uint" else "int64")

    return _grouped("group_sum", total, values, labels, num_labels, axis)


def group_mean(
    values: Any, labels: Any, num_labels: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Return each group's mean; NaN for a group without elements."""
    return _grouped("group_mean", _mean, values, labels, num_labels, axis)


def group_var(
    values: Any,
    labels: Any,
    num_labels: Any = None,
    axis: Any = -1,
    *,
    ddof: float = 1,
    workers: Any = None,
) -> Any:
    """Return each group's variance; NaN for a group of `ddof` elements or fewer."""

    def variance(group: list[Any], dtype: str) -> float:
        return _rounded(_var(group, ddof), dtype)

    return _grouped("group_var", variance, values, labels, num_labels, axis)


def group_std(
    values: Any,
    labels: Any,
    num_labels: Any = None,
    axis: Any = -1,
    *,
    ddof: float = 1,
    workers: Any = None,
) -> Any:
    """Return the square root of each group's variance."""

    def deviation(group: list[Any], dtype: str) -> float:
        return _rounded(math.sqrt(_var(group, ddof)), dtype)

    return _grouped("group_std", deviation, values, labels, num_labels, axis)


def group_min(
    values: Any, labels: Any, num_labels: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Return each group's least element; NaN for a group without elements."""
    return _grouped("group_min", _chosen(min), values, labels, num_labels, axis)


def group_max(
    values: Any, labels: Any, num_labels: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Return each group's greatest element; NaN for a group without elements."""
    return _grouped("group_max", _chosen(max), values, labels, num_labels, axis)


def group_count(
    values: Any, labels: Any, num_labels: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Return how many elements each group has that are not NaN."""
    return _grouped(
        "group_count", lambda group, dtype: len(group), values, labels, num_labels, axis
    )


def group_first(
    values: Any, labels: Any, num_labels: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Return each group's first element that is not NaN; NaN for a group without."""
    return _grouped(
        "group_first", _chosen(operator.itemgetter(0)), values, labels, num_labels, axis
    )


def group_last(
    values: Any, labels: Any, num_labels: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Return each group's last element that is not NaN; NaN for a group without."""
    return _grouped(
        "group_last", _chosen(operator.itemgetter(-1)), values, labels, num_labels, axis
    )


# A group's value ---------------------------------------------------------------------------------

#: What a group is reduced by: its elements, which are not NaN, and their dtype.
Reduction = Callable[[list[Any], str], Any]


def _rounded(value: float, dtype: str) -> float:
    return dtypes.rounded(value, dtype if dtypes.kind(dtype) == "float" else "float64")


def _sum_of_floats(group: list[Any]) -> float:
    try:
        return math.fsum(group)
    except (OverflowError, ValueError):  # beyond the greatest float, or inf - inf
        return float(sum(group))


def _mean(group: list[Any], dtype: str) -> float:
    return _rounded(_sum_of_floats(group) / len(group) if group else math.nan, dtype)


def _var(group: list[Any], ddof: float) -> float:
    if not len(group) > ddof or not group:
        return math.nan
    mean = _sum_of_floats(group) / len(group)
    return _sum_of_floats([(x - mean) * (x - mean) for x in group]) / (len(group) - ddof)


def _chosen(choose: Callable[[list[Any]], Any]) -> Reduction:
    def value(group: list[Any], dtype: str) -> Any:
        if group:
            return choose(group)
        if dtypes.kind(dtype) == "float":
            return math.nan
        raise LookupError

    return value


# Groups ------------------------------------------------------------------------------------------


def _grouped(
    name: str, reduction: Reduction, values: Any, labels: Any, num_labels: Any, axis: Any
) -> Any:
    """Return an array of the shape that is left of the values', with an axis of groups behind."""
    numbers = _labels(name, "labels", labels)
    read = buffers.read(values)
    n_dims = len(read.shape)
    axes = buffers.normalized(None if axis is None else operator.index(axis), n_dims)
    if numbers.shape != tuple(read.shape[each] for each in axes):
        raise ValueError(f"{name}: labels have shape {numbers.shape}, values {read.shape}")
    if num_labels is None:
        n_groups = max((0, *(number + 1 for number in numbers.flat)))
    else:
        n_groups = _number_of_groups(name, "num_labels", num_labels)
    for number in numbers.flat:
        if number >= n_groups:
            raise ValueError(f"{name}: label {number} is out of range")
    shape = buffers.reduced_shape(read.shape, axes, False)
    flat = []
    for line in buffers.slices(read, axes) if math.prod(shape) else ():
        groups: list[list[Any]] = [[] for _ in range(n_groups)]
        for x, number in zip(line, numbers.flat, strict=True):
            if number >= 0 and x == x:
                groups[number].append(x)
        for number, group in enumerate(groups):
            try:
                flat.append(reduction(group, read.dtype))
            except LookupError:
                raise ValueError(
                    f"{name}: group {number} has no elements, and {read.dtype} has no NaN to say so"
                ) from None
    return buffers.nested(flat, (*shape, n_groups))


def _labels(name: str, argument: str, labels: Any) -> buffers.Values:
    numbers = buffers.read(labels)
    if numbers.flat and dtypes.kind(numbers.dtype) not in ("int", "uint"):
        raise TypeError(f"{name}: {argument} must be integers, not {numbers.dtype}")
    return numbers


def _number_of_groups(name: str, argument: str, number: Any) -> int:
    try:
        n_groups = operator.index(number)
    except TypeError:
        raise TypeError(f"{name}: {argument} must be an integer, not {number!r}") from None
    if n_groups < 0:
        raise ValueError(f"{name}: {argument} must not be negative, but it is {n_groups}")
    return n_groups
