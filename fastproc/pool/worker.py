"""Layer: pool.  A worker process from its start to its end.

It ends when it is told to stop, when its initializer fails, or with its parent: at once then, and
whatever it is doing, as the system kills it.
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from fastproc import config
from fastproc.pool._worker import Worker
from fastproc.shm import serialize
from fastproc.shm.memory import Memory


def main(
    memory: Memory,
    start: Any,
    is_forked: bool,
    slot: int,
    lifeline: Connection,
    wake: Connection,
    bell: Connection | None,
    spin_ns: int,
    most_memory: int,
) -> None:
    """Be the worker in a slot.

    `start` is the initializer and its arguments; pickled, if not forked.
    """
    die_with_parent(lifeline)
    if is_forked:
        _forget_half_imports()
    # Ctrl-C goes to the whole group of processes; it is the parent's to decide.  A handler rather
    # than SIG_IGN, which programs that a task starts would inherit.
    signal.signal(signal.SIGINT, _leave_it_to_the_parent)
    # The parent's own handler, inherited by a fork, might not end this process.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    config.enter_pool_worker()
    if not is_forked:
        data, kind = start
        if kind == serialize.PARCEL:
            data = serialize.open_parcel(data)
        start = serialize.loads(data)
    initializer, initargs = start
    worker = Worker(memory.mapping, slot, wake, bell, spin_ns, most_memory)
    if initializer is not None:
        try:
            initializer(*initargs)
        except BaseException as error:
            worker.fail_to_start(error)
            return
    worker.run()


def _forget_half_imports() -> None:
    """Forget modules that another thread of the parent was importing at the moment of the fork.

    That thread is not here to go on with it, nor to release the modules' locks, for which an
    import in a task would wait for ever.  (A pool replaces workers whenever one dies, whatever the
    parent's threads are doing.)
    """
    # Whoever imports has a lock here.  Where nobody does, walking through all modules would only
    # copy the pages that they are on, some hundred of them.
    if not getattr(importlib._bootstrap, "_module_locks", True):
        return
    for name, module in list(sys.modules.items()):
        if getattr(getattr(module, "__spec__", None), "_initializing", False):
            del sys.modules[name]
    for locks in ("_module_locks", "_blocking_on"):
        getattr(importlib._bootstrap, locks, {}).clear()


def _leave_it_to_the_parent(number: int, frame: object) -> None:
    pass


def die_with_parent(lifeline: Connection) -> None:
    """Have this process killed when the other end of a pipe is closed, as it is by a death.

    On Linux the system sends the signal, so that it comes in the middle of compiled code too, and
    no thread is needed, which a fork in a task would have to fear.  (PR_SET_PDEATHSIG would kill
    as soon as the *thread* ends that started this process.)
    """
    fd = lifeline.fileno()
    try:
        import fcntl

        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | fcntl.FASYNC)
    except (ImportError, AttributeError, OSError):
        threading.Thread(target=_wait_for_end, args=(lifeline,), daemon=True).start()
        return
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    if poll.poll(0):  # closed before the system was asked to watch
        os._exit(1)


def _wait_for_end(lifeline: Connection) -> None:
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)
