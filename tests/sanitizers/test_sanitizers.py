"""Layer: tests.  The rings, bells, fifos, locks and kernels run clean under GCC's sanitizers.

The extension modules are built once with ThreadSanitizer and once with AddressSanitizer and
UndefinedBehaviorSanitizer, in a folder that is thrown away.  Python itself is not instrumented: a
child gets the sanitizer's library by LD_PRELOAD, and the first report ends it with EXIT_CODE.
"""

import dataclasses
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COMPILER = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "gcc")
EXIT_CODE = 66
TIMEOUT_S = 900  # several times what the longest child takes, beside other work

LIBRARIES = {"thread": "libtsan.so", "address,undefined": "libasan.so"}
OPTIONS = {
    # Forked children of the tests start a team of their own, which is what they test.
    "TSAN_OPTIONS": f"halt_on_error=1:exitcode={EXIT_CODE}:die_after_fork=0",
    # Python leaks at its exit; and tests ask for more memory than there is, to get MemoryError.
    "ASAN_OPTIONS": f"exitcode={EXIT_CODE}:detect_leaks=0:allocator_may_return_null=1",
    "UBSAN_OPTIONS": f"exitcode={EXIT_CODE}:print_stacktrace=1",
    "PYTHONMALLOC": "malloc",  # Python's own allocator would hide where objects end
    "PYTHONDONTWRITEBYTECODE": "1",
}


def library(name):
    """Return the path of a sanitizer's library, or None if the compiler has none."""
    answer = subprocess.run(
        [*COMPILER, f"-print-file-name={name}"], capture_output=True, text=True, check=False
    )
    path = Path(answer.stdout.strip())
    return path.resolve() if path.is_absolute() and path.exists() else None


def what_is_missing():
    """Return why nothing can be built here, or None."""
    if sys.platform != "linux":
        return "the bells' futexes and LD_PRELOAD are Linux's"
    if not (ROOT / "setup.py").exists() or not (ROOT / "fastproc/shm/_ring.pyx").exists():
        return "the sources to build are not beside the tests"
    for module in ("Cython", "setuptools"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    if shutil.which(COMPILER[0]) is None:
        return f"there is no compiler {COMPILER[0]!r}"
    for name in ("libtsan.so", "libasan.so", "libubsan.so"):
        if library(name) is None:
            return f"{COMPILER[0]!r} has no {name}"
    return None


MISSING = what_is_missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"no sanitizers: {MISSING}")


@dataclasses.dataclass(frozen=True)
class Build:
    """The modules built with one sanitizer."""

    sanitizer: str
    folder: Path

    def python(self, *arguments):
        """Run Python with the instrumented fastproc and return what became of it."""
        environment = {
            **os.environ,
            **OPTIONS,
            "LD_PRELOAD": str(library(LIBRARIES[self.sanitizer])),
            "PYTHONPATH": str(self.folder),
        }
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )

    def output(self, *arguments):
        """Return what Python prints, provided that it ends well."""
        answer = self.python(*arguments)
        assert answer.returncode == 0, f"{answer.stdout[-3000:]}\n{answer.stderr[-9000:]}"
        return answer.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A copy of the sources, without pyproject.toml, whose metadata old setuptools do not know."""
    folder = tmp_path_factory.mktemp("sources")
    left_out = shutil.ignore_patterns("*.so", "*.c", "__pycache__")
    shutil.copytree(ROOT / "fastproc", folder / "fastproc", ignore=left_out)
    for file in (ROOT / "setup.py", HERE / "build.py", *HERE.glob("_*.p[yx]*")):
        shutil.copy(file, folder)
    # What Cython has made of them already, unless they are newer: translating takes as long as
    # compiling.  Copies are newer than the declarations of Cython and NumPy, to which it looks too.
    newest = max(
        path.stat().st_mtime
        for suffix in ("pyx", "pxd", "h")
        for path in (ROOT / "fastproc").rglob(f"*.{suffix}")
    )
    for translated in ROOT.glob("build/cython*/**/*.c"):
        if translated.stat().st_mtime > newest:
            copied = folder / translated.relative_to(ROOT)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(translated, copied)
    return folder


def build_with(sanitizer, sources):
    folder = sources / f"with-{sanitizer.replace(',', '-')}"
    shutil.copytree(sources / "fastproc", folder / "fastproc")
    build = Build(sanitizer, folder)
    started = build.python("-c", "pass")
    if started.returncode != 0:  # such as where addresses are too random for it
        pytest.skip(f"no sanitizers: {sanitizer} does not start here: {started.stderr[:500]}")
    compiled = subprocess.run(
        [sys.executable, "build.py", sanitizer, folder],
        cwd=sources,
        capture_output=True,
        text=True,
    )
    assert compiled.returncode == 0, compiled.stdout[-5000:] + compiled.stderr[-5000:]
    where = build.output("-c", "import fastproc.shm._ring as ring; print(ring.__file__)")
    assert folder in Path(where).parents, "another fastproc would be tested"
    return build


@pytest.fixture(scope="module")
def thread(sources):
    return build_with("thread", sources)


@pytest.fixture(scope="module")
def address(sources):
    return build_with("address,undefined", sources)


@pytest.fixture
def build(request):
    """The one of the two builds that a test's parameter names."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("capacity", [256, 1024])
