"""Layer: pool.  Other processes' pools, found and read from outside.

A pool's memory is a file without a name, which the system shows among the descriptors of the
process that has it (``/proc/PID/fd``) and lets its user open.  A magic in it tells a pool from a
segment, and whose it is stands behind that: forks and workers have the same descriptor.

Nothing is asked of the process that is looked at, so that it may hang, or be stopped in a debugger.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
from typing import NamedTuple

from fastproc.pool import _monitor

#: What the system calls files without a name: a memfd of ours, and an unlinked file, which is what
#: ``FASTPROC_SEGMENTS=portable`` makes.
_NAMES = "/memfd:fastproc"
_UNLINKED = " (deleted)"

_PAGE = 4096


class WorkerView(NamedTuple):
    """What a worker's slot says; times are nanoseconds of the monotonic clock."""

    slot: int
    #: The process number of the worker, or of the one before it; 0 if there was none yet.
    pid: int
    #: When it was started.
    born: int
    #: How many workers were in its place before.
    restarts: int
    #: Whether it was ready for tasks yet.
    is_ready: bool
    #: Tasks that it has ended, and nanoseconds in them.
    tasks: int
    busy: int
    #: When it began with the task that it is in, or 0 if it is in none.
    since: int
    #: The name of the function that it runs, or ran last, as bytes filled up with zeros.
    name: bytes

    @property
    def function(self) -> str:
        """The name of the function that it runs, or ran last; empty if not known."""
        return self.name.rstrip(b"\0").decode(errors="ignore")


class ForeignLayoutError(Exception):
    """A pool was made by a version of fastproc whose memory this one cannot read."""


class PoolView:
    """A pool of some process, for reading."""

    def __init__(self, mapping: mmap.mmap, n_slots: int, pid: int, made: int) -> None:
        self._mapping = mapping
        #: How many workers it should have.
        self.processes = n_slots
        #: Whose pool it is.
        self.pid = pid
        #: When it was made.
        self.made = made

    def workers(self) -> list[WorkerView]:
        """Return what each slot says now."""
        return [WorkerView(*row) for row in _monitor.workers_in(self._mapping, self.processes)]


def now() -> int:
    """Return the time by the clock of a `WorkerView`."""
    return _monitor.now_ns()


def pools_of(pid: int) -> list[PoolView]:
    """Return the pools of a process, the oldest first.

    Raises
    ------
    ProcessLookupError
        If there is no such process.
    PermissionError
        If this user may not look into it.
    ForeignLayoutError
        If another version of fastproc made one of them.

    Examples
    --------
    >>> from fastproc.pool import Pool
    >>> with Pool(2):
    ...     2 in [pool.processes for pool in pools_of(os.getpid())]
    True
    """
    folder = f"/proc/{pid}/fd"
    try:
        numbers = os.listdir(folder)
    except FileNotFoundError:
        raise ProcessLookupError(f"there is no process {pid}") from None
    except PermissionError:
        raise PermissionError(f"process {pid} may be looked into by its own user only") from None
    found: dict[tuple[int, int], PoolView] = {}
    for number in numbers:
        # What is closed meanwhile, or is not this user's to open, is no pool to be shown.
        with contextlib.suppress(OSError):
            path = os.path.join(folder, number)
            name, status = os.readlink(path), os.stat(path)
            identity = status.st_dev, status.st_ino
            # First looked at, then opened: anything else might block.
            if (
                name.startswith(_NAMES)
                or (name.endswith(_UNLINKED) and stat.S_ISREG(status.st_mode))
            ) and identity not in found:
                view = _view(path, pid)
                if view is not None:
                    found[identity] = view
    return sorted(found.values(), key=lambda view: view.made)


def _view(path: str, pid: int) -> PoolView | None:
    """Return the pool of a process in the memory at `path`, or None if there is none."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Read, not mapped: it may be another program's temporary file, and looking at a mapping of
        # one that is cut off meanwhile ends this process (SIGBUS).  A pool's memory is never cut.
        size = os.fstat(fd).st_size
        seen = _monitor.pool_in(os.pread(fd, _PAGE, 0), size)
        if seen is None:
            return None
        layout, n_slots, parent, made = seen
        if layout != _monitor.LAYOUT_HERE:
            raise ForeignLayoutError(
                f"process {pid} uses another version of fastproc (layout {layout} of its pools; "
                f"this one reads {_monitor.LAYOUT_HERE}); look at it with the fastproc that it uses"
            )
        if parent != pid:
            return None
        return PoolView(mmap.mmap(fd, 0, access=mmap.ACCESS_READ), n_slots, pid, made)
    finally:
        os.close(fd)
