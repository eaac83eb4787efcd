"""Layer: tests.  The command `top`: its table, its JSON, its refusals."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

from fastproc.cli import main, proc, top, units
from fastproc.pool import _monitor, monitor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no /proc as Linux has it")

PROGRAM = """
import sys, time
import fastproc as fp

def asleep():
    time.sleep(1000)

if __name__ == "__main__":
    with fp.Pool(2, context="fork") as pool:
        pool.map(abs, range(100), 1)
        pool.apply_async(asleep)
        print(flush=True)
        sys.stdin.read()
"""


@contextlib.contextmanager
def running(folder):
    """Give a program one of whose workers is in a task."""
    script = folder / "program.py"
    script.write_text(PROGRAM)
    program = subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        program.stdout.readline()
        end = time.monotonic() + 60
        while not any(w.since for v in monitor.pools_of(program.pid) for w in v.workers()):
            assert time.monotonic() < end
            time.sleep(0.005)
        yield program
    finally:
        program.communicate()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    with running(tmp_path_factory.mktemp("program")) as process:
        yield process


def command(*arguments, before=""):
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sys; {before}\nfrom fastproc.cli import main\n"
            f"sys.exit(main({['top', *map(str, arguments)]!r}))",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_one_table(program, capsys):
    pytest.importorskip("rich")
    assert main(["top", str(program.pid), "--once", "--interval", "0.05"]) == 0
    heading, title, *lines = capsys.readouterr().out.splitlines()
    assert heading.startswith(f"{program.pid}  ")
    assert "program.py  RSS " in heading
    assert title.startswith("pool of 2, ")
    rows = [line.split() for line in lines if line.split() and line.split()[0].isdigit()]
    assert sorted(row[1] for row in rows) == ["asleep", "idle"]
    assert "100%" in "".join(lines)


@pytest.mark.parametrize(
    ("width", "numbers"),
    [
        (120, "4194304 1:06:40 123,456 54,321 100% 1.0 GiB 512 MiB 0"),
        (80, "4194304 1:06:40 123,456 54,321 100% 1.0 GiB"),
        (50, "4194304 54,321 100%"),
        (20, "54,321"),
    ],
)
def test_a_narrow_terminal_gets_fewer_numbers_but_whole_ones(width, numbers):
    console = pytest.importorskip("rich.console").Console(width=width)
    from fastproc.cli import top_table

    sizes = {"rss_bytes": 2**30, "pss_bytes": 2**29}
    worker = {
        **{"pid": 4194304, "state": "running", "function": "f\n" + 60 * "x", "running_s": 4e3},
        **{"tasks": 123456, "tasks_per_s": 54321.0, "busy": 1.0, "restarts": 0, **sizes},
    }
    pool = {"processes": 1, "age_s": 1.0, "tasks_per_s": 54321.0, "workers": [worker]}
    program = {"pid": 1, "command": "a\x1b[2J\nb", "error": None, "pools": [pool], **sizes}
    with console.capture() as capture:
        console.print(top_table.rendered({"programs": [program]}, width))
    heading, *lines = capture.get().splitlines()
    assert heading.startswith("1  a [2J b  RSS"[: width - 1])
    assert all(len(line) <= width for line in lines)
    (row,) = (line for line in lines if "f x" in line)
    assert " ".join(word for word in row.split() if "x" not in word and word != "f") == numbers


def test_a_reader_who_has_gone_is_no_error(program):
    pytest.importorskip("rich")
    watching = command(program.pid, "--interval", 0.01)
    watching.stdout.readline()
    watching.stdout.close()
    assert watching.wait(60) == 0
    assert watching.stderr.read() == ""
    watching.stderr.close()


def test_one_look_as_json_needs_no_rich(program):
    answer, _ = command(
        program.pid, "--once", "--json", "--interval", 0.05, before="sys.modules['rich'] = None"
    ).communicate()
    (seen,) = json.loads(answer)["programs"]
    assert seen["pid"] == program.pid
    assert seen["rss_bytes"] >= seen["pss_bytes"] > 0
    (pool,) = seen["pools"]
    assert pool["processes"] == 2
    assert pool["age_s"] > 0
    by_state = {worker["state"]: worker for worker in pool["workers"]}
    assert set(by_state) == {"running", "idle"}
    assert by_state["running"]["function"] == "asleep"
    assert by_state["running"]["running_s"] > 0
    assert by_state["running"]["busy"] == 1
    assert by_state["idle"]["function"] is None
    assert by_state["idle"]["busy"] == 0
    assert sum(worker["tasks"] for worker in pool["workers"]) == 100
    assert all(worker["rss_bytes"] > 0 for worker in pool["workers"])
    assert [worker["tasks_per_s"] for worker in pool["workers"]] == [0, 0]


def test_without_a_number_all_programs_of_the_user_are_shown(program, capsys):
    assert main(["top", "--once", "--json", "--interval", "0.01"]) == 0
    programs = json.loads(capsys.readouterr().out)["programs"]
    assert program.pid in [each["pid"] for each in programs]
    workers = {worker.pid for view in monitor.pools_of(program.pid) for worker in view.workers()}
    assert not workers & {each["pid"] for each in programs}


def test_the_end_of_the_program_ends_the_view(tmp_path):
    with running(tmp_path) as short:
        watching = command(short.pid, "--json", "--interval", 0.02)
        looks = [json.loads(watching.stdout.readline()) for _ in range(2)]
        short.kill()
        # Not waited for yet, it is a zombie.
        _, errors = watching.communicate(timeout=60)
    assert [look["programs"][0]["pid"] for look in looks] == [short.pid] * 2
    assert watching.returncode == 0
    assert errors == f"fastproc: process {short.pid} has ended\n"


def test_ctrl_c_ends_the_view(program):
    pytest.importorskip("rich")
    watching = command(program.pid, "--interval", 0.02)
    assert str(program.pid) in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=60)
    assert (watching.returncode, errors) == (0, "")


def test_in_a_terminal_the_screen_is_given_back(program):
    pytest.importorskip("rich")
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = ["-m", "fastproc", "top", str(program.pid), "--interval", "0.05"]
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
        os.execve(sys.executable, [sys.executable, *arguments], environment)
    seen = b""
    while b"asleep" not in seen:
        assert select.select([terminal], [], [], 60)[0]
        seen += os.read(terminal, 65536)
    os.kill(pid, signal.SIGINT)
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
        while part := os.read(terminal, 65536):
            seen += part
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    enter, leave = b"\x1b[?1049h", b"\x1b[?1049l"
    assert seen.index(enter) < seen.index(b"asleep") < seen.index(leave)


def test_a_process_that_is_none(capsys):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert main(["top", str(gone.pid), "--once"]) == 1
    assert capsys.readouterr().err == f"fastproc: there is no process {gone.pid}\n"


def test_a_process_without_a_pool(program, capsys):
    (worker, _) = monitor.pools_of(program.pid)[0].workers()
    for arguments in ([], ["--once"], ["--json"]):
        assert main(["top", str(worker.pid), *arguments]) == 1
        message = capsys.readouterr().err
        assert f"process {worker.pid} has no pool of fastproc now; PID is the number" in message


def test_a_user_without_a_pool(monkeypatch, capsys):
    monkeypatch.setattr(proc, "processes", list)
    assert main(["top", "--once"]) == 1
    assert capsys.readouterr().err == (
        "fastproc: no program of this user has a pool of fastproc now\n"
    )


def test_a_process_in_a_container(program, monkeypatch, capsys):
    monkeypatch.setattr(monitor, "pools_of", lambda pid: [])
    monkeypatch.setattr(proc, "is_in_this_container", lambda pid: False)
    assert main(["top", str(program.pid), "--once"]) == 1
    assert "runs in a container, which numbers processes by itself" in capsys.readouterr().err


def test_a_process_of_another_user(program, monkeypatch, capsys):
    def refuse(pid):
        raise PermissionError(f"process {pid} may be looked into by its own user only")

    monkeypatch.setattr(monitor, "pools_of", refuse)
    assert main(["top", str(program.pid), "--once"]) == 1
    assert capsys.readouterr().err == (
        f"fastproc: process {program.pid} may be looked into by its own user only\n"
    )


def test_another_version_of_fastproc(program, monkeypatch, capsys):
    pytest.importorskip("rich")
    monkeypatch.setattr(_monitor, "LAYOUT_HERE", 7)
    assert main(["top", str(program.pid), "--once"]) == 1
    message = f"process {program.pid} uses another version of fastproc (layout 1 of its pools; "
    assert message in capsys.readouterr().err
    # Among others it is shown with that.
    monkeypatch.setattr(proc, "processes", lambda: [program.pid])
    assert main(["top", "--once", "--interval", "0.01"]) == 0
    assert message in capsys.readouterr().out


def test_without_rich_top_says_what_to_install(program):
    watching = command(program.pid, "--once", before="sys.modules['rich'] = None")
    _, errors = watching.communicate()
    assert watching.returncode == 1
    assert errors == "fastproc: the table needs rich: pip install rich\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x"], "'x' is not a whole number of at least 1"),
        (["0"], "'0' is not a whole number of at least 1"),
        (["--interval", "0"], "'0' is not a positive number of seconds"),
        (["--interval", "nan"], "'nan' is not a positive number of seconds"),
        (["--interval", "inf"], "'inf' is not a positive number of seconds"),
        (["--interval", "soon"], "'soon' is not a positive number of seconds"),
    ],
)
def test_usage(arguments, message, capsys):
    assert main(["top", *arguments]) == 2
    assert message in capsys.readouterr().err


def view(**changes):
    fields = dict.fromkeys(monitor.WorkerView._fields, 0)
    return monitor.WorkerView(**(fields | {"name": b"", "is_ready": True} | changes))


@pytest.mark.parametrize(
    ("earlier", "later", "busy"),
    [
        (view(), view(), 0.0),
        (view(), view(busy=25), 0.25),
        (view(since=40), view(since=40), 1.0),
        (view(since=40), view(busy=80), 0.2),  # ended at 120
        (view(busy=10), view(busy=10, since=170), 0.3),
        (view(since=40), view(busy=70, since=190), 0.2),
    ],
)
def test_busy_is_the_part_of_the_time_between_two_looks(earlier, later, busy):
    assert top._busy(100, earlier, 200, later) == pytest.approx(busy)


def test_states():
    this = os.getpid()
    assert top._state(view()) == "starting"
    assert top._state(view(pid=this, is_ready=False)) == "starting"
    assert top._state(view(pid=this)) == "idle"
    assert top._state(view(pid=this, since=5)) == "running"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert top._state(view(pid=gone.pid, since=5)) == "ended"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1:00"), (36000, "10:00:00")]
)
def test_how_long(seconds, text):
    assert units.elapsed(seconds) == text
