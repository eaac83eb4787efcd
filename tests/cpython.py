"""Layer: tests.  CPython's own tests of multiprocessing, with fastproc in its place.

    python tests/cpython.py spawn                      # some minutes
    python tests/cpython.py fork TestQueue TestLock

They are those of the Python that runs, if it has its package ``test``.  Of the tests for processes
those in EXPECTED fail, for the reasons given; the program says which others do, and fails then.
"""

import importlib.machinery
import importlib.util
import sys
import unittest

NAME = "test._test_multiprocessing"

#: By class, tests that cannot pass, and why.
EXPECTED = {
    "TestCondition": {
        "test_notify": "looks at _sleeping_count",
        "test_notify_all": "looks at _sleeping_count",
        "test_notify_n": "looks at _sleeping_count",
    },
    "TestPool": {
        "test_make_pool": "looks at pool._pool",
        "test_imap_handle_iterable_exception": "what came before the error is returned first",
        "test_resource_warning": "sets pool._state",
    },
    "TestPoolWorkerErrors": {"test_unpickleable_result": "a lambda is a result here"},
    "TestPoolWorkerLifetime": {"test_pool_worker_lifetime": "looks at pool._pool"},
    "TestQueue": {
        "test_queue_feeder_donot_stop_onexc": "put raises; there is no feeder",
        "test_queue_feeder_on_queue_feeder_error": "put raises; there is no feeder",
    },
    "TestSimpleQueue": {"test_closed": "looks at _reader and _writer"},
}

PROCESSES = ["TestProcess", "TestSubclassingProcess", "TestInitializers", "OtherTest"]
SHARED = ["TestLock", "TestSemaphore", "TestCondition", "TestEvent", "TestBarrier"]
SHARED += ["TestValue", "TestArray", "TestSharedCTypes", "TestQueue", "TestSimpleQueue"]
POOLS = ["TestPool", "TestPoolWorkerErrors", "TestPoolWorkerLifetime"]
CONNECTIONS = ["TestConnection", "TestListener", "TestListenerClient", "TestPoll", "TestWait"]
CLASSES = [*PROCESSES, *SHARED, *POOLS, *CONNECTIONS]


class Loader(importlib.machinery.SourceFileLoader):
    """Loads the tests with the name `multiprocessing` bound to fastproc."""

    def source_to_code(self, data, path, *, _optimize=-1):
        text = bytes(data).decode()
        line = "from multiprocessing import util\n"
        assert line in text
        import fastproc as fp

        modules = ", ".join(sorted(fp._MODULES))
        # In one line, as tests of tracebacks look at the others' numbers.
        ours = f"import fastproc as multiprocessing; from fastproc import {modules}; "
        text = text.replace(line, ours + line, 1)
        return super().source_to_code(text.encode(), path, _optimize=_optimize)

    def get_code(self, fullname):
        # Not from a .pyc file, nor into one: those are the unchanged module's.
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def load():
    spec = importlib.util.find_spec(NAME)
    if spec is None:
        sys.exit("this Python has no package `test`")
    spec.loader = Loader(NAME, spec.origin)
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    return module


# In each process that is spawned, too, which imports this file.
METHOD = sys.argv[1] if len(sys.argv) > 1 else "fork"
if NAME not in sys.modules:
    load().install_tests_in_module_dict(globals(), METHOD)


class Result(unittest.TextTestResult):
    """Notes which tests fail."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.failed = []

    def addFailure(self, test, error):
        self.failed.append(test)
        super().addFailure(test, error)

    def addError(self, test, error):
        self.failed.append(test)
        super().addError(test, error)


def main():
    names = sys.argv[2:] or CLASSES
    found = [name for name in names if f"WithProcesses{name}" in globals() or name in globals()]
    suite = unittest.TestSuite()
    for name in found:
        case = globals().get(f"WithProcesses{name}", globals().get(name))
        suite.addTest(unittest.defaultTestLoader.loadTestsFromTestCase(case))
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
    unexpected = []
    for test in result.failed:
        kind = type(test).__name__.removeprefix("WithProcesses")
        reason = EXPECTED.get(kind, {}).get(getattr(test, "_testMethodName", ""))
        print(f"{test}: {reason or 'UNEXPECTED'}")
        if reason is None:
            unexpected.append(test)
    print(f"{result.testsRun} run, {len(result.failed)} failed, {len(unexpected)} unexpectedly")
    sys.exit(bool(unexpected or not result.testsRun))


if __name__ == "__main__":
    main()
