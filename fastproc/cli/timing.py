"""Layer: command line.  Timing: enough calls to be seen by the clock, rivals taking turns.

A machine that others use is fast in one second and slow in the next.  So the rivals are not timed
one after another but in rounds: each has its turn in every round, in an order that moves on, and
medians over the rounds are compared.  A disturbance may also last longer than all rounds of one
kernel, so the rounds can be continued later.
"""

from __future__ import annotations

import gc
import itertools
import statistics
import time
from collections.abc import Callable, Mapping
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


def take_turns(
    calls: Mapping[str, Callable[[], object]],
    repeat: int,
    earlier: Mapping[str, Timing] | None = None,
) -> dict[str, Timing]:
    """Time all `calls` in `repeat` rounds, the garbage collector being off.

    The rounds are added to `earlier` ones of the same calls, if there are any.
    """
    timings = {
        name: earlier[name] if earlier else Timing(_calls_for_a_timing(call), ())
        for name, call in calls.items()
    }
    if earlier:
        for call in calls.values():
            call()  # warms caches, threads and workers up again
    names = list(calls)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(repeat):
            first = len(timings[names[-1]].rounds) % len(names)
            for name in names[first:] + names[:first]:
                number, rounds = timings[name].calls, timings[name].rounds
                seconds = _seconds(calls[name], number) / number
                timings[name] = Timing(number, (*rounds, seconds))
    finally:
        if was_enabled:
            gc.enable()
    return timings


def _calls_for_a_timing(call: Callable[[], object]) -> int:
    """Return how many calls take LEAST_SECONDS; this also warms caches, threads and workers up."""
    call()
    number = 1
    while (taken := _seconds(call, number)) < LEAST_SECONDS:
        # Never more than tenfold at once, since the first call may not be like the others.
        number = max(number + 1, min(10 * number, int(1.2 * number * LEAST_SECONDS / taken)))
    return number


def _seconds(call: Callable[[], object], number: int) -> float:
    turns = itertools.repeat(None, number)
    start = time.perf_counter()
    for _ in turns:
        call()
    return time.perf_counter() - start
