"""Layer: benchmarks.  The pools that `pools.py` compares, with one face for all.

A peer that is not installed is left out.  One that lacks a method says so by `Unsupported`.
"""

from __future__ import annotations

import concurrent.futures
import importlib
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rounds import Unsupported

from fastproc import Pool

WORKERS = 2
TOGETHER_SECONDS = 20.0

# Loaded when first used: now, since starting a pool is measured and not importing one.
importlib.import_module("concurrent.futures.process")
importlib.import_module("multiprocessing.pool")


@dataclass
class Together:
    """A task that each worker is to have one of, and so that none can do two."""

    folder: str
    function: Callable[..., Any]
    argument: Any


def together(task: Together) -> Any:
    """Call a function when each worker has begun with a task like this."""
    Path(task.folder, f"{os.getpid()}-{threading.get_ident()}").touch()
    end = time.monotonic() + TOGETHER_SECONDS
    while len(os.listdir(task.folder)) < WORKERS:
        if time.monotonic() > end:
            raise Unsupported("it gives one worker the tasks of two")
        time.sleep(0.0002)
    return task.function(task.argument)


class Peer:
    """A kind of pool: how it is made and called, by multiprocessing.Pool's names."""

    #: Whether shared arrays reach its workers without a copy.
    shares_memory = False

    def __init__(self, name: str, make: Callable[[str], Any]) -> None:
        self.name = name
        self._make = make

    @contextmanager
    def open(self, method: str) -> Iterator[Any]:
        """Give a pool of workers started by `method`, and end it."""
        pool = self._make(method)
        try:
            yield pool
        finally:
            self.end(pool)

    def end(self, pool: Any) -> None:
        pool.terminate()
        pool.join()

    def call(self, pool: Any, function: Callable[..., Any], argument: Any) -> Any:
        return pool.apply(function, (argument,))

    def map(self, pool: Any, function: Any, items: Sequence[Any], chunksize: int | None) -> Any:
        return pool.map(function, items, chunksize)

    def call_on_all(self, pool: Any, function: Callable[..., Any], argument: Any) -> None:
        """Have a task done by each worker, at the same time."""
        with tempfile.TemporaryDirectory() as folder:
            self._call_each(pool, Together(folder, function, argument))

    def _call_each(self, pool: Any, task: Together) -> None:
        threads = [
            threading.Thread(target=self.call, args=(pool, together, task)) for _ in range(WORKERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class Fastproc(Peer):
    shares_memory = True


class ExecutorPeer(Peer):
    """A pool with concurrent.futures' methods; its map has no default chunksize but 1."""

    def end(self, pool: Any) -> None:
        pool.shutdown()

    def call(self, pool: Any, function: Callable[..., Any], argument: Any) -> Any:
        return pool.submit(function, argument).result()

    def map(self, pool: Any, function: Any, items: Sequence[Any], chunksize: int | None) -> Any:
        return list(pool.map(function, items, chunksize=chunksize or 1))


class Threads(ExecutorPeer):
    shares_memory = True


class Mpire(Peer):
    def map(self, pool: Any, function: Any, items: Sequence[Any], chunksize: int | None) -> Any:
        return pool.map(function, items, chunk_size=chunksize)

    def _call_each(self, pool: Any, task: Together) -> None:
        self.map(pool, together, [task] * WORKERS, 1)  # two threads' first calls hang it


class Pebble(Peer):
    def end(self, pool: Any) -> None:
        pool.stop()
        pool.join()

    def call(self, pool: Any, function: Callable[..., Any], argument: Any) -> Any:
        return pool.schedule(function, args=(argument,)).result()

    def map(self, pool: Any, function: Any, items: Sequence[Any], chunksize: int | None) -> Any:
        return list(pool.map(function, items, chunksize=chunksize or 1).result())


class Joblib(Peer):
    """joblib over loky, its processes kept between calls."""

    def end(self, pool: Any) -> None:
        importlib.import_module("joblib.externals.loky").get_reusable_executor().shutdown()

    def call(self, pool: Any, function: Callable[..., Any], argument: Any) -> Any:
        return self.map(pool, function, [argument], 1)[0]

    def map(self, pool: Any, function: Any, items: Sequence[Any], chunksize: int | None) -> Any:
        delayed = importlib.import_module("joblib").delayed(function)
        batch = "auto" if chunksize is None else chunksize
        parallel = importlib.import_module("joblib").Parallel(WORKERS, batch_size=batch)
        return parallel(delayed(item) for item in items)

    def _call_each(self, pool: Any, task: Together) -> None:
        self.map(pool, together, [task] * WORKERS, 1)


def _only(method: str, wanted: str) -> None:
    if method != wanted:
        raise Unsupported(f"it starts processes in its own way, compared with {wanted} only")


def _make_loky(method: str) -> Any:
    _only(method, "fork")
    return importlib.import_module("loky").ProcessPoolExecutor(WORKERS)


def _make_joblib(method: str) -> Any:
    _only(method, "fork")
    return None


def _make_threads(method: str) -> Any:
    _only(method, "fork")
    return concurrent.futures.ThreadPoolExecutor(WORKERS)


PEERS = {
    "fastproc": (Fastproc, lambda method: Pool(WORKERS, context=method)),
    "mp.Pool": (Peer, lambda method: multiprocessing.get_context(method).Pool(WORKERS)),
    "futures": (
        ExecutorPeer,
        lambda method: concurrent.futures.ProcessPoolExecutor(
            WORKERS, mp_context=multiprocessing.get_context(method)
        ),
    ),
    "threads": (Threads, _make_threads),
    "loky": (ExecutorPeer, _make_loky),
    "joblib": (Joblib, _make_joblib),
    "mpire": (
        Mpire,
        lambda method: importlib.import_module("mpire").WorkerPool(
            WORKERS, start_method=method, keep_alive=True
        ),
    ),
    "pebble": (
        Pebble,
        lambda method: importlib.import_module("pebble").ProcessPool(
            WORKERS, context=multiprocessing.get_context(method)
        ),
    ),
    "billiard": (
        Peer,
        lambda method: importlib.import_module("billiard").get_context(method).Pool(WORKERS),
    ),
}


def peers() -> list[Peer]:
    """Return fastproc and the peers that are installed."""
    found = []
    for name, (kind, make) in PEERS.items():
        if name in ("loky", "joblib", "mpire", "pebble", "billiard"):
            try:
                importlib.import_module(name)
            except ImportError:
                continue
        found.append(kind(name, make))
    return found
