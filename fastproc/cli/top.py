"""Layer: command line.  The command `top`: what the pools of running programs do.

Each look gives one nested dict, the same that `--json` prints; the table is made of nothing else.
Rates are of the time since the look before.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from fastproc.cli import CommandError, proc
from fastproc.pool import monitor
from fastproc.pool.monitor import ForeignLayoutError, PoolView, WorkerView

NS_PER_S = 1e9

Look = dict[str, Any]


def run(*, pid: int | None, once: bool, as_json: bool, interval: float) -> int:
    """Show the pools of one process, or of all of this user, until interrupted or `once`."""
    if not sys.platform.startswith("linux"):
        raise CommandError("top reads /proc as Linux has it, which is not to be found here")
    watch = _Watch(pid)
    _refuse_nothing(watch.look(), pid)
    looks = _looks(watch, interval, once)
    try:
        if as_json:
            for look in looks:
                print(json.dumps(look), flush=True)
        else:
            from fastproc.cli import top_table

            top_table.show(looks, is_live=not once)
    except KeyboardInterrupt:
        if once:
            raise
        return 0  # which is how one leaves
    if not once:
        print(f"fastproc: process {pid} has ended", file=sys.stderr)
    return 0


def _refuse_nothing(look: Look, pid: int | None) -> None:
    if pid is None:
        if not look["programs"]:
            raise CommandError("no program of this user has a pool of fastproc now")
    elif not look["programs"][0]["pools"]:
        if not proc.is_in_this_container(pid):
            raise CommandError(
                f"process {pid} runs in a container, which numbers processes by itself; run "
                f"fastproc top in there"
            )
        raise CommandError(
            f"process {pid} has no pool of fastproc now; PID is the number of the program that "
            f"made the pool, not of one of its workers"
        )


def _looks(watch: _Watch, interval: float, once: bool) -> Iterator[Look]:
    """Yield one look, or look after look until the program ends."""
    while True:
        time.sleep(interval)
        try:
            look = watch.look()
        except ProcessLookupError:
            if once:
                raise
            return
        yield look
        if once:
            return


class _Watch:
    """Looks, one after another, at the pools of one process or of all of this user."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        # By worker: when the last look was, and what it saw.
        self._last: dict[tuple[int, ...], tuple[int, WorkerView]] = {}
        self._seen: dict[tuple[int, ...], tuple[int, WorkerView]] = {}

    def look(self) -> Look:
        """Return what there is to see now."""
        self._seen = {}
        if self._pid is None:
            programs = list(self._programs())
        else:
            try:
                programs = [self._program(self._pid)]
            except ForeignLayoutError as error:
                raise CommandError(str(error)) from error
        self._last = self._seen
        now = datetime.datetime.now(datetime.UTC)
        return {"date": now.isoformat(timespec="milliseconds"), "programs": programs}

    def _programs(self) -> Iterator[Look]:
        """Yield all of this user's programs that have pools."""
        for pid in proc.processes():
            # One has ended meanwhile; another has hidden itself, from its own user too.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                try:
                    program = self._program(pid)
                except ForeignLayoutError as error:
                    yield _described(pid) | {"pools": [], "error": str(error)}
                else:
                    if program["pools"]:
                        yield program

    def _program(self, pid: int) -> Look:
        pools = monitor.pools_of(pid)
        if not proc.is_alive(pid):
            raise ProcessLookupError(f"process {pid} has ended")
        return _described(pid) | {"pools": [self._pool(pool) for pool in pools], "error": None}

    def _pool(self, pool: PoolView) -> Look:
        workers = [self._worker(pool, view) for view in pool.workers()]
        rates = [worker["tasks_per_s"] for worker in workers]
        return {
            "processes": pool.processes,
            "age_s": (monitor.now() - pool.made) / NS_PER_S,
            "tasks_per_s": sum(rate for rate in rates if rate is not None),
            "workers": workers,
        }

    def _worker(self, pool: PoolView, view: WorkerView) -> Look:
        now = monitor.now()
        key = (pool.pid, pool.made, view.slot, view.born)
        self._seen[key] = now, view
        before, earlier = self._last.get(key, (now, view))
        seconds = (now - before) / NS_PER_S
        is_running = view.since != 0
        return {
            "slot": view.slot,
            "pid": view.pid,
            "state": _state(view),
            "function": view.function if is_running else None,
            "running_s": max(now - view.since, 0) / NS_PER_S if is_running else None,
            "tasks": view.tasks,
            "tasks_per_s": (view.tasks - earlier.tasks) / seconds if seconds else None,
            "busy": _busy(before, earlier, now, view) if seconds else None,
            "restarts": view.restarts,
            **proc.memory_of(view.pid)._asdict(),
        }


def _described(pid: int) -> Look:
    return {"pid": pid, "command": proc.command_of(pid), **proc.memory_of(pid)._asdict()}


def _state(view: WorkerView) -> str:
    if view.pid == 0:
        return "starting"
    if not proc.is_alive(view.pid):
        return "ended"
    if not view.is_ready:
        return "starting"
    return "running" if view.since else "idle"


def _busy(before: int, earlier: WorkerView, now: int, view: WorkerView) -> float:
    """Return which part of the time between two looks a worker was in tasks."""
    # Where a task is not over, its time so far is not yet in `busy`.
    spent = view.busy - earlier.busy
    if view.since:
        spent += now - view.since
    if earlier.since:
        spent -= before - earlier.since
    return min(max(spent / (now - before), 0.0), 1.0)
