"""Layer: shm.  Where a segment's bytes come from, and how a relative finds them again.

Three kinds of memory, none of which leaves a name behind, whoever is killed when:

``memfd``     Linux: a file that never had a name.  A relative opens it through
              ``/proc/<pid>/fd/<n>`` of a process that holds it; the kernel lets only the same user.
``file``      other POSIX: a temporary file that is unlinked at once.  Its descriptor travels over
              a socket (multiprocessing's resource sharer) or is inherited by a spawned process.
``mapping``   Windows: a mapping of the page file, under a random name that vanishes with its last
              user.

Whether what was found is what was meant is for the caller to check, by a token in the memory: a
process number, a descriptor's number or a name may meanwhile belong to somebody else.

Measured and left out: ``MADV_HUGEPAGE`` has no effect on a memfd (first write of 100 MB 50 ms with
and without); ``MAP_POPULATE`` and ``MADV_POPULATE_WRITE`` save a fifth of that, yet take the memory
of arrays that are never filled.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import mmap
import os
import stat
import sys
import tempfile
from multiprocessing import AuthenticationError, reduction
from typing import Any, NoReturn

try:
    import resource
except ModuleNotFoundError:  # Windows
    resource = None  # type: ignore[assignment]

from fastproc import config
from fastproc.errors import ConfigError, SegmentGoneError

#: What a handle carries so that another process finds the memory; its first item is the kind.
Place = tuple[Any, ...]


class Memory:
    """Bytes that several processes can map, held by a descriptor, a mapping or both."""

    def __init__(self, kind: str, mapping: mmap.mmap, fd: int = -1, name: str = "") -> None:
        self.kind = kind
        self.mapping = mapping
        self.fd = fd
        self._name = name

    @functools.cached_property
    def _identity(self) -> tuple[int, int]:
        """What tells the file from any other that a descriptor may stand for."""
        return _identity(os.fstat(self.fd))

    def place(self, owner_pid: int, owner_fd: int) -> Place:
        """Return where another process finds this memory: here or, once gone, at the owner's."""
        if self.kind == "memfd":
            here, at_owner = (os.getpid(), self.fd), (owner_pid, owner_fd)
            holders = (here,) if here == at_owner else (here, at_owner)
            return (self.kind, self._identity, *holders)
        if self.kind == "file":
            return (self.kind, reduction.DupFd(self.fd))
        return (self.kind, self._name, len(self.mapping))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a place, for a process that multiprocessing is starting."""
        return open_place, (self.place(os.getpid(), self.fd),)

    def write(self, start: int, data: memoryview) -> None:
        """Write `data` from byte `start` on, for which fresh pages need not be mapped here."""
        if self.fd < 0 or not hasattr(os, "pwrite"):
            self.mapping[start : start + len(data)] = data
            return
        while data:
            try:
                written = os.pwrite(self.fd, data, start)
            except OSError as error:
                _explain(error, len(self.mapping))
            start, data = start + written, data[written:]

    def discard(self, start: int) -> None:
        """Give the pages from byte `start` back, although others may still have them mapped."""
        if hasattr(mmap, "MADV_REMOVE"):
            # Some file systems cannot do this; then the pages go with the last mapping.
            with contextlib.suppress(OSError):
                self.mapping.madvise(mmap.MADV_REMOVE, start)

    def claim(self, start: int, stop: int) -> None:
        """Make sure that there is memory for these bytes of a sparse block.

        Raises
        ------
        MemoryError
            If the file system has no room for them.  A memfd takes pages from the machine as they
            are touched, and all that can be said beforehand is in `most_bytes`.
        """
        # Elsewhere nothing can be claimed that others may be writing already, and a full disk ends
        # who touches a page too many.
        if self.kind != "file" or not hasattr(os, "posix_fallocate"):
            return
        try:
            os.posix_fallocate(self.fd, start, stop - start)
        except OSError as error:
            _explain(error, stop - start)

    def drop(self) -> None:
        """Forget the descriptor; the mapping goes with the last array over it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def create(size: int, is_sparse: bool = False) -> Memory:
    """Return `size` fresh bytes, all zero, of the kind that ``config`` asks for.

    Sparse bytes are addresses: they take memory when they are touched, and may be more than there
    is; before touching them `Memory.claim` them.

    Raises
    ------
    MemoryError
        If the machine, this process's cgroup or the folder for temporary files is too small.
        Without this check the process would be killed at its first touch of a page too many.
    OSError
        If this process has too many files open.
    """
    limit = most_bytes()
    if size > limit and not is_sparse:
        raise MemoryError(
            f"a segment of {size:,} bytes was asked for, but at most {limit:,} bytes of memory can "
            "be had here; use a smaller array or dtype"
        )
    backend = config.segment_backend()
    if backend == "memfd" and not hasattr(os, "memfd_create"):
        raise ConfigError("FASTPROC_SEGMENTS is 'memfd', which this system lacks; use 'portable'")
    try:
        if backend != "portable" and hasattr(os, "memfd_create"):
            return _create_memfd(size)
        if sys.platform == "win32":
            name = f"fastproc-{os.urandom(16).hex()}"
            return Memory("mapping", mmap.mmap(-1, size, tagname=name), name=name)
        return _create_file(size, is_sparse)
    except OSError as error:
        _explain(error, size)


