"""Layer: pool.  The manager: starts workers, notices their deaths, calls back, ends the pool.

One thread per pool, which sleeps until a worker dies or somebody writes into its pipe: no polling,
and nothing for it to do while a caller waits for results and so leads (``_dispatcher.pyx``).
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import connection, util
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any

from fastproc import config
from fastproc.errors import PoolTerminated
from fastproc.pool import forkserver, remote, script, worker
from fastproc.pool._dispatcher import HAS_FUTEX, Dispatcher
from fastproc.pool.result import CALLBACK_THREAD
from fastproc.shm import serialize

#: Nanoseconds that one who waits looks for news before it goes to sleep: about what it costs both
#: sides in a virtual machine if it sleeps (40 to 70 us each), so that this is at most doubled.  Who
#: sleeps is late, for which the other, too, then falls asleep: with half as long a round trip with
#: an array of 80 kB took 230 us, and takes 80.
SPIN_NS = 100_000

#: Seconds between asking a worker to end (SIGTERM) and killing it.
GRACE_SECONDS = 1.0

#: Workers that may end one after another before they are ready for tasks.  More than bad luck
#: explains, few enough that a script without its guard does not start processes for ever.
MOST_FALSE_STARTS = 10

#: What one counts that somebody kills (SIGKILL), which is no fault of its and may stop.
KILLED_START = 0.1

#: Seconds between two tries to start a worker when the system refuses, and how many are made while
#: there is no worker at all.
RETRY_SECONDS = 0.1
MOST_RETRIES = 50

#: Where users look for what becomes of workers; silent unless they ask for it.
_logger = logging.getLogger("fastproc")
_logger.addHandler(logging.NullHandler())

_managers: weakref.WeakSet[Manager] = weakref.WeakSet()


def _forget_pools() -> None:
    """In a fork of a process that has pools: leave them to their process."""
    for manager in list(_managers):
        manager.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pools)


class Manager:
    """The workers of a pool and the threads that look after them."""

    #: Whether what has been submitted is done before the program ends, not terminated.
    finishes_at_exit = False

    def __init__(
        self,
        processes: int,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        maxtasksperchild: int | None,
        max_memory: int | None,
        context: BaseContext,
        *,
        imports_main: bool = True,
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
            forkserver.preload()
        self._is_forked = method == "fork"
        # The fork server's workers are no children of this process.
        self._has_children = method != "forkserver"
        self._imports_main = imports_main
        self._names = serialize.names_of_workers(method) if imports_main else serialize.NO_MAIN
        self.dispatcher = Dispatcher(
            processes, self._wake, self._has_futex, self._names, self._spin_ns, n_cpus
        )
        self.processes: dict[int, Any] = {}
        self._deaths: dict[int, int] = {}  # what becomes readable when a worker dies
        self._killed: set[int] = set()  # slots whose workers the manager itself has killed
        self._lifelines: dict[int, Connection] = {}
        self._sent: dict[int, serialize.Payload] = {}  # to workers that were not forked
        self._lock = threading.Lock()  # guards what follows, and starting against ending
        self._is_ending = False
        self._kill_at: float | None = None
        self._end_is_requested = False
        self._false_starts = 0.0
        self._vacant: list[int] = []  # slots whose worker could not be started
        self._retries = 0
        self._caller: threading.Thread | None = None
        self.thread: threading.Thread | None = None
        _managers.add(self)
        try:
            for slot in range(processes):
                self._start(slot)
        except BaseException:
            self.terminate()
            raise
        self.thread = threading.Thread(target=self._run, name="fastproc manager", daemon=True)
        self.thread.start()
        # Before multiprocessing waits for its processes at exit, which would not end by themselves.
        self._at_exit = util.Finalize(None, self._end_at_exit, exitpriority=15)

    def _start(self, slot: int) -> None:
        """Start a worker in a free slot."""
        dispatcher = self.dispatcher
        dispatcher.prepare(slot)
        theirs, ours = self._context.Pipe(duplex=False)
        self._lifelines[slot] = ours  # before the fork, in which `forget` closes it
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
        with script.main_that_can_be_imported(self._imports_main):
            process.start()
        theirs.close()
        if bell is not None:
            bell.close()
        self.processes[slot] = process
        self._deaths[slot] = self._watch(process)
        dispatcher.attach(slot, process, self._most_tasks, pipe)

    def _watch(self, process: Any) -> int:
        """Return what becomes readable when a worker dies.

        The sentinel is the end of a pipe, and does so only when nobody has the other end any more,
        of which each process has one that the worker, or another thread here, forks.
        """
        if self._has_children and hasattr(os, "pidfd_open"):
            with suppress(OSError):
                return os.pidfd_open(process.pid)
        return int(process.sentinel)

    def _run(self) -> None:
        try:
            self._supervise()
        except BaseException as error:
            # Nobody must wait for ever for what will not come.
            self.dispatcher.fail_all(error)
            self._signal(lambda process: process.kill())
            raise
        finally:
            self.dispatcher.ended.put(None)
            self.dispatcher.give_up_memory()
            self._at_exit.cancel()

    def _supervise(self) -> None:
        while self.processes or self._vacant:
            if self._end_is_requested and not self._is_ending:
                self.terminate()
            looks = [self.dispatcher.overdue(), RETRY_SECONDS if self._vacant else None]
            if self._kill_at is not None:
                looks.append(max(0.0, self._kill_at - time.monotonic()))
            self._kill_condemned()
            deaths = {death: slot for slot, death in self._deaths.items()}
            next_look = min((look for look in looks if look is not None), default=None)
            for ready in connection.wait([self._pipe, *deaths], next_look):
                if ready is self._pipe:
                    self._read_pipe()
                else:
                    self._bury(deaths[int(ready)])  # type: ignore[arg-type]
            self._fill()
            self.dispatcher.lead_once()
            if self.dispatcher.is_finished():
                self.dispatcher.retire()

    def _read_pipe(self) -> None:
        while self._pipe.poll(0):
            self._pipe.recv_bytes()
        # Only now: who finds a message on its way sends none, and this one may have been its.
        self.dispatcher.manager_is_awake()

    def _kill_condemned(self) -> None:
        while self.dispatcher.to_kill:
            channel = self.dispatcher.to_kill.popleft()
            if self.dispatcher.channels[channel.slot] is channel:
                self._killed.add(channel.slot)
                channel.process.kill()
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = None
            self._signal(lambda process: process.kill())

    def _bury(self, slot: int) -> None:
        """Settle a worker's death."""
        process = self.processes[slot]
        with self._lock:
            process.join()  # it is dead; no signal is sent to its number from here on
            del self.processes[slot]
            self._lifelines.pop(slot).close()
            death = self._deaths.pop(slot)
            if death != process.sentinel:
                os.close(death)
        if slot in self._sent:
            self._sent.pop(slot).recall()
        self._log_death(slot, process)
        if self.dispatcher.has_begun(slot):
            self._false_starts = 0
        else:
            self._false_starts += KILLED_START if process.exitcode == -9 else 1
        self.dispatcher.bury(slot)
        if self._false_starts >= MOST_FALSE_STARTS:
            self.dispatcher.fail_all(remote.false_start(process))
        self._vacant.append(slot)

    def _log_death(self, slot: int, process: Any) -> None:
        """Log a death, unless it is the pool's end; without a lock, as handlers are the user's."""
        if self._needs_no_more():
            return
        is_wanted = process.exitcode == 0 or slot in self._killed
        self._killed.discard(slot)
        _logger.log(
            logging.INFO if is_wanted else logging.WARNING,
            "worker %s %s; another takes its place",
            process.pid,
            remote.ending_of(process.exitcode),
        )

    def _needs_no_more(self) -> bool:
        """Tell whether the pool ends, so that workers that die need no successors."""
        dispatcher = self.dispatcher
        return self._is_ending or dispatcher.broken is not None or dispatcher.is_finished()

    def _fill(self) -> None:
        """Start workers in the places of those that have died, unless the pool ends."""
        while self._vacant:
            refusal: Exception | None = None
            with self._lock:
                if self._needs_no_more():
                    self._vacant.clear()
                    return
                try:
                    self._start(self._vacant[-1])
                except Exception as error:  # no process or descriptor to be had, perhaps for now
                    refusal = error
                    self._retries += 1
                else:
                    self._vacant.pop()
                    self._retries = 0
            if refusal is None:
                self.dispatcher.hand_out()
            elif self.processes or self._retries < MOST_RETRIES:
                if self._retries == 1:
                    _logger.warning("a worker cannot be started: %s; tried again", refusal)
                return
            else:
                self.dispatcher.fail_all(refusal)

    def start_calling_back(self) -> None:
        """Have callbacks called, by a thread of their own: they may take long, or use the pool."""
        with self._lock:
            if self._caller is None:
                self._caller = threading.Thread(
                    target=self._call_back, name=CALLBACK_THREAD, daemon=True
                )
                self._caller.start()

    def _call_back(self) -> None:
        while (job := self.dispatcher.ended.get()) is not None:
            on_end, job.on_end = job.on_end, None
            assert on_end is not None
            try:
                on_end(job)
            except BaseException as error:
                # As of any thread: the error is shown, and the pool goes on.
                details = type(error), error, error.__traceback__, threading.current_thread()
                threading.excepthook(threading.ExceptHookArgs(details))
            job = on_end = None

    def check_process(self) -> None:
        """Raise RuntimeError in a fork of the process that has the pool."""
        if self.dispatcher.is_foreign:  # asking the system each time would cost more than a lock
            raise RuntimeError(
                f"this pool belongs to process {self.pid}, of which this one is a fork; "
                "make a pool here"
            )

    def forget(self) -> None:
        """In a fork of the process that has the pool: let go of the workers' lives."""
        # Open here, these would let workers outlive their parent.
        for lifeline in list(self._lifelines.values()):
            lifeline.close()
        self.dispatcher.is_foreign = True
        for process in list(self.processes.values()):
            multiprocessing.process._children.discard(process)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Have the workers stop when all jobs are done."""
        if os.getpid() == self.pid:
            self.dispatcher.close()

    def request_end(self) -> None:
        """Have the manager end all workers; takes no lock, so any finalizer may call it."""
        if os.getpid() == self.pid:
            self._end_is_requested = True
            self.dispatcher.wake_manager()

    def terminate(self) -> None:
        """End all workers now; what they had not done fails with PoolTerminated."""
        if os.getpid() != self.pid:
            return
        # First the tasks, then their workers, or the tasks would fail as those of killed workers.
        self.dispatcher.fail_all(
            PoolTerminated("the pool was terminated before this task had ended")
        )
        if self.thread is None:
            self._signal(lambda process: process.kill())
            for process in self.processes.values():
                process.join()
            self.dispatcher.give_up_memory()
            return
        # The manager goes on by itself if this thread is interrupted from here on.
        self._kill_at = time.monotonic() + GRACE_SECONDS
        self._signal(lambda process: process.terminate())
        self.dispatcher.wake_manager()
        if self.thread is not threading.current_thread():
            self.thread.join()

    def _end_at_exit(self) -> None:
        if self.finishes_at_exit:
            self.close()
            self.join()
        else:
            self.terminate()

    def _signal(self, send: Callable[[Any], None]) -> None:
        """Send a signal to all workers, and start no more."""
        with self._lock:
            self._is_ending = True
            for process in self.processes.values():
                send(process)

    def join(self) -> None:
        """Wait for the end of all workers, which `close` or `terminate` has asked for."""
        for thread in (self.thread, self._caller):
            if thread is not None and thread is not threading.current_thread():
                thread.join()
