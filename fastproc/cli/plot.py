"""Layer: command line.  The results of `bench` as a picture: bars of speed, curves over sizes.

The colours are those of Okabe and Ito, which people with any kind of colour vision can tell apart;
curves also differ in their markers.  The figure is drawn without pyplot, so that no window system
is asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from fastproc.cli.rivals import ALL_THREADS, NUMPY, ONE_THREAD, POOL

PEER = "best peer"
COLOURS = {
    NUMPY: "#000000",
    PEER: "#B0B0B0",
    ONE_THREAD: "#56B4E9",
    ALL_THREADS: "#0072B2",
    POOL: "#E69F00",
}
MARKERS = {NUMPY: "s", ONE_THREAD: "o", ALL_THREADS: "D"}

#: From top to bottom within a kernel's group.
BARS = (PEER, ONE_THREAD, ALL_THREADS, POOL)
BAR_HEIGHT = 0.2

#: Free space between two families of kernels, in heights of a kernel's group.
FAMILY_GAP = 0.9

WIDTH_INCHES = 14.0
INCHES_PER_KERNEL = 0.42
LEAST_HEIGHT_INCHES = 7.5
HEADING_INCHES = 0.8
DOTS_PER_INCH = 140

GREY = "#555555"
SPEEDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)


def formats() -> list[str]:
    """Return the endings of file names that a plot can have."""
    return sorted(FigureCanvasAgg.get_supported_filetypes())


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw the results into a file, whose name's ending says the format."""
    height = max(LEAST_HEIGHT_INCHES, 2 + INCHES_PER_KERNEL * len(results["cases"]))
    figure = Figure(figsize=(WIDTH_INCHES, height))
    heading = HEADING_INCHES / height
    figure.set_layout_engine("constrained", rect=(0.01, 0, 0.98, 1 - heading))
    FigureCanvasAgg(figure)
    columns = figure.add_gridspec(1, 2, width_ratios=(1.55, 1), wspace=0.03)
    bars, curves = figure.add_subfigure(columns[0]), figure.add_subfigure(columns[1])
    _draw_bars(bars.subplots(), results)
    panels = curves.subplots(len(results["scaling"]), 1, sharex=True, squeeze=False)[:, 0]
    for axes, curve in zip(panels, results["scaling"], strict=True):
        _draw_curve(axes, curve)
    names = _labels(results)
    panels[0].legend(
        *_handles(panels[0], names), loc="lower left", bbox_to_anchor=(-0.03, 1.13), ncols=2,
        frameon=False, fontsize=9.5, columnspacing=1.2,
    )  # fmt: skip
    panels[-1].set_xlabel("elements (log scales)")
    machine, versions = results["machine"], results["versions"]
    rivals = ", ".join(f"{name} {version}" for name, version in versions.items())
    figure.text(
        0.02, 1 - 0.2 / height,
        f"fastproc on {machine['default_workers']} cores of {machine['cpu'] or 'a CPU'} "
        f"({machine['architecture']}, kernels: {machine['cpu_level']})",
        fontsize=15, fontweight="bold", va="top",
    )  # fmt: skip
    figure.text(
        0.02, 1 - 0.53 / height, f"{rivals}; {results['date'][:10]}", fontsize=9.5, color=GREY,
        va="top",
    )  # fmt: skip
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _labels(results: dict[str, Any]) -> dict[str, str]:
    """Return what the legends call the rivals."""
    return {
        NUMPY: "NumPy",
        PEER: "best peer, 1 thread",
        ONE_THREAD: "fastproc, 1 thread",
        ALL_THREADS: f"fastproc, up to {results['machine']['default_workers']} threads",
        POOL: f"fastproc, pool of {results['pool_processes']} processes",
    }


def _handles(axes: Axes, names: dict[str, str]) -> tuple[list[Any], list[str]]:
    handles, labels = axes.get_legend_handles_labels()
    return handles, [names[label] for label in labels]


def _draw_bars(axes: Axes, results: dict[str, Any]) -> None:
    """Draw each kernel's speed relative to NumPy's; bars begin at 1, which is NumPy's."""
    places, place, family = [], 0.0, None
    for case in results["cases"]:
        if family not in (None, case["family"]):
            place += FAMILY_GAP
        family = case["family"]
        places.append(place)
        place += 1
    speeds = [_speeds(case) for case in results["cases"]]
    for index, name in enumerate(BARS):
        offset = (index - (len(BARS) - 1) / 2) * BAR_HEIGHT
        known = [
            (at, speed[name]) for at, speed in zip(places, speeds, strict=True) if name in speed
        ]
        axes.barh(
            [at + offset for at, _ in known], [speed - 1 for _, speed in known], left=1,
            height=BAR_HEIGHT, color=COLOURS[name], label=name,
        )  # fmt: skip
    _label_ends(axes, places, speeds)
    axes.axvline(1, color=COLOURS[NUMPY], linewidth=1.4)
    axes.set_xscale("log")
    values = [value for speed in speeds for value in speed.values()]
    least, greatest = min(values), max(values)
    axes.set_xlim(min(0.7, least / 1.25), max(2.0, greatest * 1.6))
    axes.xaxis.set_major_locator(FixedLocator(SPEEDS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    axes.set_yticks(places, [case["kernel"] for case in results["cases"]], fontsize=11)
    axes.set_ylim(places[-1] + 0.7, -0.7)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.8)
    _tidy(axes)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("times as fast as NumPy (1x, one thread); log scale")
    axes.set_title(
        f"Speed on {results['size']:,} {results['dtype']} (numbers: fastproc's best)\n\n\n",
        loc="left",
        fontsize=12,
        fontweight="bold",
    )
    axes.legend(
        *_handles(axes, _labels(results)), loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2,
        frameon=False, fontsize=9.5,
    )  # fmt: skip


def _label_ends(axes: Axes, places: list[float], speeds: list[dict[str, float]]) -> None:
    """Write the greatest speed of fastproc beside each group."""
    for place, speed in zip(places, speeds, strict=True):
        greatest = max(speed[name] for name in (ONE_THREAD, ALL_THREADS, POOL))
        end = max(1.0, *speed.values())
        text = f"{greatest:.1f}x" if greatest < 10 else f"{greatest:.0f}x"
        axes.annotate(
            text, (end, place), xytext=(5, 0), textcoords="offset points", va="center",
            fontsize=9.5, color=COLOURS[ALL_THREADS], fontweight="bold",
        )  # fmt: skip


def _speeds(case: dict[str, Any]) -> dict[str, float]:
    """Return a case's speeds relative to NumPy, by the names of BARS."""
    rivals = case["rivals"]
    seconds = {name: rivals[name]["median_s"] for name in (ONE_THREAD, ALL_THREADS, POOL)}
    if case["best_peer"] is not None:
        seconds[PEER] = rivals[case["best_peer"]]["median_s"]
    return {name: rivals[NUMPY]["median_s"] / taken for name, taken in seconds.items()}


def _draw_curve(axes: Axes, curve: dict[str, Any]) -> None:
    """Draw one kernel's time per element over sizes."""
    for name, medians in curve["medians_s"].items():
        per_element = [1e9 * taken / n for taken, n in zip(medians, curve["sizes"], strict=True)]
        axes.plot(
            curve["sizes"], per_element, color=COLOURS[name], marker=MARKERS[name], markersize=5,
            linewidth=1.8, label=name, clip_on=False,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title(curve["kernel"], loc="left", fontsize=11, fontweight="bold")
    axes.set_ylabel("ns per element")
    axes.grid(color="#DDDDDD", linewidth=0.8)
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
