"""Layer: bridges.  Pool: fastproc's face over the workers of a Dask cluster.

A call becomes tasks of Dask, whose scheduler says where they run, and has them run elsewhere when
a worker is lost.  What a Dask cluster cannot do, such as to end a task that runs, is not offered.
"""

from __future__ import annotations

import functools
import itertools
import operator
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import Any

try:
    from distributed import Client, Future
except ModuleNotFoundError as error:
    _missing = (error.name or "dask").partition(".")[0]
    raise ImportError(
        f"fastproc.dask.Pool needs {_missing}; install it with: pip install 'fastproc[dask]'"
    ) from error

from fastproc.dask.result import AsyncResult, IMapIterator
from fastproc.errors import PoolTerminated, RemoteError
from fastproc.pool.result import load_tqdm

Callback = Callable[[Any], object] | None

#: Tasks that `map` makes for each thread of the cluster, as multiprocessing does for a process.
_TASKS_PER_THREAD = 4

#: Tasks for each thread that `imap` has given out before their results are taken.
_AHEAD_PER_THREAD = 4


class Pool:
    """The workers of a Dask cluster, with the methods of multiprocessing.Pool.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster. It stays open when the pool is closed or terminated.

    Raises
    ------
    TypeError
        If `client` is none, or an asynchronous one.
    ValueError
        If it is closed.

    Notes
    -----
    What differs from `fastproc.Pool`:

    - When a worker dies, Dask has its tasks run by another. One that has cost as many workers as
      ``distributed.scheduler.allowed-failures`` allows (3, unless configured) and one more raises
      WorkerDied. So a task may run more than once; there is no `retries`.
    - Nothing ends a task that runs: there is no `timeout` for tasks, and those that run when the
      pool is terminated are left alone, and what they return is dropped.
    - Without workers, tasks wait for the first to come.
    - ``map`` makes four tasks for each thread of the cluster, unless there is a `chunksize`. A task
      costs the scheduler about a millisecond.
    - There are no shared arrays between machines, and no `map_blocks`: `dask.array` has it. Nor is
      there `stats`: Dask's dashboard shows the workers.

    Examples
    --------
    >>> from distributed import Client
    >>> import fastproc.dask as fd
    >>> with Client(processes=False, dashboard_address=":0") as client, fd.Pool(client) as pool:
    ...     pool.map(abs, [-1, -2])
    [1, 2]
    """

    def __init__(self, client: Client) -> None:
        if not isinstance(client, Client):
            raise TypeError(
                f"Pool: client must be a distributed.Client, not {client!r}; Client(address) and "
                f"Client(cluster) make one"
            )
        if client.asynchronous:
            raise TypeError("Pool: client must not be asynchronous, as the pool's methods wait")
        if client.status != "running":
            raise ValueError(f"Pool: the client is {client.status}; it must be connected")
        self._client = client
        self._is_open, self._is_terminated = True, False
        self._lock = threading.Lock()
        # All tasks that have not ended: nobody need keep a result for its task to be done.
        self._running: set[Future] = set()

    def __repr__(self) -> str:
        state = "open" if self._is_open else "closed"
        return f"<fastproc.dask.Pool of {self._client!r}, {state}>"

    def __reduce__(self) -> Any:
        raise NotImplementedError(
            "a pool belongs to the client that it was made with, so it cannot be pickled; in a "
            "task, make another one with distributed.get_client()"
        )

    def __enter__(self) -> Pool:
        self._check_open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.terminate()

    @property
    def processes(self) -> int:
        """How many tasks the cluster can run at a time now."""
        return sum(self._client.nthreads().values())

    # One call -----------------------------------------------------------------------------------

    def apply(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return ``func(*args, **kwds)``, called in a worker."""
        return self._wait(self.apply_async(func, args, kwds))

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        callback: Callback = None,
        error_callback: Callback = None,
    ) -> AsyncResult:
        """Begin ``func(*args, **kwds)`` in a worker; return its AsyncResult."""
        self._check_open()
        future = self._submit(_call, func, _Opaque((tuple(args), dict(kwds or {}))))
        return AsyncResult(self._client, [future], True, callback, error_callback)

    # Many calls ---------------------------------------------------------------------------------

    def map(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        *,
        progress: bool = False,
    ) -> list[Any]:
        """Return the results of ``func(item)`` for each item, in their order."""
        items = list(iterable)
        result = self.map_async(func, items, chunksize)
        return self._wait(result, len(items) if progress else None)  # type: ignore[no-any-return]

    def map_async(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callback = None,
        error_callback: Callback = None,
    ) -> AsyncResult:
        """Begin a `map`; return its AsyncResult."""
        self._check_open()
        futures = self._submit_all(_call_each, func, list(iterable), chunksize)
        return AsyncResult(self._client, futures, False, callback, error_callback)

    def starmap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        progress: bool = False,
    ) -> list[Any]:
        """Return the results of ``func(*item)`` for each item, in their order."""
        items = list(iterable)
        result = self.starmap_async(func, items, chunksize)
        return self._wait(result, len(items) if progress else None)  # type: ignore[no-any-return]

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callback = None,
        error_callback: Callback = None,
    ) -> AsyncResult:
        """Begin a `starmap`; return its AsyncResult."""
        self._check_open()
        futures = self._submit_all(_star_each, func, list(iterable), chunksize)
        return AsyncResult(self._client, futures, False, callback, error_callback)

    def imap(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int = 1,
        *,
        progress: bool = False,
    ) -> Iterator[Any]:
        """Return an iterator over the results of ``func(item)``, in the order of the items.

        Items are drawn as results are taken, some four tasks for each thread ahead of them.
        """
        return self._draw(func, iterable, chunksize, True, progress)

    def imap_unordered(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int = 1,
        *,
        progress: bool = False,
    ) -> Iterator[Any]:
        """Return an iterator over the results of ``func(item)``, each as soon as it is there."""
        return self._draw(func, iterable, chunksize, False, progress)

    def _draw(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int,
        is_ordered: bool,
        progress: bool,
    ) -> Iterator[Any]:
        self._check_open()
        _check_chunksize(chunksize)
        items = iter(iterable)
        batches = iter(lambda: list(itertools.islice(items, chunksize)), [])
        ahead = max(1, self.processes * _AHEAD_PER_THREAD)
        begin = functools.partial(self._submit_batch, _call_each, func)
        results = IMapIterator(self._client, map(begin, batches), ahead, is_ordered)
        if not progress:
            return results
        total = len(iterable) if isinstance(iterable, Sized) else None
        return iter(load_tqdm()(results, total=total))

    # Tasks --------------------------------------------------------------------------------------

    def _submit_all(
        self,
        run: Callable[..., Any],
        func: Callable[..., Any],
        items: list[Any],
        chunksize: int | None,
    ) -> list[Future]:
        if chunksize is None:
            chunksize = max(1, -(-len(items) // max(1, self.processes * _TASKS_PER_THREAD)))
        _check_chunksize(chunksize)
        starts = range(0, len(items), chunksize)
        return [self._submit_batch(run, func, items[i : i + chunksize]) for i in starts]

    def _submit_batch(
        self, run: Callable[..., Any], func: Callable[..., Any], items: list[Any]
    ) -> Future:
        return self._submit(run, func, _Opaque(items))

    def _submit(self, run: Callable[..., Any], func: Callable[..., Any], items: _Opaque) -> Future:
        name = getattr(func, "__name__", type(func).__name__)
        with self._lock:
            if self._is_terminated:
                raise PoolTerminated("the pool was terminated before this task was begun")
            key = f"{name}-{uuid.uuid4().hex}"
            try:
                future = self._client.submit(run, func, items, key=key, pure=False)
            except TypeError as error:
                if error.__cause__ is None:
                    raise
                raise TypeError(
                    f"{name} or its arguments cannot be sent to a worker: {error.__cause__}"
                ) from error
            self._running.add(future)
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future: Future) -> None:
        with self._lock:
            self._running.discard(future)

    def _wait(self, result: AsyncResult, shown: int | None = None) -> Any:
        """Return a result, and show a bar of so many items; if interrupted, do no more for it."""
        try:
            if shown is not None:
                result.show_progress(shown)
            return result.get()
        except BaseException:
            if not result.ended:
                result.cancel()
            raise

    # The end ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Take no more calls; what was begun is done."""
        self._is_open = False

    def terminate(self) -> None:
        """Take no more calls, begin with no more tasks; what had not ended raises PoolTerminated.

        Tasks that run in workers go on, but nobody hears of their results.
        """
        with self._lock:
            self._is_open, self._is_terminated = False, True
            running = list(self._running)
        if running and self._client.status == "running":
            self._client.cancel(running)

    def join(self) -> None:
        """Wait until all that was begun has ended.

        Raises
        ------
        ValueError
            If neither `close` nor `terminate` has been called.
        """
        if self._is_open:
            raise ValueError("Pool is still running; call close() or terminate() first")
        with self._lock:
            running = list(self._running)
        AsyncResult(self._client, running, False).wait()

    def _check_open(self) -> None:
        if not self._is_open:
            raise ValueError("Pool not running; it was closed or terminated")
        if self._client.status != "running":
            raise ValueError(f"Pool not running; its client is {self._client.status}")


class _Opaque:
    """Arguments on their way, into which Dask does not look for futures, item by item."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _check_chunksize(chunksize: int) -> None:
    if operator.index(chunksize) < 1:
        raise ValueError(f"Chunksize must be 1+, not {chunksize:n}")


# What runs in a worker ---------------------------------------------------------------------------


def _call(func: Callable[..., Any], arguments: _Opaque) -> Any:
    args, kwds = arguments.value
    return _guarded(func, args, kwds)


def _call_each(func: Callable[[Any], Any], items: _Opaque) -> list[Any]:
    return [_guarded(func, (item,), {}) for item in items.value]


def _star_each(func: Callable[..., Any], items: _Opaque) -> list[Any]:
    return [_guarded(func, item, {}) for item in items.value]


def _guarded(func: Callable[..., Any], args: Iterable[Any], kwds: Mapping[str, Any]) -> Any:
    """Call, and turn what would end the worker into an error of the task."""
    try:
        return func(*args, **kwds)
    except (SystemExit, KeyboardInterrupt) as error:
        raise RemoteError(f"the task ended with {error!r}, which would end its worker") from None
