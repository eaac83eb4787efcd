"""Layer: bridges.  A kernel's face for Dask arrays: its signature, its docstring and its refusals.

Each family makes its functions by `like`, from fastproc's own kernels, so that the two sides cannot
come to differ in a name, an order or a default.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_DOCSTRING = """{summary}

`fastproc.{name}` of Dask arrays, chunk by chunk, when the result is computed.

Parameters
----------
{parameters}
    As for `fastproc.{name}`, with Dask arrays for arrays. What is none becomes one chunk.
workers : None or int, optional
    How many threads a chunk may use. None, the default, is one, since Dask has a chunk in work for
    each core.

Returns
-------
{returns}

Raises
------
TypeError, ValueError, numpy.exceptions.AxisError
    As `fastproc.{name}`: at once for what arguments, shapes and dtypes are like, and from
    ``compute`` for what elements are.

Notes
-----
{notes}

Examples
--------
{example}
"""

_EXAMPLE = """>>> import dask.array as da
>>> import fastproc as fp
>>> import fastproc.dask as fd
>>> x = da.from_array([3.0, 1.0, 2.0, 5.0], chunks=2)
>>> {}
"""


def like(
    kernel: Callable[P, Any], notes: str, example: str, returns: str = "dask.array.Array"
) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Return a decorator that gives a function the face of a kernel.

    The function gets all arguments of a call by name, defaults too, but no `out`; and `workers` as
    a number of threads.

    Parameters
    ----------
    kernel : callable
        The public kernel.
    notes : str
        What is told of the way it is computed, and of how exact that is.
    example : str
        A call, as it is printed, with its result; ``{}`` in it stands for the kernel's name.
    returns : str
        What is returned.
    """
    name = kernel.__name__
    signature = inspect.signature(kernel)
    shown = [each for each in signature.parameters if each not in ("out", "workers")]
    docstring = _DOCSTRING.format(
        summary=(kernel.__doc__ or "").partition("\n")[0],
        name=name,
        parameters=", ".join(shown),
        returns=returns,
        notes=notes,
        example=_EXAMPLE.format(example.replace("{}", name)).strip(),
    )

    def decorate(function: Callable[..., R]) -> Callable[P, R]:
        def lazy(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{name}: {error}") from None
            bound.apply_defaults()
            given = bound.arguments
            if given.pop("out", None) is not None:
                raise TypeError(
                    f"{name}: out must be None, as the result is lazy; result.store(out) computes "
                    f"it into an array"
                )
            given["workers"] = _threads(name, given["workers"])
            return function(**given)

        lazy.__name__ = lazy.__qualname__ = name
        lazy.__module__ = "fastproc.dask"
        lazy.__doc__ = docstring
        lazy.__signature__ = signature  # type: ignore[attr-defined]
        return lazy

    return decorate


def _threads(name: str, workers: Any) -> int:
    """Return how many threads a chunk may use."""
    if workers is None:
        return 1
    try:
        number = operator.index(workers)
    except TypeError:
        raise TypeError(
            f"{name}: workers must be None or how many threads a chunk may use, not {workers!r}; "
            f"which processes compute, Dask's scheduler decides"
        ) from None
    if number < 1:
        raise ValueError(f"{name}: workers must be at least 1, not {number}")
    return number
