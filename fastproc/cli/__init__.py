"""Layer: command line.  ``fastproc info``, ``bench`` and ``top``: arguments, exit codes, errors.

Exit codes: 0, all is well; 1, the command could not be done; 2, it was not understood; 130, it was
interrupted.  What is wrong is said in one line on stderr.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from fastproc import __version__, config
from fastproc.errors import FastprocError

#: Elements by default: 80 MB of float64, more than caches hold.
DEFAULT_SIZE = 10_000_000

#: Rounds by default: enough for a median on a machine that others use too.
DEFAULT_REPEAT = 9

#: What stands for the standard output in place of a file's name.
STDOUT = "-"

#: Where the plot goes if it is asked for without a name.
DEFAULT_PLOT = "fastproc-bench.png"

#: Seconds between two looks by default: what a reader can follow.
DEFAULT_INTERVAL = 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as end:  # argparse has printed the help or what is wrong
        return int(end.code or 0)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a sign that it has not is no reason to fail
    try:
        code = _run(arguments)
        if sys.stdout is not None:  # as it is if it was closed
            sys.stdout.flush()  # so that a reader who has gone is noticed here
        return code
    except BrokenPipeError:
        # Whoever reads has seen enough, like `head`.  Else Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (CommandError, FastprocError, OSError, MemoryError) as error:
        print(f"fastproc: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, CommandError) else 1
    except KeyboardInterrupt:
        print("fastproc: interrupted", file=sys.stderr)
        return 130


def _run(arguments: argparse.Namespace) -> int:
    config.transport()  # what is wrong with the environment is wrong with any command
    config.segment_backend()
    if arguments.command == "info":
        from fastproc.cli import info

        return info.run()
    return _top(arguments) if arguments.command == "top" else _bench(arguments)


class CommandError(Exception):
    """A command cannot be done; the message says why and what to do."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fastproc", description="GIL-free kernels over shared-memory arrays, on every core."
    )
    parser.add_argument("--version", action="version", version=f"fastproc {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "info",
        help="show versions, CPU level, cores and memory",
        description="Show what fastproc found here: versions, CPU level, cores, memory, settings.",
    )
    bench = commands.add_parser(
        "bench",
        help="compare the kernels with NumPy and others on this machine",
        description=(
            "Time every kernel beside pure Python, NumPy and the best peer that is installed. The "
            "rivals take turns in each round; medians over the rounds are shown. All answers are "
            "compared with NumPy's first."
        ),
    )
    bench.add_argument("names", nargs="*", metavar="NAME", help="a kernel (default: all)")
    bench.add_argument(
        "--size", type=_positive, default=DEFAULT_SIZE, metavar="N",
        help=f"elements per array (default: {DEFAULT_SIZE:,})",
    )  # fmt: skip
    bench.add_argument(
        "--dtype", choices=("float64", "float32"), default="float64",
        help="of the elements (default: float64)",
    )  # fmt: skip
    bench.add_argument(
        "--repeat", type=_positive, default=DEFAULT_REPEAT, metavar="R",
        help=f"rounds (default: {DEFAULT_REPEAT})",
    )  # fmt: skip
    bench.add_argument(
        "--json", nargs="?", const=STDOUT, metavar="FILE",
        help="write all rounds to FILE, or print them in place of the table",
    )  # fmt: skip
    bench.add_argument(
        "--plot", nargs="?", const=DEFAULT_PLOT, metavar="FILE",
        help=f"draw the results, e.g. as .png or .svg (default: {DEFAULT_PLOT})",
    )  # fmt: skip
    bench.add_argument(
        "--peers", action=argparse.BooleanOptionalAction, default=True,
        help="compare with bottleneck, SciPy, numexpr and others, where installed (default: yes)",
    )  # fmt: skip
    top = commands.add_parser(
        "top",
        help="watch the pools of running programs: workers, tasks, memory",
        description=(
            "Show what each worker of a running program's pools does: its task and for how long, "
            "tasks per second, the part of the time that it is busy, and its memory (RSS, and PSS, "
            "in which what processes share counts for each by its share). The program is not asked "
            "and loses no time. Ctrl-C ends the view, and the program's end does."
        ),
    )
    top.add_argument(
        "pid", nargs="?", type=_positive, metavar="PID",
        help="the program that made the pools (default: all programs of this user)",
    )  # fmt: skip
    top.add_argument("--once", action="store_true", help="show one table, of one interval, and end")
    top.add_argument(
        "--json", action="store_true", help="print each look as one line of JSON, without rich"
    )
    top.add_argument(
        "--interval", type=_seconds, default=DEFAULT_INTERVAL, metavar="S",
        help=f"seconds between two looks (default: {DEFAULT_INTERVAL:g})",
    )  # fmt: skip
    return parser


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < threading.TIMEOUT_MAX:  # NaN is not either
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return number


