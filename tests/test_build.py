"""Layer: tests.  The build: the same sources make the same bytes, wherever and by whom."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# setup.py as it is, but with a single small module: all of them take minutes.
SETUP = """
import runpy
import sys

import setuptools

original = setuptools.setup

def setup(ext_modules, **options):
    small = [module for module in ext_modules if module.name == "fastproc.shm._copy"]
    original(ext_modules=small, **options)

setuptools.setup = setup
sys.argv[0] = "setup.py"
runpy.run_path("setup.py", run_name="__main__")
"""

EPOCH = 1_000_000_000  # 2001-09-09 01:46:40 UTC


def begin_build(folder, umask):
    """Copy the sources to `folder`, and begin to pack them with a umask."""
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, folder / name)
    for name in ("__init__.py", "catalogue.py", "shm/_copy.pyx", "shm/_copy.h"):
        copy = folder / "fastproc" / name
        copy.parent.mkdir(exist_ok=True, parents=True)
        shutil.copyfile(ROOT / "fastproc" / name, copy)
    return subprocess.Popen(
        [sys.executable, "-c", SETUP, "-q", "sdist", "bdist_wheel"],
        cwd=folder,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)},
        umask=umask,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    """Two folders with an sdist and a wheel each."""
    if sys.platform == "win32" or not (ROOT / "setup.py").exists():
        pytest.skip("the sources to build are not beside the tests, or this is no POSIX system")
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    folders = [tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("in another place")]
    umasks = (0o022, 0o077)
    builds = [begin_build(folder, umask) for folder, umask in zip(folders, umasks, strict=True)]
    for process in builds:
        output, _ = process.communicate()
        assert process.returncode == 0, output[-3000:]
    return folders


def only(folder, pattern):
    (path,) = (folder / "dist").glob(pattern)
    return path


def test_an_sdist_has_the_same_bytes(builds):
    here, there = (only(folder, "*.tar.gz") for folder in builds)
    assert here.read_bytes() == there.read_bytes()


def test_an_sdist_does_not_say_who_made_it(builds):
    with tarfile.open(only(builds[1], "*.tar.gz")) as archive:
        entries = archive.getmembers()
    assert any(entry.name.endswith("fastproc/shm/_copy.pyx") for entry in entries)
    assert {(entry.uid, entry.gid) for entry in entries} == {(0, 0)}
    assert {entry.uname + entry.gname for entry in entries} == {""}
    assert {entry.mtime for entry in entries} == {EPOCH}
    assert {entry.mode for entry in entries} == {0o644, 0o755}


def test_a_wheel_has_the_same_files(builds):
    """Only the permissions, which an installer ignores, are the builder's."""
    contents = []
    for folder in builds:
        with zipfile.ZipFile(only(folder, "*.whl")) as archive:
            contents.append([(e.filename, e.date_time, archive.read(e)) for e in archive.filelist])
    here, there = contents
    assert any(name.startswith("fastproc/shm/_copy.") for name, *_ in here)
    assert here == there


def test_a_module_names_no_folder_of_the_build(builds):
    with zipfile.ZipFile(only(builds[0], "*.whl")) as archive:
        (name,) = (e for e in archive.namelist() if e.startswith("fastproc/shm/_copy.cp"))
        assert str(builds[0]).encode() not in archive.read(name)
