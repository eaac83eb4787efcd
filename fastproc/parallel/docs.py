"""Layer: parallel.  The docstrings of the public kernels, what they share written once.

Each kernel's own part (what it computes, by which method, an example) stands in `_OWN`; parameters
and errors that all of a family have are filled in by `attach`, so that ``help(fastproc.var)`` shows
the whole.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

_A = """
a : array_like
    Real numbers, of any shape, strides and byte order. float64, float32, int64 and int32 are
    reduced as they are; bool, float16 and the other integers are converted first (a copy)."""

_AXIS = """
axis : None, int or tuple of ints, optional
    Axis or axes to reduce; None, the default, reduces all."""

_ONE_AXIS = """
axis : None or int, optional
    Axis to search along; None, the default, searches the array in C order."""

_DTYPE = """
dtype : dtype, optional
    What to convert the elements to first, and the dtype of the result."""

_OUT = """
out : ndarray, optional
    Where to put the result: of its shape, and of a dtype to which it can be cast by the rule
    'same_kind'."""

_OUT_PAIR = """
out : tuple of two ndarrays, optional
    Where to put the least and the greatest; the two must not overlap."""

_OUT_INDEX = """
out : ndarray of signed integers, optional
    Where to put the result: of its shape."""

_DDOF = """
ddof : float, default 0
    Delta degrees of freedom: the sum of squares is divided by ``n - ddof``."""

_KEEPDIMS = """
keepdims : bool, default False
    Leave the reduced axes in the result, with length 1."""

_WORKERS = """
workers : None, int or Pool, optional
    Who does the work. None, the default: threads on the cores that this process may use, if the
    array is large enough for that to be quicker; 1 inside a pool's worker. A number: at most so
    many threads, this one included. A `Pool`: its processes, on shared memory; a plain array is
    copied there first. The result has the same bits in every case."""

_ERRORS = """
TypeError
    If the dtype is not one of real numbers of at most 64 bits, or `out` cannot hold the result's.
numpy.exceptions.AxisError
    If there is no such axis.
