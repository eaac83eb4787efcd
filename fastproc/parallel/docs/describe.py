"""Layer: parallel.  The docstring of `describe`."""

from __future__ import annotations

from fastproc.parallel.docs.shared import WORKERS, A

_DESCRIBE = """Describe the elements: their number, extremes, mean, variance, skewness and kurtosis.

Parameters
----------{a}
axis : None or int, default 0
    Axis to go along; None takes all elements.
ddof : float, default 1
    Delta degrees of freedom of the variance.
bias : bool, default True
    Whether skewness and kurtosis are those of the elements; if False, they are corrected to those
    of what the elements are a sample of.{workers}

Returns
-------
DescribeResult
    A named tuple: `nobs`, the number of elements along the axis; `minmax`, a pair; `mean`;
    `variance`; `skewness`, NaN if all elements are equal; `kurtosis`, by Fisher's definition, 0
    for normal numbers. float64 for integers (their extremes are integers), the input's dtype for
    floats. All but `nobs` are NaN where there is one.

Raises
------
TypeError
    If the dtype is not one of real numbers of at most 64 bits.
numpy.exceptions.AxisError
    If there is no such axis.
ValueError
    If there are no elements; if the pool is closed.

Notes
-----
O(n); one pass over memory, two over each chunk of 4096 elements while it is in the cache. Chunks
are merged by the formulae of Pebay [1]_, in float64: an offset of the data costs no accuracy.
uint64 is converted to float64 first.

References
----------
.. [1] P. Pebay, "Formulas for robust, one-pass parallel computation of covariances and
       arbitrary-order statistical moments", 2008.

Examples
--------
>>> import fastproc as fp
>>> result = fp.describe([1.0, 2.0, 3.0, 6.0])
>>> result.nobs, float(result.mean), round(float(result.skewness), 3)
(4, 3.0, 0.687)
"""


def document(name: str) -> str:
    """Return the docstring."""
    return _DESCRIBE.format(a=A, workers=WORKERS)
