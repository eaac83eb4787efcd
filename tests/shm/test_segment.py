"""Layer: tests.  The life of segments within one process."""

import gc
import os
import resource
import threading
import weakref
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproc.config import MIB
from fastproc.errors import ConfigError, SegmentGoneError
from fastproc.shm import segment
from fastproc.shm.array import share, shared_empty, shared_zeros

process = segment._process


def inode(array):
    return os.fstat(array._segment.memory.fd).st_ino


def open_memory():
    """Count the descriptors of shared memory that this process has open."""
    targets = []
    for number in os.listdir("/proc/self/fd"):
        try:
            targets.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:  # the one that lists the folder
            continue
    return sum("fastproc" in target for target in targets)


def mapped_memory():
    with open("/proc/self/maps") as maps:
        return sum("fastproc" in line for line in maps)


def settle():
    with process.guard:
        pass


@given(st.integers(0, 2**40))
def test_size_classes(nbytes):
    size = segment._size_class(nbytes)
    assert size % 4096 == 0
    assert max(4096, nbytes) <= size <= max(nbytes + 4096, 1.25 * nbytes)
    assert segment._size_class(size) == size


def test_there_are_four_size_classes_per_power_of_two():
    sizes = {segment._size_class(nbytes) for nbytes in range(2**20 + 1, 2**21 + 1, 4096)}
    assert len(sizes) == 4


def test_a_dropped_segment_is_recycled(backend):
    first = shared_empty(1000)
    first[...] = 7
    number, generation = inode(first), first._segment.header.generation
    del first
    second = shared_empty(1000)
    assert inode(second) == number
    assert second[0] == 7
    assert second._segment.header.generation == generation + 1
    assert inode(shared_empty(1000)) != number


def test_recycled_for_what_fills_half_of_it_and_no_less():
    large = shared_empty(10 * MIB, "u1")
    number = inode(large)
    del large
    assert inode(shared_empty(4 * MIB, "u1")) != number
    assert inode(shared_empty(12 * MIB, "u1")) != number
    assert inode(shared_empty(6 * MIB, "u1")) == number


def test_the_best_fit_is_taken():
    arrays = [shared_empty(size * MIB, "u1") for size in (8, 5, 6)]
    numbers = [inode(array) for array in arrays]
    del arrays
    assert inode(shared_empty(5 * MIB, "u1")) == numbers[1]


def test_the_cache_is_bounded_in_bytes(monkeypatch):
    monkeypatch.setenv("FASTPROC_SEGMENT_CACHE", str(20 * MIB))
    arrays = [shared_empty(8 * MIB, "u1") for _ in range(4)]
    last_two = [inode(array) for array in arrays[2:]]
    before = open_memory()
    while arrays:
        del arrays[0]
    assert [os.fstat(kept.memory.fd).st_ino for kept in process.recycled.values()] == last_two
    assert open_memory() < before


def test_one_larger_than_the_cache_is_freed(monkeypatch):
    monkeypatch.setenv("FASTPROC_SEGMENT_CACHE", str(MIB))
    before = open_memory(), mapped_memory()
    array = shared_empty(2 * MIB, "u1")
    assert (open_memory(), mapped_memory()) > before
    del array
    assert (open_memory(), mapped_memory()) == before


def test_the_cache_is_bounded_in_number():
    arrays = [shared_empty(1) for _ in range(segment.MOST_KEPT + 5)]
    del arrays
    assert len(process.recycled) == segment.MOST_KEPT


def test_without_a_cache_memory_is_freed_at_once(backend, monkeypatch):
    monkeypatch.setenv("FASTPROC_SEGMENT_CACHE", "0")
    before = open_memory(), mapped_memory()
    array = shared_zeros(MIB)
    array[...] = 1
    witness = os.dup(array._segment.memory.fd)
    assert os.fstat(witness).st_blocks * 512 >= 8 * MIB
    del array
    # One who still has it mapped, as idle relatives do, keeps but the header.
    assert os.fstat(witness).st_blocks * 512 == 4096
    os.close(witness)
    assert (open_memory(), mapped_memory()) == before


def test_a_bad_cache_size_is_told(monkeypatch):
    monkeypatch.setenv("FASTPROC_SEGMENT_CACHE", "lots")
    with pytest.raises(ConfigError, match="FASTPROC_SEGMENT_CACHE is 'lots'"):
        shared_empty(1)


