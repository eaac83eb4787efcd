"""Layer: bridges.  Results to come from a Dask cluster: AsyncResult, and the iterator of imap."""

from __future__ import annotations

import collections
import concurrent.futures
import itertools
import multiprocessing
import time
from collections.abc import Callable, Iterator
from typing import Any

from distributed import CancelledError, Client, Future, KilledWorker, as_completed, wait

from fastproc.errors import PoolTerminated, WorkerDied
from fastproc.pool.result import PendingResult, load_tqdm


def _have_ended(
    client: Client, futures: list[Future], timeout: float | None, how: str = "ALL_COMPLETED"
) -> bool:
    """Wait, at most so many seconds, and tell whether futures have ended in one way or another."""
    if not futures:
        return True
    try:
        with client.as_current():
            wait(futures, timeout=timeout, return_when=how)
    except TimeoutError:
        return False
    except CancelledError:
        pass  # they have ended, and some of them so
    return True


def _values(client: Client, futures: list[Future]) -> list[Any]:
    """Return what tasks returned, or raise what one of them raised."""
    try:
        return client.gather(futures)  # type: ignore[no-any-return]
    except KilledWorker as error:
        worker = error.last_worker
        raise WorkerDied(
            f"{str(error.task).rpartition('-')[0]} has cost {error.allowed_failures + 1} workers, "
            f"the last one at {worker.address}; its log may say why, and perhaps memory ran out",
            worker.pid,
            None,
        ) from error
    except CancelledError as error:
        raise PoolTerminated(
            f"the pool was terminated, or the cluster lost, before this task had ended: {error}"
        ) from None


class AsyncResult(PendingResult[Any]):
    """The result of one call of a pool's method, which may not be there yet.

    Made by the methods of a `fastproc.dask.Pool` whose names end in ``_async``.  A task whose
    worker died is run by another; `get` raises WorkerDied if it cost as many as the cluster allows.
    """

    # Dask's, of which a client has one.
    _callback_thread = "Dask-Callback-Thread"

    def __init__(
        self,
        client: Client,
        futures: list[Future],
        is_single: bool,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> None:
        super().__init__(is_single, callback, error_callback)
        self._client = client
        self._futures = futures
        self._is_cancelled = False
        if self._called_back is not None:
            left = itertools.count(len(futures) - 1, -1)
            for future in futures:
                # One thread calls them all, one after another.
                future.add_done_callback(lambda _: None if next(left) else self._call_back())
            if not futures:
                self._call_back()

    @property
    def ended(self) -> bool:
        """Whether the call has ended."""
        return self._outcome is not None or all(future.done() for future in self._futures)

    def cancel(self) -> bool:
        """Begin with no more tasks of the call, and drop what those that run return.

        Returns
        -------
        bool
            False if the call had ended already.  If True, `get` raises
            concurrent.futures.CancelledError.
        """
        if self.ended:
            return False
        self._is_cancelled = True
        self._client.cancel(self._futures)
        return True

    def show_progress(self, n_items: int) -> None:
        """Wait, and show a bar."""
        with load_tqdm()(total=n_items) as bar, self._client.as_current():
            for done, _ in enumerate(as_completed(self._futures), 1):
                bar.update(n_items * done // len(self._futures) - bar.n)

    def _ends(self, timeout: float | None) -> bool:
        return self._outcome is not None or _have_ended(self._client, self._futures, timeout)

    def _release(self) -> None:
        self._futures = []  # which lets the cluster forget them

    def _value(self) -> Any:
        if self._is_cancelled:
            raise concurrent.futures.CancelledError
        values = _values(self._client, self._futures)
        return values[0] if self._is_single else list(itertools.chain.from_iterable(values))


class IMapIterator(Iterator[Any]):
    """An iterator over results, in the order of the arguments or in that of their coming.

    Made by `fastproc.dask.Pool.imap` and `imap_unordered`.

    Parameters
    ----------
    futures : iterator of distributed.Future
        Each begins a task when it is drawn, whose result is a list of results.
    ahead : int
        How many tasks to have begun.
    """

    def __init__(
        self, client: Client, futures: Iterator[Future], ahead: int, is_ordered: bool
    ) -> None:
        self._client = client
        self._futures = futures
        self._ahead = ahead
        self._is_ordered = is_ordered
        self._begun: list[Future] = []
        self._ready: collections.deque[Any] = collections.deque()

    def __iter__(self) -> IMapIterator:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self, timeout: float | None = None) -> Any:
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
            self._begun += itertools.islice(self._futures, self._ahead - len(self._begun))
            if not self._begun:
                raise StopIteration
            wanted = self._begun[:1] if self._is_ordered else self._begun
            left = None if end is None else max(0.0, end - time.monotonic())
            if not _have_ended(self._client, wanted, left, "FIRST_COMPLETED"):
                raise multiprocessing.TimeoutError
            self._read()
        return self._ready.popleft()

    def _read(self) -> None:
        """Fetch the results of tasks that have ended, as many as can be fetched together."""
        if not self._is_ordered:
            self._begun.sort(key=lambda future: not future.done())  # those that ended come first
        n = 0
        while n < len(self._begun) and self._begun[n].status == "finished":
            n += 1
        futures = self._begun[: max(n, 1)]  # or one that raises
        del self._begun[: len(futures)]
        for values in _values(self._client, futures):
            self._ready.extend(values)
