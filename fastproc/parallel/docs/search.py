"""Layer: parallel.  The docstrings of the searches in sorted edges."""

from __future__ import annotations

from fastproc.parallel.docs.shared import WORKERS, Own, docstring

_METHOD = (
    "Values and edges are compared exactly, in the dtype to which NumPy promotes them. If there "
    "are more values than edges, the span of the edges is cut into twice as many buckets; a "
    "multiplication finds a value's bucket, and only the edges in it are compared. Many values go "
    "through the search in step, without branches."
)

_OWN: dict[str, Own] = {
    "digitize": Own(
        "Return in which bin each value is.",
        "int64, of the shape of `x`: ``i`` where ``bins[i - 1] <= x < bins[i]``, or ``bins[i - 1] "
        "< x <= bins[i]`` with\n    `right`. Where `bins` descend: ``bins[i - 1] > x >= bins[i]``, "
        "or ``bins[i - 1] >= x > bins[i]``. 0 is\n    before the first edge, ``len(bins)`` behind "
        "the last; NaN counts as greater than every edge.",
        _METHOD,
        "",
        ">>> fp.digitize([0.5, 1.0, 7.0], [0.0, 1.0, 2.0]).tolist()\n[1, 2, 3]",
    ),
    "searchsorted": Own(
        "Return where values belong in a sorted array: how many of its elements are below each.",
        "int64, of the shape of `v`.",
        _METHOD,
        "",
        ">>> fp.searchsorted([1, 2, 2, 3], [2, 9]).tolist()\n[1, 4]",
    ),
}

_DIGITIZE = """
x : array_like
    Real numbers, of any shape.
bins : array_like
    Edges along one axis, all ascending or all descending; equal ones may follow one another, and
    they may be infinite.
right : bool, default False
    Whether a bin has its right edge rather than its left one."""

_SEARCHSORTED = """
a : array_like
    Ascending along one axis, NaN at its end; this is not looked at.
v : array_like
    The values, of any shape.
side : {'left', 'right'}, default 'left'
    'right' counts the elements that are equal to the value, too.
sorter : array_like of integers, optional
    Indices that sort `a`, as of ``np.argsort``; sorting it by them makes a copy."""

_ERRORS = """
TypeError
    If a dtype is not one of real numbers of at most 64 bits.
ValueError
    If {} has not one axis{}."""


def document(name: str) -> str:
    """Return a search's docstring."""
    if name == "digitize":
        parameters = _DIGITIZE
        errors = _ERRORS.format("`bins`", ", is in no order or has NaN")
    else:
        parameters = _SEARCHSORTED
        errors = _ERRORS.format(
            "`a`", "; if `side` is another word; if\n    `sorter` has not an index for each element"
        )
    return docstring(
        _OWN[name],
        parameters + WORKERS,
        errors,
        complexity="O(n log m) for m edges at the worst, O(n + m) where they are spread evenly.",
    )
