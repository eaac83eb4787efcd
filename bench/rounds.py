"""Layer: benchmarks.  What comparisons in rounds have in common: their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any


class Unsupported(Exception):
    """A rival cannot do a case, or is not installed."""


def parser_of(doc: str) -> argparse.ArgumentParser:
    """Return the parser of a comparison, by its module's docstring."""
    parser = argparse.ArgumentParser(description=" ".join(doc.partition("\n\n")[0].split()[2:]))
    parser.add_argument("names", nargs="*", help="parts of the names of cases; all by default")
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    return parser


def chosen(parser: argparse.ArgumentParser, cases: Sequence[Any], names: list[str]) -> list[Any]:
    """Return the cases that are asked for."""
    found = [case for case in cases if not names or any(name in case.name for name in names)]
    if not found:
        parser.error(f"no case is called like {' or '.join(names)}")
    return found
