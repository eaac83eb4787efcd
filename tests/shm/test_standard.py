"""Layer: tests.  What the standard library does with contexts and queues of ours."""

import gc
import multiprocessing
import selectors
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import connection

import pytest
from storms import join, start

import fastproc as fp
from fastproc.shm.queues import Queue, SimpleQueue


def add_to(number):
    fp_value.add(number)
    return number * number


def begin(value):
    global fp_value
    fp_value = value


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_an_executor_of_the_standard_library(method):
    """Its queues are multiprocessing's, made of our locks, and one of ours."""
    value = fp.Value("i", 0)
    context = fp.get_context(method)
    with ProcessPoolExecutor(2, context, begin, (value,)) as executor:
        results = list(executor.map(add_to, range(30), timeout=60))
    assert results == [i * i for i in range(30)]
    assert value.value == sum(range(30))


@pytest.mark.parametrize("kind", [Queue, SimpleQueue])
def test_waiting_for_a_queue_and_something_else(kind):
    queue, (here, there) = kind(), multiprocessing.Pipe(duplex=False)
    assert connection.wait([queue._reader, here], 0.05) == []
    assert not queue._reader.poll()
    later = threading.Timer(0.1, queue.put, ("item",))
    later.start()
    assert connection.wait([queue._reader, here], 20) == [queue._reader]
    assert queue._reader.poll()
    assert queue._reader.recv() == "item"
    there.send("message")
    assert connection.wait([queue._reader, here], 20) == [here]
    for i in range(100):
        queue.put(i)
    assert [queue._reader.recv() for _ in range(100)] == list(range(100))
    later.join()


@pytest.mark.parametrize("kind", [Queue, SimpleQueue])
def test_a_queue_is_not_ready_once_its_items_were_got_past_the_reader(kind):
    queue = kind()
    for _ in range(3):
        queue.put("item")
        assert connection.wait([queue._reader], 20) == [queue._reader]
        assert queue.get() == "item"
        assert connection.wait([queue._reader], 0.05) == []
    queue.put("item")
    with selectors.DefaultSelector() as selector:  # looks at the descriptor alone
        selector.register(queue._reader, selectors.EVENT_READ)
        assert selector.select(20)
        queue.get()
        end = time.monotonic() + 10
        while selector.select(0):
            assert time.monotonic() < end
            time.sleep(0.01)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_queue_is_not_ready_once_a_fork_has_got_its_items():
    queue = Queue()
    queue.put("item")
    assert connection.wait([queue._reader], 20) == [queue._reader]
    join(start(take_when_ready, queue))
    assert connection.wait([queue._reader], 0.05) == []
    queue.put("another")
    assert connection.wait([queue._reader], 20) == [queue._reader]
    assert queue._reader.recv() == "another"


def take_when_ready(queue):
    assert connection.wait([queue._reader], 20) == [queue._reader]
    assert queue._reader.recv() == "item"
    assert connection.wait([queue._reader], 0.05) == []


def test_a_reader_ends_with_its_queue():
    queue = Queue()
    assert not queue._reader.poll(0.01)
    del queue
    gc.collect()
    end = time.monotonic() + 10
    while any(thread.name == "fastproc-reader" for thread in threading.enumerate()):
        assert time.monotonic() < end, "its thread goes on"
        time.sleep(0.05)


def test_queues_of_the_standard_library_over_our_locks():
    queue = multiprocessing.queues.Queue(2, ctx=fp.get_context("spawn"))
    queue.put(1)
    assert not queue.full()
    queue.put(2)
    assert queue.full()
    assert queue.qsize() == 2
    assert [queue.get(), queue.get()] == [1, 2]
    queue.close()
    queue.join_thread()


LOCKS = ["Lock", "RLock", "Event", "Condition", "Semaphore", "BoundedSemaphore"]
QUEUES = ["Queue", "SimpleQueue", "JoinableQueue"]


@pytest.mark.parametrize("name", [*LOCKS, *QUEUES])
def test_a_context_may_be_given(name):
    """As multiprocessing's classes have it, which subclasses of users do."""
    module = fp.queues if "Queue" in name else fp.synchronize
    made = getattr(module, name)(ctx=fp.get_context("spawn"))
    made.label = "mine"
    assert made.label == "mine"


IDENTITY = """
    import fastproc as fp
    class Stop: pass
    def child(there, back):
        back.put([there.get() is Stop, isinstance(there.get(), Stop)])
        back.put(Stop())
    there, back = fp.Queue(), fp.Queue()
    process = fp.get_context("fork").Process(target=child, args=(there, back))
    process.start()
    there.put(Stop)
    there.put(Stop())
    print(back.get(), type(back.get()) is Stop)
    process.join()
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no forks")
def test_classes_are_the_same_among_forks_of_a_program_without_a_script():
    code = "import multiprocessing; multiprocessing.set_start_method('fork')\n"
    code += textwrap.dedent(IDENTITY)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "[True, True] True\n", done.stderr
