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
from typing import Any

import numpy as np
import numpy.typing as npt

import fastproc

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]
Function = Callable[..., Any]
Call = Callable[[], Any]

#: How far correct results of float32 may differ: some peers add up in float32, one by one.
FLOAT32_TOLERANCE = 1e-3

#: Two correct sums of 10 million numbers differ by some 1e-12 of their value if one is a plain
#: loop; a wrong one differs by far more than this.
RELATIVE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Case:
    """A kernel with its input and the functions that compute it.

    The functions take what comes `before` and the arrays as positional arguments, then `options`,
    which may depend on the arrays, then `out` if the case `has_out`.
    """

    kernel: str
    family: str
    #: Takes a size, and which version of the input is wanted.
    make: Callable[..., Arrays]
    numpy: Function
    #: By the package's name, what imports the package and returns a function.
    peers: Mapping[str, Callable[[], Function]]
    #: As one would write it in plain Python, on lists.
    plain: Function
    options: Mapping[str, Any] | Callable[[Arrays], Mapping[str, Any]] = field(default_factory=dict)
    before: tuple[Any, ...] = ()
    #: Whether the first array is changed, and so is the answer.
    in_place: bool = False
    has_out: bool = False
    #: Bytes of memory that must at least be read and written for an element of the first array.
    bytes_moved: int = 8
    #: How far correct results may differ, relatively and absolutely.
    rtol: float = RELATIVE_TOLERANCE
    atol: float = 0
    #: The part of a result that all can agree on.
    answer: Callable[[Any], Any] = lambda result: result

    def arrays(self, size: int, dtype: str = "float64", version: int = 0) -> Arrays:
        """Return the input, its floats of the dtype."""
        return tuple(
            array.astype(dtype) if array.dtype == np.float64 else array
            for array in self.make(size, version)
        )

    def numpy_call(self, arrays: Arrays) -> Call:
        """Return NumPy's computation as a call without arguments."""
        return self._call(self.numpy, arrays)

    def plain_call(self, arrays: Arrays) -> Call:
        """Return the plain-Python idiom on lists, in which Python is at its fastest."""
        lists = (each.tolist() for each in arrays)
        return functools.partial(self.plain, *self.before, *lists, **self._options(arrays))

    def reference_call(self, arrays: Arrays) -> Call:
        """Return the kernel's twin on buffers without NumPy, which it reads faster than lists."""
        reference: Any = importlib.import_module("fastproc.kernels.reference")
        twin = getattr(reference, self.kernel)
        buffers = [_buffer(each) for each in arrays]
        call = functools.partial(twin, *self.before, *buffers, **self._options(arrays))
        return (lambda: (call(), buffers[0])[1]) if self.in_place else call

    def fastproc_call(self, arrays: Arrays, **workers: Any) -> Call:
        """Return fastproc's computation; shared arrays get a shared `out`."""
        kernel = getattr(fastproc, self.kernel)
        return self._call(kernel, arrays, **workers)

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
            calls[package] = self._call(function, arrays)
        return calls

    def agree(self, result: Any, expected: Any, dtype: str = "float64") -> bool:
        """Tell whether two results are the same, up to the rounding of sums."""
        rtol, atol = self.rtol, self.atol
        if dtype == "float32":
            rtol, atol = max(rtol, FLOAT32_TOLERANCE), max(atol, FLOAT32_TOLERANCE)
        return all(
            np.shape(one) == np.shape(other)
            and np.allclose(one, other, rtol=rtol, atol=atol, equal_nan=True)
            for one, other in zip(
                _parts(self.answer(result)), _parts(self.answer(expected)), strict=True
            )
        )

    def _call(self, function: Function, arrays: Arrays, **workers: Any) -> Call:
        keywords = {**self._options(arrays), **self._out(arrays), **workers}
        call = _written_out(function, (*self._before(arrays), *arrays), keywords)
        return (lambda: (call(), arrays[0])[1]) if self.in_place else call

    def _before(self, arrays: Arrays) -> tuple[Any, ...]:
        """Return what comes first; its arrays get the dtype that the result is to have, too."""
        return tuple(
            each.astype(arrays[0].dtype) if isinstance(each, np.ndarray) else each
            for each in self.before
        )

    def _options(self, arrays: Arrays) -> Mapping[str, Any]:
        return self.options(arrays) if callable(self.options) else self.options

    def _out(self, arrays: Arrays) -> dict[str, Array]:
        if not self.has_out:
            return {}
        is_shared = isinstance(arrays[0], fastproc.SharedArray)
        make = fastproc.shared_empty if is_shared else np.empty
        out = make(arrays[0].shape, arrays[0].dtype)
        out.fill(0)  # else the first to write would pay for the fresh pages
        return {"out": out}


def _buffer(each: Array) -> Any:
    """Return the array as a buffer without NumPy, of the same shape."""
    code: Any = each.dtype.char
    flat = array.array(code, each.tobytes())
    return flat if each.ndim == 1 else memoryview(flat).cast("B").cast(code, each.shape)


def _written_out(function: Function, values: tuple[Any, ...], keywords: Mapping[str, Any]) -> Call:
    """Return the call that a user would write, with its arguments in place.

    functools.partial merges keywords at every call, which takes longer than a kernel does on ten
    elements and would be counted against whoever is given a keyword.
    """
    names: dict[str, Any] = {"function": function}
    arguments = []
    for i, each in enumerate(values):
        names[f"value{i}"] = each
        arguments.append(f"value{i}")
    for keyword, value in keywords.items():
        names[keyword] = value
        arguments.append(f"{keyword}={keyword}")
    call: Call = eval(f"lambda: function({', '.join(arguments)})", names)
    return call


def _parts(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)
