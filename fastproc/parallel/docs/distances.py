"""Layer: parallel.  The docstrings of the distances."""

from __future__ import annotations

from fastproc.parallel.docs.shared import WORKERS, Own, docstring

_ORDER = (
    "Of each pair the differences themselves are taken, never ``|a|^2 - 2ab + |b|^2``, which loses "
    "all digits of near points far from the origin; they are added up column after column, in "
    "float64. "
)
_SCIPY = (
    "What SciPy does with NaN is done here: it makes a distance NaN, but 'chebyshev' passes over "
    "it, 'hamming' takes it for different, 'jaccard' for not 0. The cosine of a row of zeros, and "
    "the correlation of a constant one, is NaN."
)
_SCREEN = (
    "The matrix of all distances is never there: of each row, the k nearest so far are kept in a "
    "heap. For Euclidean distances of many rows, an estimate in float32 with a bound on its error "
    "rules out most pairs; the others are computed in full, so that the result is exactly that of "
    "sorting the rows of `cdist`."
)

_OWN: dict[str, Own] = {
    "cdist": Own(
        "Return the distances between the rows of two arrays.",
        "float64, shape (n_a, n_b): ``[i, j]`` is the distance between ``XA[i]`` and ``XB[j]``.",
        _ORDER + _SCIPY,
        "",
        ">>> fp.cdist([[0, 0], [3, 4]], [[0, 0], [0, 4]]).tolist()\n[[0.0, 4.0], [5.0, 3.0]]",
    ),
    "pdist": Own(
        "Return the distances between each two rows of an array.",
        "float64, shape (n * (n - 1) / 2,): of the pairs (0, 1), (0, 2), ..., (1, 2), ...; what\n"
        "    ``scipy.spatial.distance.squareform`` takes.",
        _ORDER + _SCIPY,
        "",
        ">>> fp.pdist([[0, 0], [3, 4], [0, 4]]).tolist()\n[5.0, 4.0, 3.0]",
    ),
    "nearest": Own(
        "Return the k rows of `XB` that are nearest to each row of `XA`.",
        "Two arrays of shape (n_a, k), also for k = 1: distances in ascending order, float64, and\n"
        "    the rows' numbers in `XB`, int64. Of equal distances the lower number comes first;\n"
        "    NaN comes after all others.",
        _SCREEN,
        "",
        ">>> distances, indices = fp.nearest([[0, 0], [9, 9]], [[1, 0], [9, 8], [0, 0]], k=2)\n"
        ">>> distances[0].tolist(), indices.tolist()\n([0.0, 1.0], [[2, 0], [1, 0]])",
    ),
}

_POINTS = """
{} : array_like, two-dimensional
    Points, one a row, of real numbers. All are converted to float64 first (a copy), which is what
    SciPy computes in, and whose differences float32 and integers need; for 'jaccard' to bool."""

_K = """
k : int, default 1
    How many, from 1 to the number of rows of `XB`."""

_METRIC = """
metric : str, default 'euclidean'
    'chebyshev', 'cityblock', 'correlation', 'cosine', 'euclidean', 'hamming', 'jaccard',
    'minkowski' or 'sqeuclidean', as in ``scipy.spatial.distance``."""

_OUT = """
out : ndarray, optional
    Where to put the result: of its shape, and of a dtype to which it can be cast by the rule
    'same_kind'. It may overlap an input."""

_P = """
p : float, default 2
    The order of 'minkowski', at least 1. Orders 1, 2 and infinity are 'cityblock', 'euclidean' and
    'chebyshev'; other whole ones below 16 take products; all others call ``pow`` for every element,
    which takes a hundred times as long."""

_ERRORS = """
TypeError
    If a dtype is not one of real numbers of at most 64 bits; if `metric` is no string; if `p` is
    given for another metric than 'minkowski'{}.
ValueError
    If there is no such metric; if an array is not two-dimensional; if rows have different lengths;
    if `p` is less than 1 or NaN{}."""

_OUT_ERRORS = (
    ", or `out` cannot hold the result's",
    ";\n    if `out` has another shape or is read-only",
)
_K_ERRORS = (", or `k` is no integer", ";\n    if `k` is less than 1 or more than there are rows")

_COMPLEXITY = "O(n_a * n_b * width). Holds the GIL for a few small rows only."


def document(name: str) -> str:
    """Return the docstring of one of the distances."""
    parameters = _POINTS.format("X" if name == "pdist" else "XA, XB")
    parameters += (_K if name == "nearest" else "") + _METRIC
    parameters += ("" if name == "nearest" else _OUT) + _P + WORKERS
    errors = _ERRORS.format(*(_K_ERRORS if name == "nearest" else _OUT_ERRORS))
    returns = "(ndarray, ndarray)" if name == "nearest" else "ndarray"
    complexity = _COMPLEXITY.replace("n_a * n_b", "n * n") if name == "pdist" else _COMPLEXITY
    return docstring(_OWN[name], parameters, errors, returns=returns, complexity=complexity)
