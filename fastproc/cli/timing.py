"""Layer: command line.  Timing: enough calls to be seen by the clock, rivals taking turns.

A machine that others use is fast in one second and slow in the next.  So the rivals are not timed
one after another but in rounds: each has its turn in every round, in an order that moves on, and
medians over the rounds are compared.  A disturbance may also last longer than all rounds of one
kernel, so the rounds can be continued later.

A processor learns the branches of a thousand elements by heart, if it sees them again and again: a
selection by branches then seems five times as fast as it is.  So a rival may be several calls, of
the same function with different data, which are made one after another.
"""

from __future__ import annotations

import gc
import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

#: A timing takes at least so many seconds: a thousand times what the clock and the loop cost.
LEAST_SECONDS = 0.004


@dataclass(frozen=True)
class Timing:
    """Seconds per call in each round, each the mean of `calls` calls."""

    calls: int
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median over the rounds, in seconds per call."""
        return statistics.median(self.rounds)


#: A rival: what is called in turn.
Calls = Sequence[Callable[[], object]]


def take_turns(
    rivals: Mapping[str, Calls],
    repeat: int,
    earlier: Mapping[str, Timing] | None = None,
) -> dict[str, Timing]:
    """Time all rivals in `repeat` rounds, the garbage collector being off.

    The rounds are added to `earlier` ones of the same rivals, if there are any.
    """
    timings = {
        name: earlier[name] if earlier else Timing(_calls_for_a_timing(calls), ())
        for name, calls in rivals.items()
    }
    if earlier:
        for calls in rivals.values():
            calls[0]()  # warms caches, threads and workers up again
    names = list(rivals)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(repeat):
            first = len(timings[names[-1]].rounds) % len(names)
            for name in names[first:] + names[:first]:
                number, rounds = timings[name].calls, timings[name].rounds
                seconds = _seconds(rivals[name], number) / number
                timings[name] = Timing(number, (*rounds, seconds))
    finally:
        if was_enabled:
            gc.enable()
    return timings


def _calls_for_a_timing(calls: Calls) -> int:
    """Return how many calls take LEAST_SECONDS; this also warms caches, threads and workers up."""
    calls[0]()
    number = 1
    while (taken := _seconds(calls, number)) < LEAST_SECONDS:
        # Never more than tenfold at once, since the first call may not be like the others.
        number = max(number + 1, min(10 * number, int(1.2 * number * LEAST_SECONDS / taken)))
    return number


def _seconds(calls: Calls, number: int) -> float:
    turns = itertools.islice(itertools.cycle(calls), number)
    start = time.perf_counter()
    for call in turns:
        call()
    return time.perf_counter() - start
