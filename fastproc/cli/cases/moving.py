"""Layer: command line.  The cases of the moving windows."""

from __future__ import annotations

import functools
import importlib
import itertools
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fastproc.cli.cases.case import Array, Arrays, Case, Function
from fastproc.cli.cases.inputs import normal_numbers

List = list[float]

#: The window that all peers' benchmarks have, in arrays that are large enough.
WINDOW = 100

#: Windows that NumPy is given at a time where it makes copies of them: 8 MB of float64.
AT_ONCE = 10_000


def _options(arrays: Arrays) -> dict[str, int]:
    return {"window": max(1, min(WINDOW, len(arrays[0]) // 2))}


def _numpy(reduce: Callable[[Array], Array]) -> Function:
    """Return NumPy's way: a view with a row for each window, which is reduced."""

    def move(x: Array, window: int) -> Array:
        result = np.full(len(x), np.nan)
        rows, results = sliding_window_view(x, window), result[window - 1 :]
        for i in range(0, len(rows), AT_ONCE):
            results[i : i + AT_ONCE] = reduce(rows[i : i + AT_ONCE])
        return result

    return move


def _numpy_rank(rows: Array) -> Array:
    last, n_others = rows[:, -1:], rows.shape[1] - 1
    if n_others == 0:
        return np.zeros(len(rows))
    twice = (rows < last).sum(axis=1) * 2 + (rows == last).sum(axis=1) - 1
    return np.asarray(twice / n_others - 1)


def _windows(x: List, window: int) -> Iterator[List]:
    return (x[i : i + window] for i in range(len(x) - window + 1))


def _plain(of_window: Callable[[List], float]) -> Function:
    """Return plain Python's way where it has nothing better than every window by itself."""

    def move(x: List, window: int) -> List:
        return [math.nan] * (window - 1) + [of_window(each) for each in _windows(x, window)]

    return move


def _plain_sum(x: List, window: int) -> List:
    sums = [0.0, *itertools.accumulate(x)]
    moved = [after - before for before, after in zip(sums, sums[window:], strict=False)]
    return [math.nan] * (window - 1) + moved


def _plain_mean(x: List, window: int) -> List:
    return [total / window for total in _plain_sum(x, window)]


def _plain_var(x: List, window: int) -> List:
    means, squares = _plain_mean(x, window), _plain_mean([v * v for v in x], window)
    return [max(0.0, s - m * m) if m == m else m for m, s in zip(means, squares, strict=True)]


def _plain_std(x: List, window: int) -> List:
    return [math.sqrt(v) for v in _plain_var(x, window)]


def _plain_median(x: List, window: int) -> List:
    ordered = sorted(x[: window - 1])
    result = [math.nan] * (window - 1)
    for first, last in zip(x, x[window - 1 :], strict=False):
        insort(ordered, last)
        result.append(_middle(ordered))
        del ordered[bisect_left(ordered, first)]
    return result


def _middle(ordered: List) -> float:
    low, high = (len(ordered) - 1) // 2, len(ordered) // 2
    return (ordered[low] + ordered[high]) / 2


def _plain_rank(x: List, window: int) -> List:
    ordered = sorted(x[: window - 1])
    result = [math.nan] * (window - 1)
    for first, last in zip(x, x[window - 1 :], strict=False):
        twice = bisect_left(ordered, last) + bisect_right(ordered, last)
        result.append(twice / (window - 1) - 1 if window > 1 else 0.0)
        insort(ordered, last)
        del ordered[bisect_left(ordered, first)]
    return result


def _bottleneck(name: str) -> Function:
    function: Function = getattr(importlib.import_module("bottleneck"), name)
    return function


def _moving(kernel: str, reduce: Callable[[Array], Any], plain: Function) -> Case:
    return Case(
        kernel,
        "moving window",
        normal_numbers,
        _numpy(reduce),
        {"bottleneck": functools.partial(_bottleneck, kernel)},
        plain,
        options=_options,
        bytes_moved=16,
        # What bottleneck and plain Python add and subtract again leaves its rounding behind; a
        # standard deviation near 0 has the root of it.
        atol=1e-5 if kernel == "move_std" else 1e-9,
    )


CASES = (
    _moving("move_sum", lambda rows: rows.sum(axis=1), _plain_sum),
    _moving("move_mean", lambda rows: rows.mean(axis=1), _plain_mean),
    _moving("move_std", lambda rows: rows.std(axis=1), _plain_std),
    _moving("move_var", lambda rows: rows.var(axis=1), _plain_var),
    _moving("move_min", lambda rows: rows.min(axis=1), _plain(min)),
    _moving("move_max", lambda rows: rows.max(axis=1), _plain(max)),
    _moving(
        "move_argmin",
        lambda rows: rows[:, ::-1].argmin(axis=1),
        _plain(lambda x: x[::-1].index(min(x))),
    ),
    _moving(
        "move_argmax",
        lambda rows: rows[:, ::-1].argmax(axis=1),
        _plain(lambda x: x[::-1].index(max(x))),
    ),
    _moving("move_median", lambda rows: np.median(rows, axis=1), _plain_median),
    _moving("move_rank", _numpy_rank, _plain_rank),
)
