"""Layer: tests.  The command `info`, and what the command line says of arguments."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import fastproc
from fastproc import config
from fastproc.cli import info, machine, main
from fastproc.kernels import dispatch


def test_info_says_what_is_in_use(capsys, monkeypatch):
    monkeypatch.setenv("FASTPROC_WORKERS", "3")
    assert main(["info"]) == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    facts = {label: value.strip() for label, value in lines.items()}
    assert facts["fastproc"] == fastproc.__version__
    assert facts["NumPy"] == np.__version__
    assert facts["CPU level"].startswith(f"{dispatch.level} (available: ")
    assert facts["cores"].endswith(f"{config.allowed_cpus()} allowed")
    assert facts["default workers"] == "3"
    assert "FASTPROC_WORKERS=3" in facts["environment"]


def test_info_aligns_its_values(capsys):
    assert main(["info"]) == 0
    starts = [line[: line.index("  ")] for line in capsys.readouterr().out.splitlines()]
    assert len(starts) == len(set(starts))


def test_info_needs_no_extra():
    script = "import sys; sys.modules['rich'] = None; from fastproc.cli import main; main(['info'])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert dispatch.level in done.stdout


def test_a_bad_setting_is_said_in_one_line(capsys, monkeypatch):
    monkeypatch.setenv("FASTPROC_WORKERS", "many")
    assert main(["info"]) == 1
    assert capsys.readouterr().err == (
        "fastproc: FASTPROC_WORKERS is 'many'; it must be a whole number of at least 1\n"
    )


def test_the_forced_level_is_shown():
    lowest = dispatch.available_levels()[-1]
    done = subprocess.run(
        [sys.executable, "-m", "fastproc", "info"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "FASTPROC_CPU_LEVEL": lowest},
    )
    assert f" {lowest} (available: " in done.stdout
    assert f"FASTPROC_CPU_LEVEL={lowest}" in done.stdout


def test_facts_are_json():
    facts = machine.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert machine.versions()["numpy"] == np.__version__


@pytest.mark.parametrize("argv", [["--help"], ["info", "--help"], ["bench", "--help"]])
def test_help(argv, capsys):
    assert main(argv) == 0
    assert "usage: fastproc" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required: COMMAND"),
        (["dance"], "invalid choice: 'dance'"),
        (["bench", "--size", "0"], "'0' is not a whole number of at least 1"),
        (["bench", "--repeat", "some"], "'some' is not a whole number of at least 1"),
    ],
)
def test_usage(argv, message, capsys):
    assert main(argv) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "value"),
    [("FASTPROC_CPU_LEVEL", "v9"), ("FASTPROC_TRANSPORT", "zz"), ("FASTPROC_SEGMENTS", "zz")],
)
def test_a_setting_that_is_none_is_one_line(variable, value):
    answer = subprocess.run(
        [sys.executable, "-m", "fastproc", "info"],
        env={**os.environ, variable: value},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert line.startswith(f"fastproc: {variable} is '{value}'")


def test_a_reader_who_has_gone_is_no_error():
    receive, send = os.pipe()
    os.close(receive)
    answer = subprocess.run(
        [sys.executable, "-m", "fastproc", "info"], stdout=send, stderr=subprocess.PIPE, text=True
    )
    os.close(send)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_nowhere_to_print_to_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)  # as it is where the program's was closed
    assert main(["info"]) == 0


def test_signs_that_the_output_has_not_are_replaced(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    monkeypatch.setattr(info, "lines", lambda: [("CPU", "2\N{MULTIPLICATION SIGN}4")])
    assert main(["info"]) == 0
    assert raw.getvalue().split() == [b"CPU", b"2?4"]


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fastproc {fastproc.__version__}\n"
