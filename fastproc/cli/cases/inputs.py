"""Layer: command line.  The inputs of the cases: the same numbers every time."""

from __future__ import annotations

import numpy as np

from fastproc.cli.cases.case import Arrays

#: One element of seven is NaN in the input of the nan variants.
NAN_SHARE = 1 / 7

SEED = 20_260_101


def normal_numbers(size: int) -> Arrays:
    """Return one array of normal numbers around 1, so that their sum is not all rounding."""
    return (np.random.default_rng(SEED).normal(1.0, 1.0, size),)


def two_arrays(size: int) -> Arrays:
    """Return two arrays of different normal numbers."""
    random = np.random.default_rng(SEED)
    return random.normal(1.0, 1.0, size), random.normal(1.0, 1.0, size)


def whole_numbers(size: int) -> Arrays:
    """Return one array of normal numbers around 1, rounded to whole ones."""
    return (np.round(np.random.default_rng(SEED).normal(1.0, 1.0, size)),)


def with_nan(size: int) -> Arrays:
    """Return normal numbers of which a seventh, at random places, is NaN; the first is not."""
    random = np.random.default_rng(SEED)
    x = random.normal(1.0, 1.0, size)
    x[1:][random.random(max(size - 1, 0)) < NAN_SHARE] = np.nan
    x[1:2] = np.nan  # so that an array of a few elements has one
    return (x,)
