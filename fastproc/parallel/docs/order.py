"""Layer: parallel.  The docstrings of the order statistics."""

from __future__ import annotations

from fastproc.parallel.docs.shared import AXIS, ERRORS, KEEPDIMS, OUT, WORKERS, A, Own, docstring

_SELECTION = (
    "A sample says between which two values the wanted one most probably lies [1]_; one pass "
    "counts what is below and keeps what is inside, a percent or two, and among that the search "
    "goes on. What two samples miss is found by halving the range of values, so that no input "
    "takes more than O(n). More than 24 quantiles are read off a sorted copy."
)
_SOURCE = '.. [1] R. W. Floyd, R. L. Rivest, "Expected time bounds for selection", 1975.'
_QUANTILE_SOURCE = _SOURCE + (
    '\n.. [2] R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages", 1996.'
)
_BETWEEN = (
    " Between equal neighbours, and on one of them, the result is that neighbour, where NumPy has "
    "NaN if it is infinite."
)
_COMPLEXITY = (
    "O(n) for a line of n elements and each quantile. Holds the GIL for arrays of up to 4096\n"
    "elements only."
)
_FLOATS = "float64 for integers, the input's dtype for floats."
_NAN = " NaN for a line that has one, and, with a\n    RuntimeWarning, for a line without elements."
_ALL_NAN = " NaN, with a RuntimeWarning, for a line\n    that has nothing else."
_MEDIAN = "The mean of the two elements in the middle, which never overflows. "

_OWN: dict[str, Own] = {
    "median": Own(
        "Return the median of the elements.",
        _FLOATS + _NAN,
        _MEDIAN + _SELECTION,
        _SOURCE,
        ">>> float(fp.median([3.0, 1.0, 2.0, 10.0]))\n2.5",
    ),
    "nanmedian": Own(
        "Return the median of the elements that are not NaN.",
        _FLOATS + _ALL_NAN,
        _MEDIAN + _SELECTION,
        _SOURCE,
        ">>> float(fp.nanmedian([3.0, np.nan, 1.0]))\n2.0",
    ),
    "quantile": Own(
        "Return quantiles of the elements.",
        _FLOATS + _NAN,
        _SELECTION + _BETWEEN,
        _QUANTILE_SOURCE,
        ">>> fp.quantile([1.0, 2.0, 3.0, 4.0, 5.0], [0.25, 0.5, 0.9]).tolist()\n[2.0, 3.0, 4.6]",
    ),
    "nanquantile": Own(
        "Return quantiles of the elements that are not NaN.",
        _FLOATS + _ALL_NAN,
        _SELECTION + _BETWEEN,
        _QUANTILE_SOURCE,
        ">>> float(fp.nanquantile([1.0, np.nan, 2.0, 3.0], 0.25))\n1.5",
    ),
    "percentile": Own(
        "Return percentiles of the elements.",
        _FLOATS + _NAN,
        _SELECTION + _BETWEEN,
        _QUANTILE_SOURCE,
        ">>> fp.percentile([[1, 2], [3, 4]], 50, axis=1).tolist()\n[1.5, 3.5]",
    ),
    "nanpercentile": Own(
        "Return percentiles of the elements that are not NaN.",
        _FLOATS + _ALL_NAN,
        _SELECTION + _BETWEEN,
        _QUANTILE_SOURCE,
        ">>> float(fp.nanpercentile([1.0, np.nan, 2.0, 3.0], 25))\n1.5",
    ),
}

_Q = """
q : array_like of floats
    Which {name}s, each from 0 to {most}. The result has the axes of `q` first."""

_METHOD = """
method : str, default 'linear'
    How a rank between two elements is found: NumPy's continuous methods 'linear',
    'interpolated_inverted_cdf', 'hazen', 'weibull', 'median_unbiased' or 'normal_unbiased' [2]_."""


def document(name: str) -> str:
    """Return an order statistic's docstring."""
    if name.endswith("median"):
        return docstring(
            _OWN[name],
            A + AXIS + OUT + KEEPDIMS + WORKERS,
            ERRORS.format(more=""),
            complexity=_COMPLEXITY,
        )
    is_percent = name.endswith("percentile")
    q = _Q.format(name=name.removeprefix("nan"), most=100 if is_percent else 1)
    return docstring(
        _OWN[name],
        A + q + AXIS + OUT + _METHOD + KEEPDIMS + WORKERS,
        ERRORS.format(more="; if `q` is out of range, or there is no such method"),
        complexity=_COMPLEXITY,
    )
