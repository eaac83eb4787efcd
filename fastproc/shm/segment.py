"""Layer: shm.  Segments: blocks of shared memory that are mapped once and used many times.

A segment is one page of header (``header.py`` has its layout) and then the data.  Fresh memory is
dear, since the kernel clears and maps it page by page, so that a dropped segment is kept and used
again wherever that is safe.  This file decides when it is.

The life of a segment
---------------------
*In its owner*, the process that made it, a segment is in one of three states:

``live``      an array over it exists.  Every array keeps, through NumPy's `base`, one root alive
              (``_root.pyx``); a finalizer on the root tells of the last array's end.
``waiting``   no array here, but a handle is on its way or another process is a user.
``recycled``  nobody has it; the next array of a fitting size gets it.  Its generation has been
              retired, so a handle that comes too late is refused and never sees the next array.
              A sparse segment (a queue's) is closed instead.

*In a user* it is ``live``, ``waiting`` (the user has sent a handle on, and stays a user until that
has arrived) or ``idle``: no longer a user, but still mapped, so that a next task with the same
array, or a recycled segment, costs no page faults.

Each process has one Segment per block of memory and looks at the states again whenever it makes,
sends, receives or drops one; there is no helper thread and an idle process costs nothing.

Bounds.  The owner keeps at most ``config.segment_cache_bytes()`` in recycled segments and in those
that wait for another process's array; beyond that it closes the least recently used.  Closing
says so in the header and gives the pages back at once if nobody uses them, so that idle mappings
elsewhere hold no memory.  If somebody does use them, they go with the last user.  What waits for a
handle to arrive is kept whatever its size.

Forking.  Before a fork the parent counts a user for the child on each live segment, so that nothing
which the child inherits can be recycled under it.  The child owns nothing: it is a user of what was
live and forgets the rest.  Of a fork that the system refuses the parent is not told: such a user
stays, and the segment is closed in the end rather than recycled.

Finalizers may run in any thread at any allocation, hence also inside this file with its lock held.
They therefore only append to a deque, and settle it if the lock is free; else whoever has the lock
settles on its way out (``_mutex.pyx``).  Other code that interrupts the holder of the lock in its
own thread (a signal handler, a ``__del__``) and wants a shared array gets a RuntimeError, not a
deadlock.

Exit.  A process that multiprocessing started waits up to two seconds for its handles to arrive, for
with it goes the memory that nobody else has opened.  The main process need not: by then
multiprocessing has waited for its children.  Who may be killed where is told in ``header.py``.
"""

from __future__ import annotations

import collections
import multiprocessing
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing import util
from typing import NamedTuple

try:
    import resource
except ModuleNotFoundError:  # Windows
    resource = None  # type: ignore[assignment]

from fastproc import config
from fastproc.errors import SegmentGoneError
from fastproc.shm import memory
from fastproc.shm._mutex import Guard
from fastproc.shm._root import Root
from fastproc.shm.header import HEADER_BYTES, Header, is_alive
from fastproc.shm.memory import Memory, Place

#: Segments without an array that a process keeps of each sort; each costs one or two file
#: descriptors, of which a process often has but 1024.
MOST_KEPT = 64

#: What part of the descriptors that a process may have it should have segments at most, before it
#: would rather copy than keep another.
MOST_SEGMENTS = 0.25

#: A recycled segment serves an array of at least this fraction of its size.
LEAST_FILL = 0.5

#: Seconds that an ending process waits for its handles to arrive, and between two looks.
EXIT_SECONDS = 2.0
EXIT_STEP_SECONDS = 0.002

_PAGE = 4096


class Handle(NamedTuple):
    """What travels instead of a segment's bytes."""

    token: bytes
    generation: int
    number: int
    ticket: int
    place: Place


