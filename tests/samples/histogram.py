"""Layer: tests.  Calls of the histograms."""

import functools

import fastproc as fp


def calls(name, array):
    """Yield the histogram in ranges that have all, some or few of the elements."""
    for range_ in ((-2, 2), (0, 1e6)):
        yield functools.partial(fp.histogram, array, 37, range_)
