"""Layer: tests.  The pool: the standard library's, and blocks of shared arrays."""

import multiprocessing
import multiprocessing.pool
import os
import threading

import numpy as np
import pytest

from fastproc import config
from fastproc.pool import Pool
from fastproc.shm.array import SharedArray, share, shared_empty, shared_zeros

_started_with = None


def start(value):
    global _started_with
    _started_with = value, config.in_pool_worker()


def started_with(_):
    return _started_with


def cube(x):
    return x**3


def increment(block):
    block += 1


def number_of_elements(block):
    return block.size


def add(left, right):
    return left + right


def shape(*blocks):
    return [(type(block).__name__, block.shape) for block in blocks]


def fail(block):
    raise ZeroDivisionError(f"cannot do {block[0]}")


def workers(_):
    return os.getpid(), config.default_workers()


def larger(block):
    return share(block * 10)


def test_it_is_multiprocessings_pool(pool):
    assert pool.map(cube, range(10)) == [x**3 for x in range(10)]
    assert pool.apply(add, (1, 2)) == 3
    assert pool.starmap_async(add, [(1, 2), (3, 4)]).get(30) == [3, 7]
    assert sorted(pool.imap_unordered(cube, range(3))) == [0, 1, 8]


def test_workers_know_that_they_are_workers(pool):
    assert {count for _, count in pool.map(workers, range(8))} == {1}
    assert not config.in_pool_worker()


def test_by_default_as_many_as_cores_may_be_used(monkeypatch):
    monkeypatch.setattr(config, "allowed_cpus", lambda: 3)
    with Pool() as pool:
        assert pool.processes == len(pool._manager.processes) == 3


def test_the_initializer_runs_in_a_worker():
    shared = share([1.0, 2.0])
    with Pool(1, start, (shared,), context="spawn") as pool:
        value, was_worker = pool.apply(started_with, (None,))
        assert type(value) is SharedArray
        assert value.tolist() == [1, 2]
        assert was_worker
        value[...] = 5
    assert shared.tolist() == [5, 5]


def test_contexts_by_name_or_object():
    for context in ("spawn", multiprocessing.get_context("spawn")):
        with Pool(1, context=context) as pool:
            (process,) = pool._manager.processes.values()
            assert isinstance(process, multiprocessing.context.SpawnProcess)
    with pytest.raises(ValueError, match="cannot find context for 'thread'"):
        Pool(1, context="thread")


def test_bad_arguments():
    with pytest.raises(ValueError, match="Number of processes must be at least 1"):
        Pool(0)
    with pytest.raises(TypeError, match="initializer must be callable, not 3"):
        Pool(1, initializer=3)


def test_workers_are_replaced_after_some_tasks():
    with Pool(1, maxtasksperchild=1, context="spawn") as pool:
        assert len({pid for pid, _ in pool.map(workers, range(3), chunksize=1)}) == 3


def test_shared_arrays_arrive_as_themselves(pool):
    x = shared_zeros(1000)
    pool.map(increment, [x[:500:2], x[1:500:2], x[500:]])
    assert (x == 1).all()
    results = pool.map(larger, [share(np.full(10, value)) for value in range(20)], chunksize=1)
    assert [result[0] for result in results] == [10 * value for value in range(20)]


class Unreadable:
    def __reduce__(self):
        return fail, ([5],)


def unreadable(_):
    return Unreadable()


def test_a_result_that_cannot_be_read_harms_no_other(pool):
    results = [pool.apply_async(function, (3,)) for function in (cube, unreadable, cube)]
    assert results[0].get(30) == results[2].get(30) == 27
    with pytest.raises(ZeroDivisionError, match="cannot do 5"):
        results[1].get(30)


def a_lock(_):
    return threading.Lock()


def test_a_result_that_cannot_be_sent(pool):
    with pytest.raises(multiprocessing.pool.MaybeEncodingError, match="Error sending result"):
        pool.apply(a_lock, (0,))


@pytest.mark.parametrize("block_size", [None, 1, 7, 10, 100])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_every_element_is_in_one_block(pool, axis, block_size):
    x = shared_zeros((10, 21))
    sizes = pool.map_blocks(number_of_elements, x, axis=axis, block_size=block_size)
    assert sum(sizes) == x.size
    assert pool.map_blocks(increment, x, axis=axis, block_size=block_size) == [None] * len(sizes)
    assert (x == 1).all()


def test_results_come_in_order(pool):
    x = share(np.arange(100))
    assert pool.map_blocks(np.max, x, block_size=10) == list(range(9, 100, 10))


