"""Layer: tests.  Calls of the elementwise kernels."""

import functools

import fastproc as fp


def calls(name, array):
    """Yield the kernel on the array, and on two that are broadcast."""
    if name == "add":
        yield functools.partial(fp.add, array, array[::-1])
        yield functools.partial(fp.add, array, array[:1])
    else:
        yield functools.partial(getattr(fp, name), array)
