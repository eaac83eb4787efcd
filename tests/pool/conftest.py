"""Layer: tests of the pool.  The pool that most tests share: one for each start method, and for the
portable transport.
"""

import faulthandler
import multiprocessing
import os

import pytest

from fastproc.pool import Pool

# Workers here are meant to crash, and pytest's handler, which they inherit, would tell of each.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=faulthandler.disable)

METHODS = multiprocessing.get_all_start_methods()
TRANSPORTS = [(method, "") for method in METHODS] + [(METHODS[0], "portable")]


@pytest.fixture(params=TRANSPORTS, ids="-".join, scope="module")
def pool(request):
    method, transport = request.param
    os.environ["FASTPROC_TRANSPORT"] = transport
    pool = Pool(2, context=method)
    del os.environ["FASTPROC_TRANSPORT"]
    with pool:
        yield pool
        pool.close()
        pool.join()
