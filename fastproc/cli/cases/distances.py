"""Layer: command line.  The cases of the distances.

An element is a pair of rows: 10 million of them are some 3162 rows times as many.  NumPy takes row
after row, since all differences at once would be 10 GB.
"""

from __future__ import annotations

import importlib
import itertools
import math
from typing import Any

import numpy as np

from fastproc.cli.cases.case import Array, Arrays, Case, Function
from fastproc.cli.cases.inputs import generator

#: Columns of a row.
WIDTH = 128

Rows = list[list[float]]


def _points(n_rows: int, n_sets: int, version: int) -> Arrays:
    random = generator(version)
    return tuple(random.normal(1.0, 1.0, (n_rows, WIDTH)) for _ in range(n_sets))


def _two_sets(size: int, version: int = 0) -> Arrays:
    """Return two sets of points, of which `size` pairs can be made at most."""
    return _points(math.isqrt(size), 2, version)


def _one_set(size: int, version: int = 0) -> Arrays:
    """Return a set of points which have some `size` pairs i < j."""
    return _points(math.isqrt(2 * size) + 1, 1, version)


def _distances_to(row: Array, rows: Array) -> Array:
    differences = rows - row
    distances: Array = np.sqrt(np.einsum("ij,ij->i", differences, differences))
    return distances


def _numpy_cdist(a: Array, b: Array) -> Array:
    return np.array([_distances_to(row, b) for row in a])


def _numpy_pdist(x: Array) -> Array:
    return np.concatenate([_distances_to(x[i], x[i + 1 :]) for i in range(len(x))])


def _numpy_nearest(a: Array, b: Array) -> tuple[Array, Array]:
    distances = np.empty((len(a), 1))
    indices = np.empty((len(a), 1), np.int64)
    for i, row in enumerate(a):
        to_all = _distances_to(row, b)
        indices[i, 0] = to_all.argmin()
        distances[i, 0] = to_all[indices[i, 0]]
    return distances, indices


def _plain_nearest(a: Rows, b: Rows) -> tuple[Rows, list[list[int]]]:
    pairs = [min((math.dist(row, other), i) for i, other in enumerate(b)) for row in a]
    return [[distance] for distance, _ in pairs], [[i] for _, i in pairs]


def _scipy(name: str) -> Function:
    function: Function = getattr(importlib.import_module("scipy.spatial.distance"), name)
    return function


def _sklearn_nearest() -> Function:
    metrics: Any = importlib.import_module("sklearn.metrics")
    # Which scikit-learn needs, so it is there; it has no way of its own to say one thread.
    importlib.import_module("threadpoolctl").threadpool_limits(1)

    def nearest(a: Array, b: Array) -> tuple[Array, Array]:
        indices, distances = metrics.pairwise_distances_argmin_min(a, b)
        return distances[:, np.newaxis], indices[:, np.newaxis]

    return nearest


CASES = (
    Case(
        "cdist",
        "distance",
        _two_sets,
        _numpy_cdist,
        {"scipy": lambda: _scipy("cdist")},
        lambda a, b: [[math.dist(row, other) for other in b] for row in a],
    ),
    Case(
        "pdist",
        "distance",
        _one_set,
        _numpy_pdist,
        {"scipy": lambda: _scipy("pdist")},
        lambda x: [math.dist(row, other) for row, other in itertools.combinations(x, 2)],
    ),
    Case(
        "nearest",
        "distance",
        _two_sets,
        _numpy_nearest,
        {"sklearn": _sklearn_nearest},
        _plain_nearest,
        bytes_moved=1,  # the result is small, and of the rows there are far fewer than pairs
    ),
)
