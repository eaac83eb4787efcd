"""Layer: command line.  The cases of the k first elements, of partitions and of ranks."""

from __future__ import annotations

import functools
import heapq
import importlib
from typing import Any

import numpy as np

from fastproc.cli.cases.case import Array, Arrays, Case, Function
from fastproc.cli.cases.inputs import normal_numbers, with_nan

List = list[float]

#: How many elements `topk` finds, and which one partitions divide by.
K = 100


def _enough_numbers(size: int, version: int = 0) -> Arrays:
    """Return normal numbers, twice as many as are wanted at the least."""
    return normal_numbers(max(size, 2 * K), version)


def _numpy_topk(x: Array, k: int) -> tuple[Array, Array]:
    places = np.argpartition(x, -k)[-k:]
    places = places[np.argsort(-x[places])]
    return x[places], places


def _numpy_rankdata(x: Array) -> Array:
    """Return what SciPy does without ties, which the numbers have not; NaN stands last."""
    ranks = np.empty(x.size)
    ranks[np.argsort(x)] = np.arange(1, x.size + 1)
    ranks[np.isnan(x)] = np.nan
    return ranks


def _topk(x: List, k: int) -> tuple[List, list[int]]:
    places = heapq.nlargest(k, range(len(x)), key=x.__getitem__)
    return [x[i] for i in places], places


def _rankdata(x: List) -> List:
    ranks = [float("nan")] * len(x)
    for rank, i in enumerate(sorted((i for i in range(len(x)) if x[i] == x[i]), key=x.__getitem__)):
        ranks[i] = rank + 1.0
    return ranks


def _bottleneck(name: str) -> Function:
    function: Function = getattr(importlib.import_module("bottleneck"), name)
    return function


def _sides(result: Any) -> tuple[Any, ...]:
    """Return what all partitions have in common, as the order on either side is anybody's."""
    return np.sort(result[:K]), result[K], np.sort(result[K:])


def _partition(kernel: str, numpy: Function, plain: Function) -> Case:
    peers = {"bottleneck": functools.partial(_bottleneck, kernel)}
    options = {"kth": K}
    return Case(
        kernel, "ranking", _enough_numbers, numpy, peers, plain, options=options, answer=_sides
    )


def _ranks(kernel: str) -> Case:
    make = with_nan if kernel.startswith("nan") else normal_numbers
    peers = {"bottleneck": functools.partial(_bottleneck, kernel)}
    return Case(kernel, "ranking", make, _numpy_rankdata, peers, _rankdata)


CASES = (
    Case("topk", "ranking", _enough_numbers, _numpy_topk, {}, _topk, options={"k": K}),
    _partition("partition", np.partition, lambda x, kth: sorted(x)),
    _partition(
        "argpartition", np.argpartition, lambda x, kth: sorted(range(len(x)), key=x.__getitem__)
    ),
    _ranks("rankdata"),
    _ranks("nanrankdata"),
)
