"""Layer: parallel.  Accumulators: reductions of data that come in pieces, or from several machines.

A reduction is a mergeable triple: `update` makes a state of a piece and merges it with what is
known, `merge` does so with another accumulator's, `result` finalizes.  So an array larger than
memory is reduced piece by piece (a `numpy.memmap`, chunks of a file), and pieces that lie on
several machines are reduced where they are: an accumulator pickles as its states, some bytes a
result.

The result is that of the one array which all pieces make, joined along the reduced axes, up to the
rounding of sums: these are added up in another order.
"""

from __future__ import annotations

import operator
from typing import Any, ClassVar, Self, SupportsIndex

import numpy as np
import numpy.typing as npt

from fastproc.kernels import validate
from fastproc.parallel import _describe, _reductions
from fastproc.parallel.processes import Workers

Array = npt.NDArray[Any]
Axes = SupportsIndex | tuple[SupportsIndex, ...] | None


class Accumulator:
    """What the accumulators of reductions share.

    Parameters
    ----------
    axis : None, int or tuple of ints, optional
        Axis or axes of each piece that are reduced; None, the default, reduces all. The axes that
        are left must be the same in all pieces.
    """

    _kernel: ClassVar[str]
    _ddof: float = 0

    def __init__(self, axis: Axes = None) -> None:
        self._axis = axis if axis is None or isinstance(axis, tuple) else operator.index(axis)
        self._dtype: np.dtype[Any] | None = None
        self._states: Array | None = None
        self._count = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.count} elements>"

    @property
    def count(self) -> int:
        """How many elements each result is of so far."""
        return self._count

    def update(self, a: npt.ArrayLike, *, workers: Workers = None) -> Self:
        """Take in a piece.

        Parameters
        ----------
        a : array_like
            Real numbers. All pieces have one dtype.
        workers : None, int, Pool or executor, optional
            Who does the work, as for the kernels.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If the dtype is not supported, or not that of the pieces before.
        ValueError
            If the axes that are left differ from those of the pieces before.
        numpy.exceptions.AxisError
            If there is no such axis.
        """
        array = validate.as_array(self._name, a)
        self._merge(array.dtype, *self._states_of(array, workers))
        return self

    def merge(self, other: Self) -> Self:
        """Take in what another accumulator of the same kind has taken in, after one's own.

        Parameters
        ----------
        other : accumulator
            Of the same class and axes; it stays as it is.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If the other is of another class, or of pieces of another dtype.
        ValueError
            If the axes that are left, or those that are reduced, differ.
        """
        if type(other) is not type(self):
            raise TypeError(f"{self._name}: only another {self._name} can be merged, not {other!r}")
        if other._axis != self._axis:
            raise ValueError(
                f"{self._name}: cannot merge results along axis {other._axis} with those along "
                f"axis {self._axis}"
            )
        if other._states is not None and other._dtype is not None:
            self._merge(other._dtype, other._states, other._count)
        return self

    def result(self) -> Any:
        """Return the result for all pieces so far, as the kernel would for one array.

        Raises
        ------
        ValueError
            If there are no elements to choose from, or all are NaN where an index is asked for.
        """
        dtype = np.dtype(np.float64) if self._dtype is None else self._dtype
        states = np.zeros((), _reductions._STATE) if self._states is None else self._states
        converted, restore = validate.reducible(self._kernel, np.empty(0, dtype))
        results = []
        for result in _reductions._results_of(
            self._number, converted.dtype, states, self._count, self._ddof
        ):
            if self._kernel in validate.CHECKS:
                result = result.astype(np.bool_)
            elif restore is not None:
                result = np.asarray(restore(result))
            results.append(result[()])
        return results[0] if len(results) == 1 else tuple(results)

    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def _number(self) -> int:
        return _reductions._NAMES.index(self._kernel)

    def _merge(self, dtype: np.dtype[Any], states: Array, count: int) -> None:
        if self._dtype is not None and dtype != self._dtype:
            raise TypeError(
                f"{self._name}: a piece of dtype {dtype} after one of {self._dtype}; convert all "
                f"to one dtype, e.g. by a.astype({self._dtype.name!r})"
            )
        if self._states is not None and states.shape != self._states.shape:
            raise ValueError(
                f"{self._name}: a piece has results of shape {states.shape}, the pieces before it "
                f"have {self._states.shape}; all axes but the reduced ones must be the same"
            )
        self._dtype = dtype
        if self._states is None:
            self._states = np.zeros_like(states)
        if count == 0:
            return  # of no elements there is no state
        if self._count == 0:
            self._states = states.copy()
        else:
            self._merge_states(dtype, self._states, states)
        self._count += count

    def _states_of(self, array: Array, workers: Workers) -> tuple[Array, int]:
        """Return a piece's states, and how many elements each is of."""
        converted, _ = validate.reducible(self._kernel, array)
        return _reductions._states_of(self._number, converted, self._axis, workers)

    def _merge_states(self, dtype: np.dtype[Any], into: Array, other: Array) -> None:
        compiled, _ = validate.reducible(self._kernel, np.empty(0, dtype))
        _reductions._merge_states(self._number, compiled.dtype, into, other, self._count)


class Sum(Accumulator):
    """The sum of pieces; see `fastproc.sum`.

    Examples
    --------
    >>> import fastproc as fp
    >>> total = fp.Sum()
    >>> for piece in ([1, 2], [3, 4]):
    ...     _ = total.update(piece)
    >>> int(total.result())
    10
    """

    _kernel = "sum"


class Mean(Accumulator):
    """The mean of pieces; see `fastproc.mean`.

    Examples
    --------
    >>> import fastproc as fp
    >>> float(fp.Mean().update([1.0, 2.0]).update([6.0]).result())
    3.0
    """

    _kernel = "mean"


