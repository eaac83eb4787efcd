"""Layer: tests.  Calls of the reductions."""

import functools

import numpy as np

import fastproc as fp


def calls(name, array):
    """Yield the reduction along every axis and of all elements."""
    for axis in (None, *range(array.ndim)):
        if "narg" in name and np.isnan(array).all(axis=axis).any():
            continue  # which is an error
        yield functools.partial(getattr(fp, name), array, axis=axis)
