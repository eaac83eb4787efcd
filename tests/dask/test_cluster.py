"""Layer: tests of the bridge to Dask.  Kernels in a cluster's processes, one of which is killed."""

import functools
import os
import signal

import dask
import dask.array as da
import numpy as np
import pytest

import fastproc as fp
import fastproc.dask as fd
from fastproc import plan


def kill_once(block, path):
    """Return the block; the first time, kill the worker that has it."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return block
    return os.kill(os.getpid(), signal.SIGKILL)


def results(x, labels):
    """Return results of each way in which chunks are put together."""
    return (
        fd.nanvar(x, axis=0),
        fd.argmax(x),
        fd.describe(x),
        fd.histogram(x, 10, (-3, 3))[0],
        fd.group_mean(x, labels, 3, axis=0),
        fd.logsumexp(x, return_sign=True),
        fd.nearest(x[:50], x, 2),
        fd.move_median(x, 3, axis=0),
        fd.cumsum(x, axis=0),
        fd.sigmoid(x),
    )


def test_processes_give_the_bits_of_one_thread(client):
    x = da.random.default_rng(1).normal(size=(1000, 3), chunks=(130, 2))
    lazy = results(x, np.arange(1000) % 3)
    here = dask.compute(lazy, scheduler="synchronous")
    there = dask.compute(lazy)  # by the client
    np.testing.assert_equal(there, here)


def test_errors_keep_their_type(client):
    with pytest.raises(ValueError, match="group_sum: label 7 is out of range; num_labels=2"):
        fd.group_sum(da.ones(8, chunks=2), np.arange(8), 2).compute()


def test_a_worker_that_is_killed_costs_nothing(client, tmp_path):
    x = da.random.default_rng(1).normal(size=100_000, chunks=5_000)
    expected = fd.var(x).compute(scheduler="synchronous")
    dangerous = x.map_blocks(kill_once, tmp_path / "killed", dtype=x.dtype, meta=x._meta)
    assert fd.var(dangerous).compute() == expected
    assert (tmp_path / "killed").exists()


@pytest.mark.parametrize("name", ["var", "square", "move_median", "cumsum"])
def test_its_executor_does_the_work_of_a_kernel(client, name, monkeypatch):
    monkeypatch.setattr(plan, "PROCESS_SHARE_NS", 1)  # an array of a test is worth processes
    x = np.random.default_rng(1).normal(size=100_000)
    kernel = functools.partial(getattr(fp, name), x, *([5] if name == "move_median" else []))
    executor = client.get_executor()
    np.testing.assert_array_equal(kernel(workers=executor), kernel(workers=1))
