"""Layer: tests.  Calls of the scans."""

import functools

import fastproc as fp


def calls(name, array):
    """Yield the scan along every axis and, of those that have it, through all elements."""
    kernel = getattr(fp, name)
    for axis in range(array.ndim):
        if name == "ewma":
            yield functools.partial(kernel, array, 0.02, axis=axis)
            yield functools.partial(kernel, array, halflife=0.4, adjust=False, axis=axis)
        elif name == "push":
            yield functools.partial(kernel, array, axis=axis)
            yield functools.partial(kernel, array, 3, axis=axis)
        else:
            yield functools.partial(kernel, array, axis=axis)
    if name not in ("ewma", "push"):
        yield functools.partial(kernel, array)
