"""Layer: command line.  The cases of the searches."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from fastproc.cli.cases.case import Case
from fastproc.cli.cases.inputs import numbers_and_edges

List = list[float]


def _digitize(x: List, bins: List) -> list[int]:
    return [bisect_right(bins, v) for v in x]


def _searchsorted(a: List, v: List) -> list[int]:
    return [bisect_left(a, value) for value in v]


CASES = (
    Case(
        "digitize",
        "search",
        numbers_and_edges,
        np.digitize,
        {},
        _digitize,
        bytes_moved=16,
    ),
    Case(
        "searchsorted",
        "search",
        lambda size, version=0: numbers_and_edges(size, version)[::-1],
        np.searchsorted,
        {},
        _searchsorted,
        bytes_moved=16,
    ),
)
