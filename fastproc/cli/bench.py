"""Layer: command line.  The command `bench`: check, time, and gather results of all cases.

The results are one nested dict, the same that `--json` writes; the table and the plot are made of
nothing else.  Its fields are described in ``bench/README.md``.
"""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fastproc.cli import CommandError, machine, table
from fastproc.cli.cases import CASES
from fastproc.cli.cases.case import Case
from fastproc.cli.memory import Meter
from fastproc.cli.rivals import (
    ALL_THREADS,
    NUMPY,
    ONE_THREAD,
    OURS,
    PYTHON,
    TWIN,
    DisagreementError,
    check_answers,
    compiled_calls,
    peers_among,
    python_calls,
    python_elements,
)
from fastproc.cli.timing import Timing, take_turns
from fastproc.pool import Pool

#: Number of the JSON file's layout; it grows when a field changes its meaning or goes.
SCHEMA = 1

#: The rounds are spread over so many sweeps over all kernels: a disturbance that lasts some seconds
#: then has at most a part of any kernel's rounds, and the median does without them.
SWEEPS = 3

#: Small arrays come in several versions, of so many elements in all, so that no branch predictor
#: knows them by heart; they fit into a cache of a core.
VARIED_ELEMENTS = 32_000
MOST_VERSIONS = 32

#: Kernels whose time is followed over sizes, one of each kind.
SCALING_KERNELS = ("sum", "nanvar", "cube", "histogram")

#: The smallest size of the scaling curves.
SCALING_FIRST = 100


def run(
    cases: Sequence[Case],
    *,
    size: int,
    dtype: str,
    repeat: int,
    as_json: bool,
    json_path: Path | None,
    plot_path: Path | None,
    with_peers: bool,
) -> int:
    """Run the benchmark, print the table, or all as JSON, and write the files asked for."""
    scaling = [CASES[name] for name in SCALING_KERNELS] if plot_path else []
    # Before anything starts a thread: a pool that is forked should have none in its parent.
    with Pool() as pool:
        results = _header(size, dtype, repeat, pool.processes, with_peers)
        sweeps = _sweeps(repeat)
        timings: dict[str, dict[str, Timing]] = {}
        with (
            Meter(results["machine"]["default_workers"]) as meter,
            _progress(len(cases) * len(sweeps) + len(scaling)) as step,
        ):
            for rounds, case in itertools.product(sweeps, cases):
                step(case.kernel)
                meter.measure(-(-rounds // len(cases)))
                timings[case.kernel] = _time_case(
                    case, size, dtype, rounds, pool, with_peers, timings.get(case.kernel)
                )
            results["cases"] = [_summary(case, size, dtype, timings[case.kernel]) for case in cases]
            for case in scaling:
                step(f"{case.kernel} by size")
                results["scaling"].append(_time_sizes(case, size, repeat))
            results["memory"] = meter.results()
    # Written first: whatever happens to the terminal, the measurements are kept.  And shown all the
    # same if they cannot be written.
    failure: OSError | None = None
    if json_path is not None:
        try:
            json_path.write_text(json.dumps(results, indent=1) + "\n")
        except OSError as error:
            failure = error
    if as_json:
        print(json.dumps(results, indent=1))
    else:
        table.show(results)
    if plot_path is not None:
        from fastproc.cli import plot

        plot.draw(results, plot_path)
    if failure is not None:
        raise failure
    return 0


def _header(size: int, dtype: str, repeat: int, processes: int, with_peers: bool) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "size": size,
        "repeat": repeat,
        "dtype": dtype,
        "with_peers": with_peers,
        "machine": machine.facts(),
        "versions": machine.versions(),
        "pool_processes": processes,
        "memory": {},
        "cases": [],
        "scaling": [],
    }


def _sweeps(repeat: int) -> list[int]:
    """Return how many rounds each sweep over the kernels has."""
    count = min(SWEEPS, repeat)
    return [repeat // count + (index < repeat % count) for index in range(count)]


def _time_case(
    case: Case,
    size: int,
    dtype: str,
    repeat: int,
    pool: Pool,
    with_peers: bool,
    earlier: dict[str, Timing] | None,
) -> dict[str, Timing]:
    """Check and time one case, in addition to its rounds in earlier sweeps."""
    versions = [
        compiled_calls(case, case.arrays(size, dtype, version), pool, with_peers)
        for version in range(max(1, min(MOST_VERSIONS, VARIED_ELEMENTS // size)))
    ]
    in_python = python_calls(case, size, dtype)
    try:
        check_answers(case, size, versions[0], in_python, dtype)
    except DisagreementError as error:
        raise CommandError(str(error)) from error
    rivals = {name: [call] for name, call in in_python.items()}
    rivals |= {name: [calls[name] for calls in versions] for name in versions[0]}
    return take_turns(rivals, repeat, earlier)


def _summary(case: Case, size: int, dtype: str, timings: dict[str, Timing]) -> dict[str, Any]:
    """Return one case's entry in the results."""
    rivals = {
        name: _rival(timing, python_elements(size) if name in (PYTHON, TWIN) else size, size)
        for name, timing in timings.items()
    }
    best_peer = min(peers_among(rivals), key=lambda name: rivals[name]["median_s"], default=None)
    others = [NUMPY] if best_peer is None else [NUMPY, best_peer]
    best = min(others, key=lambda name: rivals[name]["median_s"])
    return {
        "kernel": case.kernel,
        "family": case.family,
        "bytes_moved": case.bytes_moved * size // (2 if dtype == "float32" else 1),
        "rivals": rivals,
        "best_peer": best_peer,
        "best_other": best,
        # How many times as fast as the best of NumPy and the peers, all of them on one thread.
        "speed_vs_best_other": {
            name: rivals[best]["median_s"] / rivals[name]["median_s"] for name in OURS
        },
    }


def _rival(timing: Timing, elements: int, size: int) -> dict[str, Any]:
    """Return one rival's entry; the median is scaled to `size` elements, the rounds are not."""
    return {
        "median_s": timing.median * size / elements,
        "elements_timed": elements,
        "calls_per_timing": timing.calls,
        "rounds_s": list(timing.rounds),
    }


def _time_sizes(case: Case, largest: int, repeat: int) -> dict[str, Any]:
    """Time one kernel for powers of ten up to the run's size."""
    sizes = []
    size = min(SCALING_FIRST, largest)
    while size <= largest:
        sizes.append(size)
        size *= 10
    medians: dict[str, list[float]] = {name: [] for name in (NUMPY, ONE_THREAD, ALL_THREADS)}
    for size in sizes:
        calls = compiled_calls(case, case.make(size), None, with_peers=False)
        rivals = {name: [call] for name, call in calls.items()}
        for name, timing in take_turns(rivals, repeat).items():
            medians[name].append(timing.median)
    return {"kernel": case.kernel, "sizes": sizes, "medians_s": medians}


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    """Give a function that shows what comes next, on stderr if that is a terminal."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
        # A refreshing thread would run beside the kernels that are being timed.
        auto_refresh=False,
    ) as progress:
        task = progress.add_task("", total=total)
        done = itertools.count()

        def step(description: str) -> None:
            progress.update(task, description=description, completed=next(done), refresh=True)

        yield step
