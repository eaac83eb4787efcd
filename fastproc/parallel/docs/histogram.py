"""Layer: parallel.  The docstrings of the histograms."""

from __future__ import annotations

from fastproc.parallel.docs.shared import WORKERS, Own, docstring

_METHOD = (
    "Where bins have one width a bin is found by a multiplication, except near edges, where "
    "rounding could lead astray and elements are compared with the edges; other bins are looked "
    "for among the edges, as by `searchsorted`. So counts are exactly those of the comparison, in "
    "float64. Sums of weights are float64, added in an order that depends on the array alone."
)

_OWN: dict[str, Own] = {
    "histogram": Own(
        "Count the elements in bins, or add up their weights.\n\n"
        "An element is in bin ``i`` when ``edges[i] <= x < edges[i + 1]``; the last bin includes "
        "its right\nedge. What lies outside the edges is in no bin, nor is NaN.",
        "How many elements are in each bin, int64; the sums of their weights, in the weights' "
        "dtype; or\n    densities, float64.\nedges : ndarray\n    As ``np.linspace`` gives them, "
        "float32 for float32 data, else float64; or as they were given.",
        _METHOD,
        "",
        ">>> counts, edges = fp.histogram([0.0, 0.2, 0.9, 1.0], bins=2, range=(0, 1))\n"
        ">>> counts.tolist(), edges.tolist()\n([2, 2], [0.0, 0.5, 1.0])\n"
        ">>> fp.histogram([0.0, 0.2, 0.9], bins=[0, 0.1, 1], weights=[1, 2, 3])[0].tolist()\n"
        "[1, 5]",
    ),
    "histogram2d": Own(
        "Count pairs of elements in the cells of two axes, or add up their weights.\n\n"
        "Bins of either axis are those of `histogram`.",
        "float64; `x` along the first axis, `y` along the second.\nx_edges, y_edges : ndarray\n"
        "    The edges of each axis.",
        _METHOD,
        "",
        ">>> fp.histogram2d([0, 0, 1], [0, 2, 2], bins=2)[0].tolist()\n[[1.0, 1.0], [0.0, 1.0]]",
    ),
    "histogramdd": Own(
        "Count points in the cells of any number of axes, or add up their weights.\n\n"
        "Bins of each axis are those of `histogram`.",
        "float64, with an axis for each of the sample's.\nedges : tuple of ndarrays\n    The edges "
        "of each axis.",
        _METHOD,
        "",
        ">>> counts, edges = fp.histogramdd(np.zeros((5, 3)), bins=(1, 2, 1))\n"
        ">>> counts.tolist()\n[[[0.0], [5.0]]]",
    ),
}

_DATA = {
    "histogram": """
a : array_like
    Real numbers, of any shape; they are flattened. An array that is not contiguous is copied.""",
    "histogram2d": """
x, y : array_like
    Real numbers, lines of one length.""",
    "histogramdd": """
sample : array_like
    Real numbers: an array with a row for each point, or a sequence with a line for each axis.""",
}

_BINS = """
bins : int or array_like, default 10
    How many bins of one width, or the edges of bins of any width, ascending.
range : (float, float), optional
    The outer edges; by default the least and the greatest element, for no elements 0 and 1. Equal
    edges are moved apart by half on either side. Where edges are given this is not used."""

_BINS_OF_AXES = """
bins : int, array_like or sequence of these, default 10
    How many bins of one width, or the edges of bins of any width, ascending; for all axes, or
    one for each.
range : sequence of (float, float) or None, optional
    The outer edges of each axis; by default the least and the greatest element."""

_SHARED = """
density : bool, optional
    Whether to divide by the bins' sizes and by the sum of all, so that the integral is 1.
weights : array_like, optional
    A real number for each element."""

_ERRORS = """
TypeError
    If `bins` is neither an integer nor edges, or a dtype not one of real numbers of at most 64
    bits; of complex weights give the parts one after another.
ValueError
    If `bins` is less than 1; if edges do not ascend, are fewer than 2 or have NaN; if the range is
    not finite (as that of data with NaN), descending, or so narrow that neighbouring edges would be
    equal; if there are 2**31 - 1 cells or more; if `weights` have not the elements' shape."""


def document(name: str) -> str:
    """Return a histogram's docstring."""
    bins = _BINS if name == "histogram" else _BINS_OF_AXES
    return docstring(
        _OWN[name],
        _DATA[name] + bins + _SHARED + WORKERS,
        _ERRORS,
        returns="counts : ndarray",
        complexity="O(n) for each axis, and O(cells).",
    )
