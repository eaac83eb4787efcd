"""Layer: parallel.  `logsumexp` with factors, which may be negative, and its sign.

A factor's logarithm joins the exponent, and the terms of either sign are added up by the kernel, so
that nothing overflows; the difference of the two sums is taken at the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastproc.kernels import validate
from fastproc.parallel import _reductions

Array = npt.NDArray[Any]


def logsumexp(
    a: npt.ArrayLike, axis: Any, b: npt.ArrayLike | None, keepdims: Any, sign: Any, workers: Any
) -> Any:
    """Return the logarithm of ``sum(b * exp(a))``, and the sum's sign if `sign`.

    Where the sum is negative and its sign not wanted, the result is NaN, as SciPy's.
    """
    wants_sign = validate.flag("logsumexp", "return_sign", sign)
    options = {"axis": axis, "keepdims": keepdims, "workers": workers}
    array, dtype = validate.as_floats("logsumexp", a)
    if b is None:
        positive = np.asarray(_reductions.logsumexp(array, **options))
        negative = np.full_like(positive, -np.inf)
    else:
        factors, other = validate.as_floats("logsumexp", b)
        dtype = np.result_type(dtype, other)
        positive, negative = (
            np.asarray(_reductions.logsumexp(terms, **options)) for terms in parted(array, factors)
        )
    logarithm, signs = (each.astype(dtype) for each in difference(positive, negative))
    if wants_sign:
        return logarithm[()], signs[()]
    return np.where(signs < 0, np.nan, logarithm).astype(dtype)[()]


def parted(array: Array, factors: Array) -> tuple[Array, Array]:
    """Return the exponents of the terms that are positive, and of those that are negative.

    Each has -inf where the other has a term.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.asarray(array + np.log(np.abs(factors)))
        terms[np.broadcast_to(factors == 0, terms.shape)] = -np.inf
    # A factor that is NaN is of neither sign, and in the first sum.
    return np.where(factors < 0, -np.inf, terms), np.where(factors < 0, terms, -np.inf)


def difference(positive: Array, negative: Array) -> tuple[Array, Array]:
    """Return the logarithm of the difference of two sums, of which logarithms are given; its sign.

    The logarithm is that of the difference without its sign.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        greater, less = np.maximum(positive, negative), np.minimum(positive, negative)
        ratio = np.where(less == -np.inf, 0.0, np.exp(less - greater))
        logarithm = np.asarray(greater + np.log1p(-ratio))
        signs = np.asarray(np.sign(np.where(less == greater, less - greater, positive - negative)))
        signs = np.where((positive == -np.inf) & (negative == -np.inf), 0.0, signs)
    return logarithm, signs
