"""Layer: parallel.  The docstrings of the reductions."""

from __future__ import annotations

from fastproc.parallel.docs.shared import (
    AXIS,
    DDOF,
    DTYPE,
    EMPTY,
    ERRORS,
    KEEPDIMS,
    ONE_AXIS,
    OUT,
    OUT_INDEX,
    OUT_PAIR,
    WORKERS,
    A,
    Own,
    docstring,
)

_SUM_METHOD = (
    "Added up pairwise [1]_, float32 in float64, so that the error grows with log n at most. "
    "Integers wrap around modulo 2**64."
)
_HIGHAM = '.. [1] N. J. Higham, "The accuracy of floating point summation", 1993.'
_VAR_METHOD = (
    "Two passes over each chunk of 4096 elements, while it is in the cache, and chunks merged by "
    "the formula of Chan et al. [1]_, in float64: an offset of the data costs no accuracy."
)
_CHAN = (
    '.. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise\n'
    '       algorithm for computing sample variances", 1979.'
)

_OWN: dict[str, Own] = {
    "sum": Own(
        "Return the sum of the elements.",
        "int64 (uint64) for integers, the input's dtype for floats. 0 for no elements.",
        _SUM_METHOD,
        _HIGHAM,
        ">>> int(fp.sum([[1, 2], [3, 4]]))\n10",
    ),
    "nansum": Own(
        "Return the sum of the elements that are not NaN.",
        "int64 (uint64) for integers, the input's dtype for floats. 0 if all are NaN.",
        _SUM_METHOD,
        _HIGHAM,
        ">>> float(fp.nansum([1.0, np.nan, 2.0]))\n3.0",
    ),
    "mean": Own(
        "Return the arithmetic mean of the elements.",
        "float64 for integers, the input's dtype for floats. NaN, with a RuntimeWarning, for none.",
        "The sum in float64, added up pairwise [1]_, divided by the number of elements.",
        _HIGHAM,
        ">>> fp.mean([[1, 2], [3, 4]], axis=0).tolist()\n[2.0, 3.0]",
    ),
    "nanmean": Own(
        "Return the arithmetic mean of the elements that are not NaN.",
        "float64 for integers, the input's dtype for floats. NaN, with a RuntimeWarning, for none.",
        "The sum in float64, added up pairwise [1]_, divided by the number of elements.",
        _HIGHAM,
        ">>> float(fp.nanmean([1.0, np.nan, 2.0]))\n1.5",
    ),
    "var": Own(
        "Return the variance of the elements.",
        "float64 for integers, the input's dtype for floats. NaN or Inf, with a RuntimeWarning, "
        "where\n    ``n - ddof <= 0``.",
        _VAR_METHOD,
        _CHAN,
        ">>> float(fp.var([1.0, 2.0, 3.0, 4.0]))\n1.25",
    ),
    "nanvar": Own(
        "Return the variance of the elements that are not NaN.",
        "float64 for integers, the input's dtype for floats. NaN, with a RuntimeWarning, where\n"
        "    ``n - ddof <= 0``.",
        _VAR_METHOD,
        _CHAN,
        ">>> float(fp.nanvar([1.0, np.nan, 3.0]))\n1.0",
    ),
    "std": Own(
        "Return the standard deviation of the elements.",
        "float64 for integers, the input's dtype for floats. NaN or Inf, with a RuntimeWarning, "
        "where\n    ``n - ddof <= 0``.",
        "The square root of the variance. " + _VAR_METHOD,
        _CHAN,
        ">>> float(fp.std([1.0, 3.0]))\n1.0",
    ),
    "nanstd": Own(
        "Return the standard deviation of the elements that are not NaN.",
        "float64 for integers, the input's dtype for floats. NaN, with a RuntimeWarning, where\n"
        "    ``n - ddof <= 0``.",
        "The square root of the variance. " + _VAR_METHOD,
        _CHAN,
        ">>> float(fp.nanstd([1.0, np.nan, 3.0]))\n1.0",
    ),
    "min": Own(
        "Return the least element; NaN if there is one.",
        "Of the input's dtype.",
        "Of zeros with different signs either may be returned.",
        "",
        ">>> fp.min([[3, 1], [2, 4]], axis=1).tolist()\n[1, 2]",
    ),
    "nanmin": Own(
        "Return the least of the elements that are not NaN.",
        "Of the input's dtype. NaN, with a RuntimeWarning, if all are NaN.",
        "Of zeros with different signs either may be returned.",
        "",
        ">>> float(fp.nanmin([np.nan, 2.0, 1.0]))\n1.0",
    ),
    "max": Own(
        "Return the greatest element; NaN if there is one.",
        "Of the input's dtype.",
        "Of zeros with different signs either may be returned.",
        "",
        ">>> fp.max([[3, 1], [2, 4]], axis=1).tolist()\n[3, 4]",
    ),
    "nanmax": Own(
        "Return the greatest of the elements that are not NaN.",
        "Of the input's dtype. NaN, with a RuntimeWarning, if all are NaN.",
        "Of zeros with different signs either may be returned.",
        "",
        ">>> float(fp.nanmax([np.nan, 2.0, 1.0]))\n2.0",
    ),
    "minmax": Own(
        "Return the least and the greatest element, found in one pass; NaN if there is one.",
        "A tuple of two, of the input's dtype.",
        "Of zeros with different signs either may be returned.",
        "",
        ">>> least, greatest = fp.minmax([3, 1, 2])\n>>> int(least), int(greatest)\n(1, 3)",
    ),
    "nanminmax": Own(
        "Return the least and the greatest of the elements that are not NaN, found in one pass.",
        "A tuple of two, of the input's dtype. NaN, with a RuntimeWarning, if all are NaN.",
        "Of zeros with different signs either may be returned.",
        "",
        ">>> least, greatest = fp.nanminmax([3.0, np.nan, 2.0])\n"
        ">>> float(least), float(greatest)\n(2.0, 3.0)",
    ),
    "argmin": Own(
        "Return the index of the least element, or of the first NaN.",
        "int64. The first of several.",
        "One pass that finds the extreme, and a look through the chunk of 4096 that has it.",
        "",
        ">>> int(fp.argmin([3, 1, 2, 1]))\n1",
    ),
    "nanargmin": Own(
        "Return the index of the least of the elements that are not NaN.",
        "int64. The first of several. ValueError if all are NaN.",
        "One pass that finds the extreme, and a look through the chunk of 4096 that has it.",
        "",
        ">>> int(fp.nanargmin([np.nan, 2.0, 1.0]))\n2",
    ),
    "argmax": Own(
        "Return the index of the greatest element, or of the first NaN.",
        "int64. The first of several.",
        "One pass that finds the extreme, and a look through the chunk of 4096 that has it.",
        "",
        ">>> int(fp.argmax([1, 3, 2, 3]))\n1",
    ),
    "ss": Own(
        "Return the sum of the squares of the elements.",
        "int64 (uint64) for integers, the input's dtype for floats. 0 for no elements.",
        _SUM_METHOD.replace("Added up", "Squares are added up"),
        _HIGHAM,
        ">>> float(fp.ss([1.0, 2.0, 3.0]))\n14.0",
    ),
    "anynan": Own(
        "Tell whether any element is NaN.",
        "Of bools. False for no elements.",
        "Stops at the first chunk of 4096 elements that has one, if there is one result.",
        "",
        ">>> bool(fp.anynan([1.0, np.nan]))\nTrue",
    ),
    "allnan": Own(
        "Tell whether all elements are NaN.",
        "Of bools. True for no elements.",
        "Stops at the first chunk of 4096 elements that has a number, if there is one result.",
        "",
        ">>> bool(fp.allnan([1.0, np.nan]))\nFalse",
    ),
    "all_finite": Own(
        "Tell whether all elements are finite: neither NaN nor infinite.",
        "Of bools. True for no elements.",
        "Stops at the first chunk of 4096 elements that has another, if there is one result.",
        "",
        ">>> bool(fp.all_finite([1.0, np.inf]))\nFalse",
    ),
    "nanargmax": Own(
        "Return the index of the greatest of the elements that are not NaN.",
        "int64. The first of several. ValueError if all are NaN.",
        "One pass that finds the extreme, and a look through the chunk of 4096 that has it.",
        "",
        ">>> int(fp.nanargmax([np.nan, 2.0, 1.0]))\n1",
    ),
    "logsumexp": Own(
        "Return ``log(sum(exp(a)))``, without overflow.",
        "float64 for integers, the input's dtype for floats. -Inf for no elements.",
        "The greatest element and the sum of exp(x - greatest), of which no term exceeds 1, of "
        "each chunk of 4096 elements, while it is in the cache; exp as Cody and Waite [1]_ have "
        "it. float32 is computed in float32 and added up in float64.",
        '.. [1] W. J. Cody, W. Waite, "Software manual for the elementary functions", 1980.',
        ">>> float(fp.logsumexp([1000.0, 1000.0]))\n1000.6931471805599",
    ),
}

