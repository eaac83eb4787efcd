"""Layer: parallel.  Accumulators of histograms and groups: tables that pieces of data are added to.

What is known is the kernel's own result for all pieces so far, or for means and variances what
these are made of; a piece is counted by the kernel, and tables are merged element by element, in
the order in which the pieces come.
"""

from __future__ import annotations

import abc
import operator
from typing import Any, ClassVar, Self, SupportsIndex

import numpy as np
import numpy.typing as npt

from fastproc.kernels import validate
from fastproc.parallel import _grouped, _histogram
from fastproc.parallel.processes import Workers

Array = npt.NDArray[Any]


def _are_equal(one: Any, other: Any) -> bool:
    """Tell whether settings are the same: numbers, arrays of edges, or sequences of them."""
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(map(_are_equal, one, other))
    return np.array_equal(one, other)


def _kept(bins: Any) -> Any:
    """Return how many bins there are, or a copy of their edges, which the caller may change."""
    return bins if isinstance(bins, str) or np.ndim(bins) == 0 else np.array(bins)


class _Tally(abc.ABC):
    """What these accumulators share: how others are merged."""

    #: What must be the same in accumulators that are merged.
    _settings: tuple[Any, ...] = ()

    def merge(self, other: Self) -> Self:
        """Take in what another accumulator of the same kind has taken in, after one's own.

        Parameters
        ----------
        other : accumulator
            Of the same class, with the same bins or groups; it stays as it is.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If the other is of another class.
        ValueError
            If its bins or groups are others.
        """
        name = type(self).__name__
        if type(other) is not type(self):
            raise TypeError(f"{name}: only another {name} can be merged, not {other!r}")
        if not _are_equal(other._settings, self._settings):
            raise ValueError(
                f"{name}: cannot merge one made with {other._settings} into one made with "
                f"{self._settings}"
            )
        self._take(other)
        return self

    @abc.abstractmethod
    def _take(self, other: Self) -> None:
        """Add another's tables to one's own."""


# Histograms --------------------------------------------------------------------------------------


class HistogramDD(_Tally):
    """The histogram of pieces in any number of axes; see `fastproc.histogramdd`.

    Parameters
    ----------
    bins : sequence of int or of edges
        For each axis how many bins of the same width there are, or their edges.
    range : sequence of (float, float), optional
        For each axis the outer edges; must be given where bins are only counted.

    Examples
    --------
    >>> import numpy as np
    >>> import fastproc as fp
    >>> tally = fp.HistogramDD((2, 2), ((0, 2), (0, 2)))
    >>> for piece in ([[0.5, 0.5], [1.5, 0.5]], [[1.5, 0.1]]):
    ...     _ = tally.update(np.array(piece))
    >>> counts, edges = tally.result()
    >>> counts.tolist()
    [[1.0, 0.0], [2.0, 0.0]]
    """

    def __init__(self, bins: Any, range: Any = None) -> None:
        name = type(self).__name__
        bins = [_kept(each) for each in bins]
        limits = [None] * len(bins) if range is None else list(range)
        if len(limits) != len(bins):
            raise ValueError(
                f"{name}: range must have one for each of {len(bins)} axes, not {len(limits)}"
            )
        for each, limit in zip(bins, limits, strict=True):
            if np.ndim(each) == 0 and limit is None:
                raise ValueError(
                    f"{name}: pass the range, or edges, since the pieces that are to come may lie "
                    f"anywhere"
                )
        self._settings = (bins, limits)
        # Of no elements, which also checks the arguments.
        counts, edges = _histogram.histogramdd(np.empty((0, len(bins))), bins, limits)
        self._counts, self._edges = counts, list(edges)

    def update(
        self,
        sample: npt.ArrayLike,
        weights: npt.ArrayLike | None = None,
        *,
        workers: Workers = None,
    ) -> Self:
        """Count a piece: rows of coordinates, and a weight for each if there are any."""
        bins, limits = self._settings
        counts, _ = _histogram.histogramdd(sample, bins, limits, weights=weights, workers=workers)
        self._counts = self._counts + counts
        return self

    def result(self) -> tuple[Array, list[Array]]:
        """Return the counts or sums of weights of all pieces so far, and the edges of each axis."""
        return self._counts.copy(), [each.copy() for each in self._edges]

    def _take(self, other: Self) -> None:
        self._counts = self._counts + other._counts


