"""Layer: command line.  The rivals of a case, each as a call without arguments, under one name.

The command `bench`, the plot's scaling curves and `bench/` of the repository all take their calls
from here, so that a name means the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastproc.cli.cases.case import Arrays, Call, Case

PYTHON = "plain python"
TWIN = "python twin"
NUMPY = "numpy"
ONE_THREAD = "fastproc, 1 thread"
ALL_THREADS = "fastproc, threads"
POOL = "fastproc, pool"
OURS = (ONE_THREAD, ALL_THREADS, POOL)

#: Elements that pure Python gets at most, as 10 million would take seconds; its
#: time grows as their number does, so that it can be scaled.
PYTHON_ELEMENTS = 20_000


def python_elements(size: int) -> int:
    """Return how many of `size` elements pure Python is timed on."""
    return min(size, PYTHON_ELEMENTS)


def python_calls(case: Case, size: int, dtype: str = "float64") -> dict[str, Call]:
    """Return the computations in pure Python, on as many elements as it gets."""
    arrays = case.arrays(python_elements(size), dtype)
    return {PYTHON: case.plain_call(arrays), TWIN: case.reference_call(arrays)}


def compiled_calls(case: Case, arrays: Arrays, pool: Any, with_peers: bool) -> dict[str, Call]:
    """Return the computations of NumPy, the peers and fastproc, by the rival's name.

    All but the pool's get the plain arrays; the pool's get copies in shared memory, made here,
    since that is where somebody who uses a pool keeps them.
    """
    from fastproc.shm.array import share

    calls = {NUMPY: case.numpy_call(arrays)}
    if with_peers:
        calls |= case.peer_calls(arrays)
    calls[ONE_THREAD] = case.fastproc_call(arrays, workers=1)
    calls[ALL_THREADS] = case.fastproc_call(arrays)
    if pool is not None:
        shared = tuple(share(array) for array in arrays)
        calls[POOL] = case.fastproc_call(shared, workers=pool)
    return calls


def peers_among(names: Mapping[str, Any]) -> list[str]:
    """Return the names that are neither ours, NumPy's nor pure Python's."""
    return [name for name in names if name not in (*OURS, NUMPY, PYTHON, TWIN)]


class DisagreementError(Exception):
    """A rival's answer is not NumPy's, so that its time would mean nothing."""


def check_answers(
    case: Case,
    size: int,
    calls: Mapping[str, Call],
    in_python: Mapping[str, Call],
    dtype: str = "float64",
) -> None:
    """Raise DisagreementError unless all rivals get NumPy's answer."""
    for rivals, elements in ((calls, size), (in_python, python_elements(size))):
        expected = case.numpy_call(case.arrays(elements, dtype))() if rivals else None
        for name, call in rivals.items():
            if not case.agree(call(), expected, dtype):
                raise DisagreementError(f"{case.kernel}: {name} does not agree with NumPy")
