"""Layer: parallel.  The public kernels: cut into units, run by threads or a pool, merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproc import catalogue, lazy

if TYPE_CHECKING:
    from fastproc.parallel._describe import *
    from fastproc.parallel._distances import *
    from fastproc.parallel._elementwise import *
    from fastproc.parallel._grouped import *
    from fastproc.parallel._histogram import *
    from fastproc.parallel._moving import *
    from fastproc.parallel._order import *
    from fastproc.parallel._ranking import *
    from fastproc.parallel._reductions import *
    from fastproc.parallel._scans import *
    from fastproc.parallel._search import *
    from fastproc.parallel._softmax import *

_import = lazy.importer(
    __name__,
    {
        "DescribeResult": "fastproc.parallel._describe",
        **{name: f"fastproc.parallel._{family}" for name, family in catalogue.FAMILY_OF.items()},
    },
)


def __getattr__(name: str) -> object:
    value = _import(name)
    if name in catalogue.FAMILY_OF:
        from fastproc.parallel.docs import attach

        attach(value)
    return value
