"""Layer: tests.  docs/multiprocessing.ipynb, as a user runs it, under each start method.

Its cells assert what they must give.  The kernel is a process of its own, so that the notebook's
``__main__`` is what Jupyter makes it.
"""

import multiprocessing
import os
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "multiprocessing.ipynb"


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_the_lesson(method, tmp_path, monkeypatch):
    # Jupyter is told which Python to run, and looks for nothing in the user's folders.
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    monkeypatch.setenv("JUPYTER_PATH", os.path.join(sys.prefix, "share", "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    setting = f"import multiprocessing; multiprocessing.set_start_method({method!r}, force=True)"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(setting))
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    said = "".join(
        output.get("text", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    assert f"processes are started by {method}" in said
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        assert output.get("name") != "stderr", output["text"]


def test_the_lesson_is_whole():
    """Each cell has been run, in order, and says what it says."""
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.source]
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert sum("assert" in cell.source for cell in code) >= 12
