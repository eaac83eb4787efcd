"""Layer: tests.  What the documentation says runs, and says all that it must."""

import doctest
import importlib
import os
import pickle
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastproc
from fastproc.catalogue import FAMILY_OF as KERNELS

MODULES = [
    module.name
    for module in pkgutil.walk_packages(fastproc.__path__, "fastproc.")
    if not re.search(r"\.kernels\._\w+_(v\d|baseline)$", module.name)
    and not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert not failed


@pytest.mark.parametrize("name", KERNELS)
def test_docstrings_of_kernels(name):
    function = getattr(fastproc, name)
    for section in ("Parameters", "Returns", "Raises", "Notes", "Examples"):
        assert f"{section}\n{'-' * len(section)}\n" in function.__doc__
    assert "workers : None, int, Pool or executor" in function.__doc__
    test = doctest.DocTestParser().get_doctest(function.__doc__, {}, name, None, 0)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_pickle_by_their_public_name(name):
    function = getattr(fastproc, name)
    assert pickle.loads(pickle.dumps(function)) is function
    assert function.__module__ == "fastproc"


def test_public_names_are_there():
    for name in fastproc.__all__:
        assert getattr(fastproc, name) is not None
    assert set(fastproc.__all__) <= set(dir(fastproc))
    assert set(KERNELS) <= set(fastproc.__all__)
    with pytest.raises(AttributeError, match="module 'fastproc' has no attribute 'nothing'"):
        _ = fastproc.nothing


PAGES = [Path(__file__).parents[1] / name for name in ("README.md", "docs/joblib.md")]
BLOCKS = [
    block
    for page in PAGES
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_code_of_the_documentation(block, tmp_path):
    script = tmp_path / "block.py"
    script.write_text(block)
    answer = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        env={**os.environ, "TQDM_DISABLE": "1"},  # bars are written to where errors go
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    if "print(x.tolist())" in block:
        assert answer.stdout == "[[4.0, 4.0], [12.0, 8.0]]\n"
    if "search.best_params_" in block:
        assert answer.stdout == "{'C': 10}\n"
