"""Layer: base.  Every exception that is fastproc's own, each with what to do about it.

Where NumPy or multiprocessing have an exception for a mistake, fastproc raises that one; here
stand only the mistakes that nobody else has a name for.
"""


class FastprocError(Exception):
    """Base of fastproc's own exceptions."""


class ConfigError(FastprocError, ValueError):
    """An environment variable of fastproc has a value that it cannot have."""


class SegmentGoneError(FastprocError, RuntimeError):
    """A handle came too late: every process that held its shared memory has dropped it or died.

    Keep the shared array in the sender until the receiver has it.
    """


class WorkerDied(FastprocError, RuntimeError):
    """A worker of a pool died while it ran a task; all other tasks went on.

    Find out why: SIGKILL often means that memory ran out (the system's log says so), SIGSEGV an
    error in compiled code.  The task did not end, and may or may not have had effects.

    Attributes
    ----------
    pid : int
        The worker's process number.
    exitcode : int
        As of multiprocessing: the status that the worker exited with, or minus the signal.
    """

    def __init__(self, message: str, pid: int, exitcode: int | None) -> None:
        super().__init__(message, pid, exitcode)
        self.pid = pid
        self.exitcode = exitcode

    def __str__(self) -> str:
        return str(self.args[0])


class TaskTimeout(FastprocError, TimeoutError):
    """A task ran for longer than its `timeout`; its worker was killed and replaced.

    The task did not end, and may or may not have had effects.

    Attributes
    ----------
    timeout : float
        How long it could have run, in seconds.
    """

    def __init__(self, message: str, timeout: float) -> None:
        super().__init__(message, timeout)
        self.timeout = timeout

    def __str__(self) -> str:
        return str(self.args[0])


class PoolTerminated(FastprocError, RuntimeError):
    """The pool was terminated before this task had ended; its result will never come."""


class OwnerDied(RuntimeWarning):
    """A process died while it had a lock, which has gone to the next; see what it left half done.

    Attributes
    ----------
    pid : int
        The dead process's number.
    """

    def __init__(self, message: str, pid: int) -> None:
        super().__init__(message, pid)
        self.pid = pid

    def __str__(self) -> str:
        return str(self.args[0])


class RemoteError(FastprocError, RuntimeError):
    """A task ended with an exception that cannot be raised here; the message tells which.

    It could not be pickled or unpickled, or it was one that would end this process, such as the
    SystemExit of a task that calls ``sys.exit``.
    """
