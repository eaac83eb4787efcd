"""Layer: parallel.  The docstrings of the public kernels, what they share written once.

Each family has a file with a function `document`, which puts a kernel's own part (what it
computes, by which method, an example) and the paragraphs of ``shared.py`` together, so that
``help(fastproc.var)`` shows the whole.
"""

from __future__ import annotations

import importlib
from typing import Any

from fastproc.catalogue import FAMILY_OF


def attach(function: Any) -> None:
    """Give a compiled public function its docstring and the place where users find it."""
    family: Any = importlib.import_module(f"{__name__}.{FAMILY_OF[function.__name__]}")
    function.__doc__ = family.document(function.__name__)
    function.__module__ = "fastproc"
