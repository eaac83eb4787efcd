"""Layer: tests.  Calls of `describe`."""

import functools

import fastproc as fp


def calls(name, array):
    """Yield the description along every axis and of all elements."""
    for axis in (None, *range(array.ndim)):
        yield functools.partial(_flat, fp.describe, array, axis=axis)


def _flat(describe, array, **kwargs):
    nobs, extremes, *moments = describe(array, **kwargs)
    return (nobs, *extremes, *moments)
