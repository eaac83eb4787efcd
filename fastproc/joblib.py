"""Layer: bridges.  joblib's backend: `Parallel`, and all that uses it, on fastproc's workers.

Importing this module registers it.  joblib cuts a loop into batches of calls and asks of a backend
to run a batch somewhere (`submit`) and to call back when it is done, upon which joblib submits the
next.  Here a batch is a job of one task, for processes that stay from one loop to the next
(`_Processes`), and one thread per loop both leads, reading results as they come, and calls back:
nobody is waked for it.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple

try:
    import joblib
    from joblib.parallel import (
        TASK_ERROR,
        AutoBatchingMixin,
        BatchCompletionCallBack,
        FallbackToBackend,
        ParallelBackendBase,
        SequentialBackend,
    )
except ModuleNotFoundError as error:
    raise ImportError(
        'the joblib backend needs joblib; install it with: pip install "fastproc[joblib]"'
    ) from error

from fastproc import config
from fastproc.pool import forkserver
from fastproc.pool._dispatcher import Dispatcher
from fastproc.pool._function import Function
from fastproc.pool._job import MAP, Ends, Job
from fastproc.pool.manager import Manager
from fastproc.pool.result import AsyncResult
from fastproc.shm import serialize
from fastproc.shm.once import Once

#: Seconds after which processes end that no loop has used, as joblib's own do.
IDLE_SECONDS = 300.0

#: By threadpoolctl's name of a library, the variable that limits its threads.
_LIMITS = {
    "openmp": "OMP_NUM_THREADS",
    "blas": "OPENBLAS_NUM_THREADS",
    "mkl_rt": "MKL_NUM_THREADS",
    "libmkl_rt": "MKL_NUM_THREADS",
    "libblis": "BLIS_NUM_THREADS",
}

_Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
_Pending = tuple[AsyncResult[Any], Callable[[Any], object] | None]


class FastprocBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """The backend that ``joblib.parallel_config(backend="fastproc")`` takes.

    Parameters
    ----------
    nesting_level : int, optional
        Given by joblib.
    inner_max_num_threads : int, optional
        The most threads that BLAS and OpenMP use in a worker; by default the cores divided among
        the workers, unless the environment says more.
    start_method : str, optional
        "fork", "forkserver" or "spawn"; by default the best that does not fork this process, as
        what OpenMP has started here does not survive that.
    idle_worker_timeout : float, default 300
        Seconds after which workers end that nobody uses.

    Notes
    -----
    Workers do not import the main script, which so needs no guard; what it defines goes by value.

    Examples
    --------
    >>> with joblib.parallel_config(backend="fastproc", n_jobs=2):
    ...     joblib.Parallel()(joblib.delayed(abs)(i) for i in [-1, -2])
    [1, 2]
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    default_n_jobs = -1  # who names this backend wants processes, though n_jobs is not given

    # Seconds.  A batch costs some 50 us here, a hundredth of what joblib's own constants allow for,
    # and the shorter batches are, the sooner all workers have work and the later they run out.
    MIN_IDEAL_BATCH_DURATION = 0.01
    MAX_IDEAL_BATCH_DURATION = 0.2

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        start_method: str | None = None,
        idle_worker_timeout: float = IDLE_SECONDS,
    ) -> None:
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        if start_method is None:
            methods = multiprocessing.get_all_start_methods()
            start_method = "forkserver" if "forkserver" in methods else "spawn"
        multiprocessing.get_context(start_method)  # raises if there is no such method
        if idle_worker_timeout <= 0:
            raise ValueError(f"idle_worker_timeout must be positive, not {idle_worker_timeout}")
        self._start_method = start_method
        self._idle_seconds = idle_worker_timeout
        self.parallel: Any = None
        self._processes: _Processes | None = None
        self._lock = threading.Lock()
        self._jobs: dict[Job, _Pending] = {}  # that joblib has not been called back for, in order
        self._over = threading.Event()  # set while there are none, or nobody wants more
        self._ends = Ends()
        self._leader: threading.Thread | None = None
        self._is_aborted = False
        self._once: Once | None = None

    # What joblib asks before and after a loop -----------------------------------------------------

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many workers `n_jobs` means here."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        reason = _no_processes_here()
        if reason is not None:
            if n_jobs != 1:
                warnings.warn(f"{reason}; setting n_jobs=1", stacklevel=_level_of_user())
            return 1
        if n_jobs < 0:
            return max(int(joblib.cpu_count()) + 1 + n_jobs, 1)
        return n_jobs

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        max_nbytes: int | None = None,
        mmap_mode: Any = None,
        **ignored: Any,
    ) -> int:
        """Take processes for a loop, or several of one Parallel; return how many there are."""
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        if self.parallel is not parallel:
            # joblib has one backend for all loops under a parallel_config, also for those in other
            # threads and in the generator of another's tasks.  Here each Parallel has its own.
            own = FastprocBackend(
                self.nesting_level,
                self.inner_max_num_threads,
                self._start_method,
                self._idle_seconds,
            )
            own.parallel = parallel
            raise FallbackToBackend(own)
        self._array_options = max_nbytes, mmap_mode
        self._processes = _take(self._settings(n_jobs))
        self._nested = self.get_nested_backend()
        self._whole = self._processes.function(_Batch(_call, self._nested, False))
        return n_jobs

    def _settings(self, n_jobs: int) -> _Settings:
        try:
            import threadpoolctl  # noqa: F401
        except ModuleNotFoundError as error:
            raise ImportError(
                "the joblib backend needs threadpoolctl; install it with: "
                'pip install "fastproc[joblib]"'
            ) from error
        environment = tuple(sorted(self._prepare_worker_env(n_jobs).items()))
        return _Settings(n_jobs, self._start_method, environment, self._idle_seconds)

    def start_call(self) -> None:
        """Begin with a loop."""
        max_nbytes, mmap_mode = self._array_options
        if max_nbytes is None or mmap_mode is None:
            self._once, reducers = None, None
        else:
            self._once = Once(max_nbytes, mmap_mode)
            reducers = self._once.reducers
        self._names = serialize.Names({}, reducers)
        self._common: Any = None
        self._is_aborted = False
        self._over.set()

    def stop_call(self) -> None:
        """Be done with a loop."""
        if self._once is not None:
            self._once.clear()

    def terminate(self) -> None:
        """Give the processes back, for others to take."""
        if self._processes is not None:
            processes, self._processes = self._processes, None
            processes.give_back()
        self.reset_batch_stats()

    # Batches --------------------------------------------------------------------------------------

    def submit(self, func: Any, callback: Callable[[Any], object] | None = None) -> Any:
        """Begin with a batch of calls; `callback` gets what is returned here when it is done."""
        assert self._processes is not None
        dispatcher = self._processes.dispatcher
        error = None
        try:
            function, tasks = self._function_of(func.items)
        except Exception as caught:  # the function cannot be pickled
            error, function, tasks = caught, self._whole, []
        job = Job(function, MAP, [tasks], 0)
        job.names, job.ends, job.error = self._names, self._ends, error
        result: AsyncResult[Any] = AsyncResult(self._processes, dispatcher, job, True)
        with self._lock:
            self._jobs[job] = result, callback
            if self._over.is_set():
                self._over.clear()
        try:
            if error is None:
                dispatcher.submit(job)
        except Exception as caught:  # there are no workers any more
            job.error = caught
        except BaseException:  # Ctrl-C, before or after the job had been sent
            with self._lock:
                del self._jobs[job]
            dispatcher.cancel(job)
            raise
        if job.error is not None:
            # As the batch's result: joblib does not expect that this method raises.
            self._ends.put(job)
        elif self._is_aborted:  # by another thread meanwhile, which may not have seen the job
            dispatcher.cancel(job)
        with self._lock:
            if self._leader is None and job in self._jobs:
                self._leader = threading.Thread(
                    target=self._lead, args=(dispatcher,), name="fastproc joblib", daemon=True
                )
                self._leader.start()
        return result

    apply_async = submit  # its name before joblib 1.5

    def _lead(self, dispatcher: Dispatcher) -> None:
        """Read results and call back, upon which joblib submits more, until there are no jobs."""
        while True:
            dispatcher.wait(self._ends)
            job = self._ends.next()
            # None of one whose submission was interrupted.
            result, callback = self._jobs.get(job, (None, None))
            try:
                if callback is not None:
                    callback(result)
            except BaseException as error:
                self._blame(callback, error)
            with self._lock:
                self._jobs.pop(job, None)
                if not self._jobs or self.parallel._aborting:
                    self._over.set()
                if not self._jobs:
                    self._leader = None
                    return

    def _blame(self, callback: Any, error: BaseException) -> None:
        """Have the loop raise what joblib's own callback raised.

        That may be SystemExit of the user's iterator, or an error of the stream that progress is
        printed to.  joblib would wait for ever for the batch that was to come next, so this is
        what it does itself about an Exception of the iterator: a batch that has failed.
        """
        parallel = self.parallel
        with parallel._lock:
            if callback.parallel_call_id != parallel._call_id:  # a later loop of this Parallel's
                return
            batch = BatchCompletionCallBack(0, 0, parallel)
            batch._register_outcome({"status": TASK_ERROR, "result": error})
            if batch not in parallel._jobs:
                parallel._jobs.append(batch)

    def _function_of(self, tasks: list[_Task]) -> tuple[Function, list[Any]]:
        """Return what runs a batch, and what is sent to it.

        A function that all calls of a batch have is sent to each worker once per loop.  Any other
        callable may have changed since the last batch, and goes with the tasks.
        """
        assert self._processes is not None
        function = tasks[0][0]
        if not _is_constant(function) or any(task[0] is not function for task in tasks):
            return self._whole, tasks
        if self._common is None or self._common[0] is not function:
            batch = _Batch(function, self._nested, True)
            self._common = function, self._processes.function(batch)
        return self._common[1], [task[1:] for task in tasks]

    def retrieve_result_callback(self, result: AsyncResult[Any]) -> Any:
        """Return the results of a batch, or raise what a call raised."""
        return result.get()

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Wait, where joblib would look every 10 ms: for a list, all of which must be there."""
        if not self.parallel.return_generator and self.parallel.timeout is None:
            self._over.wait()
        yield

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Kill the workers that are at this loop's tasks; others start in their place."""
        if self._processes is None:
            return
        with self._lock:
            self._is_aborted = True
            jobs = list(self._jobs)
        for job in reversed(jobs):  # those first that no worker has begun with
            self._processes.dispatcher.cancel(job)


