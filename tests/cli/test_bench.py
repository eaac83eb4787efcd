"""Layer: tests.  The command `bench`: its table, its files and its refusals; never its times."""

import json
import multiprocessing
import os
import struct
import subprocess
import sys

import pytest

from fastproc.cli import DEFAULT_PLOT, main, rivals, table, timing, units
from fastproc.cli.cases import CASES

QUICK = ["--size", "200", "--repeat", "2"]
#: Where many kernels are timed, neither times nor the memory's pace matter.
HASTY = (
    "from fastproc.cli import memory, timing;"
    "timing.LEAST_SECONDS, memory.BUFFER_BYTES = 1e-5, 80_000"
)


def bench(*arguments, before=""):
    """Run the command in a process of its own, after some other code.

    It makes a pool, and a process that is forked should have no threads, which other tests start.
    """
    script = (
        f"import sys; {before}\nfrom fastproc.cli import main\n"
        f"sys.exit(main({['bench', *map(str, arguments)]!r}))"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def first_words(text):
    return {line.split()[0] for line in text.splitlines() if line.strip()}


def test_bench_times_every_kernel(tmp_path):
    pytest.importorskip("rich")
    path = tmp_path / "results.json"
    done = bench(*QUICK, "--json", path, before=HASTY)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no progress where there is no terminal
    assert set(CASES) <= first_words(done.stdout)
    results = json.loads(path.read_text())
    assert [case["kernel"] for case in results["cases"]] == list(CASES)
    assert results["size"] == 200
    for case in results["cases"]:
        assert {rivals.PYTHON, rivals.TWIN, rivals.NUMPY, *rivals.OURS} <= set(case["rivals"])
        assert case["best_other"] in (rivals.NUMPY, case["best_peer"])
        for rival in case["rivals"].values():
            assert len(rival["rounds_s"]) == 2
            assert rival["median_s"] > 0
            assert rival["elements_timed"] == 200


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_python_m_under_every_start_method(method, tmp_path):
    pytest.importorskip("rich")
    # What ``python -m fastproc`` does, but with a start method chosen before.
    script = (
        f"import multiprocessing, runpy, sys\n"
        f"sys.argv[1:] = {['bench', 'sum', *QUICK]!r}\n"
        f"if __name__ == '__main__':\n"
        f"    multiprocessing.set_start_method({method!r})\n"
        f"    runpy.run_module('fastproc', run_name='__main__', alter_sys=True)\n"
    )
    path = tmp_path / "script.py"
    path.write_text(script)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "sum" in first_words(done.stdout)


def test_pure_python_gets_fewer_elements_and_the_table_says_so(tmp_path):
    pytest.importorskip("rich")
    path = tmp_path / "results.json"
    arguments = ("sum", "--size", "100,000", "--repeat", "1", "--no-peers")
    done = bench(*arguments, "--json", path)
    assert "scaled from 20,000 elements that were timed" in done.stdout
    (case,) = json.loads(path.read_text())["cases"]
    assert case["best_peer"] is None
    twin = case["rivals"][rivals.TWIN]
    assert twin["elements_timed"] == rivals.PYTHON_ELEMENTS
    assert twin["median_s"] == pytest.approx(5 * twin["rounds_s"][0])


def test_an_unknown_kernel_is_refused_with_the_names(capsys):
    assert main(["bench", "sum", "hist", "summ", "*"]) == 2
    message = capsys.readouterr().err
    assert "there is no kernel named hist, summ, * (did you mean histogram, " in message
    assert "2d, sum, nansum?); there are: " in message
    for kernel in CASES:
        assert kernel in message


def test_without_rich_bench_says_what_to_install():
    done = bench("sum", *QUICK, before="sys.modules['rich'] = None")
    assert done.returncode == 1
    assert done.stderr == "fastproc: the table needs rich: pip install rich\n"


def test_without_matplotlib_bench_says_what_to_install(tmp_path):
    pytest.importorskip("rich")
    path = tmp_path / "plot.png"
    done = bench("sum", *QUICK, "--plot", path, before="sys.modules['matplotlib'] = None")
    assert done.returncode == 1
    assert done.stderr == "fastproc: the plot needs matplotlib: pip install matplotlib\n"


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_a_missing_folder_is_found_before_anything_is_timed(option, tmp_path, capsys):
    assert main(["bench", option, str(tmp_path / "none" / "file.png")]) == 2
    assert f"there is no folder {tmp_path / 'none'}" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_said_in_one_line(tmp_path):
    pytest.importorskip("rich")
    done = bench("sum", *QUICK, "--json", tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"fastproc: {tmp_path} is a folder; name a file in it\n"


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc, where nobody may make a file")
@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_a_try_tells_whether_a_file_can_be_written(option, tmp_path, monkeypatch, capsys):
    assert main(["bench", option, "/proc/none.png"]) == 2  # of which access(2) says nothing to root
    assert capsys.readouterr().err.startswith("fastproc: /proc/none.png cannot be written: ")
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(["bench", option, str(tmp_path / "new.png")]) == 1
    assert not list(tmp_path.iterdir())  # the try leaves nothing


@pytest.mark.parametrize("arguments", [["square", "--json"], ["--json", "square"]])
def test_json_without_a_file_is_printed_in_place_of_the_table(arguments):
    pytest.importorskip("rich")
    done = bench(*arguments, *QUICK, before=HASTY)
    assert done.returncode == 0, done.stderr
    assert [case["kernel"] for case in json.loads(done.stdout)["cases"]] == ["square"]


def test_a_plot_without_a_file_has_a_name(tmp_path, monkeypatch, capsys):
    pytest.importorskip("rich")
    monkeypatch.chdir(tmp_path)
    (tmp_path / DEFAULT_PLOT).mkdir()
    for arguments in (["sum", "--plot"], ["--plot", "sum"]):
        assert main(["bench", *arguments]) == 2
        assert f"{DEFAULT_PLOT} is a folder" in capsys.readouterr().err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk")
def test_a_full_disk_costs_the_file_and_not_the_table():
    pytest.importorskip("rich")
    done = bench("sum", *QUICK, "--json", "/dev/full")
    assert done.returncode == 1
    assert "sum" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("fastproc: ")
    assert "No space left" in line


def test_an_unknown_format_is_refused(tmp_path, capsys):
    pytest.importorskip("rich")
    pytest.importorskip("matplotlib")
    assert main(["bench", "--plot", str(tmp_path / "plot.txt")]) == 2
    assert "cannot be written as plot.txt; the name may end in: " in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--peers", "--no-peers"])
def test_peers_that_are_asked_for_and_missing_are_said(option):
    pytest.importorskip("rich")
    # Of negative there is one peer.
    done = bench("negative", *QUICK, option, before="sys.modules['numexpr'] = None")
    assert done.returncode == 0, done.stderr
    note = "none of the peers that have these kernels is installed"
    assert (note in done.stdout) == (option == "--peers")


def test_a_wrong_answer_ends_the_run():
    pytest.importorskip("rich")
    wrong = "import fastproc; fastproc.sum = lambda a, **workers: 0.0"
    done = bench("sum", *QUICK, before=wrong)
    assert done.returncode == 1
    assert done.stderr == "fastproc: sum: fastproc, 1 thread does not agree with NumPy\n"


@pytest.mark.parametrize("kernels", [list(CASES)[::9], ["histogram"]])
def test_the_plot_is_a_picture_of_sensible_size(kernels, tmp_path):
    pytest.importorskip("rich")
    pytest.importorskip("matplotlib")
    path = tmp_path / "plot.png"
    done = bench(*kernels, *QUICK, "--plot", path, before=HASTY)
    assert done.returncode == 0, done.stderr
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    assert 1500 < width < 3000
    assert 900 < height < 3000


def test_rivals_take_turns_each_as_often():
    order = []
    calls = {name: [lambda name=name: order.append(name)] for name in "abc"}
    timings = timing.take_turns(calls, 4)
    for name, each in timings.items():
        assert len(each.rounds) == 4
        # By its last round a call has been made as often as in all rounds, and for calibration.
        assert order.count(name) > 4 * each.calls
    turns = [name for index, name in enumerate(order) if index == 0 or order[index - 1] != name]
    assert "".join(turns[3:]) == "abcbcacababc"


def test_rounds_can_be_continued():
    made = []
    first = timing.take_turns({"a": [lambda: made.append(1)]}, 2)
    both = timing.take_turns({"a": [lambda: made.append(1)]}, 3, first)
    assert both["a"].calls == first["a"].calls
    assert both["a"].rounds[:2] == first["a"].rounds
    assert len(both["a"].rounds) == 5


def test_versions_of_a_call_come_one_after_another():
    order = []
    timing.take_turns({"a": [lambda: order.append(0), lambda: order.append(1)]}, 1)
    assert order[-6:] in ([0, 1] * 3, [1, 0] * 3)
    assert order.count(0) - order.count(1) in range(9)  # each timing begins with the first


def test_medians_are_of_rounds():
    assert timing.Timing(1, (3.0, 1.0, 2.0)).median == 2.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2.5, "2.50 s"),
        (0.0123, "12.3 ms"),
        (4e-6, "4.00 us"),
        (1.234e-7, "123 ns"),
        (5e-10, "0.50 ns"),
    ],
)
def test_durations(seconds, text):
    assert units.duration(seconds) == text


def test_a_narrow_terminal_gets_two_tables_with_nothing_cut_off(monkeypatch, tmp_path, capsys):
    pytest.importorskip("rich")
    path = tmp_path / "results.json"
    assert bench("nanminmax", *QUICK, "--json", path).returncode == 0
    monkeypatch.setattr(table, "FILE_WIDTH", 80)
    table.show(json.loads(path.read_text()))
    lines = capsys.readouterr().out.splitlines()
    assert "…" not in "".join(lines)
    assert len([line for line in lines if line.strip().startswith("nanminmax")]) == 2
    monkeypatch.setattr(table, "FILE_WIDTH", 50)  # too narrow even for that
    table.show(json.loads(path.read_text()))
    assert capsys.readouterr().out.splitlines() == lines