_WEIGHTS = """
b : array_like, optional
    Factors of the exponentials, broadcast against `a`; they may be negative, or 0 to leave an
    element out. They need memory for two arrays like `a`."""

_SIGN = """
return_sign : bool, default False
    Whether to return a tuple of the logarithm of the sum's magnitude and its sign, which is -1, 0
    or 1. Without it the logarithm of a negative sum is NaN."""


def document(name: str) -> str:
    """Return a reduction's docstring."""
    if name == "logsumexp":
        parameters = A + AXIS + _WEIGHTS + KEEPDIMS + _SIGN + WORKERS
        return docstring(
            _OWN[name], parameters, ERRORS.format(more="; if `b` does not go with `a`")
        )
    family = name.removeprefix("nan")
    parameters = A + (ONE_AXIS if "arg" in family else AXIS)
    parameters += DTYPE if family in ("sum", "mean", "var", "std") else ""
    parameters += OUT_PAIR if family == "minmax" else OUT_INDEX if "arg" in family else OUT
    parameters += DDOF if family in ("var", "std") else ""
    chooses = family in ("min", "max", "minmax", "argmin", "argmax")
    errors = ERRORS.format(more=EMPTY if chooses else "")
    returns = "tuple" if family == "minmax" else "ndarray or scalar"
    return docstring(_OWN[name], parameters + KEEPDIMS + WORKERS, errors, returns=returns)
