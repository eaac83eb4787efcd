"""Layer: benchmarks.  Queues, locks and values side by side in one run: fastproc beside
multiprocessing, and faster_fifo if it is installed.

    python bench/queues.py                        # all cases, five rounds: a minute or two
    python bench/queues.py --repeat 1 "round trip"
    python bench/queues.py --json results.json

In each round all rivals do a case in turn, with one process beside this one, or two; medians over
the rounds are shown.  The last columns say what fastproc's figure has to be, and whether it is.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rounds import Unsupported, chosen, parser_of

import fastproc as fp

CONTEXT = multiprocessing.get_context("fork")
INTS = 200_000
BATCH = 1_000
ARRAYS = 2_000
ARRAY = np.ones(125_000)  # 1 MB
TRIPS = 5_000
OPERATIONS = 300_000

Call = Callable[[], Any]


def faster_fifo() -> Any:
    try:
        module = importlib.import_module("faster_fifo")
    except ModuleNotFoundError as error:
        raise Unsupported from error
    return module.Queue(max_size_bytes=32_000_000)


#: Queues by the names of their rivals.
QUEUES: dict[str, Call] = {
    "fastproc": fp.Queue,
    "mp.Queue": CONTEXT.Queue,
    "mp.SimpleQueue": CONTEXT.SimpleQueue,
    "faster_fifo": faster_fifo,
}


# Measures, in seconds for each operation ----------------------------------------------------------


def beside(function: Callable[..., None], *args: Any) -> Any:
    process = CONTEXT.Process(target=function, args=args, daemon=True)
    process.start()
    return process


def put_ints(queue: Any) -> None:
    for i in range(INTS):
        queue.put(i)


def put_batches(queue: Any) -> None:
    for start in range(0, INTS, BATCH):
        queue.put_many(list(range(start, start + BATCH)))


def put_arrays(queue: Any) -> None:
    for _ in range(ARRAYS):
        queue.put(ARRAY)


def stream(produce: Callable[[Any], None], count: int) -> Callable[[Any], float]:
    """One process puts, this one gets, from the first item on."""

    def measure(queue: Any) -> float:
        process = beside(produce, queue)
        queue.get()
        begun = time.perf_counter()
        for _ in range(count - 1):
            queue.get()
        taken = time.perf_counter() - begun
        process.join()
        return taken / (count - 1)

    return measure


def stream_of_batches(queue: Any) -> float:
    if not hasattr(queue, "get_many"):
        raise Unsupported
    process = beside(put_batches, queue)
    got = begun = 0
    while got < INTS:
        first = len(queue.get_many())
        if not got:
            begun, left = time.perf_counter(), INTS - first
        got += first
    taken = time.perf_counter() - begun
    process.join()
    return taken / left


def echo(there: Any, back: Any) -> None:
    for _ in range(TRIPS):
        back.put(there.get())


def round_trip(make: Call) -> float:
    there, back = make(), make()
    process = beside(echo, there, back)
    times = []
    for i in range(TRIPS):
        begun = time.perf_counter()
        there.put(i)
        back.get()
        times.append(time.perf_counter() - begun)
    process.join()
    return statistics.median(times)


def add(value: Any) -> None:
    for _ in range(OPERATIONS):
        value.add(1)


def add_under_lock(value: Any) -> None:
    for _ in range(OPERATIONS):
        with value.get_lock():
            value.value += 1


def acquire_and_release(lock: Any) -> None:
    for _ in range(OPERATIONS):
        lock.acquire()
        lock.release()


def alone(operate: Callable[[Any], None]) -> Callable[[Any], float]:
    def measure(thing: Any) -> float:
        begun = time.perf_counter()
        operate(thing)
        return (time.perf_counter() - begun) / OPERATIONS

    return measure


def contending(operate: Callable[[Any], None]) -> Callable[[Any], float]:
    """Two processes at once; seconds for each of all their operations."""

    def work(thing: Any, start: float, ends: Any) -> None:
        while time.perf_counter() < start:
            pass
        operate(thing)
        ends.put(time.perf_counter())

    def measure(thing: Any) -> float:
        ends = CONTEXT.SimpleQueue()
        start = time.perf_counter() + 0.1
        processes = [beside(work, thing, start, ends) for _ in range(2)]
        taken = max(ends.get() for _ in processes) - start
        for process in processes:
            process.join()
        return taken / (2 * OPERATIONS)

    return measure


# Cases ------------------------------------------------------------------------------------------


VALUES = {"fastproc": lambda: fp.Value("q", 0), "mp.Value": lambda: CONTEXT.Value("q", 0)}
LOCKS = {"fastproc": fp.Lock, "mp.Lock": CONTEXT.Lock}


def atomic_case(how: Any) -> dict[str, Callable[[], float]]:
    """Beside multiprocessing's only safe way, its lock."""
    return {
        "fastproc": lambda: how(add)(VALUES["fastproc"]()),
        "mp.Value": lambda: how(add_under_lock)(VALUES["mp.Value"]()),
    }