ValueError
    If an axis is named twice; if `out` has another shape or is read-only; if the pool is
    closed{more}."""

_EMPTY = "; if there are no elements to choose from"

_COMPLEXITY = "O(n); one pass over memory. Holds the GIL for arrays of up to 4096 elements only."

_SUM_METHOD = (
    "Added up pairwise [1]_, float32 in float64, so that the error grows with log n at most. "
    "Integers wrap around modulo 2**64."
)
_HIGHAM = '.. [1] N. J. Higham, "The accuracy of floating point summation", 1993.'
_VAR_METHOD = (
    "Two passes over each chunk of 4096 elements, while it is in the cache, and chunks merged by "
    "the formula of Chan et al. [1]_, in float64: an offset of the data costs no accuracy."
)
_CHAN = (
    '.. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise\n'
    '       algorithm for computing sample variances", 1979.'
)

# name: (summary, what is returned, the method and source, an example's call and result)
_OWN: dict[str, tuple[str, str, str, str, str]] = {
    "sum": (
        "Return the sum of the elements.",
        "int64 (uint64) for integers, the input's dtype for floats. 0 for no elements.",
        _SUM_METHOD,
        _HIGHAM,
        ">>> int(fp.sum([[1, 2], [3, 4]]))\n10",
    ),
    "nansum": (
        "Return the sum of the elements that are not NaN.",
        "int64 (uint64) for integers, the input's dtype for floats. 0 if all are NaN.",
        _SUM_METHOD,
        _HIGHAM,
        ">>> float(fp.nansum([1.0, np.nan, 2.0]))\n3.0",
    ),
    "mean": (
        "Return the arithmetic mean of the elements.",
        "float64 for integers, the input's dtype for floats. NaN, with a RuntimeWarning, for none.",
        "The sum in float64, added up pairwise [1]_, divided by the number of elements.",
        _HIGHAM,
        ">>> fp.mean([[1, 2], [3, 4]], axis=0).tolist()\n[2.0, 3.0]",
    ),
    "nanmean": (
        "Return the arithmetic mean of the elements that are not NaN.",
        "float64 for integers, the input's dtype for floats. NaN, with a RuntimeWarning, for none.",
        "The sum in float64, added up pairwise [1]_, divided by the number of elements.",
        _HIGHAM,
        ">>> float(fp.nanmean([1.0, np.nan, 2.0]))\n1.5",
    ),
    "var": (
        "Return the variance of the elements.",
        "float64 for integers, the input's dtype for floats. NaN or Inf, with a RuntimeWarning, "
        "where\n    ``n - ddof <= 0``.",
        _VAR_METHOD,
        _CHAN,
        ">>> float(fp.var([1.0, 2.0, 3.0, 4.0]))\n1.25",
    ),
    "nanvar": (
        "Return the variance of the elements that are not NaN.",
        "float64 for integers, the input's dtype for floats. NaN, with a RuntimeWarning, where\n"
        "    ``n - ddof <= 0``.",
        _VAR_METHOD,
        _CHAN,
        ">>> float(fp.nanvar([1.0, np.nan, 3.0]))\n1.0",
    ),
    "std": (
        "Return the standard deviation of the elements.",
        "float64 for integers, the input's dtype for floats. NaN or Inf, with a RuntimeWarning, "
        "where\n    ``n - ddof <= 0``.",
        "The square root of the variance. " + _VAR_METHOD,
        _CHAN,
        ">>> float(fp.std([1.0, 3.0]))\n1.0",
    ),
    "nanstd": (
        "Return the standard deviation of the elements that are not NaN.",
        "float64 for integers, the input's dtype for floats. NaN, with a RuntimeWarning, where\n"
        "    ``n - ddof <= 0``.",
        "The square root of the variance. " + _VAR_METHOD,
        _CHAN,
        ">>> float(fp.nanstd([1.0, np.nan, 3.0]))\n1.0",
    ),
    "min": (
        "Return the least element; NaN if there is one.",
        "Of the input's dtype.",
        "Of zeros with different signs either may be returned.",
        "",
        ">>> fp.min([[3, 1], [2, 4]], axis=1).tolist()\n[1, 2]",
    ),
    "nanmin": (
        "Return the least of the elements that are not NaN.",
        "Of the input's dtype. NaN, with a RuntimeWarning, if all are NaN.",
        "Of zeros with different signs either may be returned.",
        "",
        ">>> float(fp.nanmin([np.nan, 2.0, 1.0]))\n1.0",
    ),
    "max": (
        "Return the greatest element; NaN if there is one.",
        "Of the input's dtype.",
        "Of zeros with different signs either may be returned.",
        "",
        ">>> fp.max([[3, 1], [2, 4]], axis=1).tolist()\n[3, 4]",
    ),
    "nanmax": (
        "Return the greatest of the elements that are not NaN.",
        "Of the input's dtype. NaN, with a RuntimeWarning, if all are NaN.",
        "Of zeros with different signs either may be returned.",
        "",
        ">>> float(fp.nanmax([np.nan, 2.0, 1.0]))\n2.0",
    ),
    "minmax": (
        "Return the least and the greatest element, found in one pass; NaN if there is one.",
        "A tuple of two, of the input's dtype.",
        "Of zeros with different signs either may be returned.",
        "",
        ">>> least, greatest = fp.minmax([3, 1, 2])\n>>> int(least), int(greatest)\n(1, 3)",
    ),
    "nanminmax": (
        "Return the least and the greatest of the elements that are not NaN, found in one pass.",
        "A tuple of two, of the input's dtype. NaN, with a RuntimeWarning, if all are NaN.",
        "Of zeros with different signs either may be returned.",
        "",
        ">>> least, greatest = fp.nanminmax([3.0, np.nan, 2.0])\n"
        ">>> float(least), float(greatest)\n(2.0, 3.0)",
    ),
    "argmin": (
        "Return the index of the least element, or of the first NaN.",
        "int64. The first of several.",
        "One pass that finds the extreme, and a look through the chunk of 4096 that has it.",
        "",
        ">>> int(fp.argmin([3, 1, 2, 1]))\n1",
    ),
    "nanargmin": (
        "Return the index of the least of the elements that are not NaN.",
        "int64. The first of several. ValueError if all are NaN.",
        "One pass that finds the extreme, and a look through the chunk of 4096 that has it.",
        "",
        ">>> int(fp.nanargmin([np.nan, 2.0, 1.0]))\n2",
    ),
    "argmax": (
        "Return the index of the greatest element, or of the first NaN.",
        "int64. The first of several.",
        "One pass that finds the extreme, and a look through the chunk of 4096 that has it.",
        "",
        ">>> int(fp.argmax([1, 3, 2, 3]))\n1",
    ),
    "nanargmax": (
        "Return the index of the greatest of the elements that are not NaN.",
        "int64. The first of several. ValueError if all are NaN.",
        "One pass that finds the extreme, and a look through the chunk of 4096 that has it.",
        "",
        ">>> int(fp.nanargmax([np.nan, 2.0, 1.0]))\n1",
    ),
    "square": (
        "Return ``x * x``, element by element.",
        "Of the shape and dtype of ``np.square(x)``; integers wrap around.",
        "",
        "",
        ">>> fp.square([1, 2, 3]).tolist()\n[1, 4, 9]",
    ),
    "cube": (
        "Return ``x * x * x``, element by element.",
        "Of the shape and dtype of ``np.square(x)``; integers wrap around.",
        "Two multiplications, each rounded; ``x ** 3`` of NumPy calls ``pow`` instead, which is "
        "forty times slower and may differ in the last place. float16 is computed in float32 and "
        "rounded once.",
        "",
        ">>> fp.cube([1, 2, 3]).tolist()\n[1, 8, 27]",
    ),
    "negative": (
        "Return ``-x``, element by element.",
        "Of the shape and dtype of ``np.negative(x)``; the least integer stays what it is.",
        "",
        "",
        ">>> fp.negative([1, -2]).tolist()\n[-1, 2]",
    ),
    "add": (
        "Return ``x1 + x2``, element by element, broadcast against each other.",
        "Of the shape and dtype of ``np.add(x1, x2)``; integers wrap around.",
        "",
        "",
        ">>> fp.add([[1, 2], [3, 4]], 10).tolist()\n[[11, 12], [13, 14]]",
    ),
}

_ELEMENTWISE_OUT = """
out : ndarray, optional
    Where to put the result: of its shape, and of a dtype to which it can be cast by the rule
    'same_kind'. It may be an input, or overlap one: the result is as if it did not."""

_ELEMENTWISE_ERRORS = """
TypeError
    If a dtype is not one of real numbers of at most 64 bits, or `out` cannot hold the result's.
