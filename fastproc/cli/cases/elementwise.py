"""Layer: command line.  The cases of the elementwise kernels."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastproc.cli.cases.case import Array, Arrays, Case, Function
from fastproc.cli.cases.inputs import normal_numbers, two_arrays, whole_numbers


def _numpy_cube(x: Array, out: Array) -> Array:
    # x**3 calls pow() for every element and takes fifty times as long.
    np.multiply(x, x, out=out)
    return np.multiply(out, x, out=out)


def _numexpr(expression: str) -> Function:
    numexpr = importlib.import_module("numexpr")
    numexpr.set_num_threads(1)

    def evaluate(*operands: Any, out: Array, **options: Any) -> Any:
        names = {**dict(zip("abc", operands, strict=False)), **options}
        return numexpr.evaluate(expression, names, out=out)

    return evaluate


def _elementwise(
    kernel: str,
    numpy: Function,
    expression: str,
    plain: Function,
    make: Callable[..., Arrays] = normal_numbers,
    peers: Mapping[str, Callable[[], Function]] | None = None,
    **more: Any,
) -> Case:
    others: dict[str, Callable[[], Function]] = {"numexpr": functools.partial(_numexpr, expression)}
    others |= peers or {}
    moved = 24 if make is two_arrays else 16
    return Case(
        kernel, "elementwise", make, numpy, others, plain, has_out=True, bytes_moved=moved, **more
    )


def _expit() -> Function:
    function: Function = importlib.import_module("scipy.special").expit
    return function


def _numpy_replace(a: Array, old: float, new: float) -> None:
    a[a == old] = new


def _bottleneck_replace() -> Function:
    function: Function = importlib.import_module("bottleneck").replace
    return function


# Each the best that NumPy has without a temporary array more than it needs.


def _numpy_axpy(alpha: float, x: Array, y: Array, out: Array) -> Array:
    np.multiply(x, alpha, out=out)
    return np.add(out, y, out=out)


def _numpy_sigmoid(x: Array, out: Array) -> Array:
    np.negative(x, out=out)
    np.exp(out, out=out)
    np.add(out, 1, out=out)
    np.divide(1, out, out=out)
    return out


def _numpy_polyval(p: Array, x: Array, out: Array) -> Array:
    # np.polyval takes an array more for each step.
    np.multiply(x, p[0], out=out)
    for coefficient in p[1:-1]:
        np.add(out, coefficient, out=out)
        np.multiply(out, x, out=out)
    np.add(out, p[-1], out=out)
    return out


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
    _elementwise(
        "axpy",
        _numpy_axpy,
        "a*b+c",
        lambda alpha, x, y: [alpha * v + w for v, w in zip(x, y, strict=True)],
        two_arrays,
        before=(2.5,),
        atol=1e-12,  # where alpha * x + y is near 0
    ),
    _elementwise(
        "sigmoid",
        _numpy_sigmoid,
        "1/(1+exp(-a))",
        lambda x: [1 / (1 + math.exp(-v)) for v in x],
        peers={"scipy": _expit},
    ),
    _elementwise(
        "polyval",
        _numpy_polyval,
        "(3*b+2)*b+1",
        lambda p, x: [(p[0] * v + p[1]) * v + p[2] for v in x],
        before=(np.array([3.0, 2.0, 1.0]),),
    ),
    _elementwise(
        "clip",
        np.clip,
        "where(a < a_min, a_min, where(a > a_max, a_max, a))",
        lambda x, a_min, a_max: [min(max(v, a_min), a_max) for v in x],
        options={"a_min": 0.0, "a_max": 2.0},
    ),
    Case(
        "replace",
        "elementwise",
        # Only the first call has something to replace; all the others look for it.
        whole_numbers,
        _numpy_replace,
        {"bottleneck": _bottleneck_replace},
        lambda a, old, new: [new if v == old else v for v in a],
        options={"old": 1.0, "new": 2.0},
        in_place=True,
    ),
)
