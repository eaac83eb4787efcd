"""Layer: parallel.  The docstrings of the kernels over groups."""

from __future__ import annotations

from fastproc.parallel.docs.shared import WORKERS, Own, docstring

_EXAMPLE = ">>> fp.group_{}([1.0, 2.0, 3.0, np.nan], [0, 1, 0, 1]{}).tolist()\n{}"

_CHAN = (
    '.. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm\n'
    '   for computing sample variances", COMPSTAT 1982.'
)

_SHIFTED = (
    "One pass: distances are taken from the first element that a group has in a piece of the "
    "array, and pieces are merged by the formulae of [1]_, so that an offset common to a group's "
    "elements, such as 1e8, costs no digits."
)

_IN_DOUBLE = "Elements are added up in double precision, float32 too."

_AS_VALUES = (
    "Of the values' dtype; NaN for a group without elements, which is an error if the dtype has no "
    "NaN."
)

_OWN: dict[str, Own] = {
    "group_sum": Own(
        "Return the sum of each group's elements.",
        "float64, float32 or float16 as the values are, int64 or uint64 for integers, which wrap "
        "around; 0 for a group without elements.",
        _IN_DOUBLE,
        "",
        _EXAMPLE.format("sum", "", "[4.0, 2.0]"),
    ),
    "group_mean": Own(
        "Return the mean of each group's elements.",
        "Of the values' dtype, float64 for integers; NaN for a group without elements.",
        _IN_DOUBLE,
        "",
        _EXAMPLE.format("mean", "", "[2.0, 2.0]"),
    ),
    "group_var": Own(
        "Return the variance of each group's elements.",
        "Of the values' dtype, float64 for integers; NaN for a group of `ddof` elements or fewer.",
        _SHIFTED,
        _CHAN,
        _EXAMPLE.format("var", "", "[2.0, nan]"),
    ),
    "group_std": Own(
        "Return the standard deviation of each group's elements.",
        "Of the values' dtype, float64 for integers; NaN for a group of `ddof` elements or fewer.",
        _SHIFTED,
        _CHAN,
        _EXAMPLE.format("std", ", ddof=0", "[1.0, 0.0]"),
    ),
    "group_min": Own(
        "Return the least of each group's elements.",
        _AS_VALUES,
        "",
        "",
        _EXAMPLE.format("min", "", "[1.0, 2.0]"),
    ),
    "group_max": Own(
        "Return the greatest of each group's elements.",
        _AS_VALUES,
        "",
        "",
        _EXAMPLE.format("max", "", "[3.0, 2.0]"),
    ),
    "group_count": Own(
        "Count each group's elements.",
        "int64; NaN do not count.",
        "",
        "",
        _EXAMPLE.format("count", "", "[2, 1]"),
    ),
    "group_first": Own(
        "Return the first of each group's elements.",
        _AS_VALUES,
        "",
        "",
        _EXAMPLE.format("first", "", "[1.0, 2.0]"),
    ),
    "group_last": Own(
        "Return the last of each group's elements.",
        _AS_VALUES,
        "",
        "",
        _EXAMPLE.format("last", "", "[3.0, 2.0]"),
    ),
    "bincount": Own(
        "Count how often each of the numbers 0, 1, 2, ... occurs, or add up their weights.",
        "int64, with `weights` float64; as long as the greatest number plus 1.",
        _IN_DOUBLE + " NaN among them is not skipped, as in NumPy.",
        "",
        ">>> fp.bincount([0, 2, 2]).tolist()\n[1, 0, 2]\n"
        ">>> fp.bincount([0, 2, 2], [0.5, 1, 2]).tolist()\n[0.5, 0.0, 3.0]",
    ),
}

_PARAMETERS = """
values : array_like
    Real numbers, of any shape. NaN are in no group. An array whose elements do not lie one behind
    another along `axis` is copied.
labels : array_like of integers
    The number of each element's group; a negative one says that it is in none.
num_labels : int, optional
    How many groups there are; by default the greatest label plus 1.
axis : int or None, default -1
    Along which axis the labels lie. None: they have the values' shape."""

_DDOF = """
ddof : float, default 1
    Delta degrees of freedom: the sum of squares is divided by ``n - ddof``. 1 as in pandas and
    numbagg, not 0 as in NumPy."""

_BINCOUNT = """
x : array_like of integers
    None negative; one axis.
weights : array_like, optional
    Real numbers, one for each of `x`.
minlength : int, default 0
    How long the result is at least."""

_ERRORS = """
TypeError
    If the labels are not integers, or the values not real numbers of at most 64 bits.
ValueError
    If labels and values have shapes that do not go together; if a label is not less than
    `num_labels`, or greater than 2**31 - 3.
numpy.exceptions.AxisError
    If there is no such axis."""

_BINCOUNT_ERRORS = """
TypeError
    If `x` is not of integers, or the weights not real numbers of at most 64 bits: of complex ones
    give the parts one after another.
ValueError
    If `x` has not one axis, or has a negative number or one greater than 2**31 - 3; if the weights
    have another shape; if `minlength` is negative."""

_COMPLEXITY = (
    "O(n + groups). A table of the groups for each piece of at least 2**18 elements; tables are\n"
    "merged in the pieces' order, so the result has the same bits whoever does the work."
)


def document(name: str) -> str:
    """Return the docstring of a kernel over groups."""
    if name == "bincount":
        parameters, errors = _BINCOUNT + WORKERS, _BINCOUNT_ERRORS
        returns = "ndarray"
    else:
        ddof = _DDOF if name in ("group_var", "group_std") else ""
        parameters, errors = _PARAMETERS + ddof + WORKERS, _ERRORS
        returns = "ndarray, of the values' shape without `axis`, and the groups as its last axis"
    return docstring(_OWN[name], parameters, errors, returns=returns, complexity=_COMPLEXITY)
