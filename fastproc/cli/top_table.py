"""Layer: command line.  The looks of `top` as tables for people."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fastproc.cli import units
from fastproc.cli.table import FILE_WIDTH

#: Columns that a function's name gets at most, so that what stands behind it stays in sight.
NAME_WIDTH = 40


def show(looks: Iterator[dict[str, Any]], *, is_live: bool) -> None:
    """Show looks in a terminal one in the other's place, elsewhere one below the other."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    if is_live and console.is_terminal:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            for look in looks:
                live.update(rendered(look), refresh=True)
        return
    for look in looks:
        console.print(rendered(look))
        with contextlib.suppress(AttributeError):
            console.file.flush()


def rendered(look: dict[str, Any]) -> RenderableType:
    """Return what stands on the screen after a look."""
    parts: list[RenderableType] = []
    for program in look["programs"]:
        parts.append(_heading(program))
        if program["error"]:
            parts.append(Text(f"  {program['error']}", style="red"))
        parts += [_table(pool) for pool in program["pools"]]
    return Group(*parts) if parts else Text("no program has a pool now")


def _heading(program: dict[str, Any]) -> Text:
    memory = f"RSS {_size(program['rss_bytes'])}, PSS {_size(program['pss_bytes'])}"
    heading = Text.assemble(
        (str(program["pid"]), "bold"), f"  {program['command']}  ", (memory, "dim")
    )
    heading.no_wrap, heading.overflow = True, "ellipsis"
    return heading


def _table(pool: dict[str, Any]) -> Table:
    n, rate = pool["processes"], pool["tasks_per_s"]
    title = f"pool of {n}, {units.elapsed(pool['age_s'])} old: {rate:,.0f} tasks/s"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    table.add_column("PID", justify="right", no_wrap=True)
    table.add_column("task", no_wrap=True, overflow="ellipsis", max_width=NAME_WIDTH)
    for heading in ("for", "tasks", "tasks/s", "busy", "RSS", "PSS", "restarts"):
        table.add_column(heading, justify="right", no_wrap=True)
    for worker in pool["workers"]:
        table.add_row(*_cells(worker))
    return table


def _cells(worker: dict[str, Any]) -> list[str | Text]:
    is_running = worker["state"] == "running"
    return [
        str(worker["pid"] or ""),
        Text(worker["function"] or "?", "green") if is_running else Text(worker["state"], "dim"),
        units.elapsed(worker["running_s"]) if is_running else "",
        f"{worker['tasks']:,}",
        "" if worker["tasks_per_s"] is None else f"{worker['tasks_per_s']:,.0f}",
        "" if worker["busy"] is None else f"{worker['busy']:.0%}",
        _size(worker["rss_bytes"]),
        _size(worker["pss_bytes"]),
        str(worker["restarts"]),
    ]


def _size(n_bytes: int | None) -> str:
    return "-" if n_bytes is None else units.size(n_bytes)