class Histogram(_Tally):
    """The histogram of pieces; see `fastproc.histogram`.

    Parameters
    ----------
    bins : int or sequence of edges, default 10
        How many bins of the same width there are, or their edges.
    range : (float, float), optional
        The outer edges; must be given where bins are only counted.

    Examples
    --------
    >>> import fastproc as fp
    >>> tally = fp.Histogram(bins=2, range=(0, 1)).update([0.1, 0.9]).update([0.2])
    >>> counts, edges = tally.result()
    >>> counts.tolist(), edges.tolist()
    ([2, 1], [0.0, 0.5, 1.0])
    """

    def __init__(self, bins: Any = 10, range: Any = None) -> None:
        if validate.asarray("Histogram", bins).ndim == 0 and range is None:
            raise ValueError(
                "Histogram: pass the range, or edges, since the pieces that are to come may lie "
                "anywhere"
            )
        bins = _kept(bins)
        self._counts, self._edges = _histogram.histogram([], bins, range)
        self._settings = (bins, None if range is None else tuple(range))

    def update(
        self, a: npt.ArrayLike, weights: npt.ArrayLike | None = None, *, workers: Workers = None
    ) -> Self:
        """Count a piece, or add up its weights."""
        bins, limits = self._settings
        # By the edges of all pieces: those of narrower floats would be rounded.
        array = validate.as_array("Histogram", a)
        if array.dtype.kind == "f":
            array = array.astype(np.float64, copy=False)
        counts, _ = _histogram.histogram(array, bins, limits, weights=weights, workers=workers)
        self._counts = self._counts + counts
        return self

    def result(self) -> tuple[Array, Array]:
        """Return the counts or sums of weights of all pieces so far, and the edges."""
        return self._counts.copy(), self._edges.copy()

    def _take(self, other: Self) -> None:
        self._counts = self._counts + other._counts


class BinCount(_Tally):
    """How often each number occurs in pieces; see `fastproc.bincount`.

    Parameters
    ----------
    minlength : int, default 0
        How many numbers the result has at least.

    Examples
    --------
    >>> import fastproc as fp
    >>> fp.BinCount().update([0, 1, 1]).update([3]).result().tolist()
    [1, 2, 0, 1]
    """

    def __init__(self, minlength: SupportsIndex = 0) -> None:
        self._settings = (operator.index(minlength),)
        self._counts = _grouped.bincount(np.empty(0, np.int64), minlength=minlength)

    def update(
        self, x: npt.ArrayLike, weights: npt.ArrayLike | None = None, *, workers: Workers = None
    ) -> Self:
        """Count a piece, or add up its weights."""
        self._add(_grouped.bincount(x, weights, self._settings[0], workers=workers))
        return self

    def result(self) -> Array:
        """Return the counts or sums of weights of all pieces so far."""
        return self._counts.copy()

    def _take(self, other: Self) -> None:
        self._add(other._counts)

    def _add(self, counts: Array) -> None:
        longer, shorter = sorted((counts, self._counts), key=len, reverse=True)
        total = longer.astype(np.result_type(longer, shorter))
        total[: len(shorter)] += shorter
        self._counts = total


# Groups ------------------------------------------------------------------------------------------


