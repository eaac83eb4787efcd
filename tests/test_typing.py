"""Layer: tests.  The program that the type checkers read does what it says."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "typing" / "user_code.py"


def test_user_code_runs(tmp_path):
    pytest.importorskip("pandas")
    answer = subprocess.run([sys.executable, PROGRAM], capture_output=True, text=True, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