class _Spread(Accumulator):
    def __init__(self, axis: Axes = None, ddof: float = 0) -> None:
        super().__init__(axis)
        self._ddof = ddof


class Var(_Spread):
    """The variance of pieces; see `fastproc.var`.

    Examples
    --------
    >>> import fastproc as fp
    >>> here, there = fp.Var().update([1.0, 2.0]), fp.Var().update([3.0, 4.0])
    >>> float(here.merge(there).result())
    1.25
    """

    _kernel = "var"


class Std(_Spread):
    """The standard deviation of pieces; see `fastproc.std`."""

    _kernel = "std"


class Min(Accumulator):
    """The least element of pieces; see `fastproc.min`."""

    _kernel = "min"


class Max(Accumulator):
    """The greatest element of pieces; see `fastproc.max`."""

    _kernel = "max"


class MinMax(Accumulator):
    """The least and the greatest element of pieces; see `fastproc.minmax`.

    Examples
    --------
    >>> import fastproc as fp
    >>> least, greatest = fp.MinMax().update([3, 1]).update([2, 5]).result()
    >>> int(least), int(greatest)
    (1, 5)
    """

    _kernel = "minmax"


class _Place(Accumulator):
    def __init__(self, axis: SupportsIndex | None = None) -> None:
        super().__init__(axis)


class ArgMin(_Place):
    """The index of the least element in all pieces one after another; see `fastproc.argmin`.

    Examples
    --------
    >>> import fastproc as fp
    >>> int(fp.ArgMin().update([3, 2]).update([1, 2]).result())
    2
    """

    _kernel = "argmin"


class ArgMax(_Place):
    """The index of the greatest element in all pieces one after another; see `fastproc.argmax`."""

    _kernel = "argmax"


class NanSum(Accumulator):
    """The sum of what is not NaN in pieces; see `fastproc.nansum`."""

    _kernel = "nansum"


class NanMean(Accumulator):
    """The mean of what is not NaN in pieces; see `fastproc.nanmean`."""

    _kernel = "nanmean"


class NanVar(_Spread):
    """The variance of what is not NaN in pieces; see `fastproc.nanvar`."""

    _kernel = "nanvar"


class NanStd(_Spread):
    """The standard deviation of what is not NaN in pieces; see `fastproc.nanstd`."""

    _kernel = "nanstd"


class NanMin(Accumulator):
    """The least of what is not NaN in pieces; see `fastproc.nanmin`."""

    _kernel = "nanmin"


class NanMax(Accumulator):
    """The greatest of what is not NaN in pieces; see `fastproc.nanmax`."""

    _kernel = "nanmax"


class NanMinMax(Accumulator):
    """The least and the greatest of what is not NaN in pieces; see `fastproc.nanminmax`."""

    _kernel = "nanminmax"


class NanArgMin(_Place):
    """The index of the least that is not NaN in all pieces; see `fastproc.nanargmin`."""

    _kernel = "nanargmin"


class NanArgMax(_Place):
    """The index of the greatest that is not NaN in all pieces; see `fastproc.nanargmax`."""

    _kernel = "nanargmax"


class SumOfSquares(Accumulator):
    """The sum of the squares of pieces; see `fastproc.ss`."""

    _kernel = "ss"


class LogSumExp(Accumulator):
    """The logarithm of the sum of exponentials of pieces; see `fastproc.logsumexp`.

    Examples
    --------
    >>> import fastproc as fp
    >>> round(float(fp.LogSumExp().update([1000.0]).update([1000.0]).result()), 3)
    1000.693
    """

    _kernel = "logsumexp"


class AnyNan(Accumulator):
    """Whether there is a NaN in the pieces; see `fastproc.anynan`."""

    _kernel = "anynan"


class AllNan(Accumulator):
    """Whether all in the pieces is NaN; see `fastproc.allnan`."""

    _kernel = "allnan"


class AllFinite(Accumulator):
    """Whether all in the pieces is finite; see `fastproc.all_finite`."""

    _kernel = "all_finite"


class Describe(Accumulator):
    """The description of pieces; see `fastproc.describe`.

    Parameters
    ----------
    axis : None or int, default 0
        Axis of each piece to go along; None takes all elements.
    ddof : float, default 1
        Delta degrees of freedom of the variance.
    bias : bool, default True
        Whether skewness and kurtosis are those of the elements.

    Examples
    --------
    >>> import fastproc as fp
    >>> result = fp.Describe().update([1.0, 2.0]).update([3.0, 6.0]).result()
    >>> result.nobs, float(result.mean)
    (4, 3.0)
    """

    _kernel = "describe"

    def __init__(self, axis: SupportsIndex | None = 0, ddof: float = 1, bias: bool = True) -> None:
        super().__init__(axis)
        self._ddof = ddof
        self._bias = validate.flag("Describe", "bias", bias)

    def _states_of(self, array: Array, workers: Workers) -> tuple[Array, int]:
        compiled, _, axis = _describe._compiled(array, self._axis)
        if compiled.shape[axis] == 0:
            return np.zeros((*compiled.shape[:axis], *compiled.shape[axis + 1 :], 8)), 0
        return _describe._states_of(compiled, axis, workers), compiled.shape[axis]

    def _merge_states(self, dtype: np.dtype[Any], into: Array, other: Array) -> None:
        _describe._merge_into(into, np.ascontiguousarray(other), _describe._is_integer(dtype))

    def result(self) -> _describe.DescribeResult:
        """Return the description of all pieces so far.

        Raises
        ------
        ValueError
            If there are no elements.
        """
        if self._states is None or self._dtype is None or self._count == 0:
            raise ValueError("Describe: there are no elements to describe")
        return _describe._result_of(self._states, self._dtype, self._ddof, self._bias)
