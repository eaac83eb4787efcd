"""Layer: tests.  Calls of the distances."""

import functools

import fastproc as fp
from fastproc.kernels.validate_distances import METRICS


def calls(name, array):
    """Yield every metric on a part of the array's rows, few enough that all pairs are soon done."""
    rows = array.reshape(-1, 1) if array.ndim < 2 else array.reshape(array.shape[0], -1)
    # More than a unit has, and more columns than a panel.
    rows = rows[:300, :150]
    for metric in METRICS:
        p = 2
        if metric == "minkowski":
            p, rows = (3, 3.5)[len(rows) % 2], rows[:100, :20]  # by products, by powers
        kernel = functools.partial(getattr(fp, name), metric=metric, p=p)
        if name == "pdist":
            yield functools.partial(kernel, rows)
        elif name == "cdist":
            yield functools.partial(kernel, rows[:200], rows[::-1])
        else:
            yield functools.partial(kernel, rows[:200], rows[::-1], k=min(len(rows), 5))
