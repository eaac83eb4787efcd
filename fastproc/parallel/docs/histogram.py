"""Layer: parallel.  The docstrings of the histograms."""

from __future__ import annotations

from fastproc.parallel.docs.shared import WORKERS

_HISTOGRAM = """Count the elements in bins of the same width.

An element is in bin ``i`` when ``edges[i] <= x < edges[i + 1]``; the last bin includes its right
edge. What lies outside the range, and NaN if a range is given, is in no bin.

Parameters
----------
a : array_like
    Real numbers, of any shape; they are flattened. An array that is not contiguous is copied.
bins : int, default 10
    How many bins.
range : (float, float), optional
    The outer edges; by default the least and the greatest element, for no elements 0 and 1. Equal
    edges are moved apart by half on either side.{workers}

Returns
-------
counts : ndarray of int64, shape (bins,)
    How many elements are in each bin.
edges : ndarray, shape (bins + 1,)
    As ``np.linspace`` gives them: float32 for float32 data, else float64.

Raises
------
TypeError
    If `bins` is not an integer, or the dtype not one of real numbers of at most 64 bits.
ValueError
    If `bins` is less than 1; if the range is not finite (as that of data with NaN), descending, or
    so narrow that neighbouring edges would be equal.

Notes
-----
O(n + bins). The bin is found by a multiplication, except near edges, where rounding could lead
astray and elements are compared with the edges: the counts are exactly those of the comparison.

Examples
--------
>>> import fastproc as fp
>>> counts, edges = fp.histogram([0.0, 0.2, 0.9, 1.0], bins=2, range=(0, 1))
>>> counts.tolist(), edges.tolist()
([2, 2], [0.0, 0.5, 1.0])
"""


def document(name: str) -> str:
    """Return a histogram's docstring."""
    return _HISTOGRAM.format(workers=WORKERS)