ValueError
    If shapes cannot be broadcast, or `out` has another shape or is read-only."""

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


def _sections(name: str, parameters: str, errors: str) -> str:
    summary, returns, method, source, example = _OWN[name]
    text = f"{summary}\n\nParameters\n----------{parameters}\n"
    shape = "ndarray or scalar" if name not in ("minmax", "nanminmax") else "tuple"
    text += f"\nReturns\n-------\n{shape}\n    {returns}\n"
    text += f"\nRaises\n------{errors}\n"
    text += f"\nNotes\n-----\n{_COMPLEXITY}\n" + (
        f"\n{textwrap.fill(method, 92)}\n" if method else ""
    )
    text += f"\nReferences\n----------\n{source}\n" if source else ""
    numpy = ">>> import numpy as np\n" if "np." in example else ""
    return f"{text}\nExamples\n--------\n{numpy}>>> import fastproc as fp\n{example}\n"


def _document(name: str) -> str:
    if name == "histogram":
        return _HISTOGRAM.format(workers=_WORKERS)
    if name in ("square", "cube", "negative", "add"):
        operands = ["x1", "x2"] if name == "add" else ["x"]
        inputs = f"\n{', '.join(operands)} : array_like\n    Real numbers, of any shape or strides."
        return _sections(name, inputs + _ELEMENTWISE_OUT + _WORKERS, _ELEMENTWISE_ERRORS)
    family = name.removeprefix("nan")
    parameters = _A + (_ONE_AXIS if "arg" in family else _AXIS)
    parameters += _DTYPE if family in ("sum", "mean", "var", "std") else ""
    parameters += _OUT_PAIR if family == "minmax" else _OUT_INDEX if "arg" in family else _OUT
    parameters += _DDOF if family in ("var", "std") else ""
    chooses = family in ("min", "max", "minmax", "argmin", "argmax")
    errors = _ERRORS.format(more=_EMPTY if chooses else "")
    return _sections(name, parameters + _KEEPDIMS + _WORKERS, errors)


def attach(function: Callable[..., Any]) -> None:
    """Give a compiled public function its docstring and the place where users find it."""
    function.__doc__ = _document(function.__name__)
    function.__module__ = "fastproc"
