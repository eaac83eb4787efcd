"""Layer: benchmarks.  joblib's backends side by side in one run: fastproc beside loky.

    python bench/joblib_backend.py              # all cases, five rounds: a minute
    python bench/joblib_backend.py --repeat 1 "100 MB"

In each round the backends do a case in turn, with workers that run already; medians over the rounds
are shown.  "joblib itself" is a backend that does the tasks at once, in this process: what joblib
spends on cutting a loop into batches, on calling back and on putting the results together.
"""

from __future__ import annotations

import json
import operator
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import joblib
import numpy as np
from joblib import Parallel, delayed
from joblib.parallel import AutoBatchingMixin, ParallelBackendBase
from rich.console import Console
from rich.table import Table
from rounds import chosen, parser_of

import fastproc.joblib  # noqa: F401

WORKERS = 2
ITSELF = "joblib itself"
PEERS = [ITSELF, "loky", "fastproc"]
ELEMENTS = 12_500_000  # 100 MB of float64


class AtOnce(AutoBatchingMixin, ParallelBackendBase):
    """Does the tasks in this process, when joblib comes to wait for them."""

    supports_retrieve_callback = True

    def effective_n_jobs(self, n_jobs: int) -> int:
        return n_jobs

    def configure(self, n_jobs: int = 1, parallel: Any = None, **ignored: Any) -> int:
        self.parallel = parallel
        self.batches: list[Any] = []
        return n_jobs

    def submit(self, func: Any, callback: Any = None) -> None:
        self.batches.append((func, callback))

    def retrieve_result_callback(self, out: Any) -> Any:
        return out

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        while self.batches:
            func, callback = self.batches.pop(0)
            callback([function(*args, **kwargs) for function, args, kwargs in func.items])
        yield


joblib.register_parallel_backend(ITSELF, AtOnce)


# Measures ---------------------------------------------------------------------------------------


def seconds(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def per_task(n: int, batch_size: Any) -> Callable[[], float]:
    def measure() -> float:
        tasks = (delayed(operator.neg)(i) for i in range(n))
        return seconds(lambda: Parallel(batch_size=batch_size)(tasks)) / n

    return measure


def first_of(array: Any, i: int) -> float:
    return float(array[i])


def training_set(n_tasks: int) -> Callable[[], float]:
    """An array that the workers have not seen, in so many tasks."""

    def measure() -> float:
        array = np.random.default_rng(0).random(ELEMENTS)
        return seconds(lambda: Parallel()(delayed(first_of)(array, i) for i in range(n_tasks)))

    return measure


def grid_search() -> float:
    from sklearn.datasets import make_classification
    from sklearn.model_selection import GridSearchCV
    from sklearn.tree import DecisionTreeClassifier

    X, y = make_classification(1000, 20, random_state=0)
    grid = {"max_depth": [4, 8, None], "min_samples_leaf": [1, 10]}
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), grid, n_jobs=WORKERS)
    return seconds(lambda: search.fit(X, y))


def many_small_fits() -> float:
    from sklearn.datasets import load_iris
    from sklearn.model_selection import GridSearchCV
    from sklearn.naive_bayes import GaussianNB

    X, y = load_iris(return_X_y=True)
    grid = {"var_smoothing": np.logspace(-12, -1, 40)}
    return seconds(lambda: GridSearchCV(GaussianNB(), grid, n_jobs=WORKERS).fit(X, y))


STARTING = """
import time
import joblib
import fastproc.joblib
begun = time.perf_counter()
with joblib.parallel_config(backend={backend!r}, n_jobs=2):
    joblib.Parallel()(joblib.delayed(abs)(i) for i in range(4))
print(time.perf_counter() - begun)
"""


def first_loop() -> float:
    """The first loop of a program."""
    backend = joblib.parallel.get_active_backend()[0]
    name = {"LokyBackend": "loky", "FastprocBackend": "fastproc"}.get(type(backend).__name__)
    program = STARTING.format(backend=name or "sequential")
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    return float(done.stdout)


# Cases ------------------------------------------------------------------------------------------


@dataclass
class Case:
    name: str
    measure: Callable[[], float]
    factor: float  # loky's figure has to be so many times fastproc's
    values: dict[str, list[float]] = field(default_factory=dict)


CASES = [
    Case("a loop of two tiny tasks", lambda: 2 * per_task(2, 1)(), 1),
    Case("a tiny task, batch_size=1", per_task(2000, 1), 10),
    Case("a tiny task, batch_size='auto'", per_task(20_000, "auto"), 10),
    Case("a tiny task, batch_size=1000", per_task(20_000, 1000), 10),
    Case("100 MB to one task", training_set(1), 5),
    Case("the same 100 MB to 20 tasks", training_set(20), 5),
    Case("GridSearchCV, 30 fits of a tree", grid_search, 1),
    Case("GridSearchCV, 200 fits of naive Bayes", many_small_fits, 1),
    Case("the first loop of a program", first_loop, 1),
]


def run(cases: list[Case], repeat: int) -> None:
    """Measure all cases, after one round that is not counted."""
    for case in cases:
        for i in range(repeat + 1):
            for peer in PEERS:
                with joblib.parallel_config(backend=peer, n_jobs=WORKERS):
                    value = case.measure()
                if i:
                    case.values.setdefault(peer, []).append(value)
        print(f"  {case.name}", file=sys.stderr)


def shown(value: float) -> str:
    return f"{value * 1e6:.3g} us" if value < 1e-3 else f"{value * 1e3:.3g} ms"


def report(cases: list[Case], repeat: int) -> None:
    """Print the table."""
    table = Table(title=f"{WORKERS} workers; medians of {repeat} rounds, in parentheses the least")
    for name in ("case", *PEERS, "loky / fastproc", "has to be"):
        table.add_column(name, justify="left" if name == "case" else "right")
    for case in cases:
        row = {name: statistics.median(values) for name, values in case.values.items()}
        ratio = row["loky"] / row["fastproc"]
        table.add_row(
            case.name,
            *(f"{shown(row[name])} ({shown(min(case.values[name]))})" for name in PEERS),
            f"{ratio:.1f}",
            f"{case.factor:g}, {'met' if ratio >= case.factor else 'missed'}",
        )
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)


def main() -> None:
    arguments = (parser := parser_of(__doc__)).parse_args()
    cases = chosen(parser, CASES, arguments.names)
    run(cases, arguments.repeat)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({case.name: case.values for case in cases}, file, indent=1)
    report(cases, arguments.repeat)


if __name__ == "__main__":
    main()
