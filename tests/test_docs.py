"""Layer: tests.  What the documentation says runs, and says all that it must."""

import ast
import doctest
import importlib
import importlib.util
import itertools
import os
import pickle
import pkgutil
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fastproc
from fastproc.catalogue import FAMILIES
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


README = Path(__file__).parents[1] / "README.md"
DOCS = README.with_name("docs")

#: A fenced block: why it is not run, if it is not; its language, or directive; its text.
BLOCK = re.compile(
    r"^(?:<!-- not run: (.+) -->\n)?^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
#: By page, its blocks.
PAGES = {
    path.relative_to(DOCS).as_posix(): BLOCK.findall(path.read_text())
    for path in sorted(DOCS.rglob("*.md"))
}
WITH_CODE = [
    page for page, blocks in PAGES.items() if any(language == "python" for _, language, _ in blocks)
]


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL))
def test_code_of_the_readme(block, tmp_path):
    printed = run_script(block, tmp_path)
    if "print(x.tolist())" in block:
        assert printed == "[[4.0, 4.0], [12.0, 8.0]]\n"


@pytest.mark.parametrize("page", WITH_CODE)
def test_code_of_the_pages(page, tmp_path):
    """Blocks run one after another, as at a prompt, and print what the block of text below says.

    One that has a main guard is a script of its own; one of Cython begins with its file's name.
    """
    session, expected = [], []
    blocks = [*PAGES[page], ("", "", "")]
    for (reason, language, text), (_, next_language, next_text) in itertools.pairwise(blocks):
        if reason:
            continue
        wanted = next_text if next_language == "text" else None
        if language == "cython":
            build(text, tmp_path)
        elif language == "python":
            skip_without_imports(text, tmp_path)
            if "__main__" in text:
                assert wanted in (None, run_script(text, tmp_path)), text
            else:
                session.append(text)
                expected.append(wanted)
    end = "=== end of a block ===\n"
    program = "".join(f"{text}\nprint({end!r}, end='')\n" for text in session)
    *printed, rest = run(["-"], tmp_path, program).split(end)
    assert rest == ""
    for text, output, wanted in zip(session, printed, expected, strict=True):
        assert wanted in (None, output), text


@pytest.mark.parametrize("page", PAGES)
def test_blocks_of_the_pages_are_what_they_say(page):
    for _, language, text in PAGES[page]:
        assert language in ("", "text", "python", "cython", "sh", "toml") or language[0] == "{"
        if language == "toml":
            tomllib.loads(text)
        elif language == "sh" and shutil.which("bash"):
            answer = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
            assert answer.returncode == 0, answer.stderr
    fences = re.findall(r"^\s*```", (DOCS / page).read_text(), re.MULTILINE)
    assert len(fences) == 2 * len(PAGES[page])  # none is indented, and so overlooked


def test_what_is_not_run_is_rare():
    reasons = [reason for blocks in PAGES.values() for reason, *_ in blocks if reason]
    assert len(reasons) <= 3


def test_the_reference_has_all_names():
    """Each public name once, and each family's kernels on one page."""
    entries = {
        page: [name for _, language, text in blocks for name in names_of(language, text)]
        for page, blocks in PAGES.items()
        if page.startswith("reference/")
    }
    names = [name for page in entries.values() for name in page]
    assert sorted(names) == sorted(fastproc.__all__)
    for family in FAMILIES.values():
        assert any(set(family) <= set(page) for page in entries.values()), family


def test_the_site_builds_without_warnings(tmp_path):
    for module in ("sphinx", "myst_nb", "numpydoc", "pydata_sphinx_theme"):
        if not importlib.util.find_spec(module):
            pytest.skip(f"{module} is in the dependency group 'docs'")
    if not README.with_name("CONTRIBUTING.md").exists():
        pytest.skip("pages include files of the checkout, which this is not")
    # All is read and every link looked for, but nothing written.
    run(["-m", "sphinx", "-qW", "--keep-going", "-b", "dummy", str(DOCS), str(tmp_path)], tmp_path)


@pytest.mark.parametrize("name", ["layers", "task", "segment"])
def test_pictures_are_as_drawn(name):
    drawn = runpy.run_path(str(DOCS / "pictures" / "draw.py"))[name]()
    assert (DOCS / "pictures" / f"{name}.svg").read_text() == str(drawn)


def names_of(language, text):
    """Return the names of fastproc itself that a block of the reference documents."""
    if language == "{eval-rst}" and ".. currentmodule:: fastproc\n" in text:
        return re.findall(r"^(?:   |\.\. (?:auto|py:)\w+:: )(\w+)(?:\(\))?$", text, re.MULTILINE)
    return []


def skip_without_imports(text, folder):
    """Skip the test if a block imports what is neither installed nor built in the folder."""
    for node in ast.walk(ast.parse(text)):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in (module.partition(".")[0] for module in modules):
            if not importlib.util.find_spec(name) and not list(folder.glob(f"{name}.*")):
                pytest.skip(f"{name} is not installed")


def build(text, folder):
    """Build a block of Cython in a folder, without optimizing it, which would take longer."""
    pytest.importorskip("Cython", reason="Cython is in the extra 'test'")
    if shutil.which(os.environ.get("CC", "cc")) is None:
        pytest.skip("there is no C compiler")
    source = folder / re.match(r"# (\w+\.pyx)\n", text)[1]
    source.write_text(text)
    # On the path Cython finds fastproc's .pxd files, also of an editable installation.
    path = os.pathsep.join([str(Path(fastproc.__file__).parents[1]), *python_path()])
    answer = subprocess.run(
        [sys.executable, "-m", "Cython.Build.Cythonize", "-i", source.name],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        env={**os.environ, "CFLAGS": "-O0", "PYTHONPATH": path},
    )
    assert answer.returncode == 0, answer.stderr


def python_path():
    return filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))


def run_script(text, folder):
    """Run a block as a script; return what it printed."""
    (folder / "block.py").write_text(text)
    return run(["block.py"], folder)


def run(command, folder, program=""):
    """Run Python in a folder whose modules it finds; return what it printed."""
    path = os.pathsep.join([str(folder), *python_path()])
    answer = subprocess.run(
        [sys.executable, *command],
        input=program,
        capture_output=True,
        text=True,
        timeout=100,
        cwd=folder,
        # Bars are written to where errors go.
        env={**os.environ, "PYTHONPATH": path, "TQDM_DISABLE": "1"},
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    return answer.stdout
