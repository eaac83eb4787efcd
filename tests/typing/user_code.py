"""Layer: tests.  A program as users write it, of which the type checkers say nothing.

It is checked with the package, by mypy in strict mode; ``assert_type`` says what a user's editor
is to show.  It runs too, which keeps it honest (``tests/test_typing.py``).
"""

import array
import multiprocessing.process
from collections.abc import Iterator
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt
import pandas as pd

import fastproc as fp


def cube(x: int) -> int:
    return x**3


def scaled(x: float, factor: float = 2.0) -> float:
    return x * factor


def fill(block: fp.SharedArray, value: float = 1.0) -> None:
    block[...] = value


def kernels(pool: fp.Pool) -> None:
    x = np.linspace(0.0, 1.0, 50)
    series, frame = pd.Series(x), pd.DataFrame({"x": x, "y": x})

    total: float = fp.sum(x) + fp.var([1, 2, 3], ddof=1, workers=1)
    by_column: npt.NDArray[np.float64] = fp.nanmean(frame, axis=0, workers=pool)
    assert total > 0
    assert by_column.shape == (2,)
    least, greatest = fp.minmax(array.array("d", [3.0, 4.0]))
    assert least < greatest
    counts, edges = fp.histogram(series, bins=[0.0, 0.5, 1.0], weights=x)
    assert_type(counts, npt.NDArray[Any])
    assert len(edges) == len(counts) + 1
    assert_type(fp.move_mean(series, window=3, min_count=1), npt.NDArray[np.floating[Any]])
    frame["smooth"] = fp.ewma(frame["x"], alpha=0.5)
    low, high = fp.quantile(x, [0.1, 0.9])
    assert low < high
    fp.square(x, out=x)
    fp.replace(x, old=0, new=np.nan)
    groups = fp.group_sum(x, np.arange(50) % 5, num_labels=5)
    assert groups.sum() > 0
    distances, places = fp.nearest(x.reshape(-1, 1)[1:], x.reshape(-1, 1)[1:], k=2)
    assert distances.shape == places.shape
    description = fp.describe([1.0, 2.0])
    assert description.mean == 1.5
    accumulator = fp.Var(axis=0).update([[1.0, 2.0]]).update(np.ones((3, 2)), workers=1)
    assert_type(accumulator, fp.Var)
    accumulator.merge(fp.Var(axis=0)).result()


def arrays(pool: fp.Pool) -> None:
    x = fp.shared_zeros((4, 3), "f4", order="F")
    assert_type(x, fp.SharedArray)
    assert_type(fp.share([1, 2]), fp.SharedArray)
    view: fp.SharedArray = x.T[0]
    plain: npt.NDArray[Any] = x + 1
    pool.map_blocks(fill, x, axis=1)
    assert plain.sum() == 12
    assert view.is_shared


def pools(pool: fp.Pool) -> None:
    assert_type(pool.map(cube, range(3), chunksize=2), list[int])
    assert_type(pool.starmap(scaled, [(1.0, 3.0)]), list[float])
    assert_type(pool.apply(scaled, (1.0,), {"factor": 3.0}, timeout=10, retries=1), float)
    results: Iterator[int] = pool.imap_unordered(cube, [1, 2])
    assert sorted(results) == [1, 8]
    later = pool.apply_async(cube, (2,), callback=print)
    assert_type(later.get(timeout=60), int)
    assert_type(pool.map_async(cube, [1]).get(), list[int])
    assert_type(pool.map(lambda text: text.upper(), ["a"]), list[str])
    busy: float = sum(worker.busy for worker in pool.stats())
    assert busy >= 0
    try:
        pool.apply(cube, (2,), timeout=60)
    except fp.WorkerDied as error:
        print(error.pid, error.exitcode)


def executors() -> None:
    with fp.ProcessPoolExecutor(2, mp_context="spawn") as executor:
        future = executor.submit(scaled, 1.0, factor=4.0)
        assert_type(future.result(), float)
        assert list(executor.map(cube, [1, 2])) == [1, 8]


def classic() -> None:
    """The names of multiprocessing, as its programs use them."""
    context = fp.get_context("spawn")
    queue, total, lock = fp.Queue(), fp.Value("i", 0), fp.Lock()
    numbers = fp.Array("d", [1.0, 2.0])
    with lock:
        total.value += 1
    queue.put((1, "a"))
    print(queue.get(timeout=5), np.asarray(numbers)[0], fp.cpu_count(), context.get_start_method())
    process = fp.Process(target=cube, args=(2,), daemon=True)
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert isinstance(fp.current_process(), multiprocessing.process.BaseProcess)


def main() -> None:
    with fp.Pool(2, context="spawn", maxtasksperchild=None) as pool:
        kernels(pool)
        arrays(pool)
        pools(pool)
    executors()
    classic()


if __name__ == "__main__":
    main()
