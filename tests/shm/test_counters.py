"""Layer: tests.  Atomic counters."""

import multiprocessing

import pytest

from fastproc.shm import _counters
from fastproc.shm.array import shared_zeros


def test_load_and_store_see_each_other():
    buffer = bytearray(32)
    _counters.store(buffer, 2, -5)
    assert [_counters.load(buffer, index) for index in range(4)] == [0, 0, -5, 0]
    assert int.from_bytes(buffer[16:24], "little", signed=True) == -5


def test_add_returns_the_new_value():
    buffer = bytearray(8)
    assert _counters.add(buffer, 0, 7) == 7
    assert _counters.add(buffer, 0, -9) == -2


def test_compare_exchange_changes_only_what_is_expected():
    buffer = bytearray(8)
    assert _counters.compare_exchange(buffer, 0, 0, 3)
    assert not _counters.compare_exchange(buffer, 0, 0, 4)
    assert _counters.load(buffer, 0) == 3


def test_replace_first_stays_within_its_range():
    buffer = bytearray(40)
    assert _counters.replace_first(buffer, 1, 3, 0, 9) == 1
    assert _counters.replace_first(buffer, 1, 3, 0, 9) == 2
    assert _counters.replace_first(buffer, 1, 3, 0, 9) == -1
    assert _counters.nonzero(buffer, 0, 5) == [9, 9]
    assert _counters.replace_first(buffer, 0, 5, 9, 0) == 1


@pytest.mark.parametrize("index", [-1, 4, 2**40])
def test_a_counter_outside_the_buffer_is_an_index_error(index):
    message = f"there is no counter {index} in a buffer of 32 bytes"
    with pytest.raises(IndexError, match=message):
        _counters.load(bytearray(32), index)


def test_a_counter_must_be_aligned():
    with pytest.raises(ValueError, match="at an address that is a multiple of 8"):
        _counters.load(memoryview(bytearray(32))[1:], 0)


def test_a_read_only_buffer_is_refused():
    with pytest.raises(BufferError):
        _counters.add(bytes(8), 0, 1)


def _add(array, times):
    for _ in range(times):
        _counters.add(array, 1, 1)
        while not _counters.compare_exchange(
            array, 0, (value := _counters.load(array, 0)), value + 2
        ):
            pass


def test_processes_lose_no_update():
    context = multiprocessing.get_context("spawn")
    array = shared_zeros(2, "i8")
    processes = [context.Process(target=_add, args=(array, 20_000)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert array.tolist() == [120_000, 60_000]
