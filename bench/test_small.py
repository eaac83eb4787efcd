"""Layer: benchmarks.  Ten elements, where a call costs more than the arithmetic, and small
matrices along an axis.

Ten elements lie in a plain array, in one of Fortran's order or in shared memory.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

import fastproc
from fastproc.cli import rivals
from fastproc.cli.cases import CASES
from fastproc.cli.cases.inputs import with_nan

pytest.importorskip("pytest_benchmark")

SIZE = 10

#: Kernels of small matrices, by family; NumPy has each of them by the same name.
REDUCTIONS = ("sum", "var", "std", "max", "argmax", "nansum", "nanvar", "nanmax", "nanargmax")

SHAPES = ((2, 5), (10, 10))

#: How ten elements may lie.
LAYOUTS = {
    "Fortran": lambda array: np.asfortranarray(array.reshape(2, 5)),
    "shared": fastproc.share,
}

QUICK = {"min_rounds": 5, "max_time": 0.1, "disable_gc": True}


def rows(groups):
    """Return parameters: each group's name with each of its rivals, marked with the group."""
    return [
        pytest.param(
            *key,
            rival,
            id="-".join([*map(str, key), rival]),
            marks=pytest.mark.benchmark(group=group, **QUICK),
        )
        for group, (key, names) in groups.items()
        for rival in names
    ]


TEN = {
    f"{kernel}, {SIZE} elements": (
        (kernel,),
        (rivals.PYTHON, rivals.NUMPY, *case.peers, rivals.ALL_THREADS),
    )
    for kernel, case in CASES.items()
}


@pytest.mark.parametrize(("kernel", "rival"), rows(TEN))
def test_ten_elements(benchmark, kernel, rival):
    case = CASES[kernel]
    arrays = case.make(SIZE)
    calls = rivals.compiled_calls(case, arrays, None, with_peers=True)
    in_python = rivals.python_calls(case, SIZE)
    rivals.check_answers(case, SIZE, calls, in_python)
    calls |= in_python
    if rival not in calls:
        pytest.skip(f"{rival} is not installed")
    benchmark(calls[rival])


def packages(kernel):
    return ("numpy", "bottleneck", "fastproc") if "nan" in kernel else ("numpy", "fastproc")


def values(kernel, size):
    """Return elements for a kernel, with NaN if it looks for them."""
    array = with_nan(size)[0]
    return array if kernel.startswith("nan") else np.nan_to_num(array)


def run(benchmark, package, kernel, array, **kwargs):
    module = pytest.importorskip(package)
    call = functools.partial(getattr(module, kernel), array, **kwargs)
    np.testing.assert_allclose(call(), getattr(np, kernel)(array, **kwargs), rtol=1e-12)
    benchmark(call)


ALONG = {
    f"{kernel}, {shape}, axis={axis}": ((kernel, shape, axis), packages(kernel))
    for kernel in REDUCTIONS
    for shape in SHAPES
    for axis in (0, 1)
}


@pytest.mark.parametrize(("kernel", "shape", "axis", "package"), rows(ALONG))
def test_along_an_axis(benchmark, kernel, shape, axis, package):
    run(benchmark, package, kernel, values(kernel, math.prod(shape)).reshape(shape), axis=axis)


LYING = {
    f"{kernel}, {SIZE} elements, {layout}": ((kernel, layout), packages(kernel))
    for kernel in REDUCTIONS
    for layout in LAYOUTS
}


@pytest.mark.parametrize(("kernel", "layout", "package"), rows(LYING))
def test_other_layouts(benchmark, kernel, layout, package):
    run(benchmark, package, kernel, LAYOUTS[layout](values(kernel, SIZE)))