class Segment:
    """One block of shared memory as this process has it; use `create`, `receive` and `send`."""

    def __init__(self, block: Memory, is_owner: bool, is_sparse: bool = False) -> None:
        self.memory = block
        self.is_owner = is_owner
        self.is_sparse = is_sparse  # known to the owner
        self.header = Header(block.mapping)
        if is_owner:
            self.header.start(block.fd)
        self.token = self.header.token
        self.owner_pid = self.header.owner[0]
        #: Where the data begin in this process's memory.
        self.address = Root(block.mapping, HEADER_BYTES).address
        self.leases = 0  # roots made less finalizers settled
        self._root: weakref.ref[Root] | None = None

    @property
    def nbytes(self) -> int:
        """The bytes that the data may take."""
        return len(self.memory.mapping) - HEADER_BYTES

    def write(self, start: int, data: memoryview) -> None:
        """Write data bytes from `start` on; quicker than through an array into fresh memory."""
        self.memory.write(HEADER_BYTES + start, data)

    def root(self) -> Root | None:
        """Return all data bytes if anything over them is alive."""
        return self._root() if self._root else None

    def lease(self) -> Root:
        """Return all data bytes, as what keeps the segment live; needs the lock."""
        root = self.root()
        if root is None:
            root = Root(self.memory.mapping, HEADER_BYTES)
            self._root = weakref.ref(root)
            self.leases += 1
            # At exit the system takes everything back.
            weakref.finalize(root, _dropped, self).atexit = False
        return root


class _Kept(collections.OrderedDict[bytes, Segment]):
    """Segments without an array, the least recently used first."""

    @property
    def nbytes(self) -> int:
        return sum(segment.nbytes for segment in self.values())