def most_addresses() -> int:
    """Return how many sparse bytes one block may have: twice the memory that there is.

    Where addresses are limited (``ulimit -v``) they are shared out: a 32nd of them.
    """
    most = 2 * most_bytes()
    if resource is not None:
        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            most = min(most, limit // 32)
    return most


def can_be_sparse() -> bool:
    """Tell whether there are sparse blocks here; Windows counts all bytes of a mapping at once."""
    return sys.platform != "win32"


def open_place(place: Place) -> Memory:
    """Return the memory at a `place` that another process has named.

    Raises
    ------
    SegmentGoneError
        If there is no such memory any more, or it may not be opened from here.
    """
    kind, *details = place
    if kind == "memfd":
        return _open_memfd(*details)
    if kind == "file":
        return _map(kind, take_descriptor(place))
    name, size = details
    # Where the name is gone this makes a new, empty mapping, which fails the token's check.
    mapping = mmap.mmap(-1, size, tagname=name)  # type: ignore[call-arg,unused-ignore]
    return Memory(kind, mapping, name=name)


def take_descriptor(place: Place) -> int:
    """Return the descriptor that travels with a `place` of the kind "file"."""
    try:
        return int(place[1].detach())
    except (OSError, EOFError, AuthenticationError) as error:
        raise SegmentGoneError(
            "the shared array that this handle stands for cannot be fetched: its sender has ended, "
            "is no relative of this process, or has already given it to another receiver; keep "
            "the sender alive until the array has arrived, and send one handle to each receiver"
        ) from error


def _create_memfd(size: int) -> Memory:
    fd = os.memfd_create("fastproc", os.MFD_CLOEXEC)
    try:
        os.fchmod(fd, stat.S_IRUSR | stat.S_IWUSR)  # else any user could open it through /proc
        os.ftruncate(fd, size)
    except OSError:
        os.close(fd)
        raise
    return _map("memfd", fd)


def _create_file(size: int, is_sparse: bool) -> Memory:
    folder = _folder_with(0 if is_sparse else size)
    with tempfile.TemporaryFile(prefix="fastproc-", dir=folder) as file:
        if hasattr(os, "posix_fallocate") and not is_sparse:
            # Reserves the space: a full disk is an error now, not a fatal signal later.
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            os.ftruncate(file.fileno(), size)
        return _map("file", os.dup(file.fileno()))


def _folder_with(size: int) -> str:
    """Return the folder for a temporary file of `size` bytes, in memory if there is room."""
    for folder in ("/dev/shm", tempfile.gettempdir()):
        if os.access(folder, os.W_OK):
            status = os.statvfs(folder)
            if status.f_bavail * status.f_frsize > size:
                return folder
    raise MemoryError(
        f"there is no room for a segment of {size:,} bytes in {tempfile.gettempdir()}; free some, "
        "or point TMPDIR at a larger file system"
    )


def _open_memfd(identity: tuple[int, int], *holders: tuple[int, int]) -> Memory:
    for pid, number in holders:
        path = f"/proc/{pid}/fd/{number}"
        try:
            # First looked at, then opened: the number may now be a pipe, which would block.
            if _identity(os.stat(path)) != identity:
                continue
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # ended, dropped it, or belongs to somebody else: ask the next holder
        if _identity(os.fstat(fd)) == identity:
            return _map("memfd", fd)
        os.close(fd)
    raise SegmentGoneError(
        "the shared array that this handle stands for cannot be opened: process "
        f"{' and process '.join(str(pid) for pid, _ in holders)}, which held it, has dropped it, "
        "has ended, or runs under another user or in another container; keep the array in the "
        "sender until the receiver has it, and send it only to processes of the same user"
    )


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _map(kind: str, fd: int) -> Memory:
    """Map a whole file; the memory takes `fd` over."""
    try:
        size = os.fstat(fd).st_size
        if sys.version_info >= (3, 13):
            # Earlier ones cannot but keep a descriptor of their own, a second per segment.
            return Memory(kind, mmap.mmap(fd, size, trackfd=False), fd)
        return Memory(kind, mmap.mmap(fd, size), fd)
    except OSError:
        os.close(fd)
        raise


@functools.cache
def most_bytes() -> int:
    """Return how many bytes of memory this process could have at the very most."""
    limits = [sys.maxsize, config.memory_limit()]
    if hasattr(os, "sysconf"):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(limit for limit in limits if limit is not None)


def _explain(error: OSError, size: int) -> NoReturn:
    """Raise an `error` of the system anew, with what to do about it."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise OSError(
            error.errno,
            "too many open files: each live segment holds one or two file descriptors; drop some "
            "shared arrays, put many small ones into one large one, or raise `ulimit -n`",
        ) from error
    if error.errno in (errno.ENOMEM, errno.ENOSPC, errno.EFBIG):
        raise MemoryError(f"the system refuses a segment of {size:,} bytes: {error}") from error
    raise error
