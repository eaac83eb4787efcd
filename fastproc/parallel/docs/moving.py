"""Layer: parallel.  The docstrings of the moving windows."""

from __future__ import annotations

from fastproc.parallel.docs.shared import WORKERS, Own, docstring

_DOUBLING = (
    "Windows of length 4 m are put together of four of length m, vector by vector, and a window of "
    "any length of such: about log4(window) passes over a block that is in the cache."
)
_PLACES = (
    "Windows of twice the length are put together of two, vector by vector: about log2(window) "
    "passes over a block that is in the cache."
)
_SUM_METHOD = (
    "In float64. Each sum is the one before, plus what comes, less what goes, anew from time to "
    "time; a bound of the rounding that this leaves is kept below 4e-12 of the elements' sum of "
    "magnitudes (or what adding them up one by one may leave, in windows above 32768). Where "
    "it would be more, near huge elements or infinities, windows are put together of shorter ones, "
    "of which nothing is ever subtracted: what has left the window leaves no trace."
)
_VAR_METHOD = (
    "The sums of ``x - c`` and of its square in each window, made as those of move_sum, with some "
    "element c of the neighbourhood. Where c is so far off that this would cost digits, another is "
    "taken from nearer by, and in the end the deviations from the window's own mean [1]_: an "
    "offset of the data costs no accuracy."
)
_CHAN = (
    '.. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample\n'
    '       variance: analysis and recommendations", 1983.'
)
_RANK_METHOD = (
    "Blocks as long as the window are sorted, and neighbouring ones merged, which gives every "
    "element its number; the window is a set of numbers, one bit each [1]_. O(log(window)) for an "
    "element in sorting, and a step or two in the set. Short windows are compared as they are."
)
_SUOMELA = '.. [1] J. Suomela, "Median filtering is equivalent to sorting", 2014.'
_FLOATS = "float32 for float32 data, float16 for float16, else float64."

_OWN: dict[str, Own] = {
    "move_sum": Own(
        "Return the sum of each window of the axis.",
        _FLOATS,
        _SUM_METHOD,
        "",
        ">>> fp.move_sum([1, 2, 3, 4], 2).tolist()\n[nan, 3.0, 5.0, 7.0]",
    ),
    "move_mean": Own(
        "Return the mean of each window of the axis.",
        _FLOATS,
        _SUM_METHOD,
        "",
        ">>> fp.move_mean([1, 2, 3, 4], 2, min_count=1).tolist()\n[1.0, 1.5, 2.5, 3.5]",
    ),
    "move_std": Own(
        "Return the standard deviation of each window of the axis.",
        _FLOATS,
        _VAR_METHOD,
        _CHAN,
        ">>> fp.move_std([1, 3, 3, 7], 2).tolist()\n[nan, 1.0, 0.0, 2.0]",
    ),
    "move_var": Own(
        "Return the variance of each window of the axis.",
        _FLOATS,
        _VAR_METHOD,
        _CHAN,
        ">>> fp.move_var([1, 3, 3, 7], 2, ddof=1).tolist()\n[nan, 2.0, 0.0, 8.0]",
    ),
    "move_min": Own(
        "Return the least number of each window of the axis.",
        _FLOATS,
        _DOUBLING,
        "",
        ">>> fp.move_min([3, 1, 2, 4], 2).tolist()\n[nan, 1.0, 1.0, 2.0]",
    ),
    "move_max": Own(
        "Return the greatest number of each window of the axis.",
        _FLOATS,
        _DOUBLING,
        "",
        ">>> fp.move_max([3, 1, 2, 4], 2).tolist()\n[nan, 3.0, 2.0, 4.0]",
    ),
    "move_argmin": Own(
        "Return how far from each window's end its least number is.",
        _FLOATS + " 0 is the window's\n    last element; of equal ones the last counts.",
        _PLACES,
        "",
        ">>> fp.move_argmin([3, 1, 2, 4], 3).tolist()\n[nan, nan, 1.0, 2.0]",
    ),
    "move_argmax": Own(
        "Return how far from each window's end its greatest number is.",
        _FLOATS + " 0 is the window's\n    last element; of equal ones the last counts.",
        _PLACES,
        "",
        ">>> fp.move_argmax([3, 1, 2, 4], 3).tolist()\n[nan, nan, 2.0, 0.0]",
    ),
    "move_median": Own(
        "Return the median of each window of the axis.",
        _FLOATS,
        _RANK_METHOD,
        _SUOMELA,
        ">>> fp.move_median([3, 1, 2, 4], 3).tolist()\n[nan, nan, 2.0, 2.0]",
    ),
    "move_rank": Own(
        "Return the rank of each window's last element in the window.",
        _FLOATS + " From -1 for\n    the least to 1 for the greatest; equal ones share their mean "
        "rank. 0 for a number alone,\n    NaN for NaN.",
        _RANK_METHOD,
        _SUOMELA,
        ">>> fp.move_rank([3, 1, 2, 4], 3).tolist()\n[nan, nan, 0.0, 1.0]",
    ),
}

_PARAMETERS = """
a : array_like
    Real numbers, of one dimension or more, any strides and byte order. Integers are converted to
    float64.
window : int
    How many elements a window has: an element and those before it, of which NaN is passed over.
min_count : None or int, optional
    How many of a window's elements must be numbers, lest the result be NaN; by default all. At
    the beginning of the axis, where the window is not yet full, what is missing is no number.
axis : int, default -1
    Axis along which the window moves."""

_DDOF = """
ddof : int, default 0
    Delta degrees of freedom: the sum of squares is divided by ``count - ddof``."""

_ERRORS = """
TypeError
    If the dtype is not one of real numbers of at most 64 bits, or a number is not an integer.
numpy.exceptions.AxisError
    If there is no such axis.
ValueError
    If `window` is not from 1 to the axis's length, or `min_count` not from 1 to `window`; if `a`
    has no dimension; if the pool is closed."""

_COMPLEXITY = (
    "O(n log(window)). As bottleneck's function of this name, which it can replace. Holds the GIL "
    "for arrays of up to 4096 elements only."
)


def document(name: str) -> str:
    """Return a moving window's docstring."""
    parameters = _PARAMETERS + (_DDOF if name in ("move_std", "move_var") else "") + WORKERS
    return docstring(_OWN[name], parameters, _ERRORS, returns="ndarray", complexity=_COMPLEXITY)
