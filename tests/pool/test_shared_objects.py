"""Layer: tests.  Locks, queues and values given to workers that run already."""

import os
import signal

import numpy as np
import pytest

import fastproc as fp


def use_all(queue, lock, value, array, event, semaphore, condition):
    with lock, semaphore:
        value.value += 1
        array[1] += 1
    array.add(0, 2)
    queue.put((os.getpid(), np.asarray(array).shape))
    event.set()
    with condition:
        condition.notify_all()
    return event.is_set()


def test_everything_goes_to_running_workers(pool):
    n = 50
    pool.map(abs, range(10))
    queue, lock, value = fp.Queue(), fp.RLock(), fp.Value("i", 0)
    array, event = fp.Array("d", 3), fp.Event()
    semaphore, condition = fp.BoundedSemaphore(1), fp.Condition(lock)
    arguments = (queue, lock, value, array, event, semaphore, condition)
    with condition:
        results = pool.starmap_async(use_all, [arguments] * n)
        assert condition.wait(timeout=60)
    assert results.get(timeout=60) == [True] * n
    assert value.value == n
    assert array[:] == [2.0 * n, n, 0.0]
    said = queue.get_many()
    while len(said) < n:
        said += queue.get_many(timeout=20)
    assert {shape for _, shape in said} == {(3,)}
    assert os.getpid() not in {pid for pid, _ in said}


def meet(barrier):
    return barrier.wait(timeout=60)


def test_workers_meet_at_a_barrier(pool):
    barrier = fp.Barrier(2)
    results = [pool.apply_async(meet, (barrier,)) for _ in range(2)]
    assert sorted(result.get(timeout=60) for result in results) == [0, 1]


def take_and_die(lock, queue):
    lock.acquire()
    queue.put("has it")
    os.kill(os.getpid(), signal.SIGKILL)


def take(lock):
    return lock.acquire(timeout=60)


def test_a_worker_that_dies_with_a_lock(pool):
    """The pool tells of the worker, the lock of its owner, and the queue has what was put."""
    lock, queue = fp.Lock(), fp.Queue()
    with pytest.raises(fp.WorkerDied):
        pool.apply(take_and_die, (lock, queue))
    assert queue.get(timeout=10) == "has it"
    with pytest.warns(fp.OwnerDied):
        assert lock.acquire(timeout=60)
    lock.release()
    assert pool.apply(take, (lock,))