class _Process:
    """All segments of this process and what state each is in."""

    def __init__(self) -> None:
        self.dropped: collections.deque[Segment] = collections.deque()
        self.segments: dict[bytes, Segment] = {}
        self.waiting = _Kept()
        self.recycled = _Kept()
        self.idle = _Kept()
        self.is_forked = False
        #: The lock over all this; with it taken, all that was dropped before is settled.
        self.guard = Guard(self.dropped, self._settle)

    def create(self, nbytes: int) -> tuple[Segment, bool]:
        """Return a segment of at least `nbytes` and whether its data are zero."""
        self._keep_at_most(config.segment_cache_bytes(), MOST_KEPT)
        size = _size_class(nbytes)
        fitting = [
            segment
            for segment in self.recycled.values()
            if size <= segment.nbytes and size >= LEAST_FILL * segment.nbytes
        ]
        if fitting:
            segment = min(reversed(fitting), key=lambda segment: segment.nbytes)
            del self.recycled[segment.token]
            return segment, False
        return self.fresh(size), True

    def fresh(self, nbytes: int, is_sparse: bool = False) -> Segment:
        """Return a segment of new memory; a sparse one is not recycled."""
        try:
            block = memory.create(HEADER_BYTES + nbytes, is_sparse)
        except (OSError, MemoryError):
            if not self.recycled and not self.idle:
                raise
            self._keep_at_most(0, 0)  # what is kept for later may be what is missing now
            block = memory.create(HEADER_BYTES + nbytes, is_sparse)
        if is_sparse:
            block.claim(0, HEADER_BYTES)
        segment = Segment(block, is_owner=True, is_sparse=is_sparse)
        self.segments[segment.token] = segment
        return segment

    def send(self, segment: Segment) -> Handle:
        """Return a new handle of a live segment."""
        header = segment.header
        number, ticket = header.issue_ticket()
        place = segment.memory.place(*header.owner)
        return Handle(segment.token, header.generation, number, ticket, place)

    def receive(self, handle: Handle) -> Segment:
        """Return the segment that `handle` stands for, of which this process is then a user."""
        segment = self.segments.get(handle.token)
        if segment is None:
            segment = self._open(handle)
        elif handle.place[0] == "file":
            # The memory is here already.  Its descriptor came all the same, unless this handle
            # has been opened before.
            with suppress(SegmentGoneError):
                os.close(memory.take_descriptor(handle.place))
        if segment.is_owner or handle.token not in self.idle:
            is_user = segment.header.generation == handle.generation
        else:
            is_user = segment.header.enter(handle.generation)
        if not is_user:
            raise SegmentGoneError(
                "the shared array that this handle stands for has been dropped and its memory used "
                "again; keep the array in the sender until each receiver has it"
            )
        self.waiting.pop(handle.token, None)
        self.idle.pop(handle.token, None)
        segment.header.take_ticket(handle.number, handle.ticket)
        return segment

    def _open(self, handle: Handle) -> Segment:
        """Map memory that is new to this process."""
        segment = Segment(memory.open_place(handle.place), is_owner=False)
        if segment.token != handle.token:
            segment.memory.drop()
            raise SegmentGoneError(
                "the memory that this handle stands for is gone, and something else is in its "
                "place; keep the shared array in the sender until the receiver has it"
            )
        self.segments[segment.token] = self.idle[segment.token] = segment
        return segment

    def _settle(self) -> None:
        while self.dropped:
            segment = self.dropped.popleft()
            segment.leases -= 1
            if not segment.leases:
                self.waiting[segment.token] = segment
        is_more_kept = bool(self.waiting)
        self._sweep()
        if is_more_kept:
            self._keep_at_most(config.segment_cache_bytes(), MOST_KEPT)

    def _sweep(self) -> None:
        """Look again at each segment without an array."""
        for token, segment in list(self.waiting.items()):
            if segment.is_owner:
                if segment.header.on_their_way():
                    continue
                if segment.is_sparse:
                    self._close(segment)
                elif segment.header.retire():
                    self.recycled[token] = self.waiting.pop(token)
            elif not segment.header.on_their_way(os.getpid()):
                segment.header.leave()
                self.idle[token] = self.waiting.pop(token)
        if self.idle:
            # A killed owner could not say that it closed the segment.
            idle = list(self.idle.values())
            alive = {pid: is_alive(pid) for pid in {segment.owner_pid for segment in idle}}
            for segment in idle:
                if segment.header.closed or not alive[segment.owner_pid]:
                    self._forget(segment)

    def _keep_at_most(self, nbytes: int, count: int) -> None:
        """Close owned and forget idle segments beyond these bounds."""
        lent = _Kept()
        for token, segment in self.waiting.items():
            if segment.is_owner and not segment.header.on_their_way():
                lent[token] = segment
        for kept in (self.recycled, lent):  # recycled first: nobody has them
            while kept and (
                self.recycled.nbytes + lent.nbytes > nbytes
                or len(self.recycled) + len(lent) > count
            ):
                _, segment = kept.popitem(last=False)
                self._close(segment)
        while len(self.idle) > count:
            self._forget(next(iter(self.idle.values())))

    def _close(self, segment: Segment) -> None:
        """Give up an owned segment for good."""
        # First closed, then looked: a user who leaves in between sees that it is the last.
        segment.header.close()
        self._forget(segment)

    def _forget(self, segment: Segment) -> None:
        """Drop this process's mapping, and the pages too if it is the last to leave."""
        if segment.header.closed and segment.header.retire():
            segment.memory.discard(HEADER_BYTES)
        segment.memory.drop()
        for kept in (self.segments, self.waiting, self.recycled, self.idle):
            kept.pop(segment.token, None)

    def be_there_at_exit(self) -> None:
        """Have `_at_exit` called when this process ends.

        Needed from the start: what is first sent while queues empty themselves at exit comes too
        late to ask for it.
        """
        # After -5, when queues have sent what is still in them.
        util.Finalize(None, self._at_exit, exitpriority=-50)
        # After 10, when queues are told to end, and before 0, when the socket closes from which a
        # relative fetches descriptors.
        util.Finalize(None, self._send_files_at_exit, exitpriority=5)

    def _at_exit(self) -> None:
        self._wait_while(self._has_sent)
        with self.guard:
            for segment in list(self.segments.values()):
                if segment.is_owner:
                    segment.header.close()
            self._keep_at_most(0, 0)

    def _send_files_at_exit(self) -> None:
        if any(segment.memory.kind == "file" for segment in list(self.segments.values())):
            self._wait_while(lambda: _queues_are_sending() or self._has_sent())

    def _wait_while(self, is_busy: Callable[[], bool]) -> None:
        """Wait for a limited time if somebody may still come for what this process has sent."""
        is_child = self.is_forked or multiprocessing.parent_process() is not None
        end = time.monotonic() + EXIT_SECONDS
        while is_child and time.monotonic() < end and is_busy():
            time.sleep(EXIT_STEP_SECONDS)

    def _has_sent(self) -> bool:
        return any(
            segment.header.on_their_way(os.getpid()) for segment in list(self.segments.values())
        )

    def before_fork(self) -> None:
        """Count the child as a user of what it inherits; held until after the fork."""
        self.guard.acquire()
        for segment in self.segments.values():
            if segment.leases:
                segment.header.count_user(segment.header.generation)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self.guard.release()
        self.guard.try_settle()

    def after_fork_in_child(self) -> None:
        """Be a user of what is live and forget all else, without a word to the header."""
        self.guard = Guard(self.dropped, self._settle)
        self.is_forked = True
        for token, segment in list(self.segments.items()):
            segment.is_owner = False
            if segment.leases:
                segment.header.write_entry()
            else:
                segment.memory.drop()
                del self.segments[token]
        for kept in (self.waiting, self.recycled, self.idle):
            kept.clear()


