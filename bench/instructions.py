"""Layer: benchmarks.  What a task costs its parent, in instructions, by the number of workers.

    python bench/instructions.py                # needs valgrind; a minute or two
    python bench/instructions.py 2 1000         # other numbers of workers

Instructions do not depend on what else the machine does, nor on how many cores it has: with 64
workers on one core most are asleep at any moment, as they are on a large machine whose parent
cannot keep up.  On one core nobody looks for news before going to sleep, which is not work.  Two
runs with different numbers of tasks cancel what starting and ending costs.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys

import fastproc as fp

FEW, MANY = 2_000, 6_000


def identity(x: int) -> int:
    return x


def run(kind: str, workers: int, tasks: int) -> None:
    """Do so many tasks, in one way or another."""
    with fp.Pool(workers, context="spawn") as pool:
        pool.map(identity, range(10 * workers), 1)
        if kind == "apply":
            for i in range(tasks):
                pool.apply(identity, (i,))
        elif kind == "apply_async":
            results = [pool.apply_async(identity, (i,)) for i in range(tasks)]
            for result in results:
                result.get()
        else:
            pool.map(identity, range(tasks), 1)


KINDS = ["apply", "apply_async", "map, chunksize 1"]


def instructions(kind: str, workers: int, tasks: int) -> int:
    """Return how many instructions the parent of such a run takes; its workers run as always."""
    command = [sys.executable, __file__, "--run", kind, str(workers), str(tasks)]
    options = ["--tool=callgrind", "--trace-children=no", "--callgrind-out-file=/dev/null"]
    done = subprocess.run(
        ["valgrind", *options, *command], stderr=subprocess.PIPE, text=True, check=True
    )
    (collected,) = re.findall(r"Collected\s*:\s*(\d+)", done.stderr)[-1:]
    return int(collected)


def main() -> None:
    if sys.argv[1:2] == ["--run"]:
        run(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=" ".join(__doc__.partition("\n\n")[0].split()[2:]))
    parser.add_argument("workers", nargs="*", type=int, default=[2, 16, 64])
    counts = parser.parse_args().workers
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    print("the parent's instructions per task")
    print(f"{'workers':>16}" + "".join(f"{count:>10}" for count in counts))
    for kind in KINDS:
        costs = [
            (instructions(kind, count, MANY) - instructions(kind, count, FEW)) / (MANY - FEW)
            for count in counts
        ]
        print(f"{kind:>16}" + "".join(f"{cost:>10,.0f}" for cost in costs), flush=True)


if __name__ == "__main__":
    main()
