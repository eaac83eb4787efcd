"""Layer: tests.  Queues: multiprocessing's semantics, large items, and bad input."""

import contextlib
import gc
import multiprocessing
import os
import pickle
import queue as threads_queue
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storms import (
    GET_RING,
    NEXT_RETIREMENT,
    PUT_RING,
    go_on_and_die,
    run_in_thread,
    wait_until,
    words_of,
)

from fastproc.shm import memory, segment
from fastproc.shm.array import share
from fastproc.shm.memory import Memory
from fastproc.shm.queues import Empty, Full, JoinableQueue, Queue, SimpleQueue

FORK = multiprocessing.get_context("fork")
#: Both, to see that the one can stand for the other.
QUEUES = pytest.mark.parametrize("make", [FORK.Queue, Queue], ids=["multiprocessing", "ours"])
KINDS = pytest.mark.parametrize("kind", [Queue, JoinableQueue, SimpleQueue])


@QUEUES
def test_first_in_first_out(make):
    queue = make()
    assert queue.empty()
    for i in range(10):
        queue.put(i)
    assert [queue.get() for _ in range(10)] == list(range(10))
    assert queue.qsize() == 0


@QUEUES
def test_limits(make):
    queue = make(2)
    queue.put(1)
    assert not queue.full()
    queue.put_nowait(2)
    assert queue.full()
    with pytest.raises(threads_queue.Full):
        queue.put_nowait(3)
    with pytest.raises(threads_queue.Full):
        queue.put(3, timeout=0.02)
    with pytest.raises(threads_queue.Full):
        queue.put(3, True, -1)
    assert queue.get() == 1
    queue.put(3, False)
    assert [queue.get(), queue.get()] == [2, 3]


@QUEUES
def test_waiting_for_an_item(make):
    queue = make()
    with pytest.raises(threads_queue.Empty):
        queue.get_nowait()
    with pytest.raises(threads_queue.Empty):
        queue.get(timeout=-1)
    start = time.monotonic()
    with pytest.raises(threads_queue.Empty):
        queue.get(True, 0.05)
    assert time.monotonic() - start >= 0.05


@QUEUES
def test_after_close(make):
    queue = make()
    with pytest.raises(AssertionError, match="not closed"):
        queue.join_thread()
    queue.close()
    queue.join_thread()
    queue.cancel_join_thread()
    with pytest.raises(ValueError, match="is closed"):
        queue.put(1)
    with pytest.raises(ValueError, match="is closed"):
        queue.get()
    with pytest.raises(ValueError, match="is closed"):
        queue.get_nowait()


def test_a_closed_simple_queue():
    queue = SimpleQueue()
    queue.close()
    for use in (queue.get, queue.empty, lambda: queue.put(1)):
        with pytest.raises(OSError, match="is closed"):
            use()


@pytest.mark.parametrize("make", [FORK.JoinableQueue, JoinableQueue], ids=["mp", "ours"])
def test_what_is_done(make):
    queue = make()
    queue.join()
    queue.put(1)
    queue.put(2)
    queue.get()
    queue.get()
    queue.task_done()
    waiting = threading.Thread(target=queue.join)
    waiting.start()
    time.sleep(0.05)
    assert waiting.is_alive()
    queue.task_done()
    waiting.join(10)
    assert not waiting.is_alive()
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done()


def test_all_who_join_end():
    queue = JoinableQueue()
    queue.put(1)
    threads = [threading.Thread(target=queue.join) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    queue.task_done()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=50)
    | st.binary(max_size=100),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@settings(max_examples=200)
@given(st.lists(VALUES, max_size=20), st.booleans(), st.booleans())
def test_any_value_comes_back_as_it_was(values, puts_many, gets_many):
    queue = Queue()
    if puts_many:
        queue.put_many(values)
    else:
        for value in values:
            queue.put(value)
    assert queue.qsize() == len(values)
    got = []
    while not queue.empty():
        got += queue.get_many() if gets_many else [queue.get()]
    assert got == values
    assert list(map(type, got)) == list(map(type, values))