@pytest.mark.parametrize("build", ["thread", "address"], indirect=True)
def test_ring_and_bells(build, capacity):
    count = 50_000
    code = f"import json, _ring_stress as s; print(json.dumps(s.stress({capacity}, {count})))"
    counts = json.loads(build.output("-c", code))
    assert counts["of one side"] == counts["withdrawn"] + counts["taken"] == count
    assert all(counts.values()), counts


@pytest.mark.parametrize("most_items", [0, 20])
@pytest.mark.parametrize("build", ["thread", "address"], indirect=True)
def test_fifo_and_locks(build, most_items):
    code = f"import _fifo_stress as s; print(s.stress({most_items}, 10_000))"
    assert build.output("-c", code) == "['all', 'all']\n"


#: Of each way in which work is cut, a kernel or two: under ThreadSanitizer all would take an hour.
CUT = (
    "var or argmax or describe or sigmoid or softmax or move_mean or quantile or cumsum or ewma or "
    "histogram2d or digitize or group_mean or cdist or nearest"
)


@pytest.mark.parametrize(
    ("build", "files", "which"),
    [
        # Not whether helpers are idle: ThreadSanitizer has a thread of its own, which is not.
        ("thread", "parallel/test_threads.py", "not idle"),
        ("thread", "parallel/test_workers.py", f"bits and transposed and ({CUT})"),
        ("address", "parallel", "twin and not signature"),
        # Not what forks: the stress has both sides of a ring in one process, to be watched.
        ("address", "test_levels.py shm/test_ring.py", "not two and not either and not killed"),
    ],
    ids=["thread team", "kernels by threads", "kernels", "and the rest"],
    indirect=["build"],
)
def test_other_tests(build, files, which):
    paths = [HERE.parent / file for file in files.split()]
    # Without -s a report would be in what pytest captures, and be lost with it.
    options = ["-q", "-s", "-p", "no:cacheprovider", "--hypothesis-profile=few", "-k", which]
    assert " passed" in build.output("-m", "pytest", *options, *paths)


@pytest.mark.parametrize(
    ("build", "mistake", "report"),
    [
        ("thread", "_ring_stress.stress(1024, 50_000, late=True)", "ThreadSanitizer: data race"),
        ("thread", "_fifo_stress.stress(0, 5_000, late=True)", "ThreadSanitizer: data race"),
        (
            "address",
            "_ring_stress.read_past_the_end(_ring_stress.Block(64))",
            "AddressSanitizer: heap-buffer-overflow",
        ),
        ("address", "_ring_stress.shift_too_far(1, 64)", "shift exponent 64 is too large"),
    ],
    indirect=["build"],
)
def test_mistakes_are_seen(build, mistake, report):
    answer = build.python("-c", f"import _fifo_stress, _ring_stress; {mistake}")
    assert report in answer.stderr
    assert answer.returncode == EXIT_CODE