def case_of(makers: dict[str, Call], measure: Callable[[Any], float]) -> dict[str, Any]:
    return {name: lambda make=make: measure(make()) for name, make in makers.items()}


@dataclass
class Case:
    """What is measured, and what fastproc's figure has to be at most, by the medians of all.

    Where that is a time or a rate, it is the reference machine's; on a slower one the ratio that it
    was there to multiprocessing's figure counts.
    """

    name: str
    rivals: dict[str, Callable[[], float]]
    requirement: str
    bound: Callable[[dict[str, float]], float]
    is_rate: bool = True
    values: dict[str, list[float]] = field(default_factory=dict)


def best_other(row: dict[str, float]) -> float:
    return min(value for name, value in row.items() if name != "fastproc")


CASES = [
    Case(
        "ints, put and get",
        case_of(QUEUES, stream(put_ints, INTS)),
        "1 million/s or 4x the best",
        lambda row: max(1e-6, best_other(row) / 4),
    ),
    Case(
        "ints, put_many and get_many",
        case_of(QUEUES, stream_of_batches),
        "10x the best",
        lambda row: best_other(row) / 10,
    ),
    Case(
        "arrays of 1 MB",
        case_of(QUEUES, stream(put_arrays, ARRAYS)),
        "4,000/s",
        lambda row: 1 / 4_000,
    ),
    Case(
        "round trip through two queues",
        {name: lambda make=make: round_trip(make) for name, make in QUEUES.items()},
        "6 us",
        lambda row: 6e-6,
        is_rate=False,
    ),
    Case(
        "add to a value",
        atomic_case(alone),
        "70 ns or 1/7.5",
        lambda row: max(70e-9, row["mp.Value"] / 7.5),
        is_rate=False,
    ),
    Case(
        "add to a value, two contending",
        atomic_case(contending),
        "10 million/s or 20x",
        lambda row: max(1e-7, row["mp.Value"] / 20),
    ),
    Case(
        "with value.get_lock(): value.value += 1",
        case_of(VALUES, alone(add_under_lock)),
        "250 ns or 1/2.1",
        lambda row: max(250e-9, row["mp.Value"] / 2.1),
        is_rate=False,
    ),
    Case(
        "with value.get_lock(), two contending",
        case_of(VALUES, contending(add_under_lock)),
        "2 million/s or 4x",
        lambda row: max(1 / 2e6, row["mp.Value"] / 4),
    ),
    Case(
        "lock.acquire() and release()",
        case_of(LOCKS, alone(acquire_and_release)),
        "45 ns or 1.12x",
        lambda row: max(45e-9, row["mp.Lock"] * 1.12),
        is_rate=False,
    ),
    Case(
        "acquire and release, two contending",
        case_of(LOCKS, contending(acquire_and_release)),
        "",
        lambda row: float("inf"),
    ),
]


# Running ----------------------------------------------------------------------------------------


def run(cases: list[Case], repeat: int) -> None:
    """Measure all cases."""
    for case in cases:
        for _ in range(repeat):
            for name, measure in case.rivals.items():
                try:
                    value = measure()
                except Unsupported:
                    continue
                case.values.setdefault(name, []).append(value)
        print(f"  {case.name}", file=sys.stderr)


def shown(seconds: float | None, is_rate: bool) -> str:
    if seconds is None:
        return ""
    if is_rate:
        return f"{1 / seconds:,.0f} /s"
    return f"{seconds * 1e9:.0f} ns" if seconds < 1e-6 else f"{seconds * 1e6:.2f} us"


def report(cases: list[Case], repeat: int) -> None:
    """Print the table."""
    names = list(dict.fromkeys(name for case in cases for name in case.values))
    table = Table(title=f"medians of {repeat} rounds")
    table.add_column("case")
    for name in names:
        table.add_column(name, justify="right")
    table.add_column("must be", justify="right")
    table.add_column("is", justify="right")
    for case in cases:
        row = {name: statistics.median(values) for name, values in case.values.items()}
        is_met = row["fastproc"] <= case.bound(row)
        table.add_row(
            case.name,
            *(shown(row.get(name), case.is_rate) for name in names),
            case.requirement,
            ("[green]met[/]" if is_met else "[red]missed[/]") if case.requirement else "",
        )
    console = Console()
    if not console.is_terminal:
        console = Console(width=180)
    console.print(table)


def main() -> None:
    parser = parser_of(__doc__)
    arguments = parser.parse_args()
    cases = chosen(parser, CASES, arguments.names)
    run(cases, arguments.repeat)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump([[case.name, case.values] for case in cases], file, indent=1)
    report(cases, arguments.repeat)


if __name__ == "__main__":
    main()