def test_what_is_kept_makes_way_when_there_is_no_room(monkeypatch):
    shared_empty(1000)
    assert process.recycled
    create, tries = segment.memory.create, []

    def refuse_once(size, is_sparse=False):
        tries.append(size)
        if len(tries) == 1:
            raise MemoryError
        return create(size, is_sparse)

    monkeypatch.setattr(segment.memory, "create", refuse_once)
    array = shared_empty(MIB)
    assert len(tries) == 2
    assert not process.recycled
    assert array.size == MIB


def test_descriptors_run_out():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        arrays = []
        with pytest.raises(OSError, match=r"too many open files.*raise `ulimit -n`"):
            arrays.extend(shared_empty(1) for _ in range(64))
        del arrays
        assert shared_empty(1).is_shared
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_handle_on_its_way_keeps_the_memory(backend, monkeypatch):
    monkeypatch.setenv("FASTPROC_SEGMENT_CACHE", "0")
    data = ForkingPickler.dumps(share([1, 2, 3]))
    others = [share([9, 9, 9]) for _ in range(5)]
    assert process.waiting
    array = ForkingPickler.loads(data)
    assert array.tolist() == [1, 2, 3]
    assert not process.waiting
    del array, others
    assert not process.segments


def test_a_handle_that_comes_too_late_never_sees_another_array():
    data = ForkingPickler.dumps(share([1, 2, 3]))
    first = ForkingPickler.loads(data)
    assert ForkingPickler.loads(data).tolist() == [1, 2, 3]
    number = inode(first)
    del first
    second = share([4, 5, 6])
    assert inode(second) == number
    with pytest.raises(SegmentGoneError, match="has been dropped and its memory used again; keep"):
        ForkingPickler.loads(data)
    assert second.tolist() == [4, 5, 6]


def test_what_is_opened_twice_does_not_count_for_another_handle():
    array = share([1, 2, 3])
    first, second = ForkingPickler.dumps(array), ForkingPickler.dumps(array)
    for _ in range(3):
        ForkingPickler.loads(first)
    del array
    settle()
    assert process.waiting
    assert ForkingPickler.loads(second).tolist() == [1, 2, 3]
    settle()
    assert not process.waiting


def test_one_segment_is_mapped_once():
    array = shared_zeros(10)
    before = mapped_memory()
    views = [ForkingPickler.loads(ForkingPickler.dumps(array)) for _ in range(100)]
    assert mapped_memory() == before
    assert all(view._segment is array._segment for view in views)


def test_arrays_dropped_by_the_cycle_collector_inside_the_lock():
    """Finalizers append and never wait, even where their own thread has the lock."""
    cycle = [shared_empty(10)]
    cycle.append(cycle)
    number = inode(cycle[0])
    with process.guard:
        del cycle
        gc.collect()
        assert process.dropped
    assert not process.dropped
    assert inode(shared_empty(10)) == number


def test_code_that_interrupts_the_lock_is_refused_not_blocked():
    array = shared_empty(1)
    with process.guard:
        with pytest.raises(RuntimeError, match="a signal handler or __del__ method interrupted"):
            shared_empty(1)
        with pytest.raises(RuntimeError, match="now calls what was interrupted; do that elsewhere"):
            ForkingPickler.dumps(array)
    assert shared_empty(1).is_shared


def test_finalizers_in_many_threads():
    errors = []

    class Node:
        pass

    def work(seed):
        random = np.random.default_rng(seed)
        try:
            for value in range(300):
                array = share(np.full(random.integers(1, 3000), value))
                node = Node()
                node.me, node.array = node, array[1:]  # for the cycle collector
                del node
                assert (array == value).all()
        except Exception as error:
            errors.append(error)

    threshold = gc.get_threshold()
    gc.set_threshold(3)
    try:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        gc.set_threshold(*threshold)
    assert not errors
    gc.collect()
    settle()
    assert not process.dropped
    assert all(kept.leases == 0 for kept in process.recycled.values())
    assert set(process.segments) == set(process.recycled)


def test_weak_references_see_the_end():
    array = shared_empty(3)
    reference = weakref.ref(array)
    del array
    assert reference() is None


def test_only_the_same_user_may_open_it():
    array = shared_empty(1)
    assert os.fstat(array._segment.memory.fd).st_mode & 0o777 == 0o600
    assert not os.get_inheritable(array._segment.memory.fd)
