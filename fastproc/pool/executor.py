"""Layer: pool.  ProcessPoolExecutor: concurrent.futures' face over the workers of a pool."""

from __future__ import annotations

import multiprocessing
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, InvalidStateError
from multiprocessing.context import BaseContext
from typing import Any, ParamSpec, TypeVar

from fastproc import config
from fastproc.pool._dispatcher import Dispatcher
from fastproc.pool._job import CALL, STARMAP, Job
from fastproc.pool.manager import Manager
from fastproc.pool.result import IMapIterator

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Future(Future[Any]):
    """A Future whose waiting thread does the pool's work, as `AsyncResult.get` does."""

    def __init__(self, dispatcher: Dispatcher, job: Job) -> None:
        super().__init__()
        self._dispatcher = dispatcher
        self._job = job
        job.on_end = self._settle

    def _settle(self, job: Job) -> None:
        """Take over the job's outcome: by the manager, or by a waiting thread before it."""
        if self.done() or job.abandoned:
            return  # settled by another thread, or cancelled, which `cancel` has said
        try:
            if job.error is not None:
                raise job.error
            value = job.values[0]
            load = getattr(value, "load", None)
            outcome, error = load() if load is not None else value, None
        except Exception as caught:
            outcome, error = None, caught
        try:
            if error is None:
                self.set_result(outcome)
            else:
                self.set_exception(error)
        except InvalidStateError:
            pass  # another thread was here first
        job.release()

    def _wait(self, timeout: float | None) -> None:
        if not self.done() and self._dispatcher.wait(self._job, timeout):
            self._settle(self._job)

    def result(self, timeout: float | None = None) -> Any:
        """Return the result; see concurrent.futures.Future."""
        self._wait(timeout)
        return super().result(0 if timeout is not None else None)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the exception; see concurrent.futures.Future."""
        self._wait(timeout)
        return super().exception(0 if timeout is not None else None)

    def running(self) -> bool:
        """Tell whether a worker is at it."""
        return not self.done() and self._dispatcher.is_running(self._job)

    def cancel(self) -> bool:
        """Cancel the call if no worker has begun with it."""
        if self.cancelled():
            return True
        if not self._dispatcher.cancel(self._job, even_running=False):
            return False
        super().cancel()
        self.set_running_or_notify_cancel()
        return True


class ProcessPoolExecutor(Executor):
    """concurrent.futures.ProcessPoolExecutor over fastproc's workers.

    Parameters
    ----------
    max_workers : int, optional
        How many processes; by default as many as there are cores that this process may use.
    mp_context : str or multiprocessing context, optional
        The start method; by default multiprocessing's.
    initializer : callable, optional
        Called in each worker as it starts.
    initargs : tuple
        Its arguments.
    max_tasks_per_child : int, optional
        The number of tasks after which a worker is replaced by a new one; by default never.
    max_memory : int, optional
        As of `Pool`.

    Raises
    ------
    ValueError
        If one of the numbers is less than 1 or there is no such start method.

    Notes
    -----
    What differs from concurrent.futures: a worker that dies costs the task that it ran, whose
    future raises WorkerDied, and the executor goes on.  All processes are started at once.

    Examples
    --------
    >>> with ProcessPoolExecutor(2) as executor:
    ...     executor.submit(pow, 2, 10).result()
    1024
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: str | BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        *,
        max_tasks_per_child: int | None = None,
        max_memory: int | None = None,
    ) -> None:
        if not isinstance(mp_context, BaseContext):
            mp_context = multiprocessing.get_context(mp_context)
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if max_workers is None:
            max_workers = config.allowed_cpus()
        for name, number in (
            ("max_workers", max_workers),
            ("max_tasks_per_child", max_tasks_per_child),
            ("max_memory", max_memory),
        ):
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, not {number}")
        self._manager = Manager(
            max_workers, initializer, tuple(initargs), max_tasks_per_child, max_memory, mp_context
        )
        self._is_open = True
        self._manager.finishes_at_exit = True
        weakref.finalize(self, self._manager.close).atexit = False

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Begin ``fn(*args, **kwargs)`` in a worker; return its Future."""
        dispatcher = self._check_open()
        job = Job(dispatcher.function(fn), CALL, [(args, kwargs)], 0)
        future = _Future(dispatcher, job)
        self._manager.start_calling_back()
        dispatcher.submit(job)
        return future

    def map(
        self,
        fn: Callable[..., _T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        **options: Any,
    ) -> Iterator[_T]:
        """Return an iterator over ``fn(*items)`` for items from each of the iterables.

        The iterables are drawn at once, and calls go on however slowly results are taken; with
        ``buffersize=``, only so many calls are ahead of the results taken, about.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        buffersize = options.pop("buffersize", None)
        if options:
            raise TypeError(f"map() got an unexpected keyword argument {next(iter(options))!r}")
        dispatcher = self._check_open()
        items: Iterator[Any] = zip(*iterables, strict=False)
        if buffersize is None:
            items = iter(list(items))
        chunk = 0 if chunksize == 1 else chunksize
        job = Job(dispatcher.function(fn), STARMAP, items, chunk, is_eager=buffersize is None)
        dispatcher.submit(job)
        return _results(IMapIterator(self, dispatcher, job), timeout)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks; workers end when all are done.

        Parameters
        ----------
        wait : bool, default True
            Return when they have ended.
        cancel_futures : bool, default False
            Cancel what no worker has begun with.
        """
        self._is_open = False
        dispatcher = self._manager.dispatcher
        if cancel_futures:
            for job in list(dispatcher.unfinished):
                future = getattr(job.on_end, "__self__", None)
                if isinstance(future, _Future):
                    future.cancel()
                else:
                    dispatcher.stop(job)  # of a map
        self._manager.close()
        if wait:
            self._manager.join()

    def _check_open(self) -> Dispatcher:
        if not self._is_open:
            raise RuntimeError("cannot schedule new futures after shutdown")
        self._manager.check_process()
        return self._manager.dispatcher


def _results(results: IMapIterator[Any], timeout: float | None) -> Iterator[Any]:
    """Yield results, all of them within `timeout` seconds from now."""
    end = None if timeout is None else time.monotonic() + timeout

    def generate() -> Iterator[Any]:
        try:
            while True:
                try:
                    yield results.next(None if end is None else max(0.0, end - time.monotonic()))
                except StopIteration:
                    return
                except multiprocessing.TimeoutError:
                    raise TimeoutError from None
        finally:
            results.abandon()

    return generate()
