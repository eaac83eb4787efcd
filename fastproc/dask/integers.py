"""Layer: bridges.  Least, greatest, first and last of groups of integers.

Integers have no NaN that could stand for a group without elements.  So a table goes with a note of
which groups are in it, and only what is in no chunk is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastproc import parallel
from fastproc.kernels import labels as checks

#: By kernel, how two tables of groups that both have are made one.
_JOINS: dict[str, Callable[[Any, Any], Any]] = {
    "group_min": np.minimum,
    "group_max": np.maximum,
    "group_first": lambda before, after: before,
    "group_last": lambda before, after: after,
}


class GroupOfIntegers:
    """A table of what a kernel finds in each group, along the last axis of pieces."""

    def __init__(self, kernel: Callable[..., Any], num_labels: int) -> None:
        self._kernel = kernel
        self._num_labels = num_labels
        self._table: npt.NDArray[Any] | None = None
        self._is_there = np.zeros(num_labels, np.bool_)

    def update(self, values: npt.NDArray[Any], labels: npt.NDArray[Any], *, workers: int) -> Self:
        """Take in the first piece: values, and the label of each place along their last axis."""
        name = self._kernel.__name__
        marks = checks.as_labels(name, "labels", labels)
        counts = parallel.group_count(marks, marks, self._num_labels, workers=workers)
        there = np.flatnonzero(counts)
        # The groups that are there, numbered anew; -1, the last one here, stays what it is.
        numbers = np.full(self._num_labels + 1, -1)
        numbers[there] = np.arange(len(there))
        found = self._kernel(values, numbers[np.maximum(marks, -1)], len(there), workers=workers)
        self._table = np.zeros((*found.shape[:-1], self._num_labels), found.dtype)
        self._table[..., there] = found
        self._is_there[there] = True
        return self

    def merge(self, other: Self) -> Self:
        """Take in what another has taken in, after one's own."""
        if self._table is None or other._table is None:
            self._table = other._table if self._table is None else self._table
        else:
            joined = _JOINS[self._kernel.__name__](self._table, other._table)
            joined = np.where(other._is_there, joined, self._table)
            self._table = np.where(self._is_there, joined, other._table)
        self._is_there = self._is_there | other._is_there
        return self

    def result(self) -> npt.NDArray[Any] | None:
        """Return the table; ValueError if a group is in no piece."""
        if self._table is not None and not self._is_there.all():
            missing = int(np.argmin(self._is_there))
            raise checks.no_value(self._kernel.__name__, missing, self._table.dtype)
        return self._table
