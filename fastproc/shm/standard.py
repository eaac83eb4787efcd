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
    to pay who does not ask for a reader.  Items may be taken past the reader, by the queue's own
    methods and in other processes; so whoever begins to wait, and the thread now and then, makes
    the byte agree with the queue.
    """

    def __init__(self, queue: Any) -> None:
        from multiprocessing import connection

        self._queue = weakref.ref(queue)
        self.pid = os.getpid()  # of whose threads one looks after this; a fork needs another
        self._readable, self._writable = connection.Pipe(duplex=False)
        self._lock = threading.Lock()  # over the pipe and what is known of it
        self._has_byte = False
        self._is_taken = threading.Event()
        threading.Thread(target=self._watch, name="fastproc-reader", daemon=True).start()

    def _watch(self) -> None:
        while (queue := self._queue()) is not None:
            if not self._has_byte:
                queue._await_item(LOOK_SECONDS)
            self._agree_with(queue)
            del queue
            if self._has_byte:
                self._is_taken.wait(LOOK_SECONDS)

    def _agree_with(self, queue: Any) -> None:
        """Put the byte into the pipe if there is an item, and take it out if there is none."""
        # Who takes an item calls this afterwards, so either it is seen here that the item has gone,
        # or the byte that is put now is seen there.
        with self._lock:
            has_item = queue._await_item(0)
            if has_item and not self._has_byte:
                self._is_taken.clear()
                self._writable.send_bytes(b"")
            elif self._has_byte and not has_item:
                self._readable.recv_bytes()
                self._is_taken.set()
            self._has_byte = has_item

    def fileno(self) -> int:
        """Return the descriptor that is readable while there is an item."""
        queue = self._queue()
        if queue is not None:
            self._agree_with(queue)
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
        self._agree_with(queue)
        return item
