"""Layer: shm.  The first page of a segment: who uses it, and which handles are on their way.

Layout, in int64 counters:

======= ============ ==================================================================
index   name         meaning
======= ============ ==================================================================
0       state        generation << 32 | users
1       closed       1 once the owner will not recycle the segment any more
2, 3    owner        its process number, and its file descriptor of the memory (or -1)
4       untracked    handles on their way that found no free ticket
5, 6    token        16 random bytes: is this the memory that a handle means?
16-143  entries      the process numbers of the users, 0 where free
144-511 tickets      the numbers of the handles on their way, 0 where free
======= ============ ==================================================================

Users are the processes that hold an array over the segment, the owner not counted.  A generation
is one life of the memory between two recyclings; a handle names the generation that it belongs to.

Invariants
----------
1. Generation and users change together, in one compare-and-exchange of ``state``.  So either a
   receiver enters first, and the owner sees a user and does not recycle, or the owner retires the
   generation first, and the receiver sees that its handle came too late.  Nobody ever gets
   another array's bytes.
2. A user enters ``state`` before it writes its entry and clears its entry before it leaves, so
   there are never more entries than users.
3. A receiver enters before it clears the ticket of its handle, so at each moment either the ticket
   or the user is there to be seen.  A handle that is opened again finds its ticket cleared, or
   taken by another handle, and leaves it alone.

Who may die where
-----------------
* A user killed while it holds an array leaves a user and its entry.  `retire` takes an entry whose
  process is gone for nobody.  A number that the system gave to a new process looks alive: then
  the segment is closed rather than recycled, which is slower and never wrong.
* A user killed between invariant 2's two steps leaves a user without an entry: likewise.
* A handle that is never opened (its receiver was killed, or pickling failed half-way) leaves its
  ticket: the segment then stays with its sender until that ends.
* A killed owner leaves nothing to do: the system frees the memory with its last mapping.

Process numbers are those of one PID namespace; a handle cannot be opened from another.
"""

from __future__ import annotations

import itertools
import mmap
import os
import secrets
import sys

from fastproc.shm import _counters

#: Bytes before the data: one page, so that the data begin on a page.
HEADER_BYTES = 4096

_STATE, _CLOSED, _OWNER_PID, _OWNER_FD, _UNTRACKED, _TOKEN = range(6)
_ENTRIES = 16, 144
_TICKETS = 144, 512
_TOKEN_BYTES = slice(8 * _TOKEN, 8 * _TOKEN + 16)

_USERS_MASK = (1 << 32) - 1
_PID_BITS = 32  # Windows numbers its processes with 32 bits, Linux with 22
_LAST_GENERATION = (1 << 31) - 1

_sequence = itertools.count(1)


class Header:
    """The counters of one segment, over the memory that `buffer` exports.  All O(1)."""

    def __init__(self, buffer: mmap.mmap) -> None:
        self._buffer = buffer

    def start(self, owner_fd: int) -> None:
        """Fill the header of fresh memory, whose owner is this process."""
        self._buffer[_TOKEN_BYTES] = secrets.token_bytes(16)
        _counters.store(self._buffer, _OWNER_PID, os.getpid())
        _counters.store(self._buffer, _OWNER_FD, owner_fd)
        _counters.store(self._buffer, _STATE, 1 << 32)

    @property
    def token(self) -> bytes:
        """What tells this memory from any other."""
        return bytes(self._buffer[_TOKEN_BYTES])

    @property
    def generation(self) -> int:
        """The number of the memory's present life."""
        return _counters.load(self._buffer, _STATE) >> 32

    @property
    def users(self) -> int:
        """How many processes hold an array, the owner not counted."""
        return _counters.load(self._buffer, _STATE) & _USERS_MASK

    @property
    def owner(self) -> tuple[int, int]:
        """The owner's process number and its file descriptor of the memory."""
        return (
            _counters.load(self._buffer, _OWNER_PID),
            _counters.load(self._buffer, _OWNER_FD),
        )

    @property
    def closed(self) -> bool:
        """Whether the owner will not recycle this segment any more, so that it is done with."""
        return bool(_counters.load(self._buffer, _CLOSED))

    def close(self) -> None:
        """Say that the segment will not be recycled any more."""
        _counters.store(self._buffer, _CLOSED, 1)

    def enter(self, generation: int) -> bool:
        """Become a user, unless that `generation` is over; return whether this process is one."""
        if not self.count_user(generation):
            return False
        self.write_entry()
        return True

    def count_user(self, generation: int) -> bool:
        """Count a user that has yet to write its entry."""
        while True:
            state = _counters.load(self._buffer, _STATE)
            if state >> 32 != generation:
                return False
            if _counters.compare_exchange(self._buffer, _STATE, state, state + 1):
                return True

    def write_entry(self) -> None:
        """Write down this process as a user that has been counted.

        Where all entries are taken it stays a user without one, who never counts as dead.
        """
        _counters.replace_first(self._buffer, *_ENTRIES, 0, os.getpid())

    def leave(self) -> None:
        """Stop being a user."""
        _counters.replace_first(self._buffer, *_ENTRIES, os.getpid(), 0)
        _counters.add(self._buffer, _STATE, -1)

    def retire(self) -> bool:
        """End the generation unless somebody alive uses it; return whether it has ended."""
        state = _counters.load(self._buffer, _STATE)
        generation, users = state >> 32, state & _USERS_MASK
        entries = _counters.nonzero(self._buffer, *_ENTRIES) if users else []
        # By invariant 2 equal numbers mean that each user has an entry, and as all are dead
        # nothing can change them; a user who enters meanwhile changes `state`.
        if len(entries) != users or any(map(is_alive, entries)) or generation == _LAST_GENERATION:
            return False
        if not _counters.compare_exchange(self._buffer, _STATE, state, (generation + 1) << 32):
            return False
        for pid in entries:
            _counters.replace_first(self._buffer, *_ENTRIES, pid, 0)
        return True

    def issue_ticket(self) -> tuple[int, int]:
        """Return the number and the ticket of a new handle, on its way from now on."""
        number = next(_sequence) % (1 << 30) << _PID_BITS | os.getpid()
        ticket = _counters.replace_first(self._buffer, *_TICKETS, 0, number)
        if ticket < 0:
            _counters.add(self._buffer, _UNTRACKED, 1)
        return number, ticket

    def take_ticket(self, number: int, ticket: int) -> None:
        """Say that the handle of this `number` has arrived."""
        if ticket < 0:
            _counters.add(self._buffer, _UNTRACKED, -1)
        else:
            _counters.compare_exchange(self._buffer, ticket, number, 0)

    def on_their_way(self, sender: int | None = None) -> bool:
        """Tell whether a handle is on its way, from the process `sender` or from any.

        Of handles without a ticket nobody knows the sender, so they count for each.
        """
        numbers = _counters.nonzero(self._buffer, *_TICKETS)
        if sender is not None:
            numbers = [number for number in numbers if number & (1 << _PID_BITS) - 1 == sender]
        return bool(numbers) or _counters.load(self._buffer, _UNTRACKED) > 0


def is_alive(pid: int) -> bool:
    """Tell whether a process of this number exists; a zombie does until it has been waited for."""
    if sys.platform == "win32":
        return True  # os.kill would end it there; so segments of killed users are not recycled
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
