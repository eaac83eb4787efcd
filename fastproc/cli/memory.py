"""Layer: command line.  How fast this machine's memory can be read and copied during a run.

No kernel that only passes over an array can be faster than memory, so this says how much there is
left to win.  It is measured without fastproc's kernels, which shall not be the measure of
themselves, and some rounds before each case, since others may use the memory too.  Reading is the
faster of two passes that somebody else wrote: the C library's search for a byte that is not there
(``bytes.find``), and NumPy's maximum of integers, which needs one instruction per vector and,
unlike the search, releases the GIL.  Copying is ``np.copyto``.  They are plain loops, not the
hardware's last word.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np

#: Bytes of the buffer: those of 10 million float64, more than caches hold; a pass takes
#: milliseconds, so that one call is a timing.
BUFFER_BYTES = 80_000_000

SEARCH = "bytes.find, 1 thread"
MAXIMUM = "np.max of int64, 1 thread"
MAXIMUM_THREADS = "np.max of int64, threads"
COPY = "np.copyto, 1 thread"
COPY_THREADS = "np.copyto, threads"


class Meter:
    """Buffers and threads that measure memory, a few rounds at a time."""

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._threads = threads = ThreadPoolExecutor(n_threads)
        # Pages that were written: fresh ones would all be one page of zeros, read from a cache.
        text = b"\x01" * BUFFER_BYTES
        numbers = np.frombuffer(text, np.int64)
        target = np.zeros(numbers.size, np.int64)
        parts = np.array_split(numbers, n_threads)
        targets = np.array_split(target, n_threads)
        self._calls: dict[str, Callable[[], object]] = {
            SEARCH: lambda: text.find(b"\x00"),
            MAXIMUM: numbers.max,
            MAXIMUM_THREADS: lambda: list(threads.map(np.max, parts)),
            COPY: lambda: np.copyto(target, numbers),
            COPY_THREADS: lambda: list(threads.map(np.copyto, targets, parts)),
        }
        self._rounds: dict[str, list[float]] = {name: [] for name in self._calls}

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown()

    def measure(self, repeat: int) -> None:
        """Time `repeat` rounds, after one that is not timed."""
        for turn in range(1 + repeat):
            for name, call in self._calls.items():
                start = time.perf_counter()
                call()
                if turn > 0:
                    self._rounds[name].append(time.perf_counter() - start)

    def results(self) -> dict[str, Any]:
        """Return the medians of the seconds that a pass over the buffer takes, and all rounds."""
        median = {name: statistics.median(rounds) for name, rounds in self._rounds.items()}
        read = min(median[SEARCH], median[MAXIMUM])
        return {
            "what": "plain passes that are not fastproc's, named in rounds_s; a copy also writes",
            "buffer_bytes": BUFFER_BYTES,
            "threads": self._n_threads,
            "read_1_thread_s": read,
            "read_threads_s": median[MAXIMUM_THREADS],
            "copy_1_thread_s": median[COPY],
            "copy_threads_s": median[COPY_THREADS],
            "rounds_s": self._rounds,
        }
