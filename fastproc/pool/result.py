"""Layer: pool.  Results to come: AsyncResult, and the iterators of imap and imap_unordered.

Values arrive as bytes and are read by whoever asks for them, so that nothing of the user's runs
where the pool does its own work.
"""

from __future__ import annotations

import abc
import collections
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any, ClassVar, Generic, TypeVar

from fastproc.pool._dispatcher import Dispatcher
from fastproc.pool._job import Job, Part, Raw

_T = TypeVar("_T")

#: The name of the thread of a pool that calls callbacks, and may itself wait for results.
CALLBACK_THREAD = "fastproc callbacks"

#: Seconds between two looks at what is done, for a bar.
PROGRESS_SECONDS = 0.1


def load_tqdm() -> Any:
    """Return tqdm's class of bars for a terminal or a notebook, whichever this is."""
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError as error:
        raise ImportError("progress=True needs tqdm; install it with: pip install tqdm") from error
    return tqdm


def _read(value: Any) -> Any:
    """Return a value that may not have been unpickled yet, or raise what its task raised."""
    return value.load() if isinstance(value, Raw) else value


class PendingResult(abc.ABC, Generic[_T]):
    """What can be asked of a call that may not have ended, whoever does its tasks.

    A pool's own kind says how its calls end, and what they return.
    """

    #: The thread that calls callbacks, by how its name begins; it may itself wait for results.
    _callback_thread: ClassVar[str]

    def __init__(
        self,
        is_single: bool,
        callback: Callable[[Any], object] | None,
        error_callback: Callable[[BaseException], object] | None,
    ) -> None:
        self._is_single = is_single
        self._callback, self._error_callback = callback, error_callback
        self._outcome: tuple[bool, Any] | None = None
        self._reading = threading.Lock()
        self._called_back: threading.Event | None = None
        if callback is not None or error_callback is not None:
            self._called_back = threading.Event()

    @property
    @abc.abstractmethod
    def ended(self) -> bool:
        """Whether the call has ended, as far as is known without a look."""

    @abc.abstractmethod
    def _ends(self, timeout: float | None) -> bool:
        """Wait, at most so many seconds, and tell whether the call has ended."""

    @abc.abstractmethod
    def _value(self) -> Any:
        """Return what a call that has ended returned, or raise what it raised."""

    @abc.abstractmethod
    def _release(self) -> None:
        """Let go of what only the reading of the values needed."""

    def ready(self) -> bool:
        """Tell whether the call has ended, and its callback has been called."""
        return self.ended and (self._called_back is None or self._called_back.is_set())

    def successful(self) -> bool:
        """Tell whether the call ended without an exception.

        Raises
        ------
        ValueError
            If it has not ended yet.
        """
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        return self._settled()[0]

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the call has ended and its callback been called, at most `timeout` seconds."""
        self._has_ended(timeout)

    def _has_ended(self, timeout: float | None) -> bool:
        end = None if timeout is None else time.monotonic() + timeout
        if not self._ends(timeout):
            return False
        in_callback = threading.current_thread().name.startswith(self._callback_thread)
        if self._called_back is None or in_callback:
            return True
        return self._called_back.wait(None if end is None else max(0.0, end - time.monotonic()))

    def get(self, timeout: float | None = None) -> _T:
        """Return the result when it is there, or raise what the call raised.

        Raises
        ------
        multiprocessing.TimeoutError
            If it is not there after `timeout` seconds.
        WorkerDied
            If the worker died that ran the task.
        PoolTerminated
            If the pool was terminated before the call had ended.
        """
        if not self._has_ended(timeout):
            raise multiprocessing.TimeoutError
        is_success, value = self._settled()
        if is_success:
            return value  # type: ignore[no-any-return]
        raise value

    def _settled(self) -> tuple[bool, Any]:
        """Read the values once."""
        with self._reading:
            if self._outcome is None:
                try:
                    self._outcome = True, self._value()
                except (Exception, CancelledError) as error:
                    self._outcome = False, error
                self._release()
        return self._outcome

    def _call_back(self) -> None:
        """Call the callback; in the pool's thread for that."""
        assert self._called_back is not None
        try:
            is_success, value = self._settled()
            callback = self._callback if is_success else self._error_callback
            if callback is not None:
                callback(value)
        finally:
            self._called_back.set()


