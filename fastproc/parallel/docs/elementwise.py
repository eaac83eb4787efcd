"""Layer: parallel.  The docstrings of the elementwise kernels."""

from __future__ import annotations

from fastproc.parallel.docs.shared import WORKERS, Own, docstring

_OWN: dict[str, Own] = {
    "square": Own(
        "Return ``x * x``, element by element.",
        "Of the shape and dtype of ``np.square(x)``; integers wrap around.",
        "",
        "",
        ">>> fp.square([1, 2, 3]).tolist()\n[1, 4, 9]",
    ),
    "cube": Own(
        "Return ``x * x * x``, element by element.",
        "Of the shape and dtype of ``np.square(x)``; integers wrap around.",
        "Two multiplications, each rounded; ``x ** 3`` of NumPy calls ``pow`` instead, which is "
        "forty times slower and may differ in the last place. float16 is computed in float32 and "
        "rounded once.",
        "",
        ">>> fp.cube([1, 2, 3]).tolist()\n[1, 8, 27]",
    ),
    "negative": Own(
        "Return ``-x``, element by element.",
        "Of the shape and dtype of ``np.negative(x)``; the least integer stays what it is.",
        "",
        "",
        ">>> fp.negative([1, -2]).tolist()\n[-1, 2]",
    ),
    "add": Own(
        "Return ``x1 + x2``, element by element, broadcast against each other.",
        "Of the shape and dtype of ``np.add(x1, x2)``; integers wrap around.",
        "",
        "",
        ">>> fp.add([[1, 2], [3, 4]], 10).tolist()\n[[11, 12], [13, 14]]",
    ),
    "axpy": Own(
        "Return ``alpha * x + y``, element by element, in one pass; x and y are broadcast.",
        "Of the shape and dtype of ``alpha * x + y``; integers wrap around.",
        "The product is rounded before it is added, as NumPy's is.",
        "",
        ">>> fp.axpy(2, [1, 2, 3], [10, 20, 30]).tolist()\n[12, 24, 36]",
    ),
    "sigmoid": Own(
        "Return the logistic function ``1 / (1 + exp(-x))``, element by element.",
        "Of the shape of `x`; float64 for integers, the input's dtype for floats.",
        "exp(r) near 0 is a quotient of polynomials, and exp(x) that times a power of 2 (Cody and "
        "Waite [1]_), so that one division does for all. At most 3 units in the last place from "
        "the exact value; 0 where that is subnormal. Neither overflows nor warns.",
        '.. [1] W. J. Cody, W. Waite, "Software manual for the elementary functions", 1980.',
        ">>> fp.sigmoid([-1000.0, 0.0, 1000.0]).tolist()\n[0.0, 0.5, 1.0]",
    ),
    "polyval": Own(
        "Return the sum of ``p[0] * x**(n-1)`` to ``p[n-1]``, a polynomial in each element x.",
        "Of the shape of `x` and the dtype to which those of `p` and `x` are promoted; integers "
        "wrap\n    around. The input's zeros for no coefficients.",
        "Horner's scheme, each step rounded, in one pass: as np.polyval has it, but that an "
        "infinite x gives the polynomial's limit, not NaN, where there is one step only.",
        "",
        ">>> fp.polyval([3, 2, 1], [0, 1, 2]).tolist()\n[1, 6, 17]",
    ),
    "clip": Own(
        "Return the elements, those below `a_min` or above `a_max` replaced by these.",
        "Of the shape and dtype of ``np.clip(a, a_min, a_max)``. NaN stays NaN, and a bound of NaN "
        "makes\n    all NaN; where ``a_min > a_max`` all are `a_max`.",
        "Bounds that are arrays, and dtypes for which no loop is compiled, are left to np.clip.",
        "",
        ">>> fp.clip([1, 5, 9], 2, 7).tolist()\n[2, 5, 7]",
    ),
    "replace": Own(
        "Replace the elements of an array that equal `old` by `new`, in place.",
        "As bottleneck.replace does it, so that no second array is needed.",
        "Only memory that holds something to replace is written.",
        "",
        ">>> a = np.array([1.0, np.nan, 3.0])\n>>> fp.replace(a, np.nan, 0)\n>>> a.tolist()\n"
        "[1.0, 0.0, 3.0]",
    ),
}

_OUT = """
out : ndarray, optional
    Where to put the result: of its shape, and of a dtype to which it can be cast by the rule
    'same_kind'. It may be an input, or overlap one: the result is as if it did not."""

_ERRORS = """
TypeError
    If a dtype is not one of real numbers of at most 64 bits, or `out` cannot hold the result's.
ValueError
    If shapes cannot be broadcast, or `out` has another shape or is read-only."""


def _inputs(names: str) -> str:
    return f"\n{names} : array_like\n    Real numbers, of any shape or strides."


_INPUTS = {
    "add": _inputs("x1, x2"),
    "axpy": "\nalpha : number\n    The factor." + _inputs("x, y"),
    "polyval": """
p : array_like
    The coefficients, that of the highest power first: one axis."""
    + _inputs("x"),
    "clip": _inputs("a")
    + """
a_min, a_max : number, array_like or None
    The least and the greatest that is left as it is; None, the default, for no bound.""",
    "replace": """
a : ndarray
    Real numbers, of any shape or strides; changed in place.
old : number
    What is replaced; NaN stands for every NaN.
new : number
    By what it is replaced.""",
}

_ERRORS_IN_PLACE = """
TypeError
    If `a` is no array, or its dtype not one of real numbers of at most 64 bits.
ValueError
    If `a` is read-only, or of integers and cannot hold `old` or `new`."""


def document(name: str) -> str:
    """Return an elementwise kernel's docstring."""
    inputs = _INPUTS.get(name, _inputs("x"))
    if name == "replace":
        return docstring(_OWN[name], inputs + WORKERS, _ERRORS_IN_PLACE, returns="None")
    return docstring(_OWN[name], inputs + _OUT + WORKERS, _ERRORS)
