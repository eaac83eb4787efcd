"""Layer: benchmarks.  The tables of docs/kernels.md, from what ``fastproc bench --json`` wrote.

    fastproc bench --json large.json
    fastproc bench --size 1000 --json small.json
    python bench/report.py large.json small.json > tables.md

The limit of a kernel is the time in which this machine, in the same run, reads or copies as many
bytes as the kernel must at least move: of those that write, by the pace of a copy.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fastproc.cli.rivals import ALL_THREADS, NUMPY, ONE_THREAD, POOL
from fastproc.cli.table import duration

#: Bytes an element from which on a kernel must also write.
WRITES = 16


def limit(case: dict[str, Any], memory: dict[str, Any]) -> float:
    """Return the least time that memory allows, on one thread, in seconds."""
    moved = case["bytes_moved"]
    verb = "copy" if moved >= WRITES * case["rivals"][NUMPY]["elements_timed"] else "read"
    share = moved / memory["buffer_bytes"] / (2 if verb == "copy" else 1)
    return float(memory[f"{verb}_1_thread_s"] * share)


def row(case: dict[str, Any], memory: dict[str, Any]) -> str:
    """Return a kernel's row."""
    rivals = case["rivals"]
    best = case["best_other"]
    cells = [
        f"`{case['kernel']}`",
        duration(rivals[NUMPY]["median_s"]),
        ""
        if case["best_peer"] is None
        else (f"{case['best_peer']} {duration(rivals[case['best_peer']]['median_s'])}"),
        duration(limit(case, memory)),
        *(duration(rivals[name]["median_s"]) for name in (ONE_THREAD, ALL_THREADS, POOL)),
        f"{rivals[best]['median_s'] / rivals[ONE_THREAD]['median_s']:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def table(results: dict[str, Any]) -> str:
    """Return the table of a run, in Markdown."""
    threads = results["machine"]["default_workers"]
    lines = [
        f"{results['size']:,} elements, {results['dtype']}; medians of {results['repeat']} rounds; "
        f"CPU level {results['machine']['cpu_level']}:",
        "",
        "| kernel | NumPy | best peer | limit | fastproc, 1 thread "
        f"| {threads} threads | pool of {results['pool_processes']} | ratio, 1 thread |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *(row(case, results["memory"]) for case in results["cases"]),
    ]
    return "\n".join(lines)


def main() -> int:
    """Print the tables of the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    paths: list[Path] = parser.parse_args().files
    print("\n\n".join(table(json.loads(path.read_text())) for path in paths))
    return 0


if __name__ == "__main__":
    sys.exit(main())
