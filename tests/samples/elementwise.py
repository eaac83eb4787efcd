"""Layer: tests.  Calls of the elementwise kernels."""

import functools

import numpy as np

import fastproc as fp


def calls(name, array):
    """Yield the kernel on the array, and on two that are broadcast."""
    if name == "add":
        yield functools.partial(fp.add, array, array[::-1])
        yield functools.partial(fp.add, array, array[:1])
    elif name == "axpy":
        yield functools.partial(fp.axpy, 2.5 if array.dtype.kind == "f" else 3, array, array[::-1])
        yield functools.partial(fp.axpy, 3, array, array[:1])
    elif name == "polyval":
        yield functools.partial(fp.polyval, np.array([3, -2, 1, 5], array.dtype), array)
    elif name == "clip":
        yield functools.partial(fp.clip, array, -1, 1000)
        yield functools.partial(fp.clip, array, None, 0)
    elif name == "replace":
        for old in (array.flat[0].item(), np.nan) if array.dtype.kind == "f" else (3,):
            yield functools.partial(_replaced, array, old)
    else:
        yield functools.partial(getattr(fp, name), array)


def _replaced(array, old, workers=None):
    # In the array's own layout, so that what is walked is as strange as the array is.
    copy = np.empty_like(array)
    copy[...] = array
    fp.replace(copy, old, 77, workers=workers)
    return copy
