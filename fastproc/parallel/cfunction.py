"""Layer: parallel.  C functions of others: their address, signature, and way to a worker.

An address means something in one process only, so a function that is to run in a pool's workers is
known by what leads to it there, too:

    a cdef function of a Cython module     its module's and its own name; the worker imports it
    a function of numba.cfunc              its Python source, by value; the worker compiles it once
    any other function in a library        the library's path and the place in it (Linux)

A `scipy.LowLevelCallable` is one of these with its signature said.  A function that none of the
three leads to, such as one compiled in memory by somebody else, stays in its process.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import re
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import cloudpickle

#: The type of every function that ctypes gives.
_FUNCTION: Any = type(ctypes.pythonapi.Py_IncRef).__mro__[1]

#: By the C types' names, as Cython and SciPy write them, the dtypes of elements.
_DTYPES = {
    "double": "float64",
    "npy_float64": "float64",
    "npy_double": "float64",
    "float": "float32",
    "npy_float32": "float32",
    "npy_float": "float32",
    "int": "int32",
    "int32_t": "int32",
    "npy_int32": "int32",
    "long": f"int{8 * ctypes.sizeof(ctypes.c_long)}",
    "long long": "int64",
    "int64_t": "int64",
    "npy_int64": "int64",
    "Py_ssize_t": f"int{8 * ctypes.sizeof(ctypes.c_ssize_t)}",
    "ssize_t": f"int{8 * ctypes.sizeof(ctypes.c_ssize_t)}",
    "npy_intp": f"int{8 * ctypes.sizeof(ctypes.c_ssize_t)}",
    "intptr_t": f"int{8 * ctypes.sizeof(ctypes.c_ssize_t)}",
}


class Signature(NamedTuple):
    """What a C function returns and takes: dtypes, with a ``*`` behind those of pointers."""

    returns: str
    takes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.returns} ({', '.join(self.takes)})"


def parsed(text: str) -> Signature:
    """Return the signature that a text such as ``"double (double, double)"`` says.

    Raises
    ------
    ValueError
        If the text is no signature, or one of its types is not known.

    Examples
    --------
    >>> str(parsed("void (double const *, double *, Py_ssize_t)"))
    'void (float64*, float64*, int64)'
    """
    match = re.fullmatch(r"\s*([^()]+?)\s*\(([^()]*)\)\s*(noexcept)?\s*(nogil)?\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is no signature of a C function, such as 'double (double)'")
    arguments = [each for each in match[2].split(",") if each.strip() not in ("", "void")]
    return Signature(_type(match[1]), tuple(map(_type, arguments)))


def _type(text: str) -> str:
    words = re.findall(r"\w+|\*", text)
    stars = "*" * words.count("*")
    name = " ".join(word for word in words if word not in ("*", "const", "signed"))
    if name == "void" and len(stars) < 2:
        return "void" + stars
    if name not in _DTYPES:
        raise ValueError(
            f"{text.strip()!r} is no type of elements; there are {', '.join(sorted(_DTYPES))}"
        )
    return _DTYPES[name] + stars


class CFunction:
    """A C function: its address here, its signature, and how to find it elsewhere.

    Parameters
    ----------
    address : int
        Where its code begins.
    signature : Signature
        What it takes and returns.
    name : str
        What to call it in messages.
    origin : tuple, optional
        A function and its arguments that find it in another process.
    owner : object, optional
        What keeps the code alive.
    """

    def __init__(
        self,
        address: int,
        signature: Signature,
        name: str,
        origin: tuple[Callable[..., CFunction], tuple[Any, ...]] | None = None,
        owner: Any = None,
    ) -> None:
        self.address = address
        self.signature = signature
        self.name = name
        self._origin = origin
        self._owner = owner

    def __repr__(self) -> str:
        return f"<C function {self.name}: {self.signature}>"

    def __reduce__(self) -> tuple[Callable[..., CFunction], tuple[Any, ...]]:
        if self._origin is None:
            raise TypeError(
                f"{self!r} is known by its address alone, which means nothing in another process; "
                f"name a function of a Cython module as 'module:function', or use threads"
            )
        return self._origin


def found(source: Any) -> CFunction:
    """Return the C function that a caller means.

    Raises
    ------
    TypeError
        If `source` is nothing that has a C function, or does not say its signature.
    ValueError
        If its signature has types that are no elements'.
    ImportError, AttributeError
        If there is no such module, or no such function in it.
    """
    if isinstance(source, CFunction):
        return source
    if isinstance(source, str):
        module, colon, name = source.partition(":")
        if not colon or not module or not name:
            raise ValueError(f"{source!r} names no function; write it as 'package.module:function'")
        return of_module(module, name)
    if type(source).__name__ == "PyCapsule":
        return _of_capsule(source, source)
    if isinstance(source, tuple) and type(source).__name__ == "LowLevelCallable":
        return _of_low_level_callable(source)
    if hasattr(source, "_pyfunc") and hasattr(source, "address") and hasattr(source, "ctypes"):
        return _of_numba(source)
    if isinstance(source, _FUNCTION):
        return _of_ctypes(source)
    raise TypeError(
        f"{source!r} is no C function; pass 'module:function' for one of a Cython module, a "
        f"scipy.LowLevelCallable, a numba.cfunc or a ctypes function with argtypes and restype"
    )


# Cython's functions ------------------------------------------------------------------------------


@functools.cache
def of_module(module: str, name: str) -> CFunction:
    """Return a cdef function that a Cython module lets others call."""
    functions = getattr(importlib.import_module(module), "__pyx_capi__", {})
    if name not in functions:
        raise AttributeError(
            f"module {module!r} has no C function {name!r} for others; it has "
            f"{', '.join(sorted(functions)) or 'none'}. Declare a cdef function in the module's "
            f".pxd, or as 'cdef api'"
        )
    address, text = _content(functions[name])
    return CFunction(
        address, parsed(text), f"{module}:{name}", (of_module, (module, name)), functions[name]
    )


def _content(capsule: Any) -> tuple[int, str]:
    """Return a capsule's pointer and its name, which is a signature if a function is in it."""
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = (
        ctypes.c_void_p,
        [ctypes.py_object, ctypes.c_char_p],
    )
    name = get_name(capsule)
    return int(get_pointer(capsule, name)), (name or b"").decode()


