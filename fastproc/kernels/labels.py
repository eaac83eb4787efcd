"""Layer: kernels.  What the kernels over groups take as labels, and every message that refuses."""

from __future__ import annotations

import math
import operator
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from fastproc import config
from fastproc.kernels import validate

Array = npt.NDArray[Any]

#: Groups that the kernels can number; slots are 32 bits wide, and one stands for no group.
MOST_GROUPS = 2**31 - 2

_WIDEST = np.iinfo(np.int64).max


def as_labels(name: str, argument: str, labels: Any) -> Array:
    """Return labels as int64 or int32, in C order and the machine's byte order."""
    if validate.is_masked(labels):
        raise TypeError(
            f"{name}: masked arrays are not supported; pass {argument}.filled(-1) to leave out "
            f"what is masked"
        )
    array = validate.asarray(name, labels)
    if array.size == 0 and array.dtype.kind == "f":
        array = array.astype(np.int64)  # what an empty list becomes
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: {argument} must be integers, not {array.dtype}; np.unique(x, "
            f"return_inverse=True) and pandas.factorize(x) number the values of x"
        )
    if array.dtype.kind == "u" and array.dtype.itemsize == 8 and (array > _WIDEST).any():
        raise too_many(name, int(array.max()) + 1)
    is_narrow = array.dtype.itemsize < 4 or array.dtype == np.int32
    return validate.contiguous(array, np.int32 if is_narrow else np.int64)


def too_many(name: str, n_groups: int) -> ValueError:
    """Return the error of labels that are no numbers of groups."""
    return ValueError(
        f"{name}: {n_groups} groups are more than the {MOST_GROUPS} that there may be; number the "
        f"labels from 0, as np.unique(labels, return_inverse=True) does"
    )


def check_memory(name: str, n_groups: int, n_bytes: int) -> None:
    """Refuse tables that the machine has no memory for, before the system kills who fills them."""
    if n_bytes > _memory():
        raise MemoryError(
            f"{name}: {n_groups} groups take {n_bytes / 1e9:.0f} GB of memory; number the labels "
            f"from 0, as np.unique(labels, return_inverse=True) does"
        )


def _memory() -> float:
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return math.inf
    machines = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(machines, config.memory_limit() or machines)


def check_groups(name: str, argument: str, number: Any) -> int:
    """Return a number of groups, 0 or more."""
    try:
        n_groups = operator.index(number)
    except TypeError:
        raise TypeError(f"{name}: {argument} must be an integer, not {number!r}") from None
    if n_groups < 0:
        raise ValueError(f"{name}: {argument} must not be negative, but it is {n_groups}")
    if n_groups > MOST_GROUPS:
        raise too_many(name, n_groups)
    return n_groups


def out_of_range(name: str, label: int, n_groups: int) -> ValueError:
    """Return the error of a label that is not below the number of groups that was given."""
    return ValueError(
        f"{name}: label {label} is out of range; num_labels={n_groups} allows labels below "
        f"{n_groups}, and negative ones for what is in no group"
    )


def no_value(name: str, group: int, dtype: np.dtype[Any]) -> ValueError:
    """Return the error of a group that is empty where no NaN can say so."""
    return ValueError(
        f"{name}: group {group} has no elements, and {dtype} has no NaN to say so; pass "
        f"values.astype(float)"
    )


def as_lines(name: str, values: Array, labels: Array, axis: Any) -> tuple[Array, tuple[int, ...]]:
    """Return values as contiguous lines that the labels fit, and the shape of these lines' array.

    With an `axis` of None there is one line of all values, which labels must fit one by one.
    """
    if axis is None:
        if values.shape != labels.shape:
            raise ValueError(
                f"{name}: labels have shape {labels.shape}; with axis=None they must have the "
                f"values' shape, {values.shape}"
            )
        return validate.contiguous(values).reshape(1, -1), ()
    number = operator.index(axis)
    if not -values.ndim <= number < values.ndim:
        raise np.exceptions.AxisError(number, values.ndim)
    if labels.shape != (values.shape[number],):
        raise ValueError(
            f"{name}: labels have shape {labels.shape}; along axis {number} of values of shape "
            f"{values.shape} they must have shape ({values.shape[number]},)"
        )
    moved = values if values.ndim == 1 else np.moveaxis(values, number, -1)
    shape = moved.shape[:-1]
    return validate.contiguous(moved).reshape(math.prod(shape), labels.size), shape
