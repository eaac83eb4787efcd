"""Layer: shm.  Plain arrays that many messages have: large ones go into shared memory once.

A pool copies an array anew for each message that has it.  Where the same training set goes into
every task of a loop, one copy is enough, if all tasks may see the same memory; which is why they
may not write to it, unless asked for.  Arrays over files go by the file's name: the file is memory
for all already.
"""

from __future__ import annotations

import copy
import mmap
import os
import weakref
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fastproc.shm.array import SharedArray, as_shared, share

Array = npt.NDArray[Any]


class Once:
    """Reduces the arrays of one loop's tasks for the workers.

    Parameters
    ----------
    least_bytes : int
        The size from which on an array is shared; smaller ones are pickled.
    mode : {'r', 'r+', 'w+', 'c'}
        As of np.memmap: whether a task gets a shared array to read, to write, or as its own copy.

    Notes
    -----
    An array that is changed before `clear` is sent as it was when it was first.
    """

    def __init__(self, least_bytes: int, mode: str) -> None:
        self._least_bytes = least_bytes
        self._mode = mode
        self._shared: dict[int, tuple[weakref.ref[Array], SharedArray]] = {}

    @property
    def reducers(self) -> dict[type, Callable[[Any], Any]]:
        """The functions that reduce arrays, by type, as pickle wants them."""
        return {np.ndarray: self._reduce, np.memmap: self._reduce}

    def clear(self) -> None:
        """Let go of the copies at once, that the next loop may have their memory."""
        self._shared.clear()

    def _reduce(self, array: Array) -> Any:
        file = _file_under(array)
        if file is not None:
            return _open_file, file
        if array.nbytes < self._least_bytes or array.dtype.hasobject:
            return array.__reduce_ex__(5)
        return _received, (self._share(array), self._mode)

    def _share(self, array: Array) -> SharedArray:
        key = id(array)
        known = self._shared.get(key)
        if known is not None and known[0]() is array:
            return known[1]
        shared = as_shared(array)
        if shared is None:
            shared = share(array)

        def forget(dead: weakref.ref[Array]) -> None:
            if self._shared.get(key, (None,))[0] is dead:  # the number may be another's by now
                del self._shared[key]

        self._shared[key] = weakref.ref(array, forget), shared
        return shared


def _received(shared: SharedArray, mode: str) -> Array:
    """Return a shared array as a task gets it: a plain ndarray over the same memory."""
    array = np.asarray(shared)
    if mode == "c":
        return array.copy(order="K")
    if mode == "r":
        array = array.view()
        array.flags.writeable = False
    return array


def _file_under(array: Array) -> tuple[Any, ...] | None:
    """Return how to open the file that an array's memory is, or None if it is not.

    Not so where the memory may differ from the file (mode 'c'), or the file has no name.
    """
    base: Any = array
    while isinstance(base, np.ndarray) and not isinstance(base.base, mmap.mmap):
        base = base.base
    if not isinstance(base, np.memmap) or base.mode == "c" or base.filename is None:
        return None
    if not array.size:
        return None
    steps = [stride * (n - 1) for stride, n in zip(array.strides, array.shape, strict=True)]
    first = sum(step for step in steps if step < 0)  # in bytes, from the first element
    length = sum(map(abs, steps)) + array.itemsize
    place = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return (
        type(array),
        os.fspath(base.filename),
        "r+" if array.flags.writeable else "r",
        base.offset + place + first,
        length,
        copy.copy(array.dtype),
        array.shape,
        -first,
        array.strides,
    )


def _open_file(
    kind: type,
    name: str,
    mode: Literal["r", "r+"],
    start: int,
    length: int,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    offset: int,
    strides: tuple[int, ...],
) -> Array:
    """Return an array over `length` bytes of a file."""
    memory = np.memmap(name, np.uint8, mode, start, (length,))
    array: Array = np.ndarray(shape, dtype, memory, offset, strides)
    return array.view(kind)
