"""Layer: kernels.  The dtypes of the twins: their names, how they promote, round and wrap.

A dtype is its NumPy name, such as ``"int32"``.  Values are Python's int, float and bool, so what
a machine does by having few bits (wrapping, rounding, overflowing to infinity) is done here.
"""

from __future__ import annotations

import math
import struct
from typing import Any

# Struct codes of the native byte order and the standard sizes, i.e. with "=" before them.
CODES = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "float16": "e",
    "float32": "f",
    "float64": "d",
}

# In the order in which one kind can be cast to another by the rule 'same_kind'.
_KINDS = ("bool", "uint", "int", "float")

_ALIASES = {"float": "float64", "int": "int64"}


def named(dtype: Any) -> str:
    """Return the name of what a caller passed as `dtype`: a name, a dtype or a scalar type."""
    name = dtype.__name__ if isinstance(dtype, type) else str(dtype)
    name = _ALIASES.get(name, name)
    if name not in CODES:
        raise TypeError(f"dtype {name} is not supported; the twins know {', '.join(CODES)}")
    return name


def of_format(code: str, itemsize: int) -> str:
    """Return the dtype of a buffer from its one-letter struct format and the size of an item."""
    bits = 8 * itemsize
    if code == "?":
        return "bool"
    for kind, letters in (("int", "bhilqn"), ("uint", "BHILQN"), ("float", "efd")):
        if code and code in letters:
            return f"{kind}{bits}"
    raise TypeError(f"buffers of format {code!r} are not supported, only real numbers")


def kind(dtype: str) -> str:
    """Return "bool", "uint", "int" or "float"."""
    return dtype.rstrip("0123456789")


def bits(dtype: str) -> int:
    """Return the width of a dtype in bits."""
    return 8 * struct.calcsize("=" + CODES[dtype])


def can_cast(source: str, target: str) -> bool:
    """Say whether NumPy's rule 'same_kind' lets `source` be stored as `target`."""
    return _KINDS.index(kind(source)) <= _KINDS.index(kind(target))


def promote(a: str, b: str) -> str:
    """Return the smallest dtype to which NumPy promotes the two."""
    if a == b or b == "bool":
        return a
    if a == "bool":
        return b
    kinds = {kind(a): bits(a), kind(b): bits(b)}
    if len(kinds) == 1:
        return a if bits(a) > bits(b) else b
    if "float" in kinds:
        whole = kinds.get("int", kinds.get("uint", 0))
        # A float has to hold the integers of half its width: int8 fits float16, int16 float32.
        return f"float{max(kinds['float'], min(2 * whole, 64))}"
    if kinds["int"] > kinds["uint"]:
        return f"int{kinds['int']}"
    return f"int{2 * kinds['uint']}" if kinds["uint"] < 64 else "float64"


def promote_weak(dtype: str, scalar_kind: str) -> str:
    """Return the dtype of an array of `dtype` and a Python int or float, which decides the kind."""
    if _KINDS.index(kind(dtype)) >= _KINDS.index(scalar_kind):
        return dtype
    if scalar_kind == "int":
        return dtype if kind(dtype) == "uint" else "int64"
    return "float64"


def wrapped(value: int, dtype: str) -> int:
    """Return the integer that the lowest bits of `value` are in an integer dtype."""
    width = bits(dtype)
    value &= (1 << width) - 1
    if kind(dtype) == "int" and value >> (width - 1):
        value -= 1 << width
    return value


def rounded(value: float, dtype: str) -> float:
    """Return the float nearest to `value` in a float dtype; infinity beyond the greatest."""
    if dtype == "float64":
        return float(value)
    code = "=" + CODES[dtype]
    try:
        return float(struct.unpack(code, struct.pack(code, value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def converted(value: Any, dtype: str) -> Any:
    """Return `value` as the dtype holds it, as a C cast would.

    A NaN or an infinity has no integer: Python's ValueError or OverflowError says so.
    """
    to = kind(dtype)
    if to == "float":
        return rounded(value, dtype)
    return bool(value) if to == "bool" else wrapped(int(value), dtype)