class _Group(_Tally):
    """A table with an item for each group; pieces are reduced along their last axis."""

    #: Whether there is nothing but NaN to say that a group is not in a piece.
    _needs_nan: ClassVar[bool] = True

    def __init__(self, num_labels: SupportsIndex) -> None:
        self._num_labels = operator.index(num_labels)
        self._settings = (self._num_labels,)
        self._table: tuple[Array, ...] | None = None
        # Of no elements, which checks the argument.
        _grouped.group_count(np.empty(0), np.empty(0, np.int64), self._num_labels)

    def update(
        self, values: npt.ArrayLike, labels: npt.ArrayLike, *, workers: Workers = None
    ) -> Self:
        """Take in a piece: values, and the label of each place along their last axis."""
        array = validate.as_array(type(self).__name__, values)
        if self._needs_nan and array.dtype.kind in "bui":
            array = array.astype(np.float64)  # which has NaN for a group that is not in the piece
        self._join(self._tables(array, labels, workers))
        return self

    def result(self) -> Any:
        """Return the result for each group, of all pieces so far."""
        if self._table is None:
            empty = np.empty(0)
            return self._finalized(*self._tables(empty, np.empty(0, np.int64), 1))
        return self._finalized(*self._table)

    def _take(self, other: Self) -> None:
        if other._table is not None:
            self._join(other._table)

    def _join(self, tables: tuple[Array, ...]) -> None:
        name = type(self).__name__
        if self._table is None:
            self._table = tables
            return
        if tables[0].shape != self._table[0].shape:
            raise ValueError(
                f"{name}: a piece has results of shape {tables[0].shape}, the pieces before it "
                f"have {self._table[0].shape}; all axes but the last must be the same"
            )
        self._table = self._merged(self._table, tables)

    def _call(
        self, kernel: Any, values: Array, labels: Any, workers: Workers, **options: Any
    ) -> Any:
        return kernel(values, labels, self._num_labels, workers=workers, **options)

    @abc.abstractmethod
    def _tables(self, values: Array, labels: Any, workers: Workers) -> tuple[Array, ...]:
        """Return the tables of a piece."""

    def _merged(self, into: tuple[Array, ...], other: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(one + two for one, two in zip(into, other, strict=True))

    def _finalized(self, *tables: Array) -> Array:
        return tables[0].copy()


class GroupSum(_Group):
    """The sum of each group in pieces; see `fastproc.group_sum`.

    Examples
    --------
    >>> import fastproc as fp
    >>> fp.GroupSum(2).update([1.0, 2.0], [0, 1]).update([3.0], [1]).result().tolist()
    [1.0, 5.0]
    """

    _needs_nan = False

    def _tables(self, values: Array, labels: Any, workers: Workers) -> tuple[Array, ...]:
        return (self._call(_grouped.group_sum, values, labels, workers),)


class GroupCount(_Group):
    """How many numbers each group has in pieces; see `fastproc.group_count`."""

    _needs_nan = False

    def _tables(self, values: Array, labels: Any, workers: Workers) -> tuple[Array, ...]:
        return (self._call(_grouped.group_count, values, labels, workers),)


class GroupMean(_Group):
    """The mean of each group in pieces; see `fastproc.group_mean`.

    Examples
    --------
    >>> import fastproc as fp
    >>> fp.GroupMean(2).update([1.0, 2.0], [0, 1]).update([4.0], [1]).result().tolist()
    [1.0, 3.0]
    """

    def _tables(self, values: Array, labels: Any, workers: Workers) -> tuple[Array, ...]:
        return (
            self._call(_grouped.group_sum, values.astype(np.float64, copy=False), labels, workers),
            self._call(_grouped.group_count, values, labels, workers),
        )

    def _finalized(self, *tables: Array) -> Array:
        sums, counts = tables
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(sums / counts)


class GroupVar(_Group):
    """The variance of each group in pieces; see `fastproc.group_var`.

    Parameters
    ----------
    num_labels : int
        How many groups there are.
    ddof : int, default 1
        Delta degrees of freedom.
    """

    def __init__(self, num_labels: SupportsIndex, ddof: float = 1) -> None:
        super().__init__(num_labels)
        self._ddof = ddof
        self._settings = (self._num_labels, ddof)

    def _tables(self, values: Array, labels: Any, workers: Workers) -> tuple[Array, ...]:
        values = values.astype(np.float64, copy=False)
        counts = self._call(_grouped.group_count, values, labels, workers).astype(np.float64)
        means = self._call(_grouped.group_mean, values, labels, workers)
        squares = self._call(_grouped.group_var, values, labels, workers, ddof=0) * counts
        # NaN where there is none of a group counts for nothing, but not that of infinities.
        return counts, np.where(counts > 0, means, 0), np.where(counts > 0, squares, 0)

    def _merged(self, into: tuple[Array, ...], other: tuple[Array, ...]) -> tuple[Array, ...]:
        """Merge by the formula of Chan, Golub and LeVeque (1979)."""
        n, mean, squares = into
        n2, mean2, squares2 = other
        total = n + n2
        share = n2 / np.maximum(total, 1)
        with np.errstate(invalid="ignore", over="ignore"):
            delta = mean2 - mean
            # In this order, as the square of a difference to nothing may overflow.
            between = (delta * n) * (delta * share)
            return total, mean + delta * share, squares + squares2 + between

    def _finalized(self, *tables: Array) -> Array:
        counts, _, squares = tables
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(counts > self._ddof, squares / (counts - self._ddof), np.nan)


class GroupStd(GroupVar):
    """The standard deviation of each group in pieces; see `fastproc.group_std`."""

    def _finalized(self, *tables: Array) -> Array:
        return np.asarray(np.sqrt(super()._finalized(*tables)))


class GroupMin(_Group):
    """The least of each group in pieces; see `fastproc.group_min`."""

    def _tables(self, values: Array, labels: Any, workers: Workers) -> tuple[Array, ...]:
        return (self._call(_grouped.group_min, values, labels, workers),)

    def _merged(self, into: tuple[Array, ...], other: tuple[Array, ...]) -> tuple[Array, ...]:
        return (np.fmin(into[0], other[0]),)


class GroupMax(_Group):
    """The greatest of each group in pieces; see `fastproc.group_max`."""

    def _tables(self, values: Array, labels: Any, workers: Workers) -> tuple[Array, ...]:
        return (self._call(_grouped.group_max, values, labels, workers),)

    def _merged(self, into: tuple[Array, ...], other: tuple[Array, ...]) -> tuple[Array, ...]:
        return (np.fmax(into[0], other[0]),)


class GroupFirst(_Group):
    """The first number of each group in pieces; see `fastproc.group_first`."""

    def _tables(self, values: Array, labels: Any, workers: Workers) -> tuple[Array, ...]:
        return (self._call(_grouped.group_first, values, labels, workers),)

    def _merged(self, into: tuple[Array, ...], other: tuple[Array, ...]) -> tuple[Array, ...]:
        return (np.where(np.isnan(into[0]), other[0], into[0]),)


class GroupLast(_Group):
    """The last number of each group in pieces; see `fastproc.group_last`."""

    def _tables(self, values: Array, labels: Any, workers: Workers) -> tuple[Array, ...]:
        return (self._call(_grouped.group_last, values, labels, workers),)

    def _merged(self, into: tuple[Array, ...], other: tuple[Array, ...]) -> tuple[Array, ...]:
        return (np.where(np.isnan(other[0]), into[0], other[0]),)
