"""Layer: pool.  Starting a process that is not a fork, and freeing what it did not take.

multiprocessing's two ways of starting such a process, each of which pickles the process object
before there is a process: an error in that is the caller's and leaves nothing behind.

Shared memory on its way to the child is kept by the handles themselves (``segment.py``), until the
child has opened them.  One that dies before will not, so that they are recalled when its death is
noticed, all ways to which lead through `poll`.
"""

from __future__ import annotations

import os
from multiprocessing import popen_forkserver, popen_spawn_posix
from multiprocessing.process import BaseProcess
from typing import Any

from fastproc.pool import forkserver, script
from fastproc.pool.process import Traveller
from fastproc.shm import serialize


class _Carrying:
    """What both ways have in common."""

    _fds: list[int]
    _handles: list[Any]

    def _launch(self, process_obj: BaseProcess) -> None:
        traveller = Traveller(process_obj)
        try:
            with script.main_that_can_be_imported():
                super()._launch(traveller)  # type: ignore[misc]
        except BaseException:
            serialize.recall(traveller.handles())
            raise
        self._handles = traveller.handles()

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        exitcode: int | None = super().poll(flag)  # type: ignore[misc]
        if exitcode is not None:
            handles, self._handles = self._handles, []
            serialize.recall(handles)
        return exitcode


# Pickling may begin anew, by value, when some descriptors have been noted already.  Twice in the
# list the system refuses them, or the child gets a second one, of which it does not know and which
# it never closes.


class SpawnPopen(_Carrying, popen_spawn_posix.Popen):
    """A new interpreter."""

    def duplicate_for_child(self, fd: int) -> int:
        """Have the child inherit a descriptor; return what it is called there."""
        return fd if fd in self._fds else super().duplicate_for_child(fd)


class ForkServerPopen(_Carrying, popen_forkserver.Popen):
    """A fork of the fork server."""

    def _launch(self, process_obj: BaseProcess) -> None:
        forkserver.preload()
        super()._launch(process_obj)

    def duplicate_for_child(self, fd: int) -> int:
        """Have the child inherit a descriptor; return its place in the list of those."""
        if fd in self._fds:
            return self._fds.index(fd)
        return super().duplicate_for_child(fd)
