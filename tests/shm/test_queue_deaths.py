"""Layer: tests.  Queues that are used by processes which are killed at each single instruction.

A fork is run step by step, and what a queue's words in shared memory are is noted whenever they
have changed.  That is all that a process which is killed there would leave, so each of these states
is put back, one after the other, and must be one that others can go on with.
"""

import contextlib
import ctypes
import os
import platform
import signal
import sys

import pytest
from storms import go_on_and_die, words_of

from fastproc.shm.queues import Empty, Queue

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.machine() != "x86_64",
    reason="elsewhere one cannot step over atomic operations",
)

#: ptrace's requests.
TRACE_ME, SINGLE_STEP = 0, 9

#: Bytes of a queue's words and of its first ring; each ring is twice as large as the one before.
WORDS, FIRST_RING = 61_440, 65_536
#: The number of a ring whose memory is not kept.
LARGE = 9
#: What is looked at after each instruction: `Control` in _fifo.pxd.
CONTROL = slice(0, 8 * (40 + 16 * 20))
#: What is put back: all words, four rings, and how the large one begins.
KEPT = (
    slice(0, WORDS + FIRST_RING * (2**4 - 1)),
    slice(WORDS + FIRST_RING * (2**LARGE - 1), WORDS + FIRST_RING * (2**LARGE - 1) + 4096),
)


def trace(request, pid=0):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def states_while(action, memory):
    """Return what bytes are in the memory, one after another, while a fork acts."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            trace(TRACE_ME)
            os.kill(os.getpid(), signal.SIGSTOP)
            action()
        os._exit(0)
    control = memory[CONTROL]
    seen, last = [[bytes(memory[part]) for part in KEPT]], bytes(control)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        pytest.skip("the system does not let one process trace another")
    while os.WIFSTOPPED(status):
        trace(SINGLE_STEP, pid)
        _, status = os.waitpid(pid, 0)
        if control != last:
            seen.append([bytes(memory[part]) for part in KEPT])
            last = bytes(control)
    assert os.WIFEXITED(status)
    return seen


def drain(queue):
    items = []
    while not queue.empty():
        items.append(queue.get(timeout=20))
    return items


def check_deaths(queue, action, outcomes, at_least):
    """Kill who acts at each instruction; what is then in the queue must be one of the outcomes."""
    memory = words_of(queue).cast("B")
    states = states_while(action, memory)
    assert len(states) > at_least, "not what was meant to be looked at"
    found = []
    for state in states:
        for part, content in zip(KEPT, state, strict=True):
            memory[part] = content
        n = queue.qsize()
        queue.put("another", timeout=20)
        assert queue.qsize() == n + 1
        *items, last = drain(queue)
        assert (items, last) == (items, "another")
        assert items in outcomes
        assert len(items) == n
        if items not in found:
            found.append(items)
        queue.put_many([bytes(30_000)] * 9, timeout=20)  # through several rings
        queue.put(bytes(1_000_000), timeout=20)
        assert len(drain(queue)) == 10
        with pytest.raises(Empty):
            queue.get_nowait()
    assert found == outcomes, "not all that can have happened did"


def test_put():
    queue = Queue()
    queue.put_many([1, 2])
    check_deaths(queue, lambda: queue.put("new"), [[1, 2], [1, 2, "new"]], 3)


def test_put_many():
    queue = Queue()
    queue.put_many([1, 2])
    outcomes = [[1, 2], [1, 2, 3], [1, 2, 3, "four"]]
    check_deaths(queue, lambda: queue.put_many([3, "four"]), outcomes, 4)


def test_put_into_another_ring():
    queue, item = Queue(), bytes(1000)
    queue.put_many([item] * 61)
    outcomes = [[item] * n for n in range(61, 66)]
    check_deaths(queue, lambda: queue.put_many([item] * 4), outcomes, 10)


def test_get():
    queue = Queue()
    queue.put_many([1, "two", 3])
    outcomes = [[1, "two", 3], ["two", 3], [3]]
    check_deaths(queue, lambda: (queue.get(), queue.get()), outcomes, 6)


def test_get_many():
    queue = Queue()
    queue.put_many([1, 2, "three"])
    outcomes = [[1, 2, "three"], [2, "three"], ["three"], []]
    check_deaths(queue, queue.get_many, outcomes, 6)


def test_get_from_another_ring():
    queue, item = Queue(), bytes(1000)
    queue.put_many([item] * 65)
    for _ in range(59):
        queue.get()
    check_deaths(queue, queue.get_many, [[item] * n for n in range(6, -1, -1)], 10)


def test_leaving_a_large_ring():
    queue = Queue()
    queue.put("first")
    go_on_and_die(words_of(queue), LARGE)
    queue.put("last")
    queue.get()
    check_deaths(queue, queue.get, [["last"], []], 8)


def test_leaving_a_large_ring_to_which_somebody_went_on_and_died():
    """Two have to die: who has put, and who gets, within the few instructions of a link."""
    queue = Queue()
    queue.put("last")
    go_on_and_die(words_of(queue), LARGE)
    queue.get()
    check_deaths(queue, queue.get_nowait, [[]], 8)
