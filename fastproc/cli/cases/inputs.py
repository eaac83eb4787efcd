"""Layer: command line.  The inputs of the cases: the same numbers in every run.

Each can be had in several versions, of other numbers of the same kind.
"""

from __future__ import annotations

import numpy as np

from fastproc.cli.cases.case import Arrays

#: One element of seven is NaN in the input of the nan variants.
NAN_SHARE = 1 / 7

SEED = 20_260_101

#: Groups of a large input; a small one has a tenth of its size.
GROUPS = 1000

#: Edges in which a large input is searched; a small one has as many as numbers.
EDGES = 1000


def generator(version: int) -> np.random.Generator:
    """Return what the numbers of a version come from."""
    return np.random.default_rng((SEED, version))


def normal_numbers(size: int, version: int = 0) -> Arrays:
    """Return one array of normal numbers around 1, so that their sum is not all rounding."""
    return (generator(version).normal(1.0, 1.0, size),)


def two_arrays(size: int, version: int = 0) -> Arrays:
    """Return two arrays of different normal numbers."""
    random = generator(version)
    return random.normal(1.0, 1.0, size), random.normal(1.0, 1.0, size)


def whole_numbers(size: int, version: int = 0) -> Arrays:
    """Return one array of normal numbers around 1, rounded to whole ones."""
    return (np.round(generator(version).normal(1.0, 1.0, size)),)


def points(size: int, version: int = 0) -> Arrays:
    """Return one array of points in the plane, a row for each."""
    return (generator(version).normal(1.0, 1.0, (size, 2)),)


def with_nan(size: int, version: int = 0) -> Arrays:
    """Return normal numbers of which a seventh, at random places, is NaN; the first is not."""
    random = generator(version)
    x = random.normal(1.0, 1.0, size)
    x[1:][random.random(max(size - 1, 0)) < NAN_SHARE] = np.nan
    x[1:2] = np.nan  # so that an array of a few elements has one
    return (x,)


def numbers_in_groups(size: int, version: int = 0) -> Arrays:
    """Return normal numbers and the number of each one's group, in no order; none is empty."""
    random = generator(version)
    labels = np.arange(size) % max(1, min(GROUPS, size // 10))
    return random.normal(1.0, 1.0, size), random.permutation(labels)


def groups_of_numbers(size: int, version: int = 0) -> Arrays:
    """Return the same, the groups first."""
    values, labels = numbers_in_groups(size, version)
    return labels, values


def numbers_and_edges(size: int, version: int = 0) -> Arrays:
    """Return normal numbers, and sorted ones among which they may be looked for."""
    random = generator(version)
    edges = np.sort(random.normal(1.0, 1.0, max(1, min(EDGES, size))))
    return random.normal(1.0, 1.0, size), edges
