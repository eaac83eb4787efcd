"""Layer: kernels.  The twins of the moving windows: every window by itself, from its numbers.

`_moved` does what all share: reading, walking along the axis, which numbers a window has, and
delivery.  Each twin gives it a function of a window's numbers, of which there is one at least.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from fastproc.kernels.reference import buffers, dtypes
from fastproc.kernels.reference.reductions import exact_sum

Window = list[float]


def move_sum(
    a: Any, window: Any, min_count: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Return the sum of each window of the axis: of an element and those before it.

    Parameters
    ----------
    a : buffer or nested sequences
        Real numbers, of one dimension or more.
    window : int
        How many elements a window has.  NaN among them is passed over.
    min_count : int, optional
        How many numbers a window must have, lest the result be NaN; by default `window`.  At the
        beginning of the axis a window has fewer elements.
    axis : int, default -1
        Axis along which the window moves.
    workers : optional
        Accepted as the kernel accepts it; there is one worker.

    Returns
    -------
    nested lists
        Rounded to the input's dtype if that is one of floats.
    """
    return _moved("move_sum", a, window, min_count, axis, _numbers_only(exact_sum))


def move_mean(
    a: Any, window: Any, min_count: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Return the mean of each window of the axis.  Arguments as for `move_sum`."""
    return _moved("move_mean", a, window, min_count, axis, _numbers_only(_mean))


def move_std(
    a: Any,
    window: Any,
    min_count: Any = None,
    axis: Any = -1,
    ddof: Any = 0,
    *,
    workers: Any = None,
) -> Any:
    """Return the standard deviation of each window of the axis, the root of `move_var`."""
    freedom = _integer("move_std", "ddof", ddof)
    return _moved(
        "move_std", a, window, min_count, axis, _numbers_only(lambda x: _root(_var(x, freedom)))
    )


def move_var(
    a: Any,
    window: Any,
    min_count: Any = None,
    axis: Any = -1,
    ddof: Any = 0,
    *,
    workers: Any = None,
) -> Any:
    """Return the variance of each window: the squared deviations' sum over ``count - ddof``.

    Where ``count`` is `ddof`, the division by 0 gives Inf or NaN.  Arguments as for `move_sum`.
    """
    freedom = _integer("move_var", "ddof", ddof)
    return _moved("move_var", a, window, min_count, axis, _numbers_only(lambda x: _var(x, freedom)))


def move_min(
    a: Any, window: Any, min_count: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Return the least number of each window of the axis.  Arguments as for `move_sum`."""
    return _moved("move_min", a, window, min_count, axis, _numbers_only(min))


def move_max(
    a: Any, window: Any, min_count: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Return the greatest number of each window of the axis.  Arguments as for `move_sum`."""
    return _moved("move_max", a, window, min_count, axis, _numbers_only(max))


def move_argmin(
    a: Any, window: Any, min_count: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Return how far from each window's end its least number is; of equal ones the last.

    Arguments as for `move_sum`.
    """
    return _moved(
        "move_argmin",
        a,
        window,
        min_count,
        axis,
        lambda x: float(x[::-1].index(min(_numbers(x)))),
    )


def move_argmax(
    a: Any, window: Any, min_count: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Return how far from each window's end its greatest number is; of equal ones the last.

    Arguments as for `move_sum`.
    """
    return _moved(
        "move_argmax",
        a,
        window,
        min_count,
        axis,
        lambda x: float(x[::-1].index(max(_numbers(x)))),
    )


def move_median(
    a: Any, window: Any, min_count: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Return the median of each window of the axis.  Arguments as for `move_sum`."""
    return _moved("move_median", a, window, min_count, axis, _numbers_only(_median))


def move_rank(
    a: Any, window: Any, min_count: Any = None, axis: Any = -1, *, workers: Any = None
) -> Any:
    """Return the rank of each window's last element, from -1 for the least to 1 for the greatest.

    Equal ones share their mean rank; that of a number alone is 0, that of NaN is NaN.  Arguments as
    for `move_sum`.
    """
    return _moved("move_rank", a, window, min_count, axis, _rank)


def _moved(
    name: str, a: Any, window: Any, min_count: Any, axis: Any, result_of: Callable[[Window], float]
) -> Any:
    values = buffers.read(a)
    if not values.shape:
        raise ValueError(f"{name}: a number has no axis along which to move a window")
    (along,) = buffers.normalized(operator.index(axis), len(values.shape))
    length = values.shape[along]
    size = _integer_in(name, "window", window, length, "the axis has so many elements")
    least = size
    if min_count is not None:
        least = _integer_in(name, "min_count", min_count, size, "a window has no more")
    dtype = values.dtype if dtypes.kind(values.dtype) == "float" else "float64"
    lines = []
    for line in buffers.slices(values.astype(dtype), (along,)):
        windows = [line[max(0, end - size) : end] for end in range(1, length + 1)]
        lines.append(
            [
                dtypes.rounded(result_of(x), dtype) if len(_numbers(x)) >= least else math.nan
                for x in windows
            ]
        )
    return buffers.nested(_in_c_order(lines, values.shape, along), values.shape)


def _in_c_order(lines: list[Window], shape: tuple[int, ...], along: int) -> Window:
    """Return the elements of the lines along an axis, in the order of the array."""
    inner = math.prod(shape[along + 1 :])
    return [
        lines[outer * inner + k][i]
        for outer in range(math.prod(shape[:along]))
        for i in range(shape[along])
        for k in range(inner)
    ]


def _integer(name: str, argument: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: {argument} must be an integer, not {value!r}") from None


def _integer_in(name: str, argument: str, value: Any, most: int, why: str) -> int:
    number = _integer(name, argument, value)
    if not 1 <= number <= most:
        raise ValueError(f"{name}: {argument} must be from 1 to {most} ({why}), not {number}")
    return number


def _numbers(x: Window) -> Window:
    return [element for element in x if element == element]


def _numbers_only(function: Callable[[Window], float]) -> Callable[[Window], float]:
    return lambda x: function(_numbers(x))


def _mean(x: Window) -> float:
    return exact_sum(x) / len(x)


def _var(x: Window, ddof: int) -> float:
    mean = _mean(x)
    deviations = [element - mean for element in x]
    # The mean is rounded, which the second term makes up for.
    total = exact_sum([d * d for d in deviations]) - exact_sum(deviations) ** 2 / len(x)
    if len(x) == ddof:
        return math.inf if total > 0 else math.nan
    return total / (len(x) - ddof)


def _root(x: float) -> float:
    return math.sqrt(x) if x >= 0 else math.nan


def _median(x: Window) -> float:
    x = sorted(x)
    middle = len(x) // 2
    return x[middle] if len(x) % 2 else (x[middle - 1] + x[middle]) * 0.5


def _rank(x: Window) -> float:
    last, numbers = x[-1], _numbers(x)
    if last != last:
        return math.nan
    if len(numbers) == 1:
        return 0.0
    less = sum(element < last for element in numbers)
    equal = sum(element == last for element in numbers) - 1
    return 2 * ((less + 0.5 * equal) / (len(numbers) - 1) - 0.5)
