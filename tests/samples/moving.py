"""Layer: tests.  Calls of the moving windows."""

import functools

import fastproc as fp


def calls(name, array):
    """Yield short and long windows along every axis."""
    for axis in range(array.ndim):
        length = array.shape[axis]
        for window in sorted({1, min(7, length), min(100, length), -(-length // 2)}):
            for min_count in {None, -(-window // 3)}:
                yield functools.partial(getattr(fp, name), array, window, min_count, axis)
