"""Layer: tests of the examples.  Kernels of one's own: each example, built and run as it says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "kernels"


def run(command, folder):
    # The folder's own modules are to be found there, hence not Python's safe path.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    answer = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        env=environment,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("cython_function", "crest: {2.548"),
        ("cimport_kernels", "standard deviation 1.000000"),
    ],
)
def test_modules_of_cython(name, last, tmp_path):
    pytest.importorskip("Cython", reason="Cython is in the extra 'test'")
    if shutil.which(os.environ.get("CC", "cc")) is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder)
    run(["setup.py", "build_ext", "--inplace"], folder)
    assert last in run(["run.py"], folder).splitlines()[-1]


def test_a_low_level_callable():
    pytest.importorskip("scipy", reason="SciPy is in the extra 'test'")
    out = run(["low_level_callable.py"], EXAMPLES)
    assert "erf(1): 0.842701" in out


def test_a_function_of_numba():
    pytest.importorskip("numba", reason="numba is in the extra 'test'")
    out = run(["numba_function.py"], EXAMPLES)
    assert out.splitlines()[-1] == "differences: [0.0, 3.0, 8.0]"
