"""Layer: benchmarks.  The benchmarks' options and what they share: the size, one pool, one
kernel's calls at a time.

pytest collects the tests of one kernel next to one another, so that only one kernel's arrays are in
memory.
"""

from __future__ import annotations

import functools

import pytest

from fastproc import Pool
from fastproc.cli import rivals
from fastproc.cli.cases import CASES


def pytest_addoption(parser):
    parser.addoption(
        "--size",
        type=int,
        default=1_000_000,
        help="elements per array in test_kernels.py (default: 1,000,000)",
    )


@pytest.fixture(scope="session")
def pool():
    with Pool() as processes:
        yield processes


@pytest.fixture(scope="session")
def call_of(request, pool):
    """Give the call of a kernel's rival, its answer checked; skip if its package is missing."""

    @functools.lru_cache(maxsize=1)
    def calls_of(kernel):
        case = CASES[kernel]
        size = request.config.getoption("--size")
        compiled = rivals.compiled_calls(case, case.make(size), pool, with_peers=True)
        in_python = rivals.python_calls(case, size)
        rivals.check_answers(case, size, compiled, in_python)
        return in_python | compiled

    def call_of(kernel, rival):
        calls = calls_of(kernel)
        if rival not in calls:
            pytest.skip(f"{rival} is not installed")
        return calls[rival]

    return call_of
