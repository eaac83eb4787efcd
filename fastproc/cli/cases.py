"""Layer: command line.  The table of cases: every kernel, its input, and who else computes it.

Tests and benchmarks read this one table, so that what is timed is what was checked, and everybody
does the same work: the same elements, an explicit range for a histogram, both ends for `minmax`,
memory that is already there (`out=`) for elementwise kernels.  A rival whose package is missing is
left out; none is ever imitated.
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
from fastproc.cli.plain import PLAIN

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]
Function = Callable[..., Any]
Call = Callable[[], Any]

#: Two correct sums of 10 million numbers differ by some 1e-12 of their value if one is a plain
#: loop; a wrong one differs by far more than this.
RELATIVE_TOLERANCE = 1e-9

#: One element of seven is NaN in the input of the nan variants.
NAN_SHARE = 1 / 7

SEED = 20_260_101


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
    options: Mapping[str, Any] = field(default_factory=dict)
    has_out: bool = False
    #: The part of a result that all can agree on.
    answer: Callable[[Any], Any] = lambda result: result

    def numpy_call(self, arrays: Arrays) -> Call:
        """Return NumPy's computation as a call without arguments."""
        return _written_out(self.numpy, arrays, {**self.options, **self._out(arrays)})

    def plain_call(self, arrays: Arrays) -> Call:
        """Return the plain-Python idiom on lists, in which Python is at its fastest."""
        lists = (each.tolist() for each in arrays)
        return functools.partial(PLAIN[self.kernel], *lists, **self.options)

    def reference_call(self, arrays: Arrays) -> Call:
        """Return the kernel's twin on buffers without NumPy, which it reads faster than lists."""
        reference: Any = importlib.import_module("fastproc.kernels.reference")
        twin = getattr(reference, self.kernel)
        buffers = (array.array("d", each.tobytes()) for each in arrays)
        return functools.partial(twin, *buffers, **self.options)

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
            and np.allclose(one, other, rtol=RELATIVE_TOLERANCE, atol=0, equal_nan=True)
            for one, other in zip(
                _parts(self.answer(result)), _parts(self.answer(expected)), strict=True
            )
        )

    def bytes_moved(self, size: int) -> int:
        """Return how many bytes of memory the kernel must at least read and write."""
        n_operands = 2 if self.kernel == "add" else 1
        return 8 * size * (n_operands + self.has_out)

    def _out(self, arrays: Arrays) -> dict[str, Array]:
        if not self.has_out:
            return {}
        is_shared = isinstance(arrays[0], fastproc.SharedArray)
        out = fastproc.shared_empty(arrays[0].shape) if is_shared else np.empty(arrays[0].shape)
        out.fill(0)  # else the first to write would pay for the fresh pages
        return {"out": out}


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


# Inputs -------------------------------------------------------------------------------------------


def normal_numbers(size: int) -> Arrays:
    """Return one array of normal numbers around 1, so that their sum is not all rounding."""
    return (np.random.default_rng(SEED).normal(1.0, 1.0, size),)


def two_arrays(size: int) -> Arrays:
    """Return two arrays of different normal numbers."""
    random = np.random.default_rng(SEED)
    return random.normal(1.0, 1.0, size), random.normal(1.0, 1.0, size)


def with_nan(size: int) -> Arrays:
    """Return normal numbers of which a seventh, at random places, is NaN; the first is not."""
    random = np.random.default_rng(SEED)
    x = random.normal(1.0, 1.0, size)
    x[1:][random.random(max(size - 1, 0)) < NAN_SHARE] = np.nan
    x[1:2] = np.nan  # so that an array of a few elements has one
    return (x,)


# The rivals' expressions --------------------------------------------------------------------------


def _numpy_cube(x: Array, out: Array) -> Array:
    # x**3 calls pow() for every element and takes fifty times as long.
    np.multiply(x, x, out=out)
    return np.multiply(out, x, out=out)


def _numpy_minmax(x: Array) -> tuple[Any, Any]:
    return np.min(x), np.max(x)


def _numpy_nanminmax(x: Array) -> tuple[Any, Any]:
    return np.nanmin(x), np.nanmax(x)


def _bottleneck(name: str) -> Function:
    bottleneck = importlib.import_module("bottleneck")
    if name == "nanminmax":
        nanmin, nanmax = bottleneck.nanmin, bottleneck.nanmax
        return lambda x: (nanmin(x), nanmax(x))
    function: Function = getattr(bottleneck, name)
    return function


def _fast_histogram() -> Function:
    function: Function = importlib.import_module("fast_histogram").histogram1d
    return function


def _numexpr(expression: str) -> Function:
    numexpr = importlib.import_module("numexpr")
    numexpr.set_num_threads(1)

    def evaluate(*operands: Array, out: Array) -> Any:
        names = dict(zip("ab", operands, strict=False))
        return numexpr.evaluate(expression, names, out=out)

    return evaluate


# The table ----------------------------------------------------------------------------------------


def _elementwise(
    kernel: str, numpy: Function, expression: str, make: Callable[[int], Arrays] = normal_numbers
) -> Case:
    peers = {"numexpr": functools.partial(_numexpr, expression)}
    return Case(kernel, "elementwise", make, numpy, peers, has_out=True)


def _reduction(kernel: str, numpy: Function) -> Case:
    """Return the case of a reduction; bottleneck has nan variants only, which do on any array."""
    has_nan = kernel.startswith("nan")
    peers = {
        "bottleneck": functools.partial(_bottleneck, kernel if has_nan else f"nan{kernel}"),
    }
    family = "reduction, with NaN" if has_nan else "reduction"
    return Case(kernel, family, with_nan if has_nan else normal_numbers, numpy, peers)


#: Every public kernel, once.
CASES: dict[str, Case] = {
    case.kernel: case
    for case in (
        _elementwise("square", np.square, "a*a"),
        _elementwise("cube", _numpy_cube, "a*a*a"),
        _elementwise("negative", np.negative, "-a"),
        _elementwise("add", np.add, "a+b", two_arrays),
        _reduction("sum", np.sum),
        _reduction("mean", np.mean),
        _reduction("var", np.var),
        _reduction("std", np.std),
        _reduction("min", np.min),
        _reduction("max", np.max),
        _reduction("minmax", _numpy_minmax),
        _reduction("argmin", np.argmin),
        _reduction("argmax", np.argmax),
        _reduction("nansum", np.nansum),
        _reduction("nanmean", np.nanmean),
        _reduction("nanvar", np.nanvar),
        _reduction("nanstd", np.nanstd),
        _reduction("nanmin", np.nanmin),
        _reduction("nanmax", np.nanmax),
        _reduction("nanminmax", _numpy_nanminmax),
        _reduction("nanargmin", np.nanargmin),
        _reduction("nanargmax", np.nanargmax),
        Case(
            "histogram",
            "histogram",
            normal_numbers,
            np.histogram,
            {"fast_histogram": _fast_histogram},
            # Some numbers lie outside, as with real data.
            options={"bins": 100, "range": (-3.0, 5.0)},
            # fast_histogram gives the counts alone, as floats.
            answer=lambda result: result[0] if isinstance(result, tuple) else result,
        ),
    )
}