def _of_capsule(capsule: Any, owner: Any) -> CFunction:
    address, text = _content(capsule)
    signature = parsed(text)
    for module in list(sys.modules.values()):
        functions = getattr(module, "__pyx_capi__", None)
        for name, each in functions.items() if isinstance(functions, dict) else ():
            if _content(each)[0] == address:
                return of_module(module.__name__, name)
    return _of_library(address, signature, owner)


def _of_low_level_callable(source: Any) -> CFunction:
    if source.user_data is not None:
        raise TypeError(
            f"{source!r} has user data; pass a function that needs none, since a kernel's elements "
            f"are all that travels"
        )
    function = source.function
    if isinstance(function, _FUNCTION):
        return _of_ctypes(function)
    # The first item is the capsule with the address and the signature, which LowLevelCallable
    # shows nobody but those that read it as the tuple that it is.
    return _of_capsule(tuple.__getitem__(source, 0), source)


# Numba's -----------------------------------------------------------------------------------------


def _of_numba(source: Any) -> CFunction:
    function = _of_ctypes(source.ctypes, source._pyfunc.__name__)
    try:
        code = cloudpickle.dumps(source._pyfunc)
    except Exception:
        return function  # it closes over what cannot travel, and stays here
    origin = (_compiled, (code, str(source._sig)))
    return CFunction(function.address, function.signature, function.name, origin, source)


@functools.cache
def _compiled(code: bytes, signature: str) -> CFunction:
    numba: Any = importlib.import_module("numba")
    return _of_numba(numba.cfunc(_numba_signature(numba, signature))(cloudpickle.loads(code)))


def _numba_signature(numba: Any, text: str) -> Any:
    """Return the signature that numba prints as ``(float64*, int64) -> none``."""
    takes, _, returns = text.partition(" -> ")

    def type_of(name: str) -> Any:
        pointer = name.endswith("*")
        each = getattr(numba.types, name.rstrip("*"))
        return numba.types.CPointer(each) if pointer else each

    arguments = [each.strip() for each in takes.strip("()").split(",") if each.strip()]
    return type_of(returns)(*map(type_of, arguments))


# Functions in libraries --------------------------------------------------------------------------


def _of_ctypes(function: Any, name: str | None = None) -> CFunction:
    if function.argtypes is None:
        raise TypeError(f"{function!r} has no argtypes; say what it takes, and its restype")
    address = ctypes.cast(function, ctypes.c_void_p).value or 0
    takes = tuple(map(_ctypes_type, function.argtypes))
    signature = Signature(_ctypes_type(function.restype), takes)
    return _of_library(address, signature, function, name or getattr(function, "__name__", None))


def _ctypes_type(kind: Any) -> str:
    if kind is None:
        return "void"
    if isinstance(kind, type) and issubclass(kind, ctypes._Pointer):
        return _ctypes_type(kind._type_) + "*"
    for dtype, codes in (("float64", "d"), ("float32", "f"), ("int", "ilq")):
        if getattr(kind, "_type_", None) in tuple(codes):
            return dtype if dtype != "int" else f"int{8 * ctypes.sizeof(kind)}"
    raise ValueError(f"{kind!r} is no type of elements: float64, float32, int64 or int32")


class _Place(ctypes.Structure):
    """What `dladdr` tells of an address: the library it is in, and the last symbol before it."""

    _fields_ = (
        ("path", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p),
        ("symbol_address", ctypes.c_void_p),
    )


def _of_library(
    address: int, signature: Signature, owner: Any, name: str | None = None
) -> CFunction:
    """Return a function by its address; its origin is its place in a library, if it is in one."""
    place, origin = _Place(), None
    if sys.platform == "linux":
        dladdr = ctypes.CDLL(None).dladdr
        dladdr.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Place)]
        if dladdr(address, ctypes.byref(place)) and place.path:
            # It lies as far from the library's beginning in every process, whether it has a name
            # there or not: that of `sin` is no one's, as libm chooses one for the CPU.
            offset = address - place.base
            origin = (_loaded, (place.path.decode(), offset, signature, name))
    return CFunction(address, signature, name or hex(address), origin, owner)


@functools.cache
def _loaded(path: str, offset: int, signature: Signature, name: str | None) -> CFunction:
    library = ctypes.CDLL(path)
    # What dlopen returns is, for glibc and musl, a struct that begins with the library's address.
    base = ctypes.c_void_p.from_address(library._handle).value or 0
    return _of_library(base + offset, signature, library, name)
