"""Ten elements, where a call costs more than the arithmetic, and small matrices along an axis."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from fastproc.cli import rivals
from fastproc.cli.cases import CASES, with_nan

pytest.importorskip("pytest_benchmark")

SIZE = 10

#: Kernels of (10, 10) along an axis, by family; NumPy has each of them by the same name.
WITH_AXIS = ("sum", "var", "max", "argmax", "nansum", "nanvar", "nanmax")

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
    in_python = rivals.python_calls(case, arrays)
    rivals.check_answers(case, arrays, calls, in_python)
    calls |= in_python
    if rival not in calls:
        pytest.skip(f"{rival} is not installed")
    benchmark(calls[rival])


ALONG = {
    f"{kernel}, (10, 10), axis={axis}": (
        (kernel, axis),
        ("numpy", "bottleneck", "fastproc") if kernel.startswith("nan") else ("numpy", "fastproc"),
    )
    for kernel in WITH_AXIS
    for axis in (0, 1)
}


@pytest.mark.parametrize(("kernel", "axis", "package"), rows(ALONG))
def test_along_an_axis(benchmark, kernel, axis, package):
    module = pytest.importorskip(package)
    matrix = with_nan(100)[0].reshape(10, 10)
    if not kernel.startswith("nan"):
        matrix = np.nan_to_num(matrix)
    call = functools.partial(getattr(module, kernel), matrix, axis=axis)
    np.testing.assert_allclose(call(), getattr(np, kernel)(matrix, axis=axis), rtol=1e-12)
    benchmark(call)
