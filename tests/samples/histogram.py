"""Layer: tests.  Calls of the histograms."""

import functools

import numpy as np

import fastproc as fp


def calls(name, array):
    """Yield histograms in ranges and edges that have all, some or few of the elements."""
    limits = ((-2, 2), (0, 1e6), (1e6 - 3, 1e6 + 3))
    edges = np.concatenate([np.geomspace(1e-2, 1e6, 30), [1e6 + 1, 1e6 + 1, 2e6]])
    weights = np.random.default_rng(1).normal(size=array.shape)
    if name == "histogram":
        for range_ in limits:
            yield functools.partial(fp.histogram, array, 37, range_)
        yield functools.partial(fp.histogram, array, edges)
        for bins in (37, 5000):
            yield functools.partial(fp.histogram, array, bins, (-2, 2), weights=weights)
    elif name == "histogram2d":
        x, y, w = array.ravel(), array[::-1].ravel(), weights.ravel()
        for range_ in limits:
            yield functools.partial(fp.histogram2d, x, y, [5, edges], [range_, None], weights=w)
    else:
        points = array.reshape(-1, array.shape[-1])[:, :3]
        yield functools.partial(fp.histogramdd, points, 7, [(-2, 2)] * points.shape[1])
