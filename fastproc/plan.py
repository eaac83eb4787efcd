"""Layer: base.  The chunk plan and the cost model: pure functions of sizes, nothing else.

Where an array is cut depends on the array alone, never on how many workers there are, so that the
tree in which states are merged is the same and the result has the same bits.  How many workers are
worth waking depends on the time that the work takes.
"""

from __future__ import annotations

import itertools

#: The share of the work, in nanoseconds, for which a sleeping thread is worth waking.  Waking it
#: and waiting for it takes some 40 us (two futex calls and two switches), more on a busy machine,
#: so a smaller share would gain little and could lose.
THREAD_SHARE_NS = 200_000

#: The same for a process of a pool, which is sent its tasks through a pipe.
PROCESS_SHARE_NS = 1_000_000

#: Elements of a unit of a histogram, or of a kernel over groups: many, since every unit has a table
#: of its own to merge.
HISTOGRAM_UNIT = 1 << 18

#: Elements of a unit of an elementwise kernel: 128 KiB of float64, small beside a cache and large
#: beside the cost of taking a unit.
ELEMENTWISE_UNIT = 1 << 14

#: Rows of the second array in a unit of distances, which has 128 of the first: for rows of 128
#: columns it takes some 1 ms, for rows of 2 some 0.1 ms.
DISTANCE_TILE = 1024

#: Tasks that a pool is given per worker: more than one, so that a disturbed worker does not hold
#: up the others by much; few, since each task costs a round trip.
TASKS_PER_WORKER = 2


def useful_threads(work_ns: float, n_units: int, most: int) -> int:
    """Return how many threads, the caller included, finish `work_ns` of work soonest.

    A thread is worth waking if its share of the work takes several times as long as waking it.

    Parameters
    ----------
    work_ns : float
        How long one thread would take, in nanoseconds.
    n_units : int
        Into how many units the work is cut.
    most : int
        How many threads may be used.

    Examples
    --------
    >>> useful_threads(10_000, 10, most=8)
    1
    >>> useful_threads(3_000_000, 2442, most=8)
    8
    """
    return max(1, min(most, n_units, int(work_ns / THREAD_SHARE_NS)))


def useful_processes(work_ns: float, n_units: int, most: int) -> int:
    """Return how many processes are worth a task; 1 says that the caller is better alone.

    Examples
    --------
    >>> useful_processes(100_000, 10, most=8)
    1
    """
    return max(1, min(most, n_units, int(work_ns / PROCESS_SHARE_NS)))


def histogram_units(size: int, n_bins: int) -> int:
    """Return into how many units a histogram of `size` elements is cut.

    A unit has at least eight elements per bin, so that merging the counts costs less than counting.

    Examples
    --------
    >>> histogram_units(10_000_000, 100)
    39
    >>> histogram_units(10_000_000, 1_000_000)
    2
    """
    return -(-size // max(HISTOGRAM_UNIT, 8 * n_bins))


def is_screened(n_a: int, n_b: int, width: int, k: int) -> bool:
    """Return whether a look at all pairs in float32 makes the search for neighbours quicker.

    Preparing it must cost little beside the search, and it must rule out most pairs.

    Examples
    --------
    >>> is_screened(3000, 3000, 128, k=1), is_screened(1, 3000, 128, k=1)
    (True, False)
    """
    return n_a >= 32 and n_b >= 8 * k + 64 and 12 <= width <= 1 << 20


def task_ranges(
    n_units: int, n_workers: int, tasks_per_worker: int = TASKS_PER_WORKER
) -> list[tuple[int, int]]:
    """Return the ranges of units, each of nearly the same length, that a pool's tasks take.

    Examples
    --------
    >>> task_ranges(10, 1)
    [(0, 5), (5, 10)]
    """
    n_tasks = min(n_units, n_workers * tasks_per_worker)
    cuts = [n_units * task // n_tasks for task in range(n_tasks + 1)]
    return list(itertools.pairwise(cuts))
