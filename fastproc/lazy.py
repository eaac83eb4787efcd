"""Layer: base.  Names of a package that are imported when they are first asked for (PEP 562).

So ``import fastproc`` loads neither NumPy nor multiprocessing, and a worker that is being started
loads only what it needs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping


def importer(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return the `__getattr__` of a package.

    Parameters
    ----------
    package : str
        The package's full name.
    homes : dict of str to str
        By name, the module that has it.

    Returns
    -------
    callable
        Imports a name that is asked for and keeps it in the package, so that the next time it is
        found without a call.

    Examples
    --------
    >>> importer("fastproc", {"KIB": "fastproc.config"})("KIB")
    1024
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return get
