"""Importing fastproc: what it loads, and what it says where it cannot."""

import shutil
import subprocess
import sys
from pathlib import Path

import fastproc


def run(code, cwd):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd)


def test_kernels_do_not_load_multiprocessing(tmp_path):
    code = (
        "import sys, fastproc; fastproc.sum([1.0]); fastproc.sum([[1.0] * 9999] * 99, axis=0);"
        "print([name for name in sys.modules if name.startswith('multiprocessing')])"
    )
    answer = run(code, tmp_path)
    assert answer.stdout == "[]\n", answer.stderr


def test_sources_without_compiled_modules_say_what_to_do(tmp_path):
    shutil.copytree(
        Path(fastproc.__file__).parent,
        tmp_path / "fastproc",
        ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"),
    )
    answer = run("import sys; sys.path.insert(0, '.'); import fastproc", tmp_path)
    assert answer.returncode == 1
    message = answer.stderr.splitlines()[-1]
    assert message.startswith("ImportError: the fastproc in ")
    assert "has no compiled modules for this Python" in message
    assert message.endswith("compile these sources in place with: pip install -e .")