_process = _Process()

_process.be_there_at_exit()
# multiprocessing's children, spawned ones too, begin by forgetting such wishes.
util.register_after_fork(_process, _Process.be_there_at_exit)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_process.before_fork,
        after_in_parent=_process.after_fork_in_parent,
        after_in_child=_process.after_fork_in_child,
    )


def _queues_are_sending() -> bool:
    """Tell whether a multiprocessing.Queue has a thread that may yet pickle something."""
    return any(thread.name == "QueueFeederThread" for thread in threading.enumerate())


def _dropped(segment: Segment) -> None:
    """Finalizer of a root; see the head of this file."""
    _process.dropped.append(segment)
    _process.guard.try_settle()


def create(nbytes: int) -> tuple[Segment, Root, bool]:
    """Return a segment of at least `nbytes`, its root and whether its data are zero.

    Raises
    ------
    MemoryError
        If the machine or this process's cgroup does not have so much.
    OSError
        If this process has too many files open.

    Examples
    --------
    >>> segment, root, is_zero = create(1000)
    >>> len(root) >= 1000
    True
    """
    with _process.guard:
        segment, is_zero = _process.create(nbytes)
        return segment, segment.lease(), is_zero


def create_sparse(nbytes: int) -> tuple[Segment, Root]:
    """Return a segment of so many addresses, all zero, and its root.

    It takes memory where it is touched, after `Memory.claim`, and is never recycled: what is not
    needed any more can be given back before.

    Raises
    ------
    MemoryError
        If there are not so many addresses, as with ``ulimit -v``.
    """
    with _process.guard:
        segment = _process.fresh(nbytes, is_sparse=True)
        return segment, segment.lease()


def send(segment: Segment) -> Handle:
    """Return a handle that a related process can `receive`; `segment` must have an array."""
    with _process.guard:
        return _process.send(segment)


def receive(handle: Handle) -> tuple[Segment, Root]:
    """Return the segment that a handle stands for, and its root.

    Raises
    ------
    SegmentGoneError
        If nobody holds the memory any more, or it cannot be opened from this process.
    """
    with _process.guard:
        segment = _process.receive(handle)
        return segment, segment.lease()


def recall(handles: Iterable[Handle]) -> None:
    """Say of handles that nobody will open them any more, as their receiver has died.

    Where a handle has been opened this changes nothing.
    """
    with _process.guard:
        for handle in handles:
            segment = _process.segments.get(handle.token)
            # A handle without a ticket cannot be told from others; it keeps its segment.
            if segment is not None and handle.ticket >= 0:
                segment.header.take_ticket(handle.number, handle.ticket)


def containing(address: int) -> tuple[Segment, Root] | None:
    """Return the live segment in which an address of this process lies, and its root."""
    with _process.guard:
        for segment in _process.segments.values():
            root = segment.root()
            if root is not None and 0 <= address - segment.address < segment.nbytes:
                return segment, root
    return None


def is_crowded() -> bool:
    """Tell whether descriptors get scarce, so that small things had better be copied than kept."""
    if resource is None:
        return False  # a mapping of Windows needs none
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    live = len(_process.segments) - len(_process.recycled) - len(_process.idle)
    return limit != resource.RLIM_INFINITY and live > MOST_SEGMENTS * limit


def _size_class(nbytes: int) -> int:
    """Round up to a whole page and to four sizes per power of two.

    Fewer sizes mean that a recycled segment fits more often.  What lies beyond the array is never
    touched and thus takes no memory.
    """
    pages = max(1, -(-nbytes // _PAGE))
    step = 1 << max(0, (pages - 1).bit_length() - 3)
    return -(-pages // step) * step * _PAGE
