"""Layer: bridges.  Reductions over chunks: a state of each, merged as a tree, made a result.

A state is an accumulator (``fastproc.parallel.accumulators``, ``tallies``, or of the same make):

    chunk ── update ──► state ─┐
    chunk ── update ──► state ─┴─ merge ──► state ─┐
    chunk ── update ──► state ─┐                   ├─ merge ──► state ── result
    chunk ── update ──► state ─┴─ merge ──► state ─┘

Only states travel, some bytes a result.  Which are merged, and in which order, depends on the
chunks alone: so the result has the same bits whichever workers there are.

To Dask an array of states is one of objects, whose blocks are the states.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.array import Array

from fastproc.dask.chunks import Axes

#: Makes an accumulator that has not seen anything yet.
New = Callable[[], Any]

#: Where in the tuples of a result a part stands; () is all of it.
Path = tuple[int, ...]


def states(
    new: New,
    operands: Sequence[tuple[Array, Axes]],
    n_dims: int,
    axes: Axes,
    workers: int,
    arrange: Callable[..., tuple[Any, ...]] | None = None,
) -> Array:
    """Return the states of blocks, merged along some of their axes.

    Parameters
    ----------
    new : callable
        Makes an accumulator, to be updated with blocks of the operands.
    operands : sequence of (dask.array.Array, axes)
        What blocks are of, and which axes of the states theirs are.
    n_dims : int
        How many axes the states have.
    axes : tuple of int
        Those along which they are merged.
    workers : int
        How many threads to use for a chunk.
    arrange : callable, optional
        Makes of blocks what the accumulator takes.
    """
    parts = da.blockwise(
        functools.partial(_updated, new, workers, arrange),
        tuple(range(n_dims)),
        *(each for operand in operands for each in operand),
        concatenate=True,
        adjust_chunks={axis: _one for axis in axes},
        dtype=object,
        meta=_no_states(n_dims),
        token=_name(new),
    )
    return da.reduction(
        parts,
        _same,
        functools.partial(_merged, new),
        axes,
        keepdims=True,
        concatenate=False,
        dtype=object,
        meta=_no_states(n_dims),
        name=f"{_name(new)}-merge",
    )


def result(
    merged: Array, path: Path, axes: Axes, dtype: npt.DTypeLike, keepdims: bool = False
) -> Array:
    """Return the results of merged states, or a part of each, without the merged axes."""
    kept = tuple(i for i in range(merged.ndim) if keepdims or i not in axes)
    return _results(merged, path, kept, dtype, expanded=axes if keepdims else ())


def result_along(merged: Array, path: Path, axis: int, length: int, dtype: npt.DTypeLike) -> Array:
    """Return the results of merged states, each of which has this length along the merged axis."""
    return _results(merged, path, tuple(range(merged.ndim)), dtype, adjust_chunks={axis: length})


def table(
    merged: Array, path: Path, axes: Axes, dtype: npt.DTypeLike, shape: tuple[float, ...]
) -> Array:
    """Return the results of merged states, each of which has axes of its own, of this shape.

    These are the last.  A length may be NaN, if it is not known before the result is.
    """
    kept = tuple(i for i in range(merged.ndim) if i not in axes)
    own = tuple(range(merged.ndim, merged.ndim + len(shape)))
    return _results(merged, path, kept + own, dtype, new_axes=dict(zip(own, shape, strict=True)))


def _results(
    merged: Array,
    path: Path,
    inds: Axes,
    dtype: npt.DTypeLike,
    expanded: Axes = (),
    **chunks: Any,
) -> Array:
    return da.blockwise(
        functools.partial(_result, path=path, expanded=expanded, dtype=dtype),
        inds,
        merged,
        tuple(range(merged.ndim)),
        concatenate=False,
        dtype=dtype,
        # Without axes it has an element, which Dask takes into the result's name.
        meta=np.zeros((0,) * len(inds), dtype),
        token=merged.name.partition("-merge")[0],
        **chunks,
    )


def _name(new: New) -> str:
    made = new.func if isinstance(new, functools.partial) else new
    return str(getattr(made, "__name__", "states")).lower().strip("_")


def _no_states(n_dims: int) -> npt.NDArray[Any]:
    """Return what tells Dask the kind of an array of states."""
    return np.full((0,) * n_dims, None)


def _one(_: float) -> int:
    return 1


def _same(state: Any, axis: Any = None, keepdims: bool = True) -> Any:
    return state


def _updated(new: New, workers: int, arrange: Callable[..., Any] | None, *blocks: Any) -> Any:
    pieces = blocks if arrange is None else arrange(*blocks)
    return new().update(*pieces, workers=workers)


def _merged(new: New, nested: Any, axis: Any = None, keepdims: bool = True) -> Any:
    """Merge states into a new one, since Dask may need each of them once more."""
    total = new()
    for state in _flat(nested):
        total.merge(state)
    return total


def _flat(nested: Any) -> Iterator[Any]:
    """Yield the states in lists in lists, one for each axis, in their order."""
    if isinstance(nested, list):
        for each in nested:
            yield from _flat(each)
    else:
        yield nested


def _result(nested: Any, path: Path, expanded: Axes, dtype: npt.DTypeLike) -> Any:
    (state,) = _flat(nested)
    value = state.result()
    for index in path:
        value = value[index]
    value = np.asarray(value).astype(dtype, copy=False)
    return np.expand_dims(value, expanded) if expanded else value[()]
