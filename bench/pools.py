"""Pools side by side in one run: fastproc beside multiprocessing and whichever peers are installed.

    python bench/pools.py                  # some minutes
    python bench/pools.py --repeat 1       # a smoke run

Each case is done by all pools in turn, in each round; medians over the rounds are shown.  The peers
are multiprocessing.Pool, concurrent.futures, and loky, mpire, pebble and billiard where they are
installed; one that lacks a method is left out of that case.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import importlib
import multiprocessing
import os
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import fastproc as fp

WORKERS = 2
CALLS = 1000
ITEMS = 100_000
ELEMENTS = 12_500_000  # 100 MB of float64
SKEWED = [0.001] * 200 + [0.020] * 40


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
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


class Peer:
    """One kind of pool: how to make it, call it and map over it."""

    def __init__(self, name: str, make: Callable[[], Any], apply: Any, map_: Any, end: Any) -> None:
        self.name, self.make, self.apply, self.map, self.end = name, make, apply, map_, end


def peers(method: str) -> list[Peer]:
    """Return fastproc and the peers that are here."""
    context = multiprocessing.get_context(method)

    def pool_peer(name: str, make: Callable[[], Any]) -> Peer:
        return Peer(
            name,
            make,
            lambda pool, f, x: pool.apply(f, (x,)),
            lambda pool, f, items, chunk: pool.map(f, items, chunk),
            lambda pool: pool.terminate(),
        )

    def executor_peer(name: str, make: Callable[[], Any]) -> Peer:
        return Peer(
            name,
            make,
            lambda pool, f, x: pool.submit(f, x).result(),
            lambda pool, f, items, chunk: list(pool.map(f, items, chunksize=chunk or 1)),
            lambda pool: pool.shutdown(),
        )

    found = [
        pool_peer("fastproc", lambda: fp.Pool(WORKERS, context=context)),
        pool_peer("mp.Pool", lambda: context.Pool(WORKERS)),
        executor_peer(
            "futures",
            lambda: concurrent.futures.ProcessPoolExecutor(WORKERS, mp_context=context),
        ),
        executor_peer("threads", lambda: concurrent.futures.ThreadPoolExecutor(WORKERS)),
    ]
    for name, make in {
        "loky": lambda module: executor_peer(
            "loky", lambda: module.ProcessPoolExecutor(WORKERS, context="loky")
        ),
        "billiard": lambda module: pool_peer(
            "billiard", lambda: module.get_context(method).Pool(WORKERS)
        ),
        "pebble": lambda module: executor_peer(
            "pebble", lambda: module.ProcessPool(WORKERS, context=context)
        ),
        "mpire": lambda module: Peer(
            "mpire",
            lambda: module.WorkerPool(WORKERS, start_method=method, keep_alive=True),
            lambda pool, f, x: pool.apply(f, (x,)),
            lambda pool, f, items, chunk: pool.map(f, items, chunk_size=chunk),
            lambda pool: pool.terminate(),
        ),
    }.items():
        try:
            found.append(make(importlib.import_module(name)))
        except ImportError:
            continue
    return found


def seconds(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def round_trips(peer: Peer, pool: Any) -> list[float]:
    for i in range(50):
        peer.apply(pool, identity, i)
    return sorted(seconds(lambda: peer.apply(pool, identity, 1)) for _ in range(CALLS))


def cases() -> dict[str, Callable[[Peer, Any], float]]:
    """Return by name what is timed of a peer and its pool; seconds, less is better."""
    arrays = iter(np.random.default_rng(i).random(ELEMENTS) for i in range(10**6))
    known = np.random.default_rng(0).random(ELEMENTS)
    shared = fp.share(known)

    def of_fastproc_and_threads(peer: Peer, call: Callable[[], Any]) -> float:
        if peer.name not in ("fastproc", "threads"):
            raise NotImplementedError("its arrays are not shared")
        call()
        return seconds(call)

    def new_array(peer: Peer, pool: Any) -> float:
        array = next(arrays)
        return seconds(lambda: peer.apply(pool, total, array))

    return {
        "round trip, median": lambda peer, pool: round_trips(peer, pool)[CALLS // 2],
        "round trip, p99": lambda peer, pool: round_trips(peer, pool)[CALLS * 99 // 100],
        f"map of {ITEMS:,} ints, chunksize 1": lambda peer, pool: seconds(
            lambda: peer.map(pool, cube, range(ITEMS), 1)
        ),
        "the same, default chunksize": lambda peer, pool: seconds(
            lambda: peer.map(pool, cube, range(ITEMS), None)
        ),
        "100 MB array in, its sum out": new_array,
        "the same, shared": lambda peer, pool: of_fastproc_and_threads(
            peer, lambda: peer.apply(pool, total, shared)
        ),
        "100 MB array out": lambda peer, pool: seconds(lambda: peer.apply(pool, ones, ELEMENTS)),
        "the same, made with shared_empty": lambda peer, pool: of_fastproc_and_threads(
            peer, lambda: peer.apply(pool, shared_ones, ELEMENTS)
        ),
        "two write half each of 100 MB": lambda peer, pool: of_fastproc_and_threads(
            peer,
            lambda: peer.map(pool, fill, [shared[: ELEMENTS // 2], shared[ELEMENTS // 2 :]], 1),
        ),
        "skewed map / ideal": lambda peer, pool: (
            seconds(lambda: peer.map(pool, spin, SKEWED, None)) / (sum(SKEWED) / WORKERS)
        ),
        "even map of 10 ms / ideal": lambda peer, pool: (
            seconds(lambda: peer.map(pool, spin, [0.01] * 50, None)) / (0.5 / WORKERS)
        ),
    }


def start_up(peer: Peer) -> float:
    """Return the time to make a pool and have a task done by both workers."""

    def first_tasks() -> None:
        pool = peer.make()
        threads = [
            threading.Thread(target=peer.apply, args=(pool, identity, 1)) for _ in range(WORKERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        made.append(pool)

    made: list[Any] = []
    taken = seconds(first_tasks)
    peer.end(made[0])
    return taken


def idle_wakeups(pool: fp.Pool, wait: float) -> float:
    """Return how often per second an idle pool's processes and the parent's threads run."""

    def switches() -> int:
        count = 0
        for pid in (os.getpid(), *(worker.pid for worker in pool.stats())):
            for thread in os.listdir(f"/proc/{pid}/task"):
                if pid == os.getpid() and int(thread) == pid:
                    continue  # this very thread
                with open(f"/proc/{pid}/task/{thread}/status") as file:
                    count += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
        return count

    time.sleep(0.5)
    before = switches()
    time.sleep(wait)
    return (switches() - before) / wait


def measure(method: str, repeat: int) -> dict[str, dict[str, float]]:
    """Return medians by case and peer."""
    all_peers = peers(method)
    pools = {peer.name: peer.make() for peer in all_peers}
    rounds: dict[str, dict[str, list[float]]] = {}
    for name, case in cases().items():
        for turn in range(repeat + 1):  # the first round warms up
            for peer in all_peers:
                try:
                    taken = case(peer, pools[peer.name])
                except Exception:
                    continue  # it cannot do this, or broke; its column stays empty
                if turn or repeat == 1:
                    rounds.setdefault(name, {}).setdefault(peer.name, []).append(taken)
    if os.path.isdir("/proc/self/task"):
        rounds["idle: wake-ups per second"] = {
            "fastproc": [idle_wakeups(pools["fastproc"], 1.0 if repeat == 1 else 10.0)]
        }
    for peer in all_peers:
        peer.end(pools[peer.name])
    for _ in range(repeat):
        for peer in all_peers:
            rounds.setdefault("create, first task on both", {}).setdefault(peer.name, []).append(
                start_up(peer)
            )
    return {
        case: {name: statistics.median(times) for name, times in by_peer.items()}
        for case, by_peer in rounds.items()
    }


def in_process() -> dict[str, float]:
    """Return what the cases with arrays take in this process."""
    array = np.random.default_rng(0).random(ELEMENTS)
    shared = fp.share(array)
    five = range(5)
    return {
        "100 MB array in, its sum out": statistics.median(
            seconds(lambda: total(array)) for _ in five
        ),
        "the same, shared": statistics.median(seconds(lambda: total(shared)) for _ in five),
        "100 MB array out": statistics.median(seconds(lambda: ones(ELEMENTS)) for _ in five),
    }


def shown(case: str, value: float | None) -> str:
    if value is None:
        return ""
    if "ideal" in case:
        return f"{value:.3f}"
    if "wake-ups" in case:
        return f"{value:.1f}"
    if value < 1e-3:
        return f"{value * 1e6:.1f} us"
    return f"{value * 1e3:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--method", default="fork", help="start method (default: fork)")
    arguments = parser.parse_args()
    results = measure(arguments.method, arguments.repeat)
    alone = in_process()
    names = list(
        functools.reduce(lambda seen, row: seen | dict.fromkeys(row), results.values(), {})
    )
    table = Table(title=f"{WORKERS} workers, {arguments.method}; medians of {arguments.repeat}")
    table.add_column("case")
    table.add_column("in process", justify="right")
    for name in names:
        table.add_column(name, justify="right")
    table.add_column("mp.Pool / fastproc", justify="right")
    for case, row in results.items():
        ours, theirs = row.get("fastproc"), row.get("mp.Pool")
        ratio = f"{theirs / ours:.1f}x" if ours and theirs else ""
        table.add_row(
            case,
            shown(case, alone.get(case)),
            *(shown(case, row.get(name)) for name in names),
            ratio,
        )
    Console(width=int(os.environ.get("COLUMNS", "170"))).print(table)


if __name__ == "__main__":
    main()
