"""Layer: tests of the examples.  More data than memory, reduced in one pass."""

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "beyond_memory.py"


def test_the_data_do_not_fit_and_need_not(tmp_path):
    answer = subprocess.run(
        [sys.executable, EXAMPLE, "--gigabytes", "0.6", "--memory-limit", "280MB"],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
    )
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert lines[2] == "15.00 degrees on the average, std 6.00"
    assert lines[4].startswith("warmest at 6:00, with 23.0")
    assert lines[-1] == "the data did not fit, and need not"
