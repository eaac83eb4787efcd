"""Layer: tests of the kernels on every core.  `workers=` as an executor: the same bits from its
workers, near or far.
"""

import multiprocessing
import pickle
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
import samples
from arrays import fill

import fastproc as fp
from fastproc import plan
from fastproc.parallel import processes

#: One kernel, or two, for each way of cutting.
WAYS = [
    "sum", "nanvar", "argmax", "describe", "square", "add", "softmax", "move_mean", "median",
    "topk", "rankdata", "cumsum", "ewma", "histogram", "digitize", "group_mean", "cdist", "nearest",
]  # fmt: skip


class FarExecutor(Executor):
    """An executor of another machine, as far as it can tell: all goes and comes as bytes."""

    num_workers = 2

    def __init__(self):
        self.calls = 0

    def submit(self, fn, /, *args):
        self.calls += 1
        future = Future()
        function, arguments = pickle.loads(pickle.dumps((fn, args)))
        try:
            future.set_result(pickle.loads(pickle.dumps(function(*arguments))))
        except Exception as error:
            future.set_exception(error)
        return future


def make_executors():
    yield "threads", ThreadPoolExecutor(2)
    yield "processes", ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))
    yield "far", FarExecutor()


@pytest.fixture(scope="module")
def executors():
    executors = dict(make_executors())
    yield executors
    for executor in executors.values():
        executor.shutdown()


@pytest.fixture(autouse=True)
def cheap_workers(monkeypatch):
    """Let arrays of tests be worth processes."""
    monkeypatch.setattr(plan, "PROCESS_SHARE_NS", 1)


def bits(result):
    return b"|".join(np.asarray(part).tobytes() for part in samples.parts(result))


@pytest.mark.parametrize("name", WAYS)
def test_bits(name, executors):
    for array in (
        fill((300, 200), "float64", 1, "offset").T,
        fill((60_000,), "float64", 1, "offset"),
    ):
        for call in samples.calls(name, array):
            expected = bits(call(workers=1))
            for kind, executor in executors.items():
                assert bits(call(workers=executor)) == expected, kind


@pytest.mark.parametrize("name", ["sum", "var", "argmin", "cumsum", "move_max", "group_sum"])
def test_bits_of_arrays_that_pickle_would_lay_out_anew(name):
    array = fill((20, 30, 400), "float64", 1, "offset").transpose(1, 0, 2)
    for view in (array, fp.share(array)[::-1, :, ::-1], array[:, :, :1]):
        for call in samples.calls(name, view):
            assert bits(call(workers=FarExecutor())) == bits(call(workers=1)), call


def test_out_is_written(executors):
    array = fill((300, 200), "float64", 1, "plain")
    expected = fp.cube(array, workers=1)
    for executor in executors.values():
        for out in (np.full(array.shape, np.nan), fp.share(np.full(array.shape, np.nan))):
            assert fp.cube(array, out=out, workers=executor) is out
            np.testing.assert_array_equal(out, expected)
        shared = fp.share(array)
        fp.cube(shared, out=shared, workers=executor)
        np.testing.assert_array_equal(shared, expected)


def test_an_executor_does_the_work():
    far = FarExecutor()
    x = np.arange(100_000.0)
    assert fp.sum(x, workers=far) == x.sum()
    assert far.calls == 2
    fp.median(x, workers=far)  # a ledger for all: this thread's
    fp.softmax(np.ones(300_000), workers=far)
    assert far.calls == 2
    fp.softmax(x.reshape(100, 1000), axis=1, workers=far)
    assert far.calls == 4


def test_accumulators_and_kernels_of_ones_own(executors):
    x = np.linspace(-1, 1, 50_000)
    for executor in executors.values():
        assert fp.Var().update(x, workers=executor).result() == fp.var(x)


def test_number_of_workers():
    with ThreadPoolExecutor(3) as threads:
        assert processes.count(threads) == 3
    assert processes.count(FarExecutor()) == 2
    assert processes.count(object()) >= 1


def test_errors_come_back():
    class Broken(FarExecutor):
        def submit(self, fn, /, *args):
            future = Future()
            future.set_exception(ConnectionError("the other machine is gone"))
            return future

    with pytest.raises(ConnectionError, match="the other machine is gone"):
        fp.sum(np.ones(100_000), workers=Broken())
    executor = ThreadPoolExecutor(2)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        fp.sum(np.ones(100_000), workers=executor)
    with pytest.raises(TypeError, match=r"a fastproc.Pool \(or another executor, .* not 'two'"):
        fp.sum(np.ones(100_000), workers="two")
