"""Layer: command line.  What ``/proc`` says of a process: whose it is, its command, its memory."""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple


class MemoryUse(NamedTuple):
    """Bytes of a process in memory; None where the system does not tell."""

    #: All of them.
    rss_bytes: int | None
    #: Of those that it shares with other processes, only its share.
    pss_bytes: int | None


def processes() -> list[int]:
    """Return the numbers of this user's processes, but for this one."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            with contextlib.suppress(OSError):  # it has ended
                if os.stat(f"/proc/{name}").st_uid == os.geteuid():
                    found.append(int(name))
    return sorted(found)


def is_alive(pid: int) -> bool:
    """Tell whether there is a process of this number that has not ended; a zombie has."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The state stands behind the program's name, which may have parentheses of its own.
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X", b"x")
    except OSError:
        return False


def is_in_this_container(pid: int) -> bool:
    """Tell whether a process calls processes by the same numbers as this one (PID namespace).

    True where the system does not tell.
    """
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
    except OSError:
        return True


def command_of(pid: int) -> str:
    """Return a process's command line, or an empty one if it has ended."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def memory_of(pid: int) -> MemoryUse:
    """Return how much memory a process has.

    The system walks through its pages for the answer, a millisecond or so for each GiB.
    """
    sizes = {}
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                label, _, value = line.partition(b":")
                if label in (b"Rss", b"Pss"):
                    sizes[label] = int(value.split()[0]) * 1024
    except OSError:  # it has ended, or belongs to somebody else
        return MemoryUse(None, None)
    return MemoryUse(sizes.get(b"Rss"), sizes.get(b"Pss"))
