"""Layer: command line.  The looks of `top` as tables for people."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fastproc.cli import units
from fastproc.cli.table import output

#: Columns that a function's name gets at most, so that what stands behind it stays in sight; and at
#: least, which is enough to tell most functions.
NAME_WIDTH = 40
LEAST_NAME_WIDTH = 20

#: Headings of what a narrow terminal has no room for, the first to go first.
LESS_WANTED = ("restarts", "PSS", "tasks", "for", "RSS", "PID", "busy")


def show(looks: Iterator[dict[str, Any]], *, is_live: bool) -> None:
    """Show looks in a terminal one in the other's place, elsewhere one below the other."""
    console = output()
    if is_live and console.is_terminal:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            for look in looks:
                live.update(rendered(look, console.width), refresh=True)
        return
    for look in looks:
        console.print(rendered(look, console.width))
        with contextlib.suppress(AttributeError):
            console.file.flush()


def rendered(look: dict[str, Any], width: int) -> RenderableType:
    """Return what stands on a screen of so many columns after a look."""
    parts: list[RenderableType] = []
    for program in look["programs"]:
        parts.append(_heading(program))
        if program["error"]:
            parts.append(Text(f"  {program['error']}", style="red"))
        parts += [_table(pool, width) for pool in program["pools"]]
    return Group(*parts) if parts else Text("no program has a pool now")


def _heading(program: dict[str, Any]) -> Text:
    memory = f"RSS {_size(program['rss_bytes'])}, PSS {_size(program['pss_bytes'])}"
    heading = Text.assemble(
        (str(program["pid"]), "bold"), f"  {_line(program['command'])}  ", (memory, "dim")
    )
    heading.no_wrap, heading.overflow = True, "ellipsis"
    return heading


def _table(pool: dict[str, Any], width: int) -> Table:
    n, rate = pool["processes"], pool["tasks_per_s"]
    title = f"pool of {n}, {units.elapsed(pool['age_s'])} old: {rate:,.0f} tasks/s"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    rows = [_cells(worker) for worker in pool["workers"]]
    name_width, headings = _fitting(rows, width)
    for heading in headings:
        if heading == "task":
            table.add_column(heading, no_wrap=True, overflow="ellipsis", max_width=name_width)
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(row[heading] for heading in headings))
    return table


def _fitting(rows: list[dict[str, str | Text]], width: int) -> tuple[int, list[str]]:
    """Return how wide the names may be, and the headings of what else there is room for.

    Numbers are left out rather than cut off, since what is left of one may be taken for another.
    """
    widths = {
        heading: max(len(heading), *(len(row[heading]) for row in rows)) for heading in rows[0]
    }
    names = widths.pop("task")
    left_out = iter(LESS_WANTED)
    while True:
        # Three columns between two of the table's, and one at either side.
        room = width - 2 - sum(3 + each for each in widths.values())
        if room >= min(names, LEAST_NAME_WIDTH) or len(widths) == 1:
            return min(NAME_WIDTH, max(room, 1)), [
                heading for heading in rows[0] if heading == "task" or heading in widths
            ]
        del widths[next(left_out)]


def _cells(worker: dict[str, Any]) -> dict[str, str | Text]:
    """Return what stands in a worker's row, by heading."""
    is_running = worker["state"] == "running"
    name = _line(worker["function"] or "?")
    return {
        "PID": str(worker["pid"] or ""),
        "task": Text(name, "green") if is_running else Text(worker["state"], "dim"),
        "for": units.elapsed(worker["running_s"]) if is_running else "",
        "tasks": f"{worker['tasks']:,}",
        "tasks/s": "" if worker["tasks_per_s"] is None else f"{worker['tasks_per_s']:,.0f}",
        "busy": "" if worker["busy"] is None else f"{worker['busy']:.0%}",
        "RSS": _size(worker["rss_bytes"]),
        "PSS": _size(worker["pss_bytes"]),
        "restarts": str(worker["restarts"]),
    }


def _line(text: str) -> str:
    """Return a text on one line, without what a terminal would obey."""
    return "".join(each if each.isprintable() else " " for each in text)


def _size(n_bytes: int | None) -> str:
    return "-" if n_bytes is None else units.size(n_bytes)
