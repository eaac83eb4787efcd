"""Layer: shm.  What the standard library asks of multiprocessing's objects beside their methods.

``concurrent.futures`` and ``multiprocessing.queues`` take a context and look inside what it makes:
at a lock's `_semlock`, and at a queue's `_reader`, which they wait for together with other
connections.  Ours have neither a semaphore of the system nor a pipe.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

#: Seconds after which a thread that waits for an item looks whether anybody still has the queue.
LOOK_SECONDS = 0.5


class SemLock:
    """A lock or semaphore by the names of ``_multiprocessing.SemLock``."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self.acquire = lock.acquire
        self.release = lock.release

    def _is_zero(self) -> bool:
        return bool(self._lock.locked())

    def _get_value(self) -> int:
        count = getattr(self._lock, "get_value", None)
        return int(count()) if count else int(not self._lock.locked())


class Reader:
    """The end of a queue from which items come, as something that can be waited for.

    A pipe has a byte in it while there is an item.  A thread puts it there, for which nobody has
    to pay who does not ask for a reader.
    """

    def __init__(self, queue: Any) -> None:
        from multiprocessing import connection

        self._queue = weakref.ref(queue)
        self.pid = os.getpid()  # of whose threads one looks after this; a fork needs another
        self._readable, self._writable = connection.Pipe(duplex=False)
        self._lock = threading.Lock()
        self._is_told = False
        self._is_taken = threading.Event()
        threading.Thread(target=self._watch, name="fastproc-reader", daemon=True).start()

    def _watch(self) -> None:
        while (queue := self._queue()) is not None:
            has_item = queue._await_item(LOOK_SECONDS)
            del queue
            if has_item:
                with self._lock:
                    self._is_told = True
                    self._is_taken.clear()
                    self._writable.send_bytes(b"")
                while not self._is_taken.wait(LOOK_SECONDS) and self._queue() is not None:
                    pass

    def fileno(self) -> int:
        """Return the descriptor that is readable while there is an item."""
        return self._readable.fileno()

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Tell whether there is an item, or will be in so many seconds."""
        queue = self._queue()
        return bool(queue is not None and queue._await_item(timeout))

    def recv(self) -> Any:
        """Return the next item, when there is one."""
        queue = self._queue()
        if queue is None:
            raise EOFError
        item = queue.get()
        with self._lock:
            if self._is_told:
                self._readable.recv_bytes()
                self._is_told = False
                self._is_taken.set()
        return item