class AsyncResult(PendingResult[_T]):
    """The result of one call of a pool's method, which may not be there yet.

    Made by the methods of a Pool whose names end in ``_async``.
    """

    _callback_thread = CALLBACK_THREAD

    def __init__(
        self,
        pool: Any,
        dispatcher: Dispatcher,
        job: Job,
        is_single: bool,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> None:
        super().__init__(is_single, callback, error_callback)
        self._pool = pool  # which ends when nobody refers to it
        self._dispatcher = dispatcher
        self._job = job
        if self._called_back is not None:
            job.on_end = lambda _: self._call_back()

    def ready(self) -> bool:
        """Tell whether the call has ended, and its callback has been called."""
        if not self._job.done:
            self._dispatcher.lead_once()
        return super().ready()

    @property
    def ended(self) -> bool:
        """Whether the call has ended, as far as is known without a look."""
        return self._job.done

    def abandon(self) -> None:
        """Begin with no more tasks, as nobody wants their results."""
        self._dispatcher.abandon(self._job)

    def show_progress(self) -> None:
        """Wait, and show a bar."""
        with load_tqdm()(total=len(self._job.values)) as bar:
            while not self._dispatcher.wait(self._job, PROGRESS_SECONDS):
                bar.update(self._job.n_done - bar.n)
            bar.update(self._job.n_done - bar.n)

    def cancel(self) -> bool:
        """End the call: tasks that run are killed with their workers, others are not begun.

        Returns
        -------
        bool
            False if the call had ended already.  If True, `get` raises
            concurrent.futures.CancelledError.
        """
        return self._dispatcher.cancel(self._job)

    def _ends(self, timeout: float | None) -> bool:
        return self._job.done or self._dispatcher.wait(self._job, timeout)

    def _release(self) -> None:
        self._job.release()
        self._pool = None

    def _value(self) -> Any:
        if self._job.error is not None:
            raise self._job.error
        values = self._job.values
        if self._is_single:
            return _read(values[0])
        if self._job.chunk == 0:
            return [_read(value) for value in values] if self._job.has_raw else values
        result: list[Any] = []
        while len(result) < len(values):
            part = values[len(result)]
            result += _read(part.value if isinstance(part, Part) else part)
        return result


class IMapIterator(Iterator[_T]):
    """An iterator over results, in the order of the arguments or in that of their coming.

    Made by `Pool.imap` and `Pool.imap_unordered`.
    """

    def __init__(self, pool: Any, dispatcher: Dispatcher, job: Job) -> None:
        self._pool = pool  # which ends when nobody refers to it
        self._dispatcher = dispatcher
        self._job = job
        self._ready: collections.deque[Any] = collections.deque()
        self._has_failed = False

    def __del__(self) -> None:
        self._dispatcher.drop(self._job)

    def __iter__(self) -> IMapIterator[_T]:
        return self

    def __next__(self) -> _T:
        return self.next()

    def next(self, timeout: float | None = None) -> _T:
        """Return the next result, or raise what its call raised.

        Raises
        ------
        StopIteration
            After the last one.
        multiprocessing.TimeoutError
            If it is not there after `timeout` seconds.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while not self._ready:
            is_done = self._job.done  # before the look: results may come right after it
            part = self._job.take()
            if part is not None:
                self._dispatcher.hand_out()  # there is room for more now
                self._read_part(part)
            elif is_done:
                if self._job.error is not None and not self._has_failed:
                    self._has_failed = True
                    raise self._job.error
                raise StopIteration
            else:
                left = None if end is None else end - time.monotonic()
                if not self._dispatcher.wait(self._job, left):
                    raise multiprocessing.TimeoutError
        return self._ready.popleft()  # type: ignore[no-any-return]

    def abandon(self) -> None:
        """Have no more calls begun."""
        self._dispatcher.abandon(self._job)

    def _read_part(self, part: Part) -> None:
        """Read a task's value: a list of results, or one."""
        value = _read(part.value)
        if self._job.chunk == 0:
            self._ready.append(value)
        else:
            self._ready.extend(value)
