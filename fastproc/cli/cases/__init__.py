"""Layer: command line.  The table of cases, a file for each family of kernels.

Tests and benchmarks read this one table, so that what is timed is what was checked.
"""

from __future__ import annotations

import importlib
from typing import Any

from fastproc.catalogue import FAMILIES
from fastproc.cli.cases.case import Case


def _cases_of(family: str) -> tuple[Case, ...]:
    module: Any = importlib.import_module(f"{__name__}.{family}")
    cases: tuple[Case, ...] = module.CASES
    return cases


#: Every public kernel, once, by its name.
CASES: dict[str, Case] = {case.kernel: case for family in FAMILIES for case in _cases_of(family)}
