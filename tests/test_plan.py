"""Layer: tests.  The chunk plan and the cost model."""

import hypothesis.strategies as st
from hypothesis import given

from fastproc import plan


@given(work=st.floats(0, 1e12), n_units=st.integers(1, 10**6), most=st.integers(1, 256))
def test_useful_workers_are_bounded_and_monotone(work, n_units, most):
    for useful in (plan.useful_threads, plan.useful_processes):
        number = useful(work, n_units, most)
        assert 1 <= number <= min(n_units, most)
        assert useful(2 * work, n_units, most) >= number
        assert useful(work, n_units, most + 1) >= number


def test_small_work_stays_on_one_thread():
    assert plan.useful_threads(plan.THREAD_SHARE_NS * 1.9, 100, 8) == 1
    assert plan.useful_threads(plan.THREAD_SHARE_NS * 2.0, 100, 8) == 2


@given(n_units=st.integers(1, 10_000), n_workers=st.integers(1, 64))
def test_task_ranges_cover_all_units_once(n_units, n_workers):
    ranges = plan.task_ranges(n_units, n_workers)
    assert [unit for first, last in ranges for unit in range(first, last)] == list(range(n_units))
    lengths = [last - first for first, last in ranges]
    assert max(lengths) - min(lengths) <= 1
    assert len(ranges) <= n_workers * plan.TASKS_PER_WORKER


@given(size=st.integers(0, 10**9), n_bins=st.integers(1, 10**7))
def test_histogram_units_are_large_beside_their_bins(size, n_bins):
    n_units = plan.histogram_units(size, n_bins)
    assert (n_units == 0) == (size == 0)
    if n_units > 1:
        assert size / (n_units - 1) >= 8 * n_bins
        # The last unit, which gets what the others leave, is not empty.
        assert (n_units - 1) * -(-size // n_units) < size
