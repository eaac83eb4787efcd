"""Layer: base.  Names of a package that are imported when they are first asked for (PEP 562).

So ``import fastproc`` loads neither NumPy nor multiprocessing, and a worker that is being started
loads only what it needs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping


def importer(
    package: str, homes: Mapping[str, str], modules: Mapping[str, str] | None = None
) -> Callable[[str], object]:
    """Return the `__getattr__` of a package.

    Parameters
    ----------
    package : str
        The package's full name.
    homes : dict of str to str
        By name, the module that has it.
    modules : dict of str to str, optional
        By name, the module that it stands for.

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
        value: object
        if name in homes:
            value = getattr(importlib.import_module(homes[name]), name)
        elif modules and name in modules:
            value = importlib.import_module(modules[name])
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)
        return value

    return get
