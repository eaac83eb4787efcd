"""Layer: shm.  Shared arrays: NumPy arrays over a segment, which travel as a handle.

A SharedArray is to a segment what np.memmap is to a file.  What lies in the segment (the array and
its views) is a SharedArray; what NumPy computes from it lies elsewhere and is a plain ndarray.

multiprocessing pickles with ForkingPickler, for which a reducer is registered here that sends the
handle, the place of the view in the segment, shape, strides, dtype and whether it may be written.
All other pickling is by value, since it may be read at another time or on another machine.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any, Literal, SupportsIndex

import numpy as np
import numpy.typing as npt

from fastproc import config
from fastproc.config import KIB
from fastproc.shm import segment as segments
from fastproc.shm._copy import copy
from fastproc.shm._root import Root
from fastproc.shm.segment import Handle, Segment

#: Bytes from which on the kernel is asked to write fresh memory: it then need not clear the pages
#: first, nor fault for each of them.  100 MiB take 42 ms instead of 69.
LEAST_WRITTEN = 64 * KIB

_PLAIN: Any = np.ndarray  # ndarray's methods, without the generics of its stubs


class SharedArray(np.ndarray[Any, Any]):
    """An ndarray whose data lie in shared memory.

    Made by `shared_empty`, `shared_zeros` and `share`.  Passed to a process through
    multiprocessing (arguments, pipes, queues, pools), it and each view of it arrive as an array
    over the *same* memory, whatever their size, in constant time.  Pickled by anything else it is
    written by value and read back as a plain ndarray.

    Notes
    -----
    Processes that write to the same elements at the same time must agree on an order, as threads
    must.  The memory is given back when no process has an array over it any more.

    Examples
    --------
    >>> x = share([[1.0, 2.0], [3.0, 4.0]])
    >>> type(x.T[0]).__name__, type(x + 1).__name__
    ('SharedArray', 'ndarray')
    """

    _segment: Segment | None

    def __array_finalize__(self, obj: object) -> None:
        segment = getattr(obj, "_segment", None)
        # Not only views come by here but copies too, and even views of copies.
        self._segment = segment if segment is not None and _lies_in(self, segment) else None

    @property
    def is_shared(self) -> bool:
        """Whether the data lie in shared memory, as they always do but for rare copies.

        Some functions of NumPy make copies of the type of their argument; those have ordinary
        memory and travel by value.
        """
        return self._segment is not None

    def __array_wrap__(
        self, array: Any, context: Any = None, return_scalar: bool | None = None
    ) -> Any:
        if array is self:
            return array
        if return_scalar is None:  # NumPy 1 leaves the question to the subclass
            return_scalar = array.ndim == 0
        return array[()] if return_scalar else np.asarray(array)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        result = super().__array_function__(func, types, args, kwargs)
        if type(result) in (tuple, list):
            return type(result)(map(_plain_unless_shared, result))
        return _plain_unless_shared(result)

    def _reduce_to_handle(self) -> Any:
        """Reduce to the handle of the segment and the array's place there; see `serialize`."""
        segment = self._segment
        if segment is None:
            return NotImplemented
        offset = _address(self) - segment.address if self.size else 0
        dtype: Any = self.dtype
        if dtype.isbuiltin == 1 and dtype.metadata is None:
            dtype = dtype.char  # says all, and is pickled ten times as quickly
        details = (self.shape, dtype, offset, self.strides, self.flags.writeable)
        # A plain tuple too costs less than a named one.
        return _rebuild, (tuple(segments.send(segment)), *details)

    def __getitem__(self, index: Any) -> Any:
        return _plain_unless_shared(super().__getitem__(index))

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return np.asarray(self).__reduce_ex__(protocol)

    def __reduce__(self) -> Any:
        return np.asarray(self).__reduce__()

    def __copy__(self) -> Any:
        return np.asarray(self).__copy__()

    def __deepcopy__(self, memo: dict[int, Any] | None) -> Any:
        return np.asarray(self).__deepcopy__(memo)


def _lies_in(array: npt.NDArray[Any], segment: Segment) -> bool:
    """Tell whether an array's data lie in a segment; an empty array's may lie anywhere."""
    if array.flags.owndata:
        return False
    return array.size == 0 or 0 <= _address(array) - segment.address < segment.nbytes


def _plain_unless_shared(result: Any) -> Any:
    """Return a SharedArray outside any segment as a plain ndarray, and all else as it is."""
    if isinstance(result, SharedArray) and not result.is_shared:
        return np.asarray(result)
    return result


