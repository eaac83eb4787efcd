"""Layer: shm.  What travels between the parent and its workers, as bytes.

Three ways, the cheapest that works:

* plain pickle, with shared arrays as handles (multiprocessing's reducers apply);
* cloudpickle, for what plain pickle sends by name though the other side has no such name:
  lambdas, closures, functions and classes of a notebook or of ``python -``;
* a *parcel* for large buffers (``parcel.py``), which the other side uses where they lie.

Neither this module nor anything that a worker needs to start imports NumPy: it is loaded with the
first array, for which a worker that never sees one need not wait.

Nothing is read here that another user could have written: bytes come from rings in memory that
only related processes can open.
"""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import sys
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from fastproc.config import KIB
from fastproc.shm._plain import is_plain, pack_numbers

if TYPE_CHECKING:
    from fastproc.shm.segment import Handle

#: Buffers from this size on go into a parcel: below, a copy costs less than a segment (some 20 us).
LEAST_BUFFER = 32 * KIB

#: Bytes of pickle beyond which it goes into a parcel, too.
MOST_INLINE = 64 * KIB

#: Numbers in a list from which on it is worth looking whether it has nothing else.
LEAST_NUMBERS = 4

PROTOCOL = 5


#: What a payload is, by the numbers of `_plain.pxd`.
PICKLE, PARCEL = 0, 1


class Payload:
    """Pickled bytes, the pickled handle of a parcel, or numbers, as a ring carries them."""

    __slots__ = ("data", "handles", "kind", "memory")

    def __init__(self, data: bytes, kind: int, handles: list[Handle], memory: Any = None) -> None:
        self.data = data
        self.kind = kind
        self.handles = handles  # of the shared memory that travels with the bytes
        self.memory = memory  # a parcel's, which several workers may come to open

    def to_be_opened(self) -> Payload:
        """Return what the receiver opens as it arrives, and so keeps even if the sender ends."""
        if self.kind == PARCEL or not self.handles:
            return self
        opening = pickle.dumps((None, self.data, [tuple(each) for each in self.handles]), PROTOCOL)
        return Payload(opening, PARCEL, self.handles)

    def recall(self) -> None:
        """Free what a receiver that has died will not take."""
        recall(self.handles)


class Names:
    """Which functions and classes the other side finds by their names.

    Parameters
    ----------
    main : dict, optional
        What its ``__main__`` has.  If None, the same as here is taken for granted.
    reducers : dict, optional
        By type, the function that reduces its objects for the other side; in pickle's words, a
        dispatch table.
    """

    def __init__(
        self,
        main: dict[str, Any] | None,
        reducers: dict[type, Callable[[Any], Any]] | None = None,
    ) -> None:
        self._main = main
        self.reducers = reducers or {}

    def has(self, obj: Any) -> bool:
        """Tell whether `obj`, a function or a class, can travel as its name."""
        qualname = getattr(obj, "__qualname__", "<unnamed>")
        if "<" in qualname:
            return False
        first = qualname.partition(".")[0]
        module = getattr(obj, "__module__", None)
        if module == "__main__" and self._main is not None:
            return _resolve(self._main.get(first), qualname) is obj
        home = sys.modules.get(module) if module else None
        return _resolve(getattr(home, first, None), qualname) is obj


#: The other side has what is here.
HERE = Names(None)

#: The other side has nothing of ``__main__``.
NO_MAIN = Names({})


def names_of_workers(start_method: str) -> Names:
    """Return what workers that are started now know.

    A forked worker has what ``__main__`` had when it was forked, any other what an import of the
    main script defines.  Of a script we take for granted that it is all there; a worker that misses
    something says so.  In a notebook or REPL there is no script.
    """
    main = sys.modules.get("__main__")
    if start_method == "fork":
        # Not all that it has: the pool would keep large objects alive.
        known = FunctionType, type
        names = vars(main) if main is not None else {}
        return Names({name: obj for name, obj in names.items() if isinstance(obj, known)})
    return HERE if has_script(main) else NO_MAIN


def has_script(main: Any) -> bool:
    """Tell whether another process can import the ``__main__`` module."""
    if getattr(main, "__spec__", None) is not None:
        return True
    path = getattr(main, "__file__", None)  # "<stdin>" where the program is read from a pipe
    return path is not None and os.path.exists(path)


def _resolve(root: Any, qualname: str) -> Any:
    for name in qualname.split(".")[1:]:
        root = getattr(root, name, None)
    return root


class _ByValueError(Exception):
    """Something must travel by value, for which plain pickle is not enough."""


class _Pickler(pickle.Pickler):
    """Plain pickle with multiprocessing's reducers; gives up at what needs cloudpickle."""

    def __init__(self, file: io.BytesIO, names: Names, handles: list[Handle], keep: Any) -> None:
        super().__init__(file, PROTOCOL, buffer_callback=keep)
        # Anew each time, as reducers may be added; a ChainMap costs more with each look.
        self.dispatch_table = {
            **copyreg.dispatch_table,
            **ForkingPickler._extra_reducers,  # type: ignore[attr-defined]
            **names.reducers,
        }
        self._names = names
        self._handles = handles

    def reducer_override(self, obj: Any) -> Any:
        if (type(obj) is FunctionType or isinstance(obj, type)) and not self._names.has(obj):
            raise _ByValueError
        return reduce_shared(obj, self._handles)


