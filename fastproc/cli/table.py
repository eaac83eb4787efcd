"""Layer: command line.  The results of `bench` as a table for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fastproc.cli.rivals import ALL_THREADS, NUMPY, ONE_THREAD, POOL, PYTHON, TWIN
from fastproc.cli.units import duration

#: Columns to print where the output is no terminal, whose width would else be taken as 80.
FILE_WIDTH = 132

#: Columns that the whole table needs; in fewer, times and ratios become two tables.
WHOLE_WIDTH = 112

#: Columns that the wider of the two needs; a terminal that has fewer breaks lines, which loses less
#: than to cut off numbers.
LEAST_WIDTH = 80

#: Differences of a twentieth are noise on most machines, so that they get no colour.
NOISE = 1.05


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to `fastproc.cli.main` to end well, where rich would exit with 1."""
        raise BrokenPipeError


def output() -> Console:
    """Return the terminal, or the file that is in its place."""
    console = _Output()
    return console if console.is_terminal else _Output(width=FILE_WIDTH)


def show(results: dict[str, Any]) -> None:
    """Print the table and what one has to know to read it."""
    console = output()
    console.width = max(console.width, LEAST_WIDTH)
    rounds = "1 round" if results["repeat"] == 1 else f"{results['repeat']} rounds"
    title = f"Median time for {results['size']:,} {results['dtype']}, {rounds}"
    times, ratios = _time_columns(results), _ratio_columns(results)
    is_wide = console.width >= WHOLE_WIDTH
    for columns in [times | ratios] if is_wide else [times, ratios]:
        table = _table(results["cases"], columns)
        table.title = title if columns is not ratios else None
        # In a terminal of 80 columns there is room for one space between them.
        table.padding = (0, 1) if is_wide else (0, 0)
        console.print(table)
    for line in notes(results):
        console.print(line, style="dim", highlight=False, soft_wrap=True)


Column = Callable[[dict[str, Any]], str | Text]


def _table(cases: list[dict[str, Any]], columns: dict[str, Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("\nkernel", no_wrap=True)
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    family = None
    for case in cases:
        if family not in (None, case["family"]):
            table.add_row()
        family = case["family"]
        table.add_row(case["kernel"], *(column(case) for column in columns.values()))
    return table


def _time_columns(results: dict[str, Any]) -> dict[str, Column]:
    """Return the columns of times, by their headings."""

    def of(name: str) -> Column:
        return lambda case: duration(case["rivals"][name]["median_s"])

    return {
        "plain\nPython*": of(PYTHON),
        "Python\ntwin*": of(TWIN),
        "\nNumPy": of(NUMPY),
        "best peer,\n1 thread": _peer,
        "fastproc\n1 thread": of(ONE_THREAD),
        f"fastproc\n{results['machine']['default_workers']} threads": of(ALL_THREADS),
        f"fastproc\npool of {results['pool_processes']}": of(POOL),
    }


def _ratio_columns(results: dict[str, Any]) -> dict[str, Column]:
    """Return the columns of ratios, by their headings."""

    def of(name: str) -> Column:
        return lambda case: _ratio(case["speed_vs_best_other"][name])

    return {
        "ratio†\n1 thread": of(ONE_THREAD),
        f"ratio†\n{results['machine']['default_workers']} threads": of(ALL_THREADS),
        "ratio†\npool": of(POOL),
    }


def _peer(case: dict[str, Any]) -> str:
    peer = case["best_peer"]
    if peer is None:
        return "-"
    return f"{SHORT_NAMES.get(peer, peer)} {duration(case['rivals'][peer]['median_s'])}"


#: Of the peers' names, so that a row fits into a terminal; the notes say them in full.
SHORT_NAMES = {
    "bottleneck": "bn",
    "fast_histogram": "fh",
    "numbagg": "nb",
    "numexpr": "ne",
    "pandas": "pd",
    "scipy": "sp",
    "sklearn": "sk",
}


def _ratio(speed: float) -> Text:
    style = "green" if speed > NOISE else "red" if speed * NOISE < 1 else ""
    return Text(f"{speed:.1f}x" if speed >= 10 else f"{speed:.2f}x", style)


def notes(results: dict[str, Any]) -> list[str]:
    """Return what stands below the table."""
    size, memory = results["size"], results["memory"]
    timed = results["cases"][0]["rivals"][PYTHON]["elements_timed"]
    scaled = f", scaled from {timed:,} elements that were timed" if timed < size else ""
    peers = sorted({name for case in results["cases"] if (name := case["best_peer"])})
    short = ", ".join(f"{SHORT_NAMES.get(name, name)} = {name}" for name in peers)
    lines = [
        f"* as one would write it, on a list; the kernel's general twin, on a buffer{scaled}",
        "† times as fast as the better of NumPy and the best peer, which both run on one thread",
    ]
    if short:
        lines.append(f"  {short}; the others of its kind were slower, or are not installed")
    elif results["with_peers"]:
        lines.append("  none of the peers that have these kernels is installed")
    lines += [
        "  threads, pool: what fastproc was allowed; it wakes them only where it expects to gain",
        f"  memory in this run, {memory['buffer_bytes'] / 1e6:.0f} MB, by plain loops that are not "
        f"fastproc's: {_passes(memory, 'read')}; {_passes(memory, 'copy')}",
    ]
    return lines


def _passes(memory: dict[str, Any], verb: str) -> str:
    one, all_threads = (duration(memory[f"{verb}_{by}_s"]) for by in ("1_thread", "threads"))
    return f"{verb} {one} by 1 thread, {all_threads} by {memory['threads']}"
