"""Layer: tests.  Start methods and kinds of memory that the tests run under."""

import multiprocessing
import multiprocessing.synchronize
from multiprocessing import resource_sharer

import pytest
from relatives import Relative

from fastproc.shm import block, segment, synchronize


@pytest.fixture(params=["memfd", "portable"])
def backend(request, monkeypatch):
    monkeypatch.setenv("FASTPROC_SEGMENTS", request.param)
    return request.param


@pytest.fixture(params=multiprocessing.get_all_start_methods())
def method(request):
    return request.param


@pytest.fixture(params=["multiprocessing", "fastproc"])
def kit(request):
    """The classes of either package: a test that uses them proves that they can be exchanged."""
    return multiprocessing if request.param == "multiprocessing" else synchronize


@pytest.fixture(scope="module")
def relatives():
    """One relative of each kind, for all tests of a module: to start one takes up to a second."""
    made = {}
    yield made
    for each in made.values():
        each.end()


@pytest.fixture
def relative(method, backend, relatives):
    kind = method, backend
    if kind not in relatives or not relatives[kind].process.is_alive():
        relatives[kind] = Relative(method, backend)
    return relatives[kind]


@pytest.fixture
def make_relative():
    made = []

    def make(*args):
        made.append(Relative(*args))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture(autouse=True)
def nothing_kept():
    """Start and end each test with no segment kept, and with no helper thread."""
    forget_kept()
    yield
    forget_kept()
    # The portable memory's helper thread would make the next fork a warning.
    resource_sharer.stop(timeout=5)


def forget_kept():
    block._begin_another()  # the arena of earlier tests' locks
    with segment._process.guard:
        segment._process._keep_at_most(0, 0)