def _returning_plain(name: str) -> Callable[..., Any]:
    """Return the method of ndarray with this name, its copies being plain ndarrays."""
    method = getattr(_PLAIN, name)

    @functools.wraps(method, assigned=("__name__", "__qualname__"))
    def wrapped(self: SharedArray, *args: Any, **kwargs: Any) -> Any:
        return _plain_unless_shared(method(self, *args, **kwargs))

    return wrapped


# Methods that copy without asking __array_wrap__.
for _name in (
    "argpartition",
    "argsort",
    "astype",
    "byteswap",
    "choose",
    "compress",
    "copy",
    "dot",
    "flatten",
    "ravel",
    "repeat",
    "reshape",
    "take",
):
    setattr(SharedArray, _name, _returning_plain(_name))


def shared_empty(
    shape: SupportsIndex | Sequence[SupportsIndex],
    dtype: npt.DTypeLike = float,
    order: Literal["C", "F"] = "C",
) -> SharedArray:
    """Return a new array in shared memory, its elements not set.

    Parameters
    ----------
    shape : int or tuple of int
        The lengths of the axes.
    dtype : dtype-like, default float64
        Any dtype whose elements are values, not pointers.
    order : {'C', 'F'}, default 'C'
        Row-major or column-major.

    Returns
    -------
    SharedArray
        Of the given shape, dtype and order.

    Raises
    ------
    TypeError
        If elements of `dtype` are or hold pointers, as Python objects and strings of variable width
        do: they mean nothing in another process.
    ValueError
        If a length is negative, or `order` is neither 'C' nor 'F'.
    MemoryError
        If the machine, or this process's cgroup, does not have so much memory.

    Notes
    -----
    O(1).  The first write to fresh memory costs several times a later one, since the kernel clears
    and maps it page by page; memory of dropped arrays is used again without that cost.

    Examples
    --------
    >>> x = shared_empty((2, 3), "i4")
    >>> x[...] = 7
    >>> int(x.sum())
    42
    """
    return _new(shape, dtype, order)[0]


def shared_zeros(
    shape: SupportsIndex | Sequence[SupportsIndex],
    dtype: npt.DTypeLike = float,
    order: Literal["C", "F"] = "C",
) -> SharedArray:
    """Return a new array in shared memory, filled with zeros.

    Parameters, errors and dtypes are those of `shared_empty`.

    Returns
    -------
    SharedArray
        Of the given shape, dtype and order.

    Notes
    -----
    O(1) in fresh memory, which the kernel clears at the first touch; O(n) in recycled memory.

    Examples
    --------
    >>> shared_zeros(3)
    SharedArray([0., 0., 0.])
    """
    array, root, is_zero = _new(shape, dtype, order)
    if not is_zero:
        np.frombuffer(memoryview(root), np.uint8, array.nbytes)[:] = 0
    return array


def share(array: npt.ArrayLike) -> SharedArray:
    """Return an array in shared memory with the same elements, or `array` if it is one already.

    Parameters
    ----------
    array : array-like
        Of any shape, and of any dtype that `shared_empty` takes.

    Returns
    -------
    SharedArray
        A copy that keeps shape, dtype and memory order, as ``array.copy(order='K')`` does; or
        `array` itself if it is a SharedArray in a segment.

    Raises
    ------
    TypeError
        If the elements are or hold pointers (dtype object), or if `array` is a masked array, whose
        mask would be lost.
    MemoryError
        If the machine, or this process's cgroup, does not have so much memory.

    Notes
    -----
    O(n), one copy.  To save it, compute right into a `shared_empty` array.

    Examples
    --------
    >>> share(range(3))
    SharedArray([0, 1, 2])
    """
    if isinstance(array, SharedArray) and array.is_shared:
        return array
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError("share() would lose the mask; share the array's data and its mask")
    source = np.asarray(array)
    _check_dtype(source.dtype)
    # NumPy alone knows what 'K' means for any strides; memory that nobody touches is not taken.
    strides = np.empty_like(source, order="K", subok=False).strides
    segment, root, is_fresh = segments.create(source.nbytes)
    result = _view(segment, root, source.shape, source.dtype, 0, strides)
    if source.nbytes >= LEAST_WRITTEN and source.flags.forc:
        _fill(segment, root, is_fresh, 0, source.ravel(order="K").view(np.uint8).data)
    else:
        np.copyto(result, source)
    return result


