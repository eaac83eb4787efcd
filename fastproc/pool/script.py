"""Layer: pool.  The main script, as a process that is not forked will have it.

Such a process imports the script under another name, so that it has all that the script defines but
what stands under ``if __name__ == "__main__":``.  A program that comes from a pipe, a notebook or a
REPL has no script at all.
"""

from __future__ import annotations

import ast
import functools
import os
import sys
import threading
import tokenize
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from fastproc.shm import serialize


class _Hiding:
    """How many of this process's threads start a process, and the path that they hide."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.main: Any = None
        #: What is hidden, by attribute of the main module.
        self.hidden: dict[str, Any] = {}

    def hide(self) -> None:
        """Hide by what multiprocessing would find the main script."""
        self.hidden = {
            name: vars(self.main)[name]
            for name in ("__file__", "__spec__")
            if name in vars(self.main)
        }
        self.main.__spec__ = None
        if "__file__" in self.hidden:
            del self.main.__file__

    def show(self) -> None:
        """Show it again."""
        if self.main is not None:
            vars(self.main).update(self.hidden)
            self.main = None


_hiding = _Hiding()


def _show_in_fork() -> None:
    """In a fork: no thread that hides the path is here."""
    global _hiding
    _hiding.show()
    _hiding = _Hiding()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_show_in_fork)


@contextmanager
def main_that_can_be_imported(is_wanted: bool = True) -> Iterator[None]:
    """Keep multiprocessing from telling a new process to run a main script that does not exist.

    A program that is read from a pipe calls its file "<stdin>", and every process would fail to
    start.  Its functions travel by value; and so they do where the script is not wanted, which then
    needs no guard.
    """
    hiding = _hiding
    with hiding.lock:
        # Another thread may start a process too, a pool's manager for instance: the first hides
        # the path, the last shows it again.
        main = sys.modules.get("__main__")
        if (
            hiding.main is None
            and main is not None
            and not (is_wanted and (serialize.has_script(main) or not hasattr(main, "__file__")))
        ):
            hiding.main = main
            hiding.hide()
        hiding.count += 1
    try:
        yield
    finally:
        with hiding.lock:
            hiding.count -= 1
            if not hiding.count:
                hiding.show()


def names_after_import() -> serialize.Names:
    """Return what a new process that is not forked will find by name.

    A pool's worker says what it misses and gets it by value.  A process has nobody to say it to,
    so we look beforehand into the script for what an import does not define.  To send all of
    ``__main__`` by value would be easier and wrong: functions would have copies of the globals that
    they share, and classes would not be those that the script's own functions make and check for.
    """
    main = sys.modules.get("__main__")
    if not serialize.has_script(main) or _is_left_alone(main):
        return serialize.NO_MAIN
    missing = _only_under_guard(getattr(main, "__file__", None) or "")
    if not missing:
        return serialize.HERE
    known = FunctionType, type
    return serialize.Names(
        {
            name: obj
            for name, obj in vars(main).items()
            if isinstance(obj, known) and name not in missing
        }
    )


def _is_left_alone(main: Any) -> bool:
    """Tell whether no process imports the main module, as with ``python -m package``."""
    name = getattr(getattr(main, "__spec__", None), "name", "")
    return name == "__main__" or name.endswith(".__main__")


@functools.cache
def _only_under_guard(path: str) -> frozenset[str]:
    """Return the names that a script defines under its guard and nowhere else."""
    try:
        with tokenize.open(path) as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):  # an archive, say; then all counts as importable
        return frozenset()
    under, elsewhere = _Defined(), _Defined()
    for statement in tree.body:
        if isinstance(statement, ast.If) and _is_guard(statement.test):
            under.visit_all(statement.body)
            elsewhere.visit_all(statement.orelse)
        else:
            elsewhere.visit(statement)
    return frozenset(under.names - elsewhere.names)


def _is_guard(test: ast.expr) -> bool:
    """Tell whether a condition is ``__name__ == "__main__"``, either way round."""
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1):
        return False
    sides = {ast.unparse(test.left), ast.unparse(test.comparators[0])}
    return isinstance(test.ops[0], ast.Eq) and sides == {"__name__", "'__main__'"}


class _Defined(ast.NodeVisitor):
    """Collects the names that statements bind, but not those inside functions and classes."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_all(self, statements: list[ast.stmt]) -> None:
        """Visit several statements."""
        for statement in statements:
            self.visit(statement)

    def _visit_definition(self, node: Any) -> None:
        self.names.add(node.name)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_definition

    def visit_Name(self, node: ast.Name) -> None:
        """Take a name that is assigned to, as that of a named tuple."""
        if isinstance(node.ctx, ast.Store):
            self.names.add(node.id)