def _no_processes_here() -> str | None:
    """Return why this process can have no workers of its own, or None if it can."""
    if config.in_pool_worker():
        return "the workers of a fastproc pool are one per core already"
    if multiprocessing.current_process().daemon:
        return "daemonic processes, as a multiprocessing.Pool has them, may start no others"
    return None


def _level_of_user() -> int:
    """Return the `stacklevel` of the line that called joblib; how deep that is, depends on what."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and (
        str(frame.f_globals.get("__name__")).partition(".")[0] in ("joblib", "fastproc")
    ):
        level, frame = level + 1, frame.f_back
    return level


def _is_constant(function: Any) -> bool:
    """Tell whether a callable is a plain function, of Python or of a compiled module."""
    if type(function) is BuiltinFunctionType:  # or a method, of what may change
        return type(function.__self__) is ModuleType
    return type(function) is FunctionType


class _Batch(functools.partial):  # type: ignore[type-arg]
    """Runs a batch's calls in a worker; a partial, so that errors name the function in it.

    `nested` is the backend for the Parallel calls in these, and their number of jobs; `is_common`
    says that all are calls of the function, and not calls of any function for it to make.
    """

    nested: tuple[Any, Any]
    is_common: bool

    def __new__(cls, function: Callable[..., Any], nested: Any, is_common: bool) -> _Batch:
        self = super().__new__(cls, function)
        self.nested, self.is_common = nested, is_common
        return self

    def __reduce__(self) -> Any:
        return _Batch, (self.func, self.nested, self.is_common)

    def __call__(self, tasks: list[Any]) -> list[Any]:
        function = self.func
        backend, n_jobs = self.nested
        with joblib.parallel_config(backend=backend, n_jobs=n_jobs):
            if self.is_common:
                return [function(*args, **kwargs) for args, kwargs in tasks]
            return [function(*task) for task in tasks]


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return function(*args, **kwargs)


# Processes that stay ------------------------------------------------------------------------------


class _Settings(NamedTuple):
    """What makes processes fit for a loop."""

    n_jobs: int
    start_method: str
    environment: tuple[tuple[str, str], ...]
    idle_seconds: float


class _Processes:
    """Workers that loops take and give back, and that end when none has had them for a while."""

    def __init__(self, settings: _Settings) -> None:
        self.settings = settings
        forkserver.preload(__name__)
        self._manager = Manager(
            settings.n_jobs,
            _prepare_worker,
            (settings.environment,),
            None,
            None,
            multiprocessing.get_context(settings.start_method),
            imports_main=False,
        )
        self.dispatcher = self._manager.dispatcher
        self.function = self.dispatcher.function
        self.n_users = 0
        self._idle_since = 0.0
        self._is_over = threading.Event()
        threading.Thread(target=self._end_when_idle, name="fastproc joblib", daemon=True).start()

    def fits(self, settings: _Settings) -> bool:
        """Tell whether a loop with these settings can have these processes."""
        return settings == self.settings and self.dispatcher.broken is None

    def give_back(self) -> None:
        """Note that a loop is done."""
        with _kept.lock:
            self.n_users -= 1
            self._idle_since = time.monotonic()

    def end(self) -> None:
        """End the workers."""
        self._is_over.set()
        self._manager.terminate()

    def _end_when_idle(self) -> None:
        left = self.settings.idle_seconds
        while left > 0:
            if self._is_over.wait(left):
                return
            with _kept.lock:
                left = self.settings.idle_seconds
                if not self.n_users:
                    left += self._idle_since - time.monotonic()
                if left <= 0 and self in _kept.processes:
                    _kept.processes.remove(self)
        self.end()


def _prepare_worker(environment: tuple[tuple[str, str], ...]) -> None:
    """Limit the threads of libraries: of those to come by the environment, then of the others."""
    import threadpoolctl

    os.environ.update(environment)
    threads = dict(environment)
    threadpoolctl.threadpool_limits(
        {library: int(threads[variable]) for library, variable in _LIMITS.items()}
    )


class _Kept:
    """The processes of this process; a fork begins with none."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.processes: list[_Processes] = []


_kept = _Kept()


def _forget_in_fork() -> None:
    global _kept
    _kept = _Kept()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_fork)


def _take(settings: _Settings) -> _Processes:
    """Return processes with such settings; those with others end, if nobody has them."""
    with _kept.lock:
        fitting = next((each for each in _kept.processes if each.fits(settings)), None)
        others = [each for each in _kept.processes if each is not fitting and not each.n_users]
        _kept.processes = [each for each in _kept.processes if each not in others]
        if fitting is None:
            fitting = _Processes(settings)
            _kept.processes.append(fitting)
        fitting.n_users += 1
    for each in others:
        each.end()
    return fitting


joblib.register_parallel_backend("fastproc", FastprocBackend)