def reduce_shared(obj: Any, handles: list[Handle]) -> Any:
    """Reduce what lies in shared memory and note its handle; NotImplemented for anything else.

    Such objects have a method `_reduce_to_handle`, which returns what ``__reduce__`` would, with
    the handle's fields as the first argument; or NotImplemented.
    """
    reduce = getattr(type(obj), "_reduce_to_handle", None)
    if reduce is None:
        return NotImplemented
    reduced = reduce(obj)
    if reduced is not NotImplemented:
        from fastproc.shm.segment import Handle  # loaded by now

        handles.append(Handle(*reduced[1][0]))
    return reduced


def recall(handles: list[Handle]) -> None:
    """Free the memory behind handles that nobody will take."""
    if handles:
        from fastproc.shm import segment

        segment.recall(handles)


class Packed(NamedTuple):
    """An object as bytes, before it is decided where they go."""

    kind: int
    data: Any  # a buffer: the pickle, or the numbers
    buffers: list[memoryview]  # out of the pickle
    handles: list[Handle]  # of the shared memory that travels with it


def pack(obj: Any, names: Names, least_buffer: int = LEAST_BUFFER) -> Packed:
    """Pickle `obj` for a process that knows `names`, buffers from some size on out of band.

    Whatever pickling raises is raised here.
    """
    if type(obj) is list and LEAST_NUMBERS <= len(obj) <= MOST_INLINE // 8:
        numbers = pack_numbers(obj)
        if numbers is not None:
            return Packed(numbers[0], numbers[1], [], [])
    if is_plain(obj):
        return Packed(PICKLE, pickle.dumps(obj, PROTOCOL), [], [])
    buffers: list[memoryview] = []
    handles: list[Handle] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < least_buffer:
            return True  # pickled with the rest
        buffers.append(view)
        return False

    file = io.BytesIO()
    try:
        _Pickler(file, names, handles, keep).dump(obj)
    except (_ByValueError, pickle.PicklingError, AttributeError, TypeError) as error:
        recall(handles)
        buffers.clear()
        handles.clear()
        file = io.BytesIO()
        try:
            _dump_by_value(obj, names, file, handles, keep, error)
        except BaseException:
            recall(handles)
            raise
    except BaseException:
        recall(handles)
        raise
    return Packed(PICKLE, file.getbuffer(), buffers, handles)


def dumps(obj: Any, names: Names) -> Payload:
    """Pickle `obj` as `pack` does, with a parcel for what is large."""
    kind, data, buffers, handles = pack(obj, names)
    if kind != PICKLE:
        return Payload(data, kind, handles)
    if not buffers and len(data) <= MOST_INLINE:
        return Payload(bytes(data), PICKLE, handles)
    return _parcel([data, *buffers], handles)


def _parcel(parts: list[Any], handles: list[Handle]) -> Payload:
    """Return a parcel of a pickle and its buffers."""
    from fastproc.shm import parcel

    memory, handle, ends = parcel.pack([memoryview(part) for part in parts])
    data = pickle.dumps((tuple(handle), ends, [tuple(each) for each in handles]), PROTOCOL)
    return Payload(data, PARCEL, [*handles, handle], memory)


def _dump_by_value(
    obj: Any,
    names: Names,
    file: io.BytesIO,
    handles: list[Handle],
    keep: Any,
    first_error: Exception,
) -> None:
    from fastproc.shm.by_value import ValuePickler  # cloudpickle takes a while to load

    try:
        ValuePickler(file, names, handles, keep).dump(obj)
    except Exception as error:
        if isinstance(first_error, _ByValueError):
            raise
        # Plain pickle's message is about the user's object, cloudpickle's about its own ways.
        raise first_error from error


class Opened(NamedTuple):
    """A parcel whose memory is mapped here, and what else of shared memory travels with it.

    From here on it is this process that keeps it.
    """

    memory: Any  # None if there are no buffers, nor a large pickle
    content: Any  # where each part begins and ends in the memory; without memory, the pickle
    held: list[Any]  # arrays over the segments of shared arrays in the pickle


def open_parcel(data: bytes) -> Opened:
    """Map the memory of a parcel.

    Raises
    ------
    SegmentGoneError
        If its sender has been killed.
    """
    handle, content, handles = pickle.loads(data)
    from fastproc.shm import segment  # loaded by now, if there is a handle

    held = [segment.receive(segment.Handle(*each))[1] for each in handles]
    if handle is None:
        return Opened(None, content, held)
    from fastproc.shm import parcel

    return Opened(parcel.opened(segment.Handle(*handle), content), content, held)


def loads(data: Any) -> Any:
    """Return the object that `dumps` pickled, from its bytes or from an opened parcel."""
    if not isinstance(data, Opened):
        return pickle.loads(data)
    if data.memory is None:
        return pickle.loads(data.content)
    from fastproc.shm import parcel

    first, *rest = parcel.unpack(data.memory, data.content)
    return pickle.loads(first.data, buffers=rest)
