"""Layer: pool.  Exceptions that travel: what a task raised in a worker, raised here.

An exception need not survive pickling: one whose constructor takes two arguments pickles but cannot
be made again.  So its type, message and traceback travel beside it as text, and where it cannot be
raised itself a RemoteError with that text is.
"""

from __future__ import annotations

import functools
import signal
import sys
import types
from typing import Any

from fastproc.errors import RemoteError, WorkerDied
from fastproc.shm import serialize

Description = tuple[bytes | None, str, str, str]


def packed(error: BaseException) -> Description:
    """Return an exception as what surely can be pickled, unpickled and understood."""
    import traceback  # here, as a worker need not load it to start

    try:
        text = "".join(traceback.format_exception(error))
    except BaseException:
        text = f"{type(error).__qualname__}, whose traceback could not be made"
    try:
        data = bytes(serialize.pack(error, serialize.HERE, sys.maxsize).data)
        serialize.loads(data)
    except BaseException:  # whatever the user's class does, the text is good
        data = None
    return data, type(error).__qualname__, _message(error), text


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # SystemExit too: it is not the worker that is to end
        return "<its message could not be made>"


def unwritable(error: BaseException, value: Any) -> Exception:
    """Return the error of a task whose result cannot be pickled, as multiprocessing has it."""
    from multiprocessing import pool

    try:
        raised: Exception = pool.MaybeEncodingError(error, value)  # type: ignore[attr-defined]
    except BaseException:  # the value has no repr either
        kind = type(value).__qualname__
        raised = pool.MaybeEncodingError(error, f"<{kind}>")  # type: ignore[attr-defined]
    return raised


def unpacked(description: Description) -> Exception:
    """Return the exception to raise, with the worker's traceback as its cause."""
    from multiprocessing.pool import RemoteTraceback  # type: ignore[attr-defined]

    data, name, message, text = description
    error: Any = None
    if data is not None:
        try:
            error = serialize.loads(data)
        except Exception:
            error = None  # a class that this process does not have, say
    if not isinstance(error, Exception):
        error = RemoteError(f"the task raised {name}: {message}")
    error.__cause__ = RemoteTraceback(text)
    return error  # type: ignore[no-any-return]


def death(process: Any, function: Any) -> WorkerDied:
    """Return the error of a task whose worker died."""
    hint = "; perhaps memory ran out" if process.exitcode == -9 else ""
    return WorkerDied(
        f"worker {process.pid} {ending_of(process.exitcode)} while it ran "
        f"{name_of(function)}{hint}",
        process.pid,
        process.exitcode,
    )


def name_of(function: Any) -> str:
    """Return what a function is called, and run none of its code to find out."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    if isinstance(
        function, types.FunctionType | types.BuiltinFunctionType | types.MethodType | type
    ):
        return str(function.__qualname__)
    return f"a {type(function).__qualname__}"


def died_early(pid: int, error: Exception) -> WorkerDied:
    """Return the error of a task whose result lay in memory that has gone with its worker."""
    died = WorkerDied(f"worker {pid} died before its result had arrived", pid, None)
    died.__cause__ = error
    return died


def false_start(process: Any) -> WorkerDied:
    """Return the error of a pool whose workers die as they start."""
    return WorkerDied(
        f"worker {process.pid} {ending_of(process.exitcode)} as it started, like those before it; "
        "the initializer, or the import of the main script, ends the process (what it printed says "
        'more; a script needs the guard `if __name__ == "__main__":`)',
        process.pid,
        process.exitcode,
    )


def ending_of(exitcode: int | None) -> str:
    """Return what is said of a process with this exit code."""
    if exitcode is None or exitcode >= 0:
        return f"exited with status {exitcode}"
    try:
        return f"was killed by {signal.Signals(-exitcode).name}"
    except ValueError:
        return f"was killed by signal {-exitcode}"
