"""Layer: command line.  The cases of the elementwise kernels."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from fastproc.cli.cases.case import Array, Arrays, Case, Function
from fastproc.cli.cases.inputs import normal_numbers, two_arrays


def _numpy_cube(x: Array, out: Array) -> Array:
    # x**3 calls pow() for every element and takes fifty times as long.
    np.multiply(x, x, out=out)
    return np.multiply(out, x, out=out)


def _numexpr(expression: str) -> Function:
    numexpr = importlib.import_module("numexpr")
    numexpr.set_num_threads(1)

    def evaluate(*operands: Array, out: Array) -> Any:
        names = dict(zip("ab", operands, strict=False))
        return numexpr.evaluate(expression, names, out=out)

    return evaluate


def _elementwise(
    kernel: str,
    numpy: Function,
    expression: str,
    plain: Function,
    make: Callable[[int], Arrays] = normal_numbers,
) -> Case:
    peers = {"numexpr": functools.partial(_numexpr, expression)}
    moved = 24 if make is two_arrays else 16
    return Case(kernel, "elementwise", make, numpy, peers, plain, has_out=True, bytes_moved=moved)


CASES = (
    _elementwise("square", np.square, "a*a", lambda x: [v * v for v in x]),
    _elementwise("cube", _numpy_cube, "a*a*a", lambda x: [v * v * v for v in x]),
    _elementwise("negative", np.negative, "-a", lambda x: [-v for v in x]),
    _elementwise(
        "add",
        np.add,
        "a+b",
        lambda x, y: [v + w for v, w in zip(x, y, strict=True)],
        two_arrays,
    ),
)
