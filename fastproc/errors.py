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
