"""Layer: tests.  The rule of the house: a layer imports from below only, and each file says where
it is.
"""

import re
from pathlib import Path

import pytest

import fastproc

# The sources where they are, as an installed package has no .pyx files.
SOURCES = Path(__file__).parents[1] / "fastproc"
ROOT = SOURCES if SOURCES.is_dir() else Path(fastproc.__file__).parent
FILES = sorted(
    path
    for path in ROOT.rglob("*")
    if path.suffix in (".py", ".pyx", ".pxd", ".pyi", ".h") and "__pycache__" not in path.parts
)

# What each layer may import besides itself; `parallel` is the one that knows kernels and pools.
BASE = {"catalogue", "config", "errors", "lazy", "plan"}
ALLOWED = {
    "base": BASE,
    "kernels": BASE,
    "shm": BASE,
    "pool": BASE | {"shm"},
    "parallel": BASE | {"kernels", "shm", "pool"},
    "bridges": BASE | {"kernels", "shm", "pool", "parallel", "dask"},
    "command line": BASE | {"kernels", "shm", "pool", "parallel", "cli", ""},
}
FOLDERS = {"kernels", "shm", "pool", "parallel"}
#: To other people's schedulers, whose names they have.
BRIDGES = {"dask", "joblib.py"}
IMPORTS = re.compile(
    r"^\s*(?:from\s+fastproc((?:\.\w+)*)\s+c?import\s+\(?([\w ,]*)"
    r"|c?import\s+fastproc((?:\.\w+)*))",
    re.MULTILINE,
)


def layer_of(path):
    first = path.relative_to(ROOT).parts[0]
    if first in FOLDERS:
        return first
    if first in BRIDGES:
        return "bridges"
    return "command line" if first in ("cli", "__main__.py") else "base"


def imported(text):
    """Return the first names below `fastproc` that a source imports."""
    for module, names, plain in IMPORTS.findall(text):
        path = (module or plain).strip(".")
        if path:
            yield path.split(".")[0]
        else:
            yield from (name.split()[0] for name in names.split(",") if name.strip())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    if path == ROOT / "__init__.py":
        return  # the public face, above all layers
    layer = layer_of(path)
    for name in imported(path.read_text()):
        if name in (layer, "__version__"):
            continue
        assert name in ALLOWED[layer], f"{path.name}, of layer {layer!r}, imports {name!r}"


#: Around the package: tests, benchmarks, examples and the build.
AROUND = sorted(
    path
    for pattern in ("tests/**/*.py", "bench/*.py", "examples/*.py", "setup.py")
    for path in ROOT.parent.glob(pattern)
    if ROOT == SOURCES
)


@pytest.mark.parametrize("path", AROUND, ids=lambda path: str(path.relative_to(ROOT.parent)))
def test_files_around_the_package_say_theirs(path):
    opening = "\n".join(path.read_text().splitlines()[:3])
    place = path.relative_to(ROOT.parent).parts[0]
    layer = {"bench": "benchmarks", "setup.py": "build"}.get(place, place)
    assert f"Layer: {layer}" in opening


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_first_lines_say_the_layer(path):
    opening = "\n".join(path.read_text().splitlines()[:3])
    if path == ROOT / "__init__.py":
        assert "public face" in opening + path.read_text()[:200]
    else:
        assert f"Layer: {layer_of(path)}." in opening


def test_the_walk_sees_imports_of_every_kind():
    source = """
from fastproc.pool import Pool
from fastproc.shm._atomic cimport (
    atomic_load,
)
from fastproc import config, plan as p
import fastproc.kernels
    from fastproc.cli import main
"""
    assert list(imported(source)) == ["pool", "shm", "config", "plan", "kernels", "cli"]


def test_sources_are_walked():
    assert not SOURCES.is_dir() or any(path.suffix == ".pyx" for path in FILES)


def test_every_layer_has_files():
    assert {layer_of(path) for path in FILES} >= FOLDERS | {"base", "bridges"}
