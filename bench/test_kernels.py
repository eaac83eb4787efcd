"""Layer: benchmarks.  Every kernel beside its rivals: pure Python, NumPy, peers, fastproc on
threads and on a pool.

A group per kernel.  Pure Python gets the first 20,000 elements only; its row says so.
"""

from __future__ import annotations

import pytest

from fastproc.cli import rivals
from fastproc.cli.cases import CASES

pytest.importorskip("pytest_benchmark")

ROWS = [
    pytest.param(
        kernel,
        rival,
        id=f"{kernel}-{rival}",
        marks=pytest.mark.benchmark(group=kernel, min_rounds=5, max_time=0.2, disable_gc=True),
    )
    for kernel, case in CASES.items()
    for rival in (rivals.PYTHON, rivals.TWIN, rivals.NUMPY, *case.peers, *rivals.OURS)
]


@pytest.mark.parametrize(("kernel", "rival"), ROWS)
def test_kernel(benchmark, call_of, request, kernel, rival):
    call = call_of(kernel, rival)
    size = request.config.getoption("--size")
    if rival in (rivals.PYTHON, rivals.TWIN):
        size = rivals.python_elements(size)
        benchmark.name += f" ({size:,} elements)"
    benchmark.extra_info["elements"] = size
    benchmark(call)