def _positive(text: str) -> int:
    try:
        number = int(text.replace(",", ""))
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def _top(arguments: argparse.Namespace) -> int:
    if not arguments.json:
        _need("rich", "the table")
    from fastproc.cli import top

    return top.run(
        pid=arguments.pid,
        once=arguments.once,
        as_json=arguments.json,
        interval=arguments.interval,
    )


#: One thread for every rival, also where a BLAS is behind its call, which reads these when loaded.
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "OMP_NUM_THREADS")


def _bench(arguments: argparse.Namespace) -> int:
    """Check all that can be wrong with the arguments before anything takes time."""
    if "numpy" not in sys.modules:
        os.environ |= {name: os.environ.get(name, "1") for name in _ONE_THREAD}
    from fastproc.cli.cases import CASES

    # `--json sum` is meant as `sum --json`, though argparse takes the name for the file's.
    if arguments.json in CASES:
        arguments.names.append(arguments.json)
        arguments.json = STDOUT
    if arguments.plot in CASES:
        arguments.names.append(arguments.plot)
        arguments.plot = DEFAULT_PLOT
    as_json = arguments.json == STDOUT
    json_path = None if as_json or arguments.json is None else Path(arguments.json)
    plot_path = None if arguments.plot is None else Path(arguments.plot)
    unknown = [name for name in arguments.names if name not in CASES]
    if unknown:
        alike = ", ".join(dict.fromkeys(like for name in unknown for like in _alike(name, CASES)))
        hint = f" (did you mean {alike}?)" if alike else ""
        raise CommandError(
            f"there is no kernel named {', '.join(unknown)}{hint}; there are: {', '.join(CASES)}", 2
        )
    for path in (json_path, plot_path):
        if path is not None:
            _check_writable(path)
    _need("rich", "the table")
    if plot_path is not None:
        _need("matplotlib", "the plot")
        from fastproc.cli import plot

        if plot_path.suffix.removeprefix(".").lower() not in plot.formats():
            raise CommandError(
                f"the plot cannot be written as {plot_path.name}; the name may end in: "
                f"{', '.join(plot.formats())}", 2,
            )  # fmt: skip
    from fastproc.cli import bench

    names = dict.fromkeys(arguments.names) or CASES
    return bench.run(
        [CASES[name] for name in names],
        size=arguments.size,
        dtype=arguments.dtype,
        repeat=arguments.repeat,
        as_json=as_json,
        json_path=json_path,
        plot_path=plot_path,
        with_peers=arguments.peers,
    )


def _alike(name: str, names: Collection[str]) -> list[str]:
    """Return at most two names that may be meant by another."""
    import difflib

    beginning = [each for each in names if each.startswith(name)]
    return beginning[:2] or difflib.get_close_matches(name, names, 2)


def _check_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before what is to be written takes minutes."""
    if not path.parent.is_dir():
        raise CommandError(f"there is no folder {path.parent} to write {path.name} to", 2)
    if path.is_dir():
        raise CommandError(f"{path} is a folder; name a file in it", 2)
    is_new = not path.exists()
    try:
        path.open("a").close()  # only a try tells for each kind of file, folder and user
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", 2) from None
    if is_new:
        path.unlink()


def _need(package: str, what: str) -> None:
    """Say what to install if a package is missing."""
    import importlib

    try:
        importlib.import_module(package)
    except ImportError as error:
        raise CommandError(f"{what} needs {package}: pip install {package}") from error
