"""Layer: tests.  What all objects in blocks have in common: how they travel, what they refuse."""

import multiprocessing
import pickle
import threading

import pytest

from fastproc.shm import queues, synchronize

KINDS = {
    "Lock": ("acquire", "release", "locked", "__enter__", "__repr__"),
    "RLock": ("acquire", "release", "locked", "__enter__", "__repr__"),
    "Event": ("is_set", "set", "clear", "wait", "__repr__"),
    "Semaphore": ("acquire", "release", "get_value", "locked", "__enter__", "__repr__"),
    "BoundedSemaphore": ("acquire", "release", "get_value", "locked", "__enter__", "__repr__"),
    "Condition": ("acquire", "release", "wait", "notify", "notify_all", "__enter__", "__repr__"),
    "Queue": ("get", "qsize", "empty", "full", "get_many", "join_thread", "__repr__"),
    "JoinableQueue": ("get", "join", "task_done", "qsize"),
    "SimpleQueue": ("get", "empty"),
}


def class_of(name):
    return getattr(synchronize, name, None) or getattr(queues, name)


@pytest.mark.parametrize("name", KINDS)
def test_an_init_that_is_not_called(name):
    """It must not end Python, as a look at memory that is not there would."""

    class Forgetful(class_of(name)):
        def __init__(self):
            pass

    made = Forgetful()
    for method in KINDS[name]:
        with pytest.raises(RuntimeError, match=r"Forgetful.__init__\(\) was not called"):
            getattr(made, method)()
    with pytest.raises(RuntimeError):
        pickle.dumps(made)
    connection, _ = multiprocessing.Pipe()
    with pytest.raises(RuntimeError, match="was not called"):
        connection.send(made)


class NamedQueue(queues.Queue):
    def __init__(self, name):
        super().__init__()
        self.name = name


class NamedLock(synchronize.Lock):
    def __init__(self, name):
        super().__init__()
        self.name = name


def use(queue, lock):
    with lock:
        queue.put((queue.name, lock.name))


def test_subclasses_travel(method):
    """By multiprocessing's own pickler, with their attributes."""
    queue, lock = NamedQueue("results"), NamedLock("guard")
    process = multiprocessing.get_context(method).Process(target=use, args=(queue, lock))
    process.start()
    process.join(60)
    assert queue.get(timeout=10) == ("results", "guard")


def test_through_a_pipe():
    """To a thread, as to any process."""
    here, there = multiprocessing.Pipe()
    queue = queues.Queue()
    thread = threading.Thread(target=lambda: there.recv().put("got it"))
    thread.start()
    here.send(queue)
    thread.join(20)
    assert queue.get(timeout=10) == "got it"
