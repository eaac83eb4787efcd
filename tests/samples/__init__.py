"""Layer: tests.  Calls of every kernel on a given array, a file for each family.

The tests of bits make them at every CPU level and with every kind of worker, and compare.
"""

import importlib

from fastproc.catalogue import FAMILIES, FAMILY_OF


def calls(name, array):
    """Yield functions that call the kernel `name` on the array, given its `workers`.

    What a call is may depend on the array's shape and values, but on nothing else.
    """
    yield from importlib.import_module(f"samples.{FAMILY_OF[name]}").calls(name, array)


def parts(result):
    """Return the arrays or numbers that a kernel's result has."""
    return result if isinstance(result, tuple) else (result,)


__all__ = ["FAMILIES", "calls", "parts"]
