"""Layer: shm.  multiprocessing.sharedctypes' face: numbers, arrays and structures of all processes.

An object with a lock is of a compiled class (`_synchronized.pyx`, `_synchronized_array.pyx`), one
without is a ctypes object (``rawctypes.py``).  Either travels to related processes as a handle, and
so does its lock.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

from fastproc.shm import rawctypes
from fastproc.shm._lock import RLock
from fastproc.shm._synchronized import Synchronized, SynchronizedBase
from fastproc.shm._synchronized_array import SynchronizedArray, SynchronizedString
from fastproc.shm.rawctypes import typecode_to_type

__all__ = [
    "Array",
    "RawArray",
    "RawValue",
    "Synchronized",
    "SynchronizedArray",
    "SynchronizedBase",
    "SynchronizedString",
    "Value",
    "copy",
    "synchronized",
    "typecode_to_type",
]


def RawValue(typecode_or_type: Any, *args: Any) -> Any:
    """Return a ctypes object in shared memory, without a lock.

    Parameters
    ----------
    typecode_or_type : str or type
        A ctypes type, or the code of one as in the module ``array``.
    *args
        What the type is called with.

    Raises
    ------
    TypeError
        If it is no such type or code.

    Examples
    --------
    >>> RawValue("d", 1.5)
    c_double(1.5)
    """
    return rawctypes.register(_raw_value(typecode_or_type, args))


def RawArray(typecode_or_type: Any, size_or_initializer: Any) -> Any:
    """Return a ctypes array in shared memory, without a lock.

    Parameters
    ----------
    typecode_or_type : str or type
        The items' ctypes type, or its code as in the module ``array``.
    size_or_initializer : int or sequence
        How many zeros, or the items.

    Raises
    ------
    TypeError
        If it is no such type or code.
    ValueError
        If the size is negative.

    Examples
    --------
    >>> RawArray("i", range(5))[1:4]
    [1, 2, 3]
    """
    return rawctypes.register(_raw_array(typecode_or_type, size_or_initializer))


def Value(typecode_or_type: Any, *args: Any, lock: Any = True, ctx: Any = None) -> Any:
    """Return a number, or another ctypes object, that all related processes share.

    Parameters
    ----------
    typecode_or_type : str or type
        A ctypes type, or the code of one as in the module ``array``.
    *args
        What the type is called with: most often the first value.
    lock : bool or lock, default True
        A new RLock if True; if False the result is the ctypes object, without a lock.
    ctx : object, optional
        Not used: all contexts have the same locks.

    Returns
    -------
    Synchronized
        Its attribute `value` is read and written under the lock.  Where it is an integer or a
        float, its methods `add`, `fetch_add`, `exchange`, `compare_exchange`, `max` and `min`
        change it at once and need no lock.  For a structure, a `SynchronizedBase` with its fields.

    Raises
    ------
    TypeError
        If it is no such type or code.

    Examples
    --------
    >>> counter = Value("i", 0)
    >>> with counter.get_lock():
    ...     counter.value += 1
    >>> counter.add(1)  # the same, in a seventh of the time
    >>> counter.value
    2
    """
    return _with_lock(_raw_value(typecode_or_type, args), lock)


def Array(
    typecode_or_type: Any, size_or_initializer: Any, *, lock: Any = True, ctx: Any = None
) -> Any:
    """Return an array of numbers, or other ctypes objects, that all related processes share.

    Parameters
    ----------
    typecode_or_type : str or type
        The items' ctypes type, or its code as in the module ``array``.
    size_or_initializer : int or sequence
        How many zeros, or the items.
    lock : bool or lock, default True
        A new RLock if True; if False the result is the ctypes array, without a lock.
    ctx : object, optional
        Not used: all contexts have the same locks.

    Returns
    -------
    SynchronizedArray
        Items are read and written under the lock.  Where they are integers or floats, its methods
        `add`, `fetch_add`, `exchange`, `compare_exchange`, `max` and `min` change one at once and
        need no lock.  ``np.asarray`` makes an ndarray over the same memory.  Of characters, a
        `SynchronizedString`, which has `value` and `raw` too.

    Raises
    ------
    TypeError
        If it is no such type or code.
    ValueError
        If the size is negative.

    Examples
    --------
    >>> array = Array("d", [0.0, 100.0, 200.0])
    >>> array[1] /= 8
    >>> array.add(0, 0.5)
    >>> array[:]
    [0.5, 12.5, 200.0]
    """
    return _with_lock(_raw_array(typecode_or_type, size_or_initializer), lock)


def copy(obj: Any) -> Any:
    """Return a new ctypes object in shared memory with the content of another, without a lock.

    Examples
    --------
    >>> copy(ctypes.c_int(3))
    c_int(3)
    """
    result = rawctypes.create(rawctypes.type_of(type(obj)))
    ctypes.pointer(result)[0] = obj
    return rawctypes.register(result)


def synchronized(obj: Any, lock: Any = None, ctx: Any = None) -> Any:
    """Return an object with a lock around a ctypes object.

    Parameters
    ----------
    obj : ctypes object
        One that `RawValue`, `RawArray` or `copy` has made; another is not shared.
    lock : lock, optional
        A new RLock if None.
    ctx : object, optional
        Not used: all contexts have the same locks.

    Raises
    ------
    AssertionError
        If it has a lock already.
    TypeError
        If it is no ctypes object, or a pointer.

    Examples
    --------
    >>> synchronized(RawValue("i", 3)).fetch_add(4)
    3
    """
    if isinstance(obj, SynchronizedBase):
        raise AssertionError("object already synchronized")
    if isinstance(obj, ctypes._SimpleCData):
        return Synchronized(obj, lock)
    if isinstance(obj, ctypes.Array):
        if obj._type_ is ctypes.c_char:
            return SynchronizedString(obj, lock)
        return SynchronizedArray(obj, lock)
    if isinstance(obj, ctypes.Structure | ctypes.Union):
        return _class_for(type(obj))(obj, lock)
    raise TypeError(
        f"{obj!r} is no ctypes number, character, array, structure or union, to which a lock could "
        "be added"
    )


def _raw_value(typecode_or_type: Any, args: tuple[Any, ...]) -> Any:
    obj = rawctypes.create(rawctypes.type_of(typecode_or_type))
    obj.__init__(*args)
    return obj


def _raw_array(typecode_or_type: Any, size_or_initializer: Any) -> Any:
    type_ = rawctypes.type_of(typecode_or_type)
    if isinstance(size_or_initializer, int):
        return rawctypes.create(type_ * size_or_initializer)
    obj = rawctypes.create(type_ * len(size_or_initializer))
    obj.__init__(*size_or_initializer)
    return obj


def _with_lock(obj: Any, lock: Any) -> Any:
    if lock is False:
        return rawctypes.register(obj)
    if lock in (True, None):
        lock = RLock()
    elif not hasattr(lock, "acquire"):
        raise AttributeError(f"{lock!r} has no method 'acquire'")
    return synchronized(obj, lock)


#: The classes around structures, which live as long as those do.
_classes: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def _class_for(structure: Any) -> Any:
    """Return the class that has the fields of a structure or union as properties."""
    made = _classes.get(structure)
    if made is None:
        fields = [
            field[0] for base in structure.__mro__ for field in vars(base).get("_fields_", ())
        ]
        properties = {name: _property(name) for name in fields}
        made = type(f"Synchronized{structure.__name__}", (SynchronizedBase,), properties)
        made = _classes.setdefault(structure, made)
    return made


def _property(name: str) -> property:
    """Return a property that reads and writes a field under the lock."""
    # The field may have the name of what it is read through.
    structure: Any = SynchronizedBase._obj

    def get(self: Any) -> Any:
        with self:
            return getattr(structure.__get__(self), name)

    def set(self: Any, value: Any) -> None:
        with self:
            setattr(structure.__get__(self), name, value)

    return property(get, set, doc=f"The structure's field {name!r}, under the lock.")


def _rebuild(lock: Any, *description: Any) -> Any:
    return synchronized(rawctypes.rebuild(*description), lock)
