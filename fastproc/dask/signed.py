"""Layer: bridges.  `logsumexp` of Dask arrays, with factors and signs."""

from __future__ import annotations

import functools
from typing import Any, Self

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.array import Array

from fastproc import parallel
from fastproc.dask.chunks import Axes, as_dask, tried
from fastproc.dask.face import like
from fastproc.dask.states import result, states
from fastproc.kernels import validate
from fastproc.parallel import signed as terms_of
from fastproc.parallel.accumulators import LogSumExp


class SignedLogSumExp:
    """The terms of either sign, added up apart."""

    def __init__(self, axes: Axes) -> None:
        self._sums = LogSumExp(axes), LogSumExp(axes)

    def update(
        self, a: npt.NDArray[Any], factors: npt.NDArray[Any] | None = None, *, workers: int
    ) -> Self:
        """Take in a piece, and factors of the same shape; None are ones."""
        terms: tuple[npt.NDArray[Any], ...] = (a,)
        if factors is not None:
            floats = (validate.as_floats("logsumexp", each)[0] for each in (a, factors))
            terms = terms_of.parted(*floats)
        for total, each in zip(self._sums, terms, strict=False):
            total.update(each, workers=workers)
        return self

    def merge(self, other: Self) -> Self:
        """Take in what another has taken in."""
        for total, others in zip(self._sums, other._sums, strict=True):
            total.merge(others)
        return self

    def result(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the logarithm of the sum without its sign, and the sign."""
        positive, negative = self._sums
        sums = np.asarray(positive.result())
        others = np.full_like(sums, -np.inf) if negative.count == 0 else negative.result()
        return terms_of.difference(sums, np.asarray(others))


@like(
    parallel.logsumexp,
    "Chunks become states, which are merged as a tree that depends on the chunks alone. Terms are\n"
    "added up in another order than by `fastproc.logsumexp`, so that the last bits may differ.",
    "round(float(fd.logsumexp(x).compute()), 6)\n5.185182",
    "dask.array.Array, or a tuple of two with `return_sign`",
)
def logsumexp(
    a: Any, axis: Any, b: Any, keepdims: bool, return_sign: bool, workers: int
) -> Array | tuple[Array, Array]:
    """Merge plain states, or those of two signs."""
    operands = [as_dask(each) for each in (a, b) if each is not None]
    model = tried(parallel.logsumexp, operands[0], axis, *operands[1:], return_sign=return_sign)
    dtype = np.asarray(model[0] if return_sign else model).dtype
    if len(operands) == 2:
        operands = list(da.broadcast_arrays(*operands))
    n_dims = operands[0].ndim
    axes = validate.axes(axis, n_dims)
    is_signed = return_sign or b is not None
    merged = states(
        functools.partial(SignedLogSumExp if is_signed else LogSumExp, axes),
        [(each, tuple(range(n_dims))) for each in operands],
        n_dims,
        axes,
        workers,
    )
    if not is_signed:
        return result(merged, (), axes, dtype, keepdims)
    logarithm, sign = (result(merged, (i,), axes, dtype, keepdims) for i in (0, 1))
    return (logarithm, sign) if return_sign else da.where(sign < 0, np.nan, logarithm).astype(dtype)
