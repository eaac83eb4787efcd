"""Layer: parallel.  The docstrings of softmax and log_softmax."""

from __future__ import annotations

from fastproc.parallel.docs.shared import WORKERS, Own, docstring

_RETURNS = "Of the shape of `x`; float64 for integers, the input's dtype for floats."
_SOURCE = '.. [1] W. J. Cody, W. Waite, "Software manual for the elementary functions", 1980.'

_OWN: dict[str, Own] = {
    "softmax": Own(
        "Return ``exp(x) / sum(exp(x))`` along axes, without overflow.",
        f"{_RETURNS}\n    NaN where the greatest element is not finite.",
        "exp(x - greatest), as Cody and Waite [1]_ have exp, and their sum in one go, then a "
        "multiplication by its inverse. Along lines of more than 131072 elements the sum comes "
        "first, by chunks of 16384, and exp is computed again.",
        _SOURCE,
        ">>> fp.softmax([1000.0, 1000.0]).tolist()\n[0.5, 0.5]",
    ),
    "log_softmax": Own(
        "Return ``x - log(sum(exp(x)))`` along axes, without overflow.",
        _RETURNS,
        "The greatest element and the sum of exp(x - greatest), as Cody and Waite [1]_ have exp; "
        "both are taken away one after the other.",
        _SOURCE,
        ">>> fp.log_softmax([1000.0, 0.0]).tolist()\n[0.0, -1000.0]",
    ),
}

_PARAMETERS = """
x : array_like
    Real numbers, of any shape, strides and byte order.
axis : None, int or tuple of ints, optional
    Axis or axes along which the results sum to 1; None, the default, for all."""

_ERRORS = """
TypeError
    If the dtype is not one of real numbers of at most 64 bits.
numpy.exceptions.AxisError
    If there is no such axis.
ValueError
    If an axis is named twice; if the pool is closed."""


def document(name: str) -> str:
    """Return the docstring of a kernel of this family."""
    return docstring(_OWN[name], _PARAMETERS + WORKERS, _ERRORS)
