"""Layer: tests.  Calls of the k first elements, of partitions and of ranks."""

import functools

import fastproc as fp


def calls(name, array):
    """Yield the kernel along every axis and on all elements as one line."""
    kernel = getattr(fp, name)
    for axis in (None, *range(array.ndim)):
        n = array.size if axis is None else array.shape[axis]
        if name == "topk":
            yield functools.partial(kernel, array, min(n, 5), axis)
            yield functools.partial(kernel, array, n // 3, axis, False)
        elif name.endswith("partition"):
            yield functools.partial(kernel, array, n // 2, axis)
            yield functools.partial(kernel, array, [0, n // 3], axis)
        else:
            yield functools.partial(kernel, array, "average", axis)
            yield functools.partial(kernel, array, "dense", axis)
