"""Layer: tests.  Calls of the moving windows."""

import functools

import fastproc as fp


def calls(name, array):
    """Yield a short window and a long one along every axis."""
    for axis in range(array.ndim):
        length = array.shape[axis]
        yield functools.partial(getattr(fp, name), array, min(7, length), 1, axis)
        yield functools.partial(getattr(fp, name), array, -(-2 * length // 5), None, axis)
