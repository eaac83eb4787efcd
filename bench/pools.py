"""Layer: benchmarks.  Pools side by side in one run: fastproc beside multiprocessing and whichever
peers are installed.

    python bench/pools.py                       # all cases, five rounds: some minutes
    python bench/pools.py --repeat 1 "round trip"
    python bench/pools.py --json results.json

In each round all peers do a case in turn, each with a pool of its own that nothing else keeps busy;
medians over the rounds are shown.  The last columns say what fastproc's figure has to be, and
whether it is.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pool_peers import WORKERS, Peer, peers
from rich.console import Console
from rich.table import Table
from rounds import Unsupported, chosen, parser_of

import fastproc as fp

CALLS = 2000
ITEMS = 100_000
ELEMENTS = 12_500_000  # 100 MB of float64
SKEWED = [0.001] * 200 + [0.020] * 40  # seconds, the long ones last
EVEN = [0.002] * 200

Row = dict[str, float]  # medians by peer


# Tasks ------------------------------------------------------------------------------------------


def cube(x: int) -> int:
    return x * x * x


def identity(x: Any) -> Any:
    return x


def total(array: Any) -> float:
    return float(array.sum())


def ones(n: int) -> Any:
    return np.ones(n)


def shared_ones(n: int) -> Any:
    array = fp.shared_empty((n,))
    array[...] = 1
    return array


def fill(array: Any) -> None:
    array[...] = 1.0


def spin(seconds: float) -> None:
    """Work for so long, in turns of the processor that this process gets."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


# Measures ---------------------------------------------------------------------------------------


