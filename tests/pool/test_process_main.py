"""Layer: tests.  Process in programs of every kind: scripts, packages, pipes, REPLs, notebooks."""

import multiprocessing
import os
import subprocess
import sys
import textwrap

import pytest

from fastproc.pool import script

#: What a program defines and does, without a guard as nobody writes one in a notebook.
CELLS = """
import numpy as np
import fastproc as fp
method = METHOD
fp.set_start_method(method)
factor = 3
def triple(x):
    return factor * x

class Point:
    def __init__(self, x):
        self.x = x

class Worker(fp.Process):
    def __init__(self, point, out):
        super().__init__()
        self.point, self.out = point, out
    def run(self):
        self.out[0] = triple(self.point.x) + isinstance(self.point, Point)

out = fp.shared_zeros(4, "i8")
processes = [Worker(Point(2), out)]
processes.append(fp.Process(target=lambda a: a.fill(5), args=(out[1:2],)))
processes.append(fp.Process(target=np.copyto, args=(out[2:3], triple(3))))
def total(large):
    out[3] = large.sum()

processes.append(fp.Process(target=total, args=(np.ones(10**5, "i8"),)))
for process in processes: process.start()

for process in processes: process.join()

print(out.tolist(), [process.exitcode for process in processes])
manager = fp.Manager()
numbers = manager.list([1])
process = fp.Process(target=lambda: numbers.append(2))
process.start()
process.join()
print(list(numbers))
manager.shutdown()
"""
ANSWER = "[7, 5, 9, 100000] [0, 0, 0, 0]\n[1, 2]\n"

#: A notebook's kernel: `__main__` is a module without a file, into which cells are executed.
KERNEL = """
import sys, types
cells = sys.stdin.read().split("\\n\\n")
if __name__ == "__main__":
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    for cell in cells:
        exec(compile(cell, "<cell>", "exec"), main.__dict__)
"""


def python(*arguments, program=None, cwd=None):
    return subprocess.run(
        [sys.executable, *arguments],
        input=program,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
    )


@pytest.fixture(params=multiprocessing.get_all_start_methods())
def method(request):
    return request.param


@pytest.fixture
def cells(method):
    return CELLS.replace("METHOD", repr(method))


def test_program_from_a_pipe(cells):
    answer = python("-", program=cells + "print(__file__)")
    assert (answer.stdout, answer.stderr) == (ANSWER + "<stdin>\n", "")


def test_program_in_an_argument(cells):
    answer = python("-c", cells)
    assert (answer.stdout, answer.stderr) == (ANSWER, "")


def test_repl(cells):
    answer = python("-i", "-q", program=cells)
    assert answer.stdout == ANSWER
    assert set(answer.stderr.split()) <= {">>>", "..."}


def test_notebook(cells, tmp_path):
    (tmp_path / "kernel.py").write_text(KERNEL)
    answer = python("kernel.py", program=cells, cwd=tmp_path)
    assert (answer.stdout, answer.stderr) == (ANSWER, "")


def test_script_whose_functions_stand_under_its_guard(cells, tmp_path):
    path = tmp_path / "script.py"
    path.write_text("if __name__ == '__main__':\n" + textwrap.indent(cells, "    "))
    answer = python(path)
    assert (answer.stdout, answer.stderr) == (ANSWER, "")


def test_package_that_is_run(cells, tmp_path):
    # multiprocessing imports no `__main__.py`, which is why it needs no guard.
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "__main__.py").write_text(cells)
    answer = python(
        "-c",
        "import sys, runpy; sys.path.insert(0, '.');"
        "runpy.run_module('package', run_name='__main__', alter_sys=True)",
        cwd=tmp_path,
    )
    assert (answer.stdout, answer.stderr) == (ANSWER, "")


def test_what_a_script_shares_is_not_copied(method, tmp_path):
    path = tmp_path / "script.py"
    path.write_text(f"""
import fastproc as fp
log = []
class Entry: pass
def note():
    log.append(Entry())
def check(entry):
    note()
    assert type(log[-1]) is Entry and isinstance(entry, Entry)
    print(len(log), flush=True)
if __name__ == "__main__":
    def under_guard(entry):
        check(entry)
    for target in (check, under_guard):
        process = fp.get_context({method!r}).Process(target=target, args=(Entry(),))
        process.start()
        process.join()
""")
    answer = python(path)
    assert (answer.stdout, answer.stderr) == ("1\n1\n", "")


FAILURES = """
import sys
import fastproc as fp

class Unreadable:
    def __reduce__(self):
        return int, ("not a number",)

def fail(*args):
    raise KeyError("missing")

def leave(*args):
    sys.exit("farewell")

if __name__ == "__main__":
    function, argument = {"fail": (fail, 1), "lambda": (lambda x: fail(), 1), "leave": (leave, 1),
                          "unreadable": (fail, Unreadable())}[sys.argv[2]]
    process = fp.get_context(sys.argv[1]).Process(target=function, args=(argument,), name="P")
    process.start()
    process.join()
    print(process.exitcode)
"""


@pytest.mark.parametrize("how", ["fail", "lambda", "leave", "unreadable"])
def test_what_fails_in_the_child_is_shown_once(method, how, tmp_path):
    (tmp_path / "script.py").write_text(FAILURES)
    answer = python(tmp_path / "script.py", method, how)
    assert answer.stdout == "1\n"
    if how == "leave":
        assert answer.stderr == "farewell\n"
        return
    is_read = how != "unreadable" or method == "fork"
    last = "KeyError: 'missing'" if is_read else "ValueError: invalid literal for int()"
    assert answer.stderr.count("Traceback") == 1
    assert answer.stderr.splitlines()[-1].startswith(last)
    assert answer.stderr.startswith("Process P:\n") == is_read


def test_daemons_end_with_the_program(method):
    answer = python(
        "-c",
        "import os, time, fastproc as fp\n"
        f"process = fp.get_context({method!r}).Process(target=lambda: time.sleep(100), daemon=True)"
        "\nprocess.start()\nprint(process.pid)",
    )
    assert answer.stderr == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int(answer.stdout), 0)


def test_names_that_only_the_guard_defines(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("""
from __future__ import annotations
import sys
def module_level(): inner = 1
if sys.platform == "never":
    def conditional(): ...
if __name__ == "__main__":
    def function(): ...
    class Class: method = 1
    async def coroutine(): ...
    if True:
        for item in range(3):
            assigned = conditional = lambda x: inner
elif True:
    def otherwise(): ...
if "__main__" == __name__:
    def other_way_round(): ...
if __name__ != "__main__":
    def when_imported(): ...
if __name__:
    def always(): ...
""")
    assert script._only_under_guard(str(path)) == {
        "function",
        "Class",
        "coroutine",
        "item",
        "assigned",
        "other_way_round",
    }


@pytest.mark.parametrize(
    "content", [None, b"a = (", b"\xff\xfe\x00"], ids=["missing", "broken", "binary"]
)
def test_a_script_that_cannot_be_read_hides_nothing(content, tmp_path):
    path = tmp_path / "script"
    if content is not None:
        path.write_bytes(content)
    assert script._only_under_guard(str(path)) == frozenset()
