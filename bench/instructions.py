"""Layer: benchmarks.  What a task costs its parent, in instructions, by the number of workers.

    python bench/instructions.py                # needs valgrind; a minute
    python bench/instructions.py 2 1000         # other numbers of workers

Instructions do not depend on what else the machine does, nor on how many cores it has: with 64
workers on two cores most are asleep at any moment, as they are on a large machine whose parent
cannot keep up.  Two runs with different numbers of tasks cancel what starting and ending costs.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

import fastproc as fp

FEW, MANY = 2_000, 6_000


def identity(x: int) -> int:
    return x


def run(workers: int, tasks: int) -> None:
    """Do so many tasks, one per message, and as many calls one after another."""
    with fp.Pool(workers, context="spawn") as pool:
        pool.map(identity, range(10 * workers), 1)
        for i in range(tasks // 2):
            pool.apply(identity, (i,))
        for _ in pool.imap(identity, range(tasks // 2)):
            pass


def instructions(workers: int, tasks: int) -> int:
    """Return how many instructions the parent of such a run takes; its workers run as always."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--trace-children=no", "--callgrind-out-file=/dev/null"]
        + [sys.executable, __file__, "--run", str(workers), str(tasks)],
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    (collected,) = re.findall(r"Collected\s*:\s*(\d+)", done.stderr)[-1:]
    return int(collected)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workers", nargs="*", type=int, default=[2, 16, 64])
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(*arguments.workers)
        return
    print("workers  the parent's instructions per task")
    for workers in arguments.workers:
        per_task = (instructions(workers, MANY) - instructions(workers, FEW)) / (MANY - FEW)
        print(f"{workers:7}  {per_task:,.0f}")


if __name__ == "__main__":
    main()