def seconds(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def round_trips(peer: Peer, pool: Any) -> list[float]:
    calls = CALLS if peer.name != "joblib" else 20  # some 10 ms each
    for i in range(calls // 10):
        peer.call(pool, identity, i)
    return sorted(seconds(lambda: peer.call(pool, identity, 1)) for _ in range(calls))


def median_trip(peer: Peer, pool: Any) -> float:
    return statistics.median(round_trips(peer, pool))


def p99_trip(peer: Peer, pool: Any) -> float:
    times = round_trips(peer, pool)
    return times[len(times) * 99 // 100]


def map_of(function: Any, items: Any, chunksize: int | None) -> Callable[[Peer, Any], float]:
    def measure(peer: Peer, pool: Any) -> float:
        peer.map(pool, function, items[:WORKERS], chunksize)
        return seconds(lambda: peer.map(pool, function, items, chunksize))

    return measure


def new_array(peer: Peer, pool: Any) -> float:
    """An array that the pool has not seen, after one of the same size."""
    peer.call(pool, total, np.ones(ELEMENTS))
    array = np.random.default_rng(0).random(ELEMENTS)
    return seconds(lambda: peer.call(pool, total, array))


def shared_array(peer: Peer, pool: Any) -> float:
    if not peer.shares_memory:
        raise Unsupported("its arrays are not shared")
    array = fp.share(np.random.default_rng(0).random(ELEMENTS))
    peer.call_on_all(pool, total, array)
    return statistics.median(seconds(lambda: peer.call(pool, total, array)) for _ in range(9))


def array_out(make: Any) -> Callable[[Peer, Any], float]:
    def measure(peer: Peer, pool: Any) -> float:
        if make is shared_ones and not peer.shares_memory:
            raise Unsupported("its arrays are not shared")
        peer.call(pool, make, ELEMENTS)
        return statistics.median(seconds(lambda: peer.call(pool, make, ELEMENTS)) for _ in range(3))

    return measure


def halves(peer: Peer, pool: Any) -> float:
    if not peer.shares_memory:
        raise Unsupported("its arrays are not shared")
    array = fp.shared_empty((ELEMENTS,))
    parts = [array[: ELEMENTS // 2], array[ELEMENTS // 2 :]]
    for _ in range(3):
        peer.map(pool, fill, parts, 1)
    return statistics.median(seconds(lambda: peer.map(pool, fill, parts, 1)) for _ in range(9))


def two_pools(peer: Peer, pool: Any) -> float:
    """The even map in two pools at once."""
    with peer.open("fork") as other:
        thread = threading.Thread(target=peer.map, args=(other, spin, EVEN, None))
        begun = time.perf_counter()
        thread.start()
        peer.map(pool, spin, EVEN, None)
        thread.join()
        return (time.perf_counter() - begun) / (2 * sum(EVEN) / WORKERS)


def idle_wakeups(peer: Peer, pool: Any) -> float:
    """How often per second an idle pool's processes and the parent's other threads run."""
    peer.call_on_all(pool, identity, 1)
    time.sleep(0.5)
    before = _switches()
    time.sleep(IDLE_SECONDS)
    return (_switches() - before) / IDLE_SECONDS


IDLE_SECONDS = 10.0


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            found = [int(child) for child in file.read().split()]
    except FileNotFoundError:
        return []
    return found + [descendant for child in found for descendant in _children(child)]


def _switches() -> int:
    """Return how often all threads of this process and its children, but this one, have run."""
    count = 0
    for pid in (os.getpid(), *_children(os.getpid())):
        for thread in os.listdir(f"/proc/{pid}/task"):
            if int(thread) != threading.get_native_id():
                with open(f"/proc/{pid}/task/{thread}/status") as file:
                    count += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
    return count


def _tree_bytes() -> int:
    """Return the memory of this process and its children; shared pages count once in all."""
    count = 0
    for pid in (os.getpid(), *_children(os.getpid())):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                count += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
    return 1024 * count


def peak_memory(peer: Peer, pool: Any) -> float:
    """How much more the processes have at most, while an array of 100 MB goes in; in MB."""
    array = np.ones(ELEMENTS)
    peer.call_on_all(pool, identity, 1)
    before = _tree_bytes()
    peak = before
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.is_set():
            peak = max(peak, _tree_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(3):
        peer.call(pool, total, array)
    over.set()
    watcher.join()
    return (peak - before) / 1e6


# Cases ------------------------------------------------------------------------------------------


@dataclass
class Case:
    """What is measured, and what fastproc's figure has to be.

    `bound` returns the greatest figure allowed, from the medians of all peers.
    """

    name: str
    measure: Callable[[Peer, Any], float]
    requirement: str
    bound: Callable[[Row], float]
    unit: str = "s"
    method: str = "fork"
    alone: Callable[[], float] | None = None
    is_start: bool = False
    #: In an interpreter of its own, which nothing has warmed up.
    is_apart: bool = False
    values: dict[str, list[float]] = field(default_factory=dict)


def best_of_processes(row: Row) -> float:
    others = ("fastproc", "threads", "in process")
    return min(value for name, value in row.items() if name not in others)


def times(factor: float, name: str) -> Callable[[Row], float]:
    return lambda row: factor * row[name]


#: What two equal figures may differ by, here.
NOISE = 1.03


def sum_in_process() -> float:
    array = np.random.default_rng(0).random(ELEMENTS)
    return statistics.median(seconds(lambda: total(array)) for _ in range(5))


def shared_sum_in_process() -> float:
    """Of a shared array: its pages are small, where NumPy may have huge ones for its own."""
    array = fp.share(np.random.default_rng(0).random(ELEMENTS))
    total(array)
    return statistics.median(seconds(lambda: total(array)) for _ in range(9))


def ones_in_process() -> float:
    return statistics.median(seconds(lambda: ones(ELEMENTS)) for _ in range(5))


def start_case(method: str) -> Case:
    return Case(
        f"create a pool, first task on both: {method}",
        lambda peer, pool: 0.0,
        "as mp.Pool",
        times(NOISE, "mp.Pool"),
        method=method,
        is_start=True,
        is_apart=True,
    )


CASES = [
    Case("round trip, median", median_trip, "mp.Pool / 25", times(1 / 25, "mp.Pool")),
    Case("round trip, p99", p99_trip, "best / 10", lambda row: best_of_processes(row) / 10),
    Case(
        f"map of {ITEMS:,} ints, chunksize 1",
        map_of(cube, range(ITEMS), 1),
        "mp.Pool / 12",
        times(1 / 12, "mp.Pool"),
    ),
    Case(
        "the same, default chunksize",
        map_of(cube, range(ITEMS), None),
        "as mp.Pool",
        times(1, "mp.Pool"),
    ),
    Case(
        "100 MB in, its sum out",
        new_array,
        "3x in process",
        times(3, "in process"),
        alone=sum_in_process,
    ),
    Case(
        "the same, a shared array",
        shared_array,
        "1.15x in process",
        times(1.15, "in process"),
        alone=shared_sum_in_process,
    ),
    Case(
        "100 MB out",
        array_out(ones),
        "3x in process",
        times(3, "in process"),
        alone=ones_in_process,
    ),
    Case(
        "the same, made with shared_empty",
        array_out(shared_ones),
        "3x in process",
        times(3, "in process"),
        alone=ones_in_process,
    ),
    Case("two write half each of 100 MB", halves, "1.15x threads", times(1.15, "threads")),
    start_case("fork"),
    start_case("forkserver"),
    start_case("spawn"),
    Case(
        "peak memory above idle, 100 MB in",
        peak_memory,
        "110 MB",
        lambda row: 110.0,
        "MB",
        is_apart=True,
    ),
    Case(
        "skewed map, wall / ideal",
        lambda peer, pool: map_of(spin, SKEWED, None)(peer, pool) / (sum(SKEWED) / WORKERS),
        "1.05",
        lambda row: 1.05,
        "",
    ),
    Case(
        "even map of 2 ms, wall / ideal",
        lambda peer, pool: map_of(spin, EVEN, None)(peer, pool) / (sum(EVEN) / WORKERS),
        "as mp.Pool",
        times(NOISE, "mp.Pool"),
        "",
    ),
    Case(
        "two such maps in two pools at once",
        two_pools,
        "as mp.Pool",
        times(NOISE, "mp.Pool"),
        "",
    ),
    Case(
        "idle, wake-ups per second",
        idle_wakeups,
        "none",
        lambda row: 0.0,
        "/s",
        is_apart=True,  # no peer's threads of another case
    ),
]


# Running ----------------------------------------------------------------------------------------


def measured(case: Case, peer: Peer) -> float:
    """Measure a case once, with a new pool."""
    if case.is_start:
        begun = time.perf_counter()
        with peer.open(case.method) as pool:
            peer.call_on_all(pool, identity, 1)
            return time.perf_counter() - begun
    with peer.open(case.method) as pool:
        return case.measure(peer, pool)


def measured_apart(case: Case, peer: Peer) -> float:
    """Measure a case once, in an interpreter of its own."""
    command = [sys.executable, __file__, "--one", peer.name, case.name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Unsupported("it ended without a figure")
    return float(done.stdout)


def run(cases: list[Case], repeat: int) -> None:
    """Measure all cases."""
    for case in cases:
        for _ in range(repeat):
            for peer in peers():
                try:
                    value = (measured_apart if case.is_apart else measured)(case, peer)
                except Unsupported:
                    continue
                case.values.setdefault(peer.name, []).append(value)
            if case.alone is not None:
                case.values.setdefault("in process", []).append(case.alone())
        print(f"  {case.name}", file=sys.stderr)


def shown(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "":
        return f"{value:.3f}"
    if unit != "s":
        return f"{value:.3g} {unit}"
    return f"{value * 1e6:.3g} us" if value < 1e-3 else f"{value * 1e3:.3g} ms"


def report(cases: list[Case], repeat: int) -> bool:
    """Print the table; return whether all requirements are met."""
    names = [peer.name for peer in peers()]
    table = Table(title=f"{WORKERS} workers, under fork if not said; medians of {repeat} rounds")
    table.add_column("case")
    for name in ("in process", *names):
        table.add_column(name, justify="right")
    table.add_column("must be at most", justify="right")
    table.add_column("is", justify="right")
    are_met = True
    for case in cases:
        row = {name: statistics.median(values) for name, values in case.values.items()}
        bound = case.bound(row)
        is_met = row["fastproc"] <= bound
        are_met = are_met and is_met
        table.add_row(
            case.name,
            *(shown(row.get(name), case.unit) for name in ("in process", *names)),
            f"{shown(bound, case.unit)} ({case.requirement})",
            "[green]met[/]" if is_met else "[red]missed[/]",
        )
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)
    return are_met


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--one", metavar="PEER", help="print one peer's figure of one case")
    arguments = parser.parse_args()
    if arguments.one:
        (case,) = (case for case in CASES if case.name == arguments.names[0])
        (peer,) = (peer for peer in peers() if peer.name == arguments.one)
        try:
            print(measured(case, peer))
        except Unsupported as error:
            sys.exit(str(error))
        return
    cases = chosen(parser, CASES, arguments.names)
    run(cases, arguments.repeat)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({case.name: case.values for case in cases}, file, indent=1)
    report(cases, arguments.repeat)


if __name__ == "__main__":
    main()
