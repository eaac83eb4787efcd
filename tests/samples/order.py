"""Layer: tests.  Calls of the order statistics."""

import functools

import fastproc as fp


def calls(name, array):
    """Yield the statistic along every axis and of all elements, one quantile and several."""
    kernel = getattr(fp, name)
    for axis in (None, *range(array.ndim)):
        if name.endswith("median"):
            yield functools.partial(kernel, array, axis=axis)
        else:
            most = 100 if name.endswith("percentile") else 1
            yield functools.partial(kernel, array, [0, 0.3 * most, 0.5 * most], axis=axis)
            yield functools.partial(kernel, array, 0.9 * most, axis=axis, method="hazen")
