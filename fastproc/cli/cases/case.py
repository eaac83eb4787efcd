"""Layer: command line.  A case: a kernel, its input, and who else computes it.

Everybody does the same work: the same elements, an explicit range for a histogram, both ends for
`minmax`, memory that is already there (`out=`) for elementwise kernels.  A rival whose package is
missing is left out; none is ever imitated.

The twins in ``fastproc.kernels.reference`` say what a kernel does with any shape and dtype, and pay
for it; to call them "Python's speed" would flatter us.  So a case also has the idiom: as fast as
plain Python gets in a line or three.
"""

from __future__ import annotations

import array
import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import fastproc

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]
Function = Callable[..., Any]
Call = Callable[[], Any]

#: Two correct sums of 10 million numbers differ by some 1e-12 of their value if one is a plain
#: loop; a wrong one differs by far more than this.
RELATIVE_TOLERANCE = 1e-9

#: By the kind of an array's dtype, the type code of the buffers that a twin gets.
_CODES: dict[str, Literal["d", "q"]] = {"f": "d", "i": "q"}


@dataclass(frozen=True)
class Case:
    """A kernel with its input and the functions that compute it.

    The functions take the arrays as positional arguments, then `options`, then `out` if the case
    `has_out`.
    """

    kernel: str
    family: str
    make: Callable[[int], Arrays]
    numpy: Function
    #: By the package's name, what imports the package and returns a function.
    peers: Mapping[str, Callable[[], Function]]
    #: As one would write it in plain Python, on lists.
    plain: Function
    options: Mapping[str, Any] = field(default_factory=dict)
    has_out: bool = False
    #: Bytes of memory that must at least be read and written for an element of the first array.
    bytes_moved: int = 8
    #: How far correct results may differ, relatively and absolutely.
    rtol: float = RELATIVE_TOLERANCE
    atol: float = 0
    #: The part of a result that all can agree on.
    answer: Callable[[Any], Any] = lambda result: result

    def numpy_call(self, arrays: Arrays) -> Call:
        """Return NumPy's computation as a call without arguments."""
        return _written_out(self.numpy, arrays, {**self.options, **self._out(arrays)})

    def plain_call(self, arrays: Arrays) -> Call:
        """Return the plain-Python idiom on lists, in which Python is at its fastest."""
        lists = (each.tolist() for each in arrays)
        return functools.partial(self.plain, *lists, **self.options)

    def reference_call(self, arrays: Arrays) -> Call:
        """Return the kernel's twin on buffers without NumPy, which it reads faster than lists."""
        reference: Any = importlib.import_module("fastproc.kernels.reference")
        twin = getattr(reference, self.kernel)
        return functools.partial(twin, *map(_buffer, arrays), **self.options)

    def fastproc_call(self, arrays: Arrays, **workers: Any) -> Call:
        """Return fastproc's computation; shared arrays get a shared `out`."""
        kernel = getattr(fastproc, self.kernel)
        return _written_out(kernel, arrays, {**self.options, **self._out(arrays), **workers})

    def peer_calls(self, arrays: Arrays) -> dict[str, Call]:
        """Return the computations of those peers whose packages are here."""
        calls: dict[str, Call] = {}
        for package, import_function in self.peers.items():
            try:
                function = import_function()
            except ModuleNotFoundError as error:
                if error.name != package:
                    raise
                continue
            keywords = {**self.options, **self._out(arrays)}
            calls[package] = _written_out(function, arrays, keywords)
        return calls

    def agree(self, result: Any, expected: Any) -> bool:
        """Tell whether two results are the same, up to the rounding of sums."""
        return all(
            np.shape(one) == np.shape(other)
            and np.allclose(one, other, rtol=self.rtol, atol=self.atol, equal_nan=True)
            for one, other in zip(
                _parts(self.answer(result)), _parts(self.answer(expected)), strict=True
            )
        )

    def _out(self, arrays: Arrays) -> dict[str, Array]:
        if not self.has_out:
            return {}
        is_shared = isinstance(arrays[0], fastproc.SharedArray)
        out = fastproc.shared_empty(arrays[0].shape) if is_shared else np.empty(arrays[0].shape)
        out.fill(0)  # else the first to write would pay for the fresh pages
        return {"out": out}


def _buffer(each: Array) -> Any:
    """Return the array as a buffer without NumPy, of the same shape."""
    code = _CODES[each.dtype.kind]
    flat = array.array(code, each.tobytes())
    return flat if each.ndim == 1 else memoryview(flat).cast("B").cast(code, each.shape)


def _written_out(function: Function, arrays: Arrays, keywords: Mapping[str, Any]) -> Call:
    """Return the call that a user would write, with its arguments in place.

    functools.partial merges keywords at every call, which takes longer than a kernel does on ten
    elements and would be counted against whoever is given a keyword.
    """
    names: dict[str, Any] = {"function": function}
    arguments = []
    for i, each in enumerate(arrays):
        names[f"array{i}"] = each
        arguments.append(f"array{i}")
    for keyword, value in keywords.items():
        names[keyword] = value
        arguments.append(f"{keyword}={keyword}")
    call: Call = eval(f"lambda: function({', '.join(arguments)})", names)
    return call


def _parts(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)
