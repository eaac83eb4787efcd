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


def document(name: str) -> str:
    """Return an elementwise kernel's docstring."""
    operands = ["x1", "x2"] if name == "add" else ["x"]
    inputs = f"\n{', '.join(operands)} : array_like\n    Real numbers, of any shape or strides."
    return docstring(_OWN[name], inputs + _OUT + WORKERS, _ERRORS)
