"""Layer: tests.  Calls of the kernels over groups."""

import functools

import numpy as np

import fastproc as fp


def calls(name, array):
    """Yield the kernel along every axis and for all elements, with few groups and many."""
    for n_groups in (3, 5000):
        for axis in (None, *range(array.ndim)):
            shape = array.shape if axis is None else (array.shape[axis],)
            labels = np.random.default_rng(1).integers(0, n_groups, shape)
            if name == "bincount" and axis is None:
                yield functools.partial(fp.bincount, labels.ravel(), array.ravel())
                yield functools.partial(fp.bincount, labels.ravel())
            elif name != "bincount" and (n_groups == 3 or axis is None):
                labels.flat[: min(3, labels.size)] = range(min(3, labels.size))
                if array.dtype.kind == "i":  # of which an empty group may have no value
                    labels %= 3
                yield functools.partial(getattr(fp, name), array, labels, axis=axis)
