"""Layer: parallel.  Paragraphs that the docstrings of several families share, and their order."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

A = """
a : array_like
    Real numbers, of any shape, strides and byte order. float64, float32, int64 and int32 are
    reduced as they are; bool, float16 and the other integers are converted first (a copy)."""

AXIS = """
axis : None, int or tuple of ints, optional
    Axis or axes to reduce; None, the default, reduces all."""

ONE_AXIS = """
axis : None or int, optional
    Axis to search along; None, the default, searches the array in C order."""

DTYPE = """
dtype : dtype, optional
    What to convert the elements to first, and the dtype of the result."""

OUT = """
out : ndarray, optional
    Where to put the result: of its shape, and of a dtype to which it can be cast by the rule
    'same_kind'."""

OUT_PAIR = """
out : tuple of two ndarrays, optional
    Where to put the least and the greatest; the two must not overlap."""

OUT_INDEX = """
out : ndarray of signed integers, optional
    Where to put the result: of its shape."""

DDOF = """
ddof : float, default 0
    Delta degrees of freedom: the sum of squares is divided by ``n - ddof``."""

KEEPDIMS = """
keepdims : bool, default False
    Leave the reduced axes in the result, with length 1."""

WORKERS = """
workers : None, int, Pool or executor, optional
    Who does the work. None, the default: threads on the cores that this process may use, if the
    array is large enough for that to be quicker; 1 inside a pool's worker. A number: at most so
    many threads, this one included. A `Pool`: its processes, on shared memory; a plain array is
    copied there first. An executor with concurrent.futures' `submit`: its workers, to which arrays
    go by value unless they are this process's threads or children. The result has the same bits
    in every case."""

ERRORS = """
TypeError
    If the dtype is not one of real numbers of at most 64 bits, or `out` cannot hold the result's.
numpy.exceptions.AxisError
    If there is no such axis.
ValueError
    If an axis is named twice; if `out` has another shape or is read-only; if the pool is
    closed{more}."""

EMPTY = "; if there are no elements to choose from"

COMPLEXITY = "O(n); one pass over memory. Holds the GIL for arrays of up to 4096 elements only."


class Own(NamedTuple):
    """What is a kernel's own in its docstring."""

    summary: str
    #: What is returned, below the line that says its type.
    returns: str
    #: How it is computed.
    method: str
    #: Whose method that is, as an entry of the section References.
    source: str
    #: An example's call and result; the import of fastproc stands before it.
    example: str


def docstring(
    own: Own,
    parameters: str,
    errors: str,
    *,
    returns: str = "ndarray or scalar",
    complexity: str = COMPLEXITY,
) -> str:
    """Return a numpydoc docstring of a kernel's own part and its family's paragraphs."""
    text = f"{own.summary}\n\nParameters\n----------{parameters}\n"
    text += f"\nReturns\n-------\n{returns}\n    {own.returns}\n"
    text += f"\nRaises\n------{errors}\n"
    text += f"\nNotes\n-----\n{complexity}\n" + (
        f"\n{textwrap.fill(own.method, 92)}\n" if own.method else ""
    )
    text += f"\nReferences\n----------\n{own.source}\n" if own.source else ""
    numpy = ">>> import numpy as np\n" if "np." in own.example else ""
    return f"{text}\nExamples\n--------\n{numpy}>>> import fastproc as fp\n{own.example}\n"
