"""Layer: parallel.  The docstrings of the k first elements, of partitions and of ranks."""

from __future__ import annotations

from fastproc.parallel.docs.shared import WORKERS, Own, docstring

_A = """
a : array_like
    Real numbers, of any shape, strides and byte order. NaN counts as greater than all else."""

_AXIS = """
axis : None or int, default -1
    Axis along which lines lie; None takes all elements in C order as one."""

_RANK_AXIS = """
axis : None or int, optional
    Axis along which lines lie; None, the default, takes all elements in C order as one."""

_K = """
k : int
    How many, from 0 to the length of the axis."""

_LARGEST = """
largest : bool, default True
    Whether the greatest elements are wanted, the greatest first, or the least, the least first."""

_KTH = """
kth : int or sequence of ints
    Which elements are to stand where they would in a sorted line; negative ones from the end."""

_METHOD = """
method : {{'average', 'min', 'max', 'dense', 'ordinal'}}
    What equal elements get: the mean, the least or the greatest of the ranks that they have
    together; the rank among elements that differ; or each its own, in the order in which they
    stand. NaN equals NaN here."""

_ERRORS = """
TypeError
    If the dtype is not one of real numbers of at most 64 bits{types}.
numpy.exceptions.AxisError
    If there is no such axis.
ValueError
    If the pool is closed{values}."""

_COMPLEXITY = "O(n) for a line of n elements. Holds the GIL for small arrays only."
_RANK_COMPLEXITY = "O(n) for a line of n elements. Holds the GIL for small arrays only."

_RANKS = (
    "A stable sort of integers in the order of the values, by their digits [1]_, or of a few "
    "hundred elements by merging. Several lines are shared out among the workers, a single one is "
    "not."
)
_KNUTH = '.. [1] D. E. Knuth, "The art of computer programming", volume 3, section 5.2.5.'
_FLOYD = '.. [1] R. W. Floyd, R. L. Rivest, "Expected time bounds for selection", 1975.'
_DIVIDED = (
    "The element of that rank is found by samples and passes that count [1]_, and divides the "
    "others; the order on its two sides is not told, but the same every time. Several lines are "
    "shared out among the workers, a single one is not."
)

_OWN: dict[str, Own] = {
    "topk": Own(
        "Return the k greatest or least elements, sorted, and where they stand.",
        "The elements, and their indices as int64, along the axis. Of equal elements the one with\n"
        "    the lower index stands first.",
        "A long line is sampled for a value that little more than k elements reach, which one pass "
        "collects and a sort orders; all workers share it. In other lines the element of rank k is "
        "searched [1]_, and what is beyond it sorted.",
        _FLOYD,
        ">>> values, indices = fp.topk([3, 1, 2, 3], 2)\n"
        ">>> values.tolist(), indices.tolist()\n([3, 3], [0, 3])",
    ),
    "partition": Own(
        "Return a copy in which some elements stand where they would in a sorted one.",
        "Of the shape and dtype of `a`. Before an element of `kth` stands nothing greater, behind\n"
        "    it nothing less.",
        _DIVIDED,
        _FLOYD,
        ">>> fp.partition([3, 1, 2], 1).tolist()\n[1, 2, 3]",
    ),
    "argpartition": Own(
        "Return the indices that would partition an array.",
        "int64, of the shape of `a`.",
        _DIVIDED,
        _FLOYD,
        ">>> fp.argpartition([3, 1, 2], 1).tolist()\n[1, 2, 0]",
    ),
    "rankdata": Own(
        "Return the ranks of the elements, counted from 1.",
        "float64, of the shape of `a`; one axis for ``axis=None``.",
        _RANKS,
        _KNUTH,
        ">>> fp.rankdata([30, 10, 20, 10]).tolist()\n[4.0, 1.5, 3.0, 1.5]",
    ),
    "nanrankdata": Own(
        "Return the ranks of the elements that are not NaN, counted from 1; NaN for NaN.",
        "float64, of the shape of `a`; one axis for ``axis=None``.",
        _RANKS,
        _KNUTH,
        ">>> fp.nanrankdata([30, np.nan, 20]).tolist()\n[2.0, nan, 1.0]",
    ),
}


def document(name: str) -> str:
    """Return the docstring of a kernel of this family."""
    if name.endswith("rankdata"):
        parameters = _A + _METHOD.format() + _RANK_AXIS + WORKERS
        errors = _ERRORS.format(types="", values="; if there is no such method")
        return docstring(
            _OWN[name], parameters, errors, returns="ndarray", complexity=_RANK_COMPLEXITY
        )
    if name == "topk":
        return docstring(
            _OWN[name],
            _A + _K + _AXIS + _LARGEST + WORKERS,
            _ERRORS.format(
                types=", or `k` is no integer, or\n    `largest` no bool",
                values="; if `k` is out of range",
            ),
            returns="tuple of two ndarrays",
            complexity="O(n + k) for a line of n elements. Holds the GIL for small arrays only.",
        )
    return docstring(
        _OWN[name],
        _A + _KTH + _AXIS + WORKERS,
        _ERRORS.format(types=", or `kth` is no\n    integer", values="; if `kth` is out of bounds"),
        returns="ndarray",
        complexity=_COMPLEXITY,
    )