@pytest.mark.parametrize("n", [0, 1, 4_000, 5_000, 100_000, 3_000_000])
@KINDS
def test_arrays_of_any_size(kind, n):
    queue, array = kind(), np.arange(n, dtype=np.float64)
    for i in range(3):
        queue.put((i, array, {"again": array[: n // 2]}))
    for i in range(3):
        number, got, rest = queue.get()
        assert number == i
        np.testing.assert_array_equal(got, array)
        np.testing.assert_array_equal(rest["again"], array[: n // 2])
        got[:] = 0  # writable, and nobody else's
    assert queue.empty()


def test_a_copy_is_put():
    queue, array = Queue(), np.ones(100_000)
    queue.put(array)
    array[:] = 2
    assert queue.get().sum() == 100_000


def test_a_backlog_of_every_size():
    """Through many rings, with items that do and do not fit into them."""
    queue, sizes = Queue(), [10, 20_000, 300_000, 50, 4_000_000, 1, 70_000] * 5
    for i, size in enumerate(sizes):
        queue.put((i, b"x" * size))
        queue.put(i)
    assert queue.qsize() == 2 * len(sizes)
    for i, size in enumerate(sizes):
        number, data = queue.get()
        assert (number, len(data)) == (i, size)
        assert queue.get() == i


def resident_bytes(queue):
    """Return the memory that a queue's segment has at this moment."""
    return os.fstat(queue._block.segment.memory.fd).st_blocks * 512


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="how memory is counted")
def test_memory_after_a_rush():
    queue = Queue()
    for _ in range(300):
        queue.put(bytes(1_000_000))
    assert resident_bytes(queue) > 250e6
    for _ in range(300):
        queue.get()
    for _ in range(200):  # what is little used again is given back
        queue.put(bytes(1_000_000))
        queue.get()
    assert resident_bytes(queue) < 40e6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="how memory is counted")
def test_memory_of_large_items():
    """It is kept for a while once it has been given back, so that it is not fresh each time."""
    queue, item = Queue(), np.ones(2_000_000)
    words = words_of(queue)
    queue.put(item)
    queue.get()
    assert resident_bytes(queue) < 5e6
    assert 0 < words[NEXT_RETIREMENT] - time.monotonic_ns() < 10e9
    words[NEXT_RETIREMENT] = 2**62
    for _ in range(10):
        queue.put(item)
        queue.get()
    with pytest.raises(Empty):
        queue.get_nowait()
    assert resident_bytes(queue) > 16e6
    words[NEXT_RETIREMENT] = 0
    with pytest.raises(Empty):
        queue.get_nowait()
    assert resident_bytes(queue) < 5e6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="how memory is counted")
def test_memory_of_large_items_while_somebody_waits_for_the_next():
    queue = Queue()
    words = words_of(queue)
    words[NEXT_RETIREMENT] = 2**62
    queue.put(np.ones(2_000_000))
    queue.get()
    got = run_in_thread(queue.get)
    assert resident_bytes(queue) > 16e6
    words[NEXT_RETIREMENT] = 0
    wait_until(lambda: resident_bytes(queue) < 5e6)
    queue.put("the next")
    assert got() == "the next"


@pytest.fixture
def claims(monkeypatch):
    """What is called before memory is claimed, and after, with the number of the claim."""
    monkeypatch.setenv("FASTPROC_SEGMENTS", "portable")
    if not hasattr(os, "posix_fallocate"):
        pytest.skip("claims nothing")
    hooks, claim = {"before": lambda n: None, "after": lambda n: None, "n": 0}, Memory.claim

    def watched(memory, start, stop):
        hooks["n"] += 1
        n = hooks["n"]
        hooks["before"](n)
        claim(memory, start, stop)
        hooks["after"](n)

    monkeypatch.setattr(Memory, "claim", watched)
    return hooks


def test_a_claim_that_others_gave_back(claims):
    """They had used the ring between its claim and its link."""
    queue = Queue()
    claims["n"] = 0

    def use(n):
        if n == 1:
            assert resident_bytes(queue) >= 32 << 20
            queue.put(bytes(10_000_000))
            queue.get()
            assert resident_bytes(queue) < 1 << 20

    claims["after"] = use
    queue.put(bytes(10_000_000))
    assert resident_bytes(queue) >= 32 << 20, "the ring in use is not claimed"
    assert claims["n"] == 3  # the others' is the second
    assert len(queue.get()) == 10_000_000


def test_a_claim_that_comes_too_late(claims):
    """Others have gone on elsewhere: who claimed in vain gives it back."""
    queue, resident = Queue(), []
    claims["n"] = 0

    def go_on(n):
        if n == 1:
            queue.put_many([bytes(30_000)] * 5)
        resident.append(resident_bytes(queue))

    claims["before"] = go_on
    queue.put(bytes(10_000_000))
    assert claims["n"] == 3
    assert resident[0] < 1 << 20, "before the late claim"
    assert resident[-1] < 1 << 20, "after it, before the next"
    assert len(queue.get_many()) == 6


def test_queues_end():
    """Their addresses and descriptors too."""
    queue = Queue()
    queue.put(1)
    before = len(segment._process.segments)
    del queue
    for _ in range(300):
        Queue().put(1)
    assert len(segment._process.segments) < before


@KINDS
def test_across_processes(kind, relative):
    there, back = kind(), kind()
    relative.ask(square_all, there, back)
    for i in range(100):
        there.put(i)
    there.put(np.arange(20_000.0))
    there.put(None)
    assert [back.get() for _ in range(100)] == [i * i for i in range(100)]
    np.testing.assert_array_equal(back.get(), np.arange(20_000.0) ** 2)
    assert relative.answer() == "done"


def square_all(there, back):
    while (item := there.get()) is not None:
        back.put(item * item)
    return "done"


def put_and_end(queue, items, ending):
    for item in items:
        queue.put(item)
    if ending == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if ending == "exit":
        os._exit(0)


@pytest.mark.parametrize("ending", ["kill", "exit", "return"])
def test_what_was_put_stays(ending, method):
    queue = Queue()
    items = [1, "two", [3.0] * 100, b"4" * 5_000_000, 5]
    child = multiprocessing.get_context(method).Process(
        target=put_and_end, args=(queue, items, ending)
    )
    child.start()
    child.join()
    assert [queue.get(timeout=10) for _ in items] == items


def test_shared_arrays_travel_as_handles():
    queue, array = Queue(), share(np.ones(100_000))
    queue.put(array)
    array[0] = 5
    got = queue.get()
    assert type(got) is type(array)
    assert got[0] == 5


def is_on_its_way(array):
    root = segment.containing(array.__array_interface__["data"][0])[0]
    return root.header.on_their_way()


def test_a_shared_array_that_was_not_got_does_not_stay():
    queue = Queue(1)
    queue.put(0)
    array = share(np.ones(100_000))
    with pytest.raises(Full):
        queue.put_nowait(array)
    with pytest.raises(Full) as caught:
        queue.put_many([array, array], timeout=0)
    assert caught.value.n_put == 0
    assert not is_on_its_way(array)


def test_one_shared_array_of_two():
    """The one that was not put does not stay, and the other arrives."""
    queue, first, second = Queue(1), share(np.ones(100_000)), share(np.zeros(100_000))
    with pytest.raises(Full) as caught:
        queue.put_many([first, second], timeout=0)
    assert caught.value.n_put == 1
    assert is_on_its_way(first)
    assert not is_on_its_way(second)
    assert queue.get().all()
    assert not is_on_its_way(first)


@KINDS
def test_unpicklable_items(kind):
    queue = kind()
    queue.put("first")
    for item in (threading.Lock(), [np.ones(100_000), threading.Lock()]):
        with pytest.raises(TypeError, match="pickle"):
            queue.put(item)
    queue.put("second")
    assert [queue.get(), queue.get()] == ["first", "second"]
    assert queue.empty()


def test_one_unpicklable_item_of_many():
    queue = Queue()
    with pytest.raises(TypeError, match="pickle"):
        queue.put_many([1, 2, threading.Lock()])
    assert queue.empty()


class Refuses:
    """Can be pickled and not unpickled."""

    def __reduce__(self):
        return refuse, ()


def refuse():
    raise RuntimeError("not here")


def test_an_item_that_cannot_be_unpickled_takes_no_other_with_it():
    queue = Queue()
    queue.put_many([1, "two", Refuses(), 4, "five"])
    assert queue.get_many() == [1, "two"]
    with pytest.raises(RuntimeError, match="not here"):
        queue.get()
    assert queue.get_many() == [4, "five"]


def test_a_record_that_almost_fits():
    """There is room in bytes, but not in one piece."""
    queue = Queue()
    queue.put(b"a" * 30_000)
    queue.put(b"b" * 30_000)
    queue.get()
    queue.put(b"c" * 31_000, timeout=10)
    assert [item[:1] for item in queue.get_many()] == [b"b", b"c"]


def test_rushes_again_and_again():
    """Rings that have been left are used again, so that a queue never runs out of them."""
    queue, item = Queue(), bytes(100_000)
    for _ in range(30):
        for n in (120, -60, 110, -170):
            for _ in range(n):
                queue.put(item, timeout=10)
            for _ in range(-n):
                assert len(queue.get()) == 100_000
    assert queue.empty()


def test_get_many_ends_though_others_put_on():
    queue, is_over = Queue(), threading.Event()

    def produce():
        while not is_over.is_set():
            queue.put_many(range(1000))

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        assert queue.get_many(timeout=20)
        assert queue.get_many(timeout=20)
    finally:
        is_over.set()
        thread.join(20)


class Collected:
    """Part of a cycle, whose end uses a queue: at any allocation that the collector counts."""

    def __init__(self, queue, said):
        self.me, self.queue, self.said = self, queue, said

    def __del__(self):
        self.queue.put("from the finalizer")
        self.said.append(self.queue.get_nowait())


def test_finalizers_use_the_queue():
    queue, said = Queue(), []
    before = gc.get_threshold()
    try:
        for threshold in range(1, 40):  # so that some collection happens at each place
            gc.set_threshold(threshold)
            for _ in range(20):
                Collected(queue, said)
                queue.put([1.5] * 10)
                queue.put(np.ones(10_000))
                queue.put_many([1, (2, "two")])
                while not queue.empty():
                    queue.get_many(block=False)
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert len(said) == 39 * 20


def interrupted():
    """Stand for an item while whose unpickling the user interrupts."""
    Interrupting.count -= 1
    if Interrupting.count == 0:
        raise KeyboardInterrupt
    return "an item"


class Interrupting:
    count = 0

    def __reduce__(self):
        return interrupted, ()


@pytest.mark.parametrize("which", [1, 2, 3])
def test_an_interrupt_costs_no_item(which):
    queue = Queue()
    queue.put_many([Interrupting(), 1, Interrupting(), 2, Interrupting(), 3])
    Interrupting.count = which
    with pytest.raises(KeyboardInterrupt):
        queue.get_many()
    assert queue.qsize() == 6
    assert [queue.get(), queue.get()] == ["an item", 1]
    assert queue.get_many() == ["an item", 2, "an item", 3]
    assert queue.empty()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="inherits what is left")
def test_a_fork_does_not_get_what_its_parent_has_left():
    queue, answers = Queue(), Queue()
    queue.put_many([1, Interrupting(), 2])
    Interrupting.count = 1
    with pytest.raises(KeyboardInterrupt):
        queue.get_many()
    assert queue.qsize() == 3

    def look():
        answers.put((queue.qsize(), queue.empty(), queue.get(), queue.qsize(), queue.empty()))
        with pytest.raises(Empty):
            queue.get_nowait()
        answers.put(queue._reader.poll())

    Interrupting.count = 0
    child = FORK.Process(target=look)
    child.start()
    child.join(20)
    assert child.exitcode == 0
    assert answers.get_many() == [(1, False, 2, 0, True), False]
    assert queue.qsize() == 2
    assert queue.get_many() == [1, "an item"]


class Slow:
    """Lets other threads run while it is unpickled."""

    def __init__(self, number):
        self.number = number

    def __reduce__(self):
        return slowly, (self.number,)


def slowly(number):
    time.sleep(0.001)
    return number


def test_threads_get_each_item_once():
    queue, n, got = Queue(), 200, []
    queue.put_many([Slow(i) for i in range(n)])

    def take(get):
        with contextlib.suppress(Empty):
            while True:
                got.extend(get())

    getters = [
        lambda: queue.get_many(timeout=0.2),
        lambda: queue.get_many(timeout=0.2),
        lambda: [queue.get(timeout=0.2)],
    ]
    for result in [run_in_thread(take, get) for get in getters]:
        result()
    assert sorted(got) == list(range(n))


def test_what_could_not_be_put_does_not_stay():
    queue, array = Queue(), share(np.ones(100_000))
    with pytest.raises(TypeError, match="pickle"):
        queue.put_many([array, threading.Lock()])
    assert not is_on_its_way(array)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="stops a process")
def test_a_stopped_process_that_has_a_lock():
    """Nobody waits for ever who does not want to, and all go on when it does, or dies."""
    queue = Queue()
    queue.put(1)
    child = FORK.Process(target=put_large, args=(queue,))
    child.start()
    for _ in range(200):  # it is nearly always in a copy
        time.sleep(0.002)
        os.kill(child.pid, signal.SIGSTOP)
        try:
            queue.put(2, timeout=0.01)
        except Full:
            break
        os.kill(child.pid, signal.SIGCONT)
    else:
        pytest.fail("the process was never stopped with the lock")
    child.kill()
    child.join()
    queue.put(3, timeout=20)
    items = [item for item in queue.get_many() if type(item) is int]
    assert items[0] == 1
    assert items[-1] == 3


def put_large(queue):
    data = np.ones(1_000_000)
    while True:
        queue.put(data)
        while queue.qsize() > 20:
            queue.get()


def test_functions_travel_by_value():
    queue = Queue()
    queue.put(lambda x: x + 1)
    assert queue.get()(1) == 2


def test_items_larger_than_memory(monkeypatch):
    monkeypatch.setattr(memory, "most_bytes", lambda: 4 << 20)
    queue = Queue()
    queue.put("before")
    with pytest.raises(MemoryError, match="put a SharedArray"):
        queue.put(bytes(3 << 20))
    queue.put("after")
    assert [queue.get(), queue.get()] == ["before", "after"]


def test_a_backlog_as_large_as_memory_waits(monkeypatch):
    monkeypatch.setattr(memory, "most_bytes", lambda: 4 << 20)
    queue, n = Queue(), 0
    try:
        for n in range(1_000):  # noqa: B007
            queue.put(bytes(500_000), timeout=0.05)
    except Full:
        pass
    assert 4 <= n < 999
    late = threading.Timer(0.2, lambda: [queue.get() for _ in range(n)])
    late.start()
    queue.put(b"as soon as there is room" * 20_000, timeout=20)
    late.join()
    assert queue.get()[:4] == b"as s"
    assert queue.empty()


def test_an_item_waits_for_the_only_ring_that_suits(monkeypatch):
    """It is taken while items are put into another."""
    monkeypatch.setattr(memory, "most_bytes", lambda: 4 << 20)
    queue = Queue()
    queue.put(b"a" * 1_900_000)
    for _ in range(30):
        queue.put(b"b" * 100_000)
    with pytest.raises(Full):
        queue.put(b"c" * 1_900_000, timeout=0.02)
    late = run_in_thread(queue.put, b"c" * 1_900_000, True, 20)
    got = [queue.get(timeout=20) for _ in range(32)]
    late()
    assert [item[:1] for item in got] == [b"a", *[b"b"] * 30, b"c"]


def test_an_item_waits_for_no_ring_that_nobody_would_leave(monkeypatch):
    """In an empty queue, after somebody went on and was killed before putting anything."""
    monkeypatch.setattr(memory, "most_bytes", lambda: 4 << 20)
    queue = Queue()
    queue.put(b"a" * 1_900_000)
    got = queue.get()
    words = words_of(queue)
    k = words[PUT_RING]
    assert words[GET_RING] == k > 0
    waits = run_in_thread(queue.get)  # for an item, and so leaves no ring
    time.sleep(0.05)
    go_on_and_die(words, 0)
    queue.put(b"a" * 1_900_000, timeout=20)
    assert waits() == got
    assert queue.empty()


def test_who_went_on_was_killed_before_saying_so():
    queue = Queue()
    queue.put_many([0, 1])
    words = words_of(queue)
    go_on_and_die(words, 9)
    assert queue.qsize() == 2
    queue.put(2)
    assert words[PUT_RING] == 9
    assert queue.get_many() == [0, 1, 2]
    assert queue.empty()


def test_a_full_file_system(claims):
    """An item waits until there is room, if that may come, and is refused by an empty queue."""
    queue, is_full = Queue(), True

    def refuse(n):
        if is_full:
            raise MemoryError

    queue.put("before")
    claims["before"] = refuse
    with pytest.raises(Full):
        queue.put(bytes(3_000_000), timeout=0.02)
    late = run_in_thread(queue.put, bytes(3_000_000), True, 20)
    is_full = False
    assert queue.get(timeout=20) == "before"
    assert len(queue.get(timeout=20)) == 3_000_000
    late()
    is_full = True
    with pytest.raises(MemoryError, match="there can be 16,777,216 bytes here"):
        queue.put(bytes(9_000_000))
    queue.put("after")
    assert queue.get() == "after"


def test_a_large_ring_is_left_where_its_memory_is_needed(claims):
    queue = Queue()
    words_of(queue)[NEXT_RETIREMENT] = 2**62
    queue.put(bytes(10_000_000))
    queue.get()
    assert resident_bytes(queue) >= 32 << 20

    def refuse(n):
        if resident_bytes(queue) >= 32 << 20:
            raise MemoryError

    claims["before"] = refuse
    queue.put(bytes(20_000_000), timeout=20)
    assert len(queue.get()) == 20_000_000


def test_many_with_a_limit():
    queue = Queue(3)
    with pytest.raises(Full, match="3 of 5 items") as caught:
        queue.put_many(range(5), timeout=0.02)
    assert caught.value.n_put == 3
    assert queue.get_many(2) == [0, 1]
    assert queue.get_many() == [2]
    assert queue.get_many(0) == []
    with pytest.raises(Empty):
        queue.get_many(block=False)
    queue.put_many([])
    assert queue.empty()


@pytest.mark.parametrize("bad", ["x", 1.5, None])
def test_bad_sizes(bad):
    with pytest.raises(TypeError):
        Queue(bad)


def test_sizes_without_a_limit():
    for size in (-5, 0, 10**30):
        queue = Queue(size)
        queue.put(1)
        assert not queue.full()


def test_bad_arguments():
    queue = Queue()
    with pytest.raises(TypeError):
        queue.get(True, "soon")
    with pytest.raises(TypeError):
        queue.put(1, True, "soon")
    with pytest.raises(OSError, match="a timeout must be a number of seconds, and this is NaN"):
        queue.get(True, float("nan"))
    with pytest.raises(ValueError, match="max_items is -1"):
        queue.get_many(-1)
    with pytest.raises(TypeError):
        queue.put_many(3)
    assert queue.empty()


@KINDS
def test_pickling_elsewhere_is_refused(kind):
    with pytest.raises(RuntimeError, match="pass them to a Process"):
        pickle.dumps(kind())


def test_one_process_of_many_threads():
    queue, results, n = Queue(50), Queue(), 2_000

    def produce(k):
        for i in range(n):
            queue.put((k, i))

    def consume():
        while (item := queue.get()) is not None:
            results.put(item)

    producers = [threading.Thread(target=produce, args=(k,)) for k in range(3)]
    consumers = [threading.Thread(target=consume) for _ in range(3)]
    for thread in [*producers, *consumers]:
        thread.start()
    for thread in producers:
        thread.join(60)
    for _ in consumers:
        queue.put(None)
    for thread in consumers:
        thread.join(60)
    got = results.get_many()
    while not results.empty():
        got += results.get_many()
    assert sorted(got) == [(k, i) for k in range(3) for i in range(n)]


def test_signals_are_seen_while_waiting():
    def handler(number, frame):
        raise KeyboardInterrupt

    queue = Queue(1)
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            queue.get()
        queue.put(1)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            queue.put(2)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert queue.get() == 1


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="nobody would interrupt")
def test_signals_are_seen_while_waiting_without_futexes():
    script = """
        import signal
        from fastproc.shm.queues import Queue
        signal.signal(signal.SIGALRM, lambda number, frame: 1 / 0)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            Queue().get(timeout=20)
        except ZeroDivisionError:
            print("seen")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "FASTPROC_TRANSPORT": "portable"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "seen\n", done.stderr


def test_subclasses_and_generics():
    class Mine(Queue):
        pass

    queue = Mine(3)
    queue.put(1)
    assert queue.get() == 1
    assert isinstance(JoinableQueue(), Queue)
    assert str(Queue[int]).endswith("Queue[int]")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a limit of addresses")
def test_few_addresses():
    """Under ``ulimit -v`` a queue is smaller, and works."""
    script = """
        import resource
        from fastproc.shm.queues import Queue
        resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
        queue = Queue()
        for i in range(10_000):
            queue.put(i)
        assert [queue.get() for _ in range(10_000)] == list(range(10_000))
        print("works")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "works\n", done.stderr


def count_all(queue, results, n):
    results.put(sum(queue.get() for _ in range(n)))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("transport", ["", "portable"])
@pytest.mark.parametrize("maxsize", [0, 10])
def test_more_processes_than_cores(transport, maxsize, monkeypatch):
    monkeypatch.setenv("FASTPROC_TRANSPORT", transport)
    context = multiprocessing.get_context("spawn" if transport else "fork")
    queue, results = Queue(maxsize), Queue()
    n, n_pairs = (100, 2) if transport else (5_000, 4)
    children = []
    for _ in range(n_pairs):
        children.append(context.Process(target=put_range, args=(queue, n)))
        children.append(context.Process(target=count_all, args=(queue, results, n)))
    for child in children:
        child.start()
    assert sum(results.get(timeout=60) for _ in range(n_pairs)) == n_pairs * sum(range(n))
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert queue.empty()


def put_range(queue, n):
    for i in range(n):
        queue.put(i)
