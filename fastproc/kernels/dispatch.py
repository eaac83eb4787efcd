"""Layer: kernels.  Picks the CPU level once, when fastproc is first imported.

A wheel carries the kernels compiled for several levels of instructions; the best one that the CPU
runs is imported, and no other.  ``FASTPROC_CPU_LEVEL`` asks for a lower one, for tests and for
comparisons: the results have the same bits at every level.
"""

from __future__ import annotations

import importlib
import importlib.util

from fastproc import config
from fastproc.errors import ConfigError
from fastproc.kernels._cpu import supported_levels


def available_levels() -> list[str]:
    """Return the levels that this installation has and this CPU runs, the best first."""
    return [
        level
        for level in supported_levels()
        if importlib.util.find_spec(f"fastproc.kernels._reductions_{level}") is not None
    ]


def _choose_level() -> str:
    levels = available_levels()
    if not levels:
        raise ImportError(
            f"this installation of fastproc has no kernels for this CPU, which runs "
            f"{supported_levels()}; build it on this machine, in a folder of its sources, with: "
            "pip install ."
        )
    asked = config.cpu_level()
    if asked is None:
        return levels[0]
    if asked not in levels:
        raise ConfigError(f"FASTPROC_CPU_LEVEL is {asked!r}; this machine has {levels}")
    return asked


#: The level in use, such as ``"v3"`` for x86-64-v3.
level: str = _choose_level()


def table(family: str) -> object:
    """Return the chosen level's table of a family of kernels, in a capsule (``_common.pxd``)."""
    table: object = importlib.import_module(f"fastproc.kernels._{family}_{level}").table
    return table
