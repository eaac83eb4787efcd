"""Layer: tests.  The table of cases: nothing is missing, and all rivals compute the same."""

import sys

import numpy as np
import pytest

import fastproc
from fastproc.catalogue import FAMILY_OF
from fastproc.cli import rivals
from fastproc.cli.cases import CASES

# One element, few, one unit of every kernel or less, and enough for threads to have a part.
SIZES = (1, 2, 10, 1000, 100_000)


@pytest.fixture(scope="module")
def pool():
    # Not forked: other tests may have started threads.
    with fastproc.Pool(2, context="spawn") as processes:
        yield processes


def test_there_is_a_case_for_every_kernel():
    assert sorted(CASES) == sorted(FAMILY_OF)


@pytest.mark.filterwarnings(r"ignore::RuntimeWarning:scipy\..*")  # it warns of one element
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", CASES)
def test_all_rivals_agree(kernel, size, pool):
    case = CASES[kernel]
    arrays = case.make(size)
    compiled = rivals.compiled_calls(case, arrays, pool, with_peers=True)
    assert set(rivals.OURS) < set(compiled)
    rivals.check_answers(case, size, compiled, rivals.python_calls(case, size))


@pytest.mark.parametrize("kernel", CASES)
def test_inputs_are_the_same_every_time_and_have_nan_for_the_nan_variants(kernel):
    case = CASES[kernel]
    for one, other in zip(case.make(1000), case.make(1000), strict=True):
        np.testing.assert_array_equal(one, other)
        share = np.isnan(one).mean()
        has_nan = kernel.startswith("nan") or kernel == "push"
        assert 0.1 < share < 0.2 if has_nan else share == 0


def test_a_wrong_answer_is_found():
    case = CASES["minmax"]
    calls = {rivals.NUMPY: case.numpy_call(case.make(10)), "wrong": lambda: (0.0, 1.0)}
    with pytest.raises(rivals.DisagreementError, match="minmax: wrong does not agree with NumPy"):
        rivals.check_answers(case, 10, calls, {})
    with pytest.raises(rivals.DisagreementError, match="minmax: wrong does not agree"):
        rivals.check_answers(case, 10, {}, {"wrong": lambda: (0.0, 1.0)})


def test_an_answer_of_another_shape_is_no_answer():
    assert not CASES["cube"].agree(np.ones(3), np.ones((3, 1)))
    assert not CASES["sum"].agree(1.0, np.ones(3))


def test_a_peer_that_is_missing_is_left_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "bottleneck", None)
    case = CASES["nansum"]
    calls = rivals.compiled_calls(case, case.make(10), None, with_peers=True)
    assert rivals.peers_among(calls) == []


def test_peers_can_be_left_out():
    case = CASES["nansum"]
    calls = rivals.compiled_calls(case, case.make(10), None, with_peers=False)
    assert list(calls) == [rivals.NUMPY, rivals.ONE_THREAD, rivals.ALL_THREADS]