def segment_with(parts: Sequence[memoryview], starts: Sequence[int]) -> tuple[Segment, Root]:
    """Return a segment with a copy of each part from its start on, and the segment's root.

    Parameters
    ----------
    parts : sequence of memoryview
        Contiguous bytes.
    starts : sequence of int
        In ascending order; parts must not overlap.  What is between and behind them is not set.

    Examples
    --------
    >>> segment, root = segment_with([memoryview(b"ab"), memoryview(b"c")], [0, 2])
    >>> bytes(root)[:3]
    b'abc'
    """
    segment, root, is_fresh = segments.create(starts[-1] + parts[-1].nbytes)
    for part, start in zip(parts, starts, strict=True):
        _fill(segment, root, is_fresh, start, part)
    return segment, root


def _fill(
    segment: Segment,
    root: Root,
    is_fresh: bool,
    start: int,
    data: memoryview,
) -> None:
    """Copy bytes into a segment in the quickest way."""
    if is_fresh and data.nbytes >= LEAST_WRITTEN:
        segment.write(start, data)
    else:
        is_large = data.nbytes >= LEAST_WRITTEN
        threads = config.default_workers() if is_large else 1  # asking costs a little too
        copy(memoryview(root)[start : start + data.nbytes], data, threads)


def as_shared(array: npt.NDArray[Any]) -> SharedArray | None:
    """Return a SharedArray over the same memory if that is shared memory, else None.

    ``np.asarray`` and many functions turn a SharedArray into a plain array over the same memory;
    this finds the segment again.  O(number of segments).

    Examples
    --------
    >>> x = share(range(3))
    >>> type(as_shared(np.asarray(x)[1:])).__name__, as_shared(np.arange(3))
    ('SharedArray', None)
    """
    if isinstance(array, SharedArray):
        return array if array.is_shared else None
    found = segments.containing(_address(array)) if array.size else None
    if found is None:
        return None
    segment, root = found
    offset = _address(array) - segment.address
    shared = _view(segment, root, array.shape, array.dtype, offset, array.strides)
    shared.flags.writeable = array.flags.writeable
    return shared


def _new(
    shape: SupportsIndex | Sequence[SupportsIndex], dtype: npt.DTypeLike, order: Literal["C", "F"]
) -> tuple[SharedArray, Root, bool]:
    """Return a new array, the root of its segment and whether its data are zero."""
    if order not in ("C", "F"):
        raise ValueError(f"order must be 'C' or 'F', not {order!r}")
    # NumPy makes "S" of one byte, and of a dtype that is an array more axes.
    element = np.empty((), dtype)
    _check_dtype(element.dtype)
    lengths = (*_lengths(shape), *element.shape)
    if any(length < 0 for length in lengths):
        raise ValueError(f"negative dimensions are not allowed; the shape is {lengths}")
    segment, root, is_zero = segments.create(math.prod(lengths) * element.itemsize)
    array: Any = _PLAIN.__new__(SharedArray, lengths, element.dtype, root, 0, None, order)
    array._segment = segment
    return array, root, is_zero


def _lengths(shape: Any) -> tuple[int, ...]:
    """Return a shape given as one length or as several as a tuple."""
    try:
        return (operator.index(shape),)
    except TypeError:
        pass
    try:
        return tuple(map(operator.index, shape))
    except TypeError:
        raise TypeError(f"shape must be an int or a sequence of int, not {shape!r}") from None


def _check_dtype(dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        raise TypeError(
            f"arrays of dtype {dtype} cannot be shared: their elements are pointers, which mean "
            "nothing in another process; convert to numbers or to strings of fixed width"
        )


def _view(
    segment: Segment,
    root: Root,
    shape: tuple[int, ...],
    dtype: np.dtype[Any] | str,
    offset: int,
    strides: tuple[int, ...],
) -> SharedArray:
    """Return an array over some bytes of a segment."""
    array: SharedArray = _PLAIN.__new__(SharedArray, shape, dtype, root, offset, strides)
    array._segment = segment
    return array


def _rebuild(
    handle: tuple[Any, ...],
    shape: tuple[int, ...],
    dtype: np.dtype[Any] | str,
    offset: int,
    strides: tuple[int, ...],
    is_writeable: bool,
) -> SharedArray:
    """Unpickle a handle."""
    segment, root = segments.receive(Handle(*handle))
    array = _view(segment, root, shape, dtype, offset, strides)
    array.flags.writeable = is_writeable
    return array


def _address(array: npt.NDArray[Any]) -> int:
    """Return where the first element lies in this process's memory."""
    address: int = array.__array_interface__["data"][0]
    return address


def _reduce(array: SharedArray) -> Any:
    """Pickle for multiprocessing: by value what lies in no segment."""
    reduced = array._reduce_to_handle()
    return np.asarray(array).__reduce__() if reduced is NotImplemented else reduced


ForkingPickler.register(SharedArray, _reduce)
