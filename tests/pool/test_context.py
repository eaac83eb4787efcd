"""Layer: tests.  Contexts, and fastproc in the place of multiprocessing."""

import importlib
import multiprocessing
import os
import subprocess
import sys
from multiprocessing import context as contexts

import pytest

import fastproc as fp
from fastproc.pool import process

METHODS = multiprocessing.get_all_start_methods()

#: By name, the module of fastproc.shm and arguments to make one.
MADE = {
    "Lock": ("synchronize", ()),
    "RLock": ("synchronize", ()),
    "Condition": ("synchronize", ()),
    "Semaphore": ("synchronize", (2,)),
    "BoundedSemaphore": ("synchronize", (2,)),
    "Event": ("synchronize", ()),
    "Barrier": ("synchronize", (2,)),
    "Queue": ("queues", (3,)),
    "JoinableQueue": ("queues", (3,)),
    "SimpleQueue": ("queues", ()),
    "Value": ("sharedctypes", ("i", 1)),
    "Array": ("sharedctypes", ("i", 3)),
    "RawValue": ("sharedctypes", ("i", 1)),
    "RawArray": ("sharedctypes", ("i", 3)),
}


@pytest.fixture(params=METHODS)
def method(request):
    return request.param


@pytest.fixture
def default_method():
    """Restore the default start method, which is one for the whole process."""
    before = multiprocessing.get_start_method()
    yield before
    multiprocessing.set_start_method(before, force=True)


def run(code):
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stderr == ""
    return answer.stdout


# The module --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", multiprocessing.__all__)
def test_names_of_multiprocessing(name):
    assert getattr(fp, name) is not None
    assert name in fp.__all__
    assert callable(getattr(fp, name)) == callable(getattr(multiprocessing, name))


@pytest.mark.parametrize(
    "path",
    [
        "SUBDEBUG",
        "SUBWARNING",
        "pool.AsyncResult",
        "pool.MaybeEncodingError",
        "pool.RemoteTraceback",
        "pool.ThreadPool",
        "queues.Empty",
        "queues.Full",
        "sharedctypes.Synchronized",
        "synchronize.SEM_VALUE_MAX",
    ],
)
def test_names_in_the_modules(path):
    theirs, ours = multiprocessing, fp
    for name in path.split("."):
        if name in ("pool", "queues", "sharedctypes", "synchronize"):
            importlib.import_module(f"multiprocessing.{name}")
        theirs, ours = getattr(theirs, name), getattr(ours, name)
    assert isinstance(ours, type) == isinstance(theirs, type)
    if not isinstance(ours, type):
        assert ours == theirs


@pytest.mark.parametrize("name", [*fp._MODULES])
def test_submodules(name):
    code = f"import fastproc as mp; print(mp.{name}.__name__)"
    assert run(code) == fp._MODULES[name] + "\n"


def test_what_importing_multiprocessing_makes_reachable_is():
    public = {name for name in vars(multiprocessing) if not name.startswith("_")}
    modules = {name for name in public if f"multiprocessing.{name}" in sys.modules}
    inner = {"popen_fork", "popen_forkserver", "popen_spawn_posix"}
    assert modules - inner <= set(fp._MODULES)


def test_thread_pools():
    with fp.pool.ThreadPool(2) as pool:
        assert pool.map(lambda x: x + 1, [1, 2]) == [2, 3]


def test_exceptions_are_multiprocessings():
    for name in ("ProcessError", "BufferTooShort", "TimeoutError", "AuthenticationError"):
        assert getattr(fp, name) is getattr(multiprocessing, name)
        assert getattr(fp.get_context("spawn"), name) is getattr(fp, name)


def test_pipes_and_processes_that_are_asked_for():
    one, other = fp.Pipe()
    one.send([1])
    assert other.recv() == [1]
    assert fp.current_process() is multiprocessing.current_process()
    assert fp.parent_process() is None
    assert fp.active_children() == multiprocessing.active_children()
    assert fp.cpu_count() == os.cpu_count()
    assert fp.reducer is multiprocessing.reducer
    assert fp.get_logger() is multiprocessing.get_logger()


# Start methods -----------------------------------------------------------------------------------


def test_contexts_by_method(method):
    context = fp.get_context(method)
    assert context.get_start_method() == method
    assert context.Process is process.CLASSES[method]
    assert context.get_context() is context
    assert context.get_context(method) is fp.get_context(method)
    assert isinstance(context, type(multiprocessing.get_context(method)))
    with pytest.raises(ValueError, match="cannot set start method of concrete context"):
        context.set_start_method(method)


def test_methods_are_multiprocessings(method, default_method):
    assert fp.get_all_start_methods() == METHODS
    with pytest.raises(RuntimeError, match="context has already been set"):
        fp.set_start_method(method)
    fp.set_start_method(method, force=True)
    assert multiprocessing.get_start_method() == fp.get_start_method() == method
    assert fp.get_context() is fp.get_context(method)
    fp.set_start_method(None, force=True)
    assert fp.get_start_method(allow_none=True) is None
    multiprocessing.set_start_method(method)
    assert fp.get_start_method() == method


@pytest.mark.parametrize("ask", [fp.get_context, fp.get_context("spawn").get_context])
def test_no_such_method(ask):
    with pytest.raises(ValueError, match="cannot find context for 'threads'"):
        ask("threads")
    with pytest.raises(ValueError, match="cannot find context for 'threads'"):
        fp.set_start_method("threads", force=True)


def test_asking_for_the_default_fixes_it():
    code = """
import fastproc as fp
fp.get_context("spawn")
fp.set_start_method("spawn")
fp.get_context()
try:
    fp.set_start_method("fork")
except RuntimeError as error:
    print(error)
"""
    assert run(code) == "context has already been set\n"


# What contexts make ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_is_fastprocs(name):
    module, arguments = MADE[name]
    home = importlib.import_module(f"fastproc.shm.{module}")
    for context in (fp, fp.get_context("spawn")):
        made = getattr(context, name)(*arguments)
        assert type(made) is type(getattr(home, name)(*arguments))


def test_pools_of_contexts(method):
    context = fp.get_context(method)
    with context.Pool(1, initargs=(), maxtasksperchild=5, max_memory=2**40) as pool:
        assert isinstance(pool, fp.Pool)
        assert pool.apply(lambda: fp.get_start_method()) == method
        (worker,) = multiprocessing.active_children()
        assert type(worker) is process.CLASSES[method]
        assert "PoolWorker" in worker.name
    with fp.Pool(1, context=context) as pool:
        assert pool.map(lambda x: x + 1, [1, 2]) == [2, 3]
    with fp.ProcessPoolExecutor(1, mp_context=context) as executor:
        assert executor.submit(abs, -1).result() == 1


def test_pools_of_the_default_context(method, default_method):
    fp.set_start_method(method, force=True)
    for context in (None, fp.get_context(), fp.get_context.__self__):
        with fp.Pool(1, context=context) as pool:
            assert pool.apply(fp.get_start_method) == method


def test_managers(method):
    manager = fp.get_context(method).Manager()
    assert isinstance(manager, fp.managers.SyncManager)
    with manager:
        shared = manager.dict(a=1)

        def add():
            shared["b"] = 2

        child = fp.get_context(method).Process(target=add)
        child.start()
        child.join()
        assert dict(shared) == {"a": 1, "b": 2}


def test_contexts_of_multiprocessing_keep_their_classes(method):
    context = multiprocessing.get_context(method)
    assert context.Process.__module__ == contexts.__name__
    with fp.Pool(1, context=context):
        (worker,) = multiprocessing.active_children()
        assert type(worker) is context.Process