def test_by_default_there_are_four_blocks_per_process(pool):
    assert pool.map_blocks(number_of_elements, shared_zeros(80)) == [10] * 8
    assert pool.map_blocks(number_of_elements, shared_zeros(3)) == [1] * 3


def test_into_out(pool):
    x, y = share(np.arange(10)), share(np.arange(10.0))
    out = shared_empty(10)
    assert pool.map_blocks(add, x, y, out=out, block_size=3) is out
    np.testing.assert_array_equal(out, 2 * np.arange(10))
    assert pool.map_blocks(cube, x, out=x) is x
    np.testing.assert_array_equal(x, np.arange(10) ** 3)


def test_several_arrays_of_other_shapes(pool):
    arrays = shared_zeros((4, 3)), shared_zeros(4, "i1"), shared_zeros((4, 2, 5)).transpose(0, 2, 1)
    assert pool.map_blocks(shape, *arrays, block_size=3) == [
        [("SharedArray", (3, 3)), ("SharedArray", (3,)), ("SharedArray", (3, 5, 2))],
        [("SharedArray", (1, 3)), ("SharedArray", (1,)), ("SharedArray", (1, 5, 2))],
    ]


def test_no_elements_no_calls(pool):
    empty, out = shared_zeros((0, 3)), shared_zeros((0, 3))
    assert pool.map_blocks(fail, empty) == []
    assert pool.map_blocks(fail, empty, out=out) is out


def test_an_exception_is_raised_here(pool):
    with pytest.raises(ZeroDivisionError, match="cannot do 0"):
        pool.map_blocks(fail, share([0, 0, 0]))
    with pytest.raises(ValueError, match="could not broadcast"):
        pool.map_blocks(cube, shared_zeros((4, 3)), out=shared_zeros((4, 2)))
    assert pool.map_blocks(np.max, share([1, 2]), block_size=2) == [2]


def test_bad_arrays(pool):
    x = shared_zeros((4, 3))
    with pytest.raises(TypeError, match=r"array must be a shared array, not ndarray: .* share\(\)"):
        pool.map_blocks(cube, np.zeros(3))
    with pytest.raises(TypeError, match=r"arrays\[1\] must be a shared array, not list"):
        pool.map_blocks(add, x, x, [1, 2])
    with pytest.raises(TypeError, match="out must be a shared array, not ndarray"):
        pool.map_blocks(cube, x, out=np.zeros((4, 3)))
    with pytest.raises(TypeError, match="array must be a shared array, not SharedArray"):
        pool.map_blocks(cube, np.ndarray.astype(x, "i4"))
    with pytest.raises(ValueError, match=r"along axis 0; arrays\[0\] has 3 and array has 4"):
        pool.map_blocks(add, x, x.T)
    with pytest.raises(ValueError, match="along axis 1; out has 2 and array has 3"):
        pool.map_blocks(cube, x, out=x[:, :2], axis=1)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only; pass an array that may be written"):
        pool.map_blocks(cube, x, out=x)


@pytest.mark.parametrize("axis", [2, -3])
def test_bad_axes(pool, axis):
    message = f"map_blocks cannot cut array: axis {axis} is out of bounds"
    with pytest.raises(np.exceptions.AxisError, match=message):
        pool.map_blocks(cube, shared_zeros((2, 2)), axis=axis)


def test_an_axis_that_only_the_first_array_has(pool):
    with pytest.raises(np.exceptions.AxisError, match=r"cannot cut arrays\[0\]: axis 1"):
        pool.map_blocks(add, shared_zeros((2, 2)), shared_zeros(2), axis=1)


@pytest.mark.parametrize("block_size", [0, -1])
def test_bad_block_sizes(pool, block_size):
    with pytest.raises(ValueError, match=f"block_size must be at least 1, not {block_size}"):
        pool.map_blocks(cube, shared_zeros(3), block_size=block_size)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinities here")
def test_a_worker_that_leaves_the_parents_core_keeps_its_affinity():
    allowed = os.sched_getaffinity(0)
    with Pool(1) as pool:
        os.sched_setaffinity(0, {min(allowed)})  # of this thread alone
        try:
            seen = {frozenset(pool.apply(os.sched_getaffinity, (0,))) for _ in range(3000)}
        finally:
            os.sched_setaffinity(0, allowed)
        assert seen == {frozenset(allowed)}
        if len(allowed) > 1:
            pool.apply(os.sched_setaffinity, (0, {min(allowed)}))
            seen = {frozenset(pool.apply(os.sched_getaffinity, (0,))) for _ in range(3000)}
            assert seen == {frozenset({min(allowed)})}
