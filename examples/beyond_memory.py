"""Layer: examples.  More data than the workers of a Dask cluster have memory, in one pass.

Temperatures of some sensors, one each hour, with a daily course, noise, and gaps.  They are made
chunk by chunk, as they might be read from files; every question asked is answered from the same
pass, in which a chunk is made, reduced to some states of a few bytes, and dropped.  Answers are
checked against what the data were made of.

    python examples/beyond_memory.py [--gigabytes N] [--memory-limit BYTES]
"""

import argparse
import resource
import sys

import numpy as np

try:
    import dask
    import dask.array as da
    from distributed import Client, LocalCluster
except ModuleNotFoundError as error:
    sys.exit(f"This example needs {error.name}; get it with: pip install 'fastproc[dask]'")

import fastproc.dask as fd

SENSORS = 8

#: Days in a chunk, which so has some 8 MB.
DAYS = 5460

#: Degrees: the mean of all, the swing of a day around it, and the noise.
MEAN, SWING, NOISE = 15.0, 8.0, 2.0

#: The share of hours without a reading.
GAPS = 0.001

HOURS = np.arange(24)
COURSE = MEAN + SWING * np.sin(2 * np.pi * HOURS / 24)


def read(block_info):
    """Return the readings of a chunk, which nobody has had in memory before."""
    chunk = block_info[None]["chunk-location"][0]
    rng = np.random.default_rng(chunk)
    readings = rng.standard_normal((DAYS * 24, SENSORS))
    readings *= NOISE
    readings += np.tile(COURSE, DAYS)[:, None]
    readings[rng.random(len(readings)) < GAPS] = np.nan
    return readings


def questions(readings):
    """Return lazily what is asked; nothing is computed yet."""
    n_hours = readings.shape[0]
    hour_of_day = da.arange(n_hours, chunks=(readings.chunks[0],)) % 24
    first = readings[:, 0]
    counts, edges = fd.histogram(readings, bins=50, range=(-10, 40))
    return {
        "mean": fd.nanmean(readings),
        "std of each sensor": fd.nanstd(readings, axis=0),
        "least and greatest": fd.nanminmax(readings),
        "mean of each hour": fd.group_mean(first, hour_of_day, 24),
        "most over a week": fd.nanmax(fd.move_mean(first, 168, min_count=1)),
        "counts": counts,
        "edges": edges,
    }


def check(answers, n_readings):
    """Compare answers with what the data were made of."""
    np.testing.assert_allclose(answers["mean"], MEAN, atol=0.01)
    spread = np.hypot(NOISE, SWING / np.sqrt(2))
    np.testing.assert_allclose(answers["std of each sensor"], spread, rtol=0.01)
    np.testing.assert_allclose(answers["mean of each hour"], COURSE, atol=0.1)
    least, greatest = answers["least and greatest"]
    assert least < COURSE.min() - NOISE
    assert greatest > COURSE.max() + NOISE
    assert MEAN < answers["most over a week"] < MEAN + NOISE + SWING
    assert abs(answers["counts"].sum() / n_readings - (1 - GAPS)) < 0.001


def peak_memory():
    """Return the most memory that this process has had, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=1.5, help="of data, 1.5 by default")
    parser.add_argument("--memory-limit", default="320MB", help="of each of two workers")
    options = parser.parse_args()

    n_chunks = max(1, round(options.gigabytes * 1e9 / (8 * DAYS * 24 * SENSORS)))
    readings = da.map_blocks(
        read, chunks=((DAYS * 24,) * n_chunks, (SENSORS,)), dtype=np.float64, meta=np.empty((0, 0))
    )
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            memory_limit=options.memory_limit,
            dashboard_address=":0",
        ) as cluster,
        Client(cluster) as client,
    ):
        limit = sum(worker.memory_manager.memory_limit for worker in cluster.workers.values())
        (answers,) = dask.compute(questions(readings))
        peak = sum(client.run(peak_memory).values())

    check(answers, readings.size)
    print(f"{readings.nbytes / 1e6:,.0f} MB of readings in {n_chunks} chunks")
    print(f"{limit / 1e6:,.0f} MB of memory in two workers, of which {peak / 1e6:,.0f} were used")
    print(
        f"{answers['mean']:.2f} degrees on the average, std {answers['std of each sensor'][0]:.2f}"
    )
    print("from {:.1f} to {:.1f} degrees".format(*answers["least and greatest"]))
    warmest = int(np.argmax(answers["mean of each hour"]))
    print(f"warmest at {warmest}:00, with {answers['mean of each hour'][warmest]:.2f} degrees")
    common = int(np.argmax(answers["counts"]))
    print(f"most often from {answers['edges'][common]:.0f} to {answers['edges'][common + 1]:.0f}")
    if peak < limit < readings.nbytes:
        print("the data did not fit, and need not")


if __name__ == "__main__":
    main()
