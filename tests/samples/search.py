"""Layer: tests.  Calls of the searches."""

import functools

import numpy as np

import fastproc as fp


def calls(name, array):
    """Yield the search in few edges and in many, evenly spread and not, on both sides."""
    for edges in (np.linspace(-1, 1, 5), np.linspace(-2, 3, 1000), np.geomspace(1e-3, 1e6, 300)):
        for flag in (False, True):
            if name == "digitize":
                yield functools.partial(fp.digitize, array, edges, flag)
            else:
                yield functools.partial(fp.searchsorted, edges, array, ("left", "right")[flag])
