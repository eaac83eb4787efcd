"""Layer: parallel.  The docstrings of the scans."""

from __future__ import annotations

from fastproc.parallel.docs.shared import DTYPE, OUT, WORKERS, A, Own, docstring

_SUM = (
    "Rows of 32 elements are added up apart, eight of them side by side, then rows within chunks "
    "of 1024, then chunks: errors grow with the number of chunks, not of elements. Sums of "
    "elements that are not negative never decrease. float32 is added in float64. Integers wrap "
    "around modulo 2**64. From where a sum is not finite the rest of its chunk is added one by one."
)
_PRODUCT = (
    "One by one, so that over- and underflow are where NumPy has them; float32 in float64. "
    "Integers wrap around modulo 2**64. One thread does a line."
)
_EXTREME = "Of zeros with different signs the first is kept. A NaN stays from where it is on."

_MERRILL = (
    '.. [1] D. Merrill, M. Garland, "Single-pass parallel prefix scan with decoupled\n'
    '       look-back", 2016.'
)

_OWN: dict[str, Own] = {
    "cumsum": Own(
        "Return the sums of all elements up to each.",
        "Of the shape of `a`, flat for no axis. int64 (uint64) for integers, else of the input's\n"
        "    dtype, unless there is a `dtype`.",
        _SUM,
        _MERRILL,
        ">>> fp.cumsum([[1, 2], [3, 4]], axis=1).tolist()\n[[1, 3], [3, 7]]",
    ),
    "cumprod": Own(
        "Return the products of all elements up to each.",
        "Of the shape of `a`, flat for no axis. int64 (uint64) for integers, else of the input's\n"
        "    dtype, unless there is a `dtype`.",
        _PRODUCT,
        "",
        ">>> fp.cumprod([1, 2, 3, 4]).tolist()\n[1, 2, 6, 24]",
    ),
    "nancumsum": Own(
        "Return the sums of all elements up to each that are not NaN.",
        "As of `cumsum`, with NaN taken for 0.",
        _SUM,
        _MERRILL,
        ">>> fp.nancumsum([1.0, np.nan, 2.0]).tolist()\n[1.0, 1.0, 3.0]",
    ),
    "nancumprod": Own(
        "Return the products of all elements up to each that are not NaN.",
        "As of `cumprod`, with NaN taken for 1.",
        _PRODUCT,
        "",
        ">>> fp.nancumprod([2.0, np.nan, 3.0]).tolist()\n[2.0, 2.0, 6.0]",
    ),
    "cummax": Own(
        "Return the greatest of all elements up to each.",
        "Of the shape of `a`, flat for no axis, and of its dtype: what ``np.maximum.accumulate``\n"
        "    gives.",
        _EXTREME,
        _MERRILL,
        ">>> fp.cummax([3, 1, 4, 1, 5]).tolist()\n[3, 3, 4, 4, 5]",
    ),
    "cummin": Own(
        "Return the least of all elements up to each.",
        "Of the shape of `a`, flat for no axis, and of its dtype: what ``np.minimum.accumulate``\n"
        "    gives.",
        _EXTREME,
        _MERRILL,
        ">>> fp.cummin([3, 1, 4, 1, 5]).tolist()\n[3, 1, 1, 1, 1]",
    ),
    "push": Own(
        "Fill each NaN with the last element before it that is none.",
        "A new array of the shape and dtype of `a`. What nothing comes before stays NaN.",
        "The same as ``bottleneck.push``. Arrays of integers are copied.",
        _MERRILL,
        ">>> fp.push([1.0, np.nan, np.nan, 4.0], n=1).tolist()\n[1.0, 1.0, nan, 4.0]",
    ),
    "ewma": Own(
        "Return the exponentially weighted moving average.",
        "Of the shape of `a`. float64 for integers, else of the input's dtype.",
        "What pandas' ``Series.ewm(alpha, halflife, adjust=adjust).mean()`` gives: each element "
        "has the weight ``1 - alpha`` beside the next one's. NaN has no weight, but what came "
        "before it fades; its own result is the average so far. Inf is a value like others, for "
        "which pandas has NaN. Sums of rows of 32 elements are found apart and made one by powers "
        "of the decay, in float64; a chunk of 1024 in which there is NaN or Inf is averaged one "
        "by one from there on.",
        _MERRILL,
        ">>> fp.ewma([1.0, 2.0, 4.0], alpha=0.5, adjust=False).tolist()\n[1.0, 1.5, 2.75]",
    ),
}

_AXIS = """
axis : None or int, optional
    Axis along which to go; None, the default, goes through the array in C order."""

_ONE_AXIS = """
axis : int, default -1
    Axis along which to go."""

_OUT = f"{OUT} It may be `a`, or overlap it."

_LIMIT = """
n : None or int, optional
    How many elements of NaN one after another to fill at the most; None, the default, fills all."""

_WEIGHTS = """
alpha : float, optional
    The weight of an element in the average without `adjust`: more than 0, at most 1.
halflife : float, optional
    After how many elements a weight is half of what it was, in place of `alpha`.
adjust : bool, default True
    Divide by the sum of the weights that there are. False: the average is
    ``(1 - alpha) * average + alpha * element``, from the first element on."""

_ERRORS = """
TypeError
    If the dtype is not one of real numbers of at most 64 bits{wrong}.
numpy.exceptions.AxisError
    If there is no such axis.
ValueError
    If {bad}the pool is closed."""

_COMPLEXITY = (
    "O(n); one pass over memory{threads}. Holds the GIL for arrays of up to 4096 elements only."
)


def document(name: str) -> str:
    """Return a scan's docstring."""
    wrong, bad = "", ""
    if name == "push":
        parameters = A + _LIMIT + _ONE_AXIS
        wrong, bad = ", or `n` not an integer", "`n` is negative; if "
    elif name == "ewma":
        parameters = A + _WEIGHTS + _ONE_AXIS
        wrong = ", or that of `alpha` or `halflife` is not a number"
        bad = "there is not one of `alpha` and `halflife`, or it is out of its range; if "
    else:
        parameters = A + _AXIS + ("" if name in ("cummax", "cummin") else DTYPE) + _OUT
        wrong = ", or `out` cannot hold the result's"
        bad = "`out` has another shape or is read-only; if "
    errors = _ERRORS.format(wrong=wrong, bad=bad)
    complexity = (
        _COMPLEXITY if _OWN[name].source else _COMPLEXITY.replace(", by threads too [1]_", "")
    )
    return docstring(
        _OWN[name], parameters + WORKERS, errors, returns="ndarray", complexity=complexity
    )
