"""Layer: bridges.  fastproc's kernels on Dask arrays, and its Pool over a Dask cluster.

``import fastproc.dask as fd``: names and signatures are fastproc's own, arrays may be Dask's, and
results are lazy.  A kernel's family has a module of its name, as in ``fastproc.parallel``:

- reductions, histograms, groups and the like: `states.py` makes a mergeable state of each chunk;
- elementwise kernels, searches and distances: each block by itself;
- moving windows and scans: each block with what lies before it;
- what needs all elements of a line (a median, a rank) is refused along an axis that is cut.

`face.py` has what they share towards the caller, `chunks.py` what they share towards Dask.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

try:
    importlib.import_module("dask.array")
except ModuleNotFoundError as error:
    _missing = (error.name or "dask").partition(".")[0]
    raise ImportError(
        f"fastproc.dask needs {_missing}; install it with: pip install 'fastproc[dask]'"
    ) from error

from fastproc import catalogue, lazy

if TYPE_CHECKING:
    from fastproc.dask._describe import describe as describe
    from fastproc.dask._distances import *
    from fastproc.dask._elementwise import *
    from fastproc.dask._grouped import *
    from fastproc.dask._histogram import *
    from fastproc.dask._moving import *
    from fastproc.dask._order import *
    from fastproc.dask._ranking import *
    from fastproc.dask._reductions import *
    from fastproc.dask._scans import *
    from fastproc.dask._search import *
    from fastproc.dask._softmax import *
    from fastproc.dask.pool import Pool as Pool

__getattr__ = lazy.importer(
    __name__,
    {
        "Pool": "fastproc.dask.pool",
        **{name: f"fastproc.dask._{family}" for name, family in catalogue.FAMILY_OF.items()},
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), "Pool", *catalogue.FAMILY_OF})
