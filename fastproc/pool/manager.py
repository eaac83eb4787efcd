"""Layer: pool.  The manager: starts workers, notices their deaths, calls back, ends the pool.

One thread per pool, which sleeps until a worker dies or somebody writes into its pipe: no polling,
and nothing for it to do while a caller waits for results and so leads (``_dispatcher.pyx``).
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any

from fastproc import config
from fastproc.errors import PoolTerminated
from fastproc.pool import remote, serialize, worker
from fastproc.pool._dispatcher import HAS_FUTEX, Dispatcher
from fastproc.pool._job import Job

#: Nanoseconds that one who waits looks for news before it goes to sleep.  Falling asleep and being
#: waked takes some 40 us in a virtual machine, so looking longer than that cannot pay.
SPIN_NS = 50_000

#: Seconds between asking a worker to end (SIGTERM) and killing it.
GRACE_SECONDS = 1.0

#: Workers that may end one after another before they are ready for tasks.  More than bad luck
#: explains, few enough that a script without its guard does not start processes for ever.
MOST_FALSE_STARTS = 10

#: What one counts that somebody kills (SIGKILL), which is no fault of its and may stop.
KILLED_START = 0.1

#: The parent's ends of all lifelines.  A fork of this process must not keep them open, or workers
#: would outlive their parent.
_lifelines: weakref.WeakSet[Connection] = weakref.WeakSet()


def _close_lifelines() -> None:
    for lifeline in list(_lifelines):
        lifeline.close()
    _lifelines.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_lifelines)


def _preload_workers() -> None:
    """Have the fork server load, once and for all workers, what every worker needs.

    And NumPy if it is used here, which takes longer to load than a worker to start.  What the user
    has asked the server to load stays; a server that runs already loads nothing more.
    """
    from multiprocessing import forkserver  # not there on every system

    preload = getattr(forkserver._forkserver, "_preload_modules", None)
    if isinstance(preload, list):
        wanted = [worker.__name__, "numpy"] if "numpy" in sys.modules else [worker.__name__]
        preload += [name for name in wanted if name not in preload]


@contextmanager
def _main_that_can_be_imported() -> Iterator[None]:
    """Keep multiprocessing from telling a new process to run a main script that does not exist.

    A program that is read from a pipe calls its file "<stdin>", and every worker would fail to
    start.  Its functions travel by value.
    """
    main: Any = sys.modules.get("__main__")
    if serialize.has_script(main) or not hasattr(main, "__file__"):
        yield
        return
    path = main.__file__
    del main.__file__
    try:
        yield
    finally:
        main.__file__ = path


class Manager:
    """The workers of a pool and the thread that looks after them."""

    def __init__(
        self,
        processes: int,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        maxtasksperchild: int | None,
        max_memory: int | None,
        context: BaseContext,
    ) -> None:
        self.pid = os.getpid()
        self._start_with = initializer, initargs
        self._most_tasks = -1 if maxtasksperchild is None else maxtasksperchild
        self._most_memory = max_memory or 0
        self._context = context
        self._pipe, self._wake = context.Pipe(duplex=False)
        self._has_futex = HAS_FUTEX and config.transport() != "portable"
        n_cpus = config.allowed_cpus()
        self._spin_ns = SPIN_NS if n_cpus > 1 else 0
        method = context.get_start_method()
        if method == "forkserver":
            _preload_workers()
        self._is_forked = method == "fork"
        self._names = serialize.names_of_workers(method)
        self.dispatcher = Dispatcher(
            processes, self._wake, self._has_futex, self._names, self._spin_ns, n_cpus
        )
        self.processes: dict[int, Any] = {}
        self._lifelines: dict[int, Connection] = {}
        self._sent: dict[int, serialize.Payload] = {}  # to workers that were not forked
        self._lock = threading.Lock()  # guards what follows, and starting against ending
        self._is_ending = False
        self._false_starts = 0.0
        self.thread: threading.Thread | None = None
        try:
            for slot in range(processes):
                self._start(slot)
        except BaseException:
            self.terminate()
            raise
        self.thread = threading.Thread(target=self._run, name="fastproc manager", daemon=True)
        self.thread.start()

    def _start(self, slot: int) -> None:
        """Start a worker in a free slot."""
        dispatcher = self.dispatcher
        dispatcher.prepare(slot)
        theirs, ours = self._context.Pipe(duplex=False)
        _lifelines.add(ours)
        bell: Connection | None = None
        pipe: Connection | None = None
        if not self._has_futex:
            bell, pipe = self._context.Pipe(duplex=False)
        start: Any = self._start_with
        if not self._is_forked:
            # Our own pickling: initializers may be lambdas too, and the handles can be recalled.
            self._sent[slot] = serialize.dumps(start, self._names)
            start = self._sent[slot].data, self._sent[slot].kind
        process: Any = self._context.Process(  # type: ignore[attr-defined]
            target=worker.main,
            args=(
                dispatcher.memory,
                start,
                self._is_forked,
                slot,
                theirs,
                self._wake,
                bell,
                self._spin_ns,
                self._most_memory,
            ),
        )
        process.name = process.name.replace("Process", "PoolWorker")
        with _main_that_can_be_imported():
            process.start()
        theirs.close()
        if bell is not None:
            bell.close()
        self.processes[slot] = process
        self._lifelines[slot] = ours
        dispatcher.attach(slot, process, self._most_tasks, pipe)

    def _run(self) -> None:
        while self.processes:
            next_look = self.dispatcher.overdue()
            self._kill_condemned()
            sentinels = {process.sentinel: slot for slot, process in self.processes.items()}
            for ready in connection.wait([self._pipe, *sentinels], next_look):
                if ready is self._pipe:
                    self._read_pipe()
                else:
                    self._replace(sentinels[ready])
            self.dispatcher.lead_once()
            self._call_back()
            if self.dispatcher.closing and self.dispatcher.is_idle():
                self.dispatcher.retire()
        self._call_back()
        self.dispatcher.memory.drop()

    def _read_pipe(self) -> None:
        while self._pipe.poll(0):
            self._pipe.recv_bytes()
        # Only now: who finds a message on its way sends none, and this one may have been its.
        self.dispatcher.manager_is_awake()

    def _kill_condemned(self) -> None:
        while self.dispatcher.to_kill:
            slot = self.dispatcher.to_kill.popleft()
            if slot in self.processes:
                self.processes[slot].kill()

    def _replace(self, slot: int) -> None:
        """Settle a worker's death, and start another in its place unless the pool ends."""
        process = self.processes[slot]
        with self._lock:
            process.join()  # it is dead; no signal is sent to its number from here on
            del self.processes[slot]
            self._lifelines.pop(slot).close()
        if slot in self._sent:
            self._sent.pop(slot).recall()
        if self.dispatcher.has_begun(slot):
            self._false_starts = 0
        else:
            self._false_starts += KILLED_START if process.exitcode == -9 else 1
        self.dispatcher.bury(slot, lambda function: remote.death(process, function))
        if self._false_starts >= MOST_FALSE_STARTS:
            self.dispatcher.fail_all(remote.false_start(process))
        if process.exitcode is not None:  # multiprocessing may have waited for it, at exit
            process.close()
        with self._lock:
            is_wanted = not (
                self._is_ending
                or self.dispatcher.broken is not None
                or (self.dispatcher.closing and self.dispatcher.is_idle())
            )
            if is_wanted:
                self._start(slot)

    def _call_back(self) -> None:
        """Call the callbacks of jobs that have ended."""
        while self.dispatcher.ended:
            job: Job = self.dispatcher.ended.popleft()
            assert job.on_end is not None
            try:
                job.on_end(job)
            except Exception as error:
                # As of any thread: the error is shown, and the pool goes on.
                sys.excepthook(type(error), error, error.__traceback__)

    def check_process(self) -> None:
        """Raise RuntimeError in a fork of the process that has the pool."""
        if os.getpid() != self.pid:
            raise RuntimeError(
                f"this pool belongs to process {self.pid}, of which this one is a fork; "
                "make a pool here"
            )

    def close(self) -> None:
        """Have the workers stop when all jobs are done."""
        if os.getpid() != self.pid:
            return
        self.dispatcher.closing = True
        self.dispatcher.wake_manager()

    def terminate(self) -> None:
        """End all workers now; what they had not done fails with PoolTerminated."""
        if os.getpid() != self.pid:
            return
        # First the tasks, then their workers, or the tasks would fail as those of killed workers.
        self.dispatcher.fail_all(
            PoolTerminated("the pool was terminated before this task had ended")
        )
        self._signal(lambda process: process.terminate())
        # The finalizer of a pool that nobody refers to any more may run in the manager's thread.
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join(GRACE_SECONDS)
        self._signal(lambda process: process.kill())
        if self.thread is None:
            for process in self.processes.values():
                process.join()
            self.dispatcher.memory.drop()

    def _signal(self, send: Callable[[Any], None]) -> None:
        """Send a signal to all workers, and start no more."""
        with self._lock:
            self._is_ending = True
            for process in self.processes.values():
                send(process)

    def join(self) -> None:
        """Wait for the end of all workers, which `close` or `terminate` has asked for."""
        if self.thread is not None:
            self.thread.join()
