"""Layer: tests of the kernels on every core.  `workers=`: the same bits whoever does the work, and
who that is by default.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
import samples
from arrays import fill

import fastproc as fp
from fastproc import config, plan
from fastproc.catalogue import FAMILY_OF as KERNELS
from fastproc.parallel import _threads

LAYOUTS = {
    "contiguous": lambda a: a,
    "transposed": lambda a: a.T,
    "fortran": np.asfortranarray,
    "backwards": lambda a: a[::-1],
    "stepped": lambda a: a[:, ::-2],
    "narrow": lambda a: a[:, :7],
    "flat": lambda a: a[:3],
    "three axes": lambda a: a.reshape(60, 25, -1)[:, ::2],
    "repeated": lambda a: np.broadcast_to(a[:500, None], (500, 2, a.shape[1])),
}


def bits(result):
    return b"|".join(np.asarray(part).tobytes() for part in samples.parts(result))


@pytest.fixture(scope="module")
def pool():
    with fp.Pool(2) as pool:
        yield pool


@pytest.fixture(autouse=True)
def cheap_workers(monkeypatch):
    """Let arrays of tests be worth processes and threads."""
    monkeypatch.setattr(plan, "THREAD_SHARE_NS", 1)
    monkeypatch.setattr(plan, "PROCESS_SHARE_NS", 1)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", KERNELS)
def test_bits(name, layout, pool):
    dtype = "float32" if name in ("mean", "nanvar") else "float64"
    array = LAYOUTS[layout](fill((600, 400), dtype, 1, "offset"))
    for call in samples.calls(name, array):
        expected = bits(call(workers=1))
        for workers in (2, 7, pool):
            assert bits(call(workers=workers)) == expected, (call, workers)


@pytest.mark.parametrize(
    "name", ["move_mean", "describe", "median", "rankdata", "cumsum", "cummax", "ewma"]
)
def test_bits_of_lines_whose_copies_are_contiguous(name, pool):
    # Stepped over, lines are packed many at once; what a pool gets is not packed.
    array = fill((40, 12_000), "float64", 1, "offset")[:, ::2]
    for call in samples.calls(name, array):
        assert bits(call(workers=pool)) == bits(call(workers=1)), call


@pytest.mark.parametrize("name", ["cumsum", "cummin", "ewma"])
def test_bits_of_few_long_lines_that_lie_backwards(name, pool):
    shared = fp.share(fill((3, 50_000), "float64", 1, "offset"))
    for view in (shared[::-1], shared[:, ::-1], shared[::-2, ::2]):
        for call in samples.calls(name, view):
            assert bits(call(workers=pool)) == bits(call(workers=1)), call


def test_few_long_lines_into_an_array_with_other_axes_first():
    array = fill((2, 2, 50_000), "float64", 1, "plain")
    out = np.empty((2, 2, 50_000)).transpose(1, 0, 2)
    with fp.Pool(3) as pool:  # more than half as many as there are lines, which so are cut
        assert fp.cumsum(array, axis=2, out=out, workers=pool) is out
    np.testing.assert_array_equal(out, fp.cumsum(array, axis=2, workers=1))


@pytest.mark.parametrize("name", ["sum", "var", "nanmin", "argmax"])
def test_bits_of_shared_arrays(name, pool):
    array = fill((1500, 400), "float64", 1, "offset")
    shared = fp.share(array)
    for view in (np.s_[:], np.s_[::-1], np.s_[:, ::3]):
        for axis in (None, 0, 1):
            expected = bits(getattr(fp, name)(array[view], axis=axis, workers=1))
            assert bits(getattr(fp, name)(shared[view], axis=axis, workers=pool)) == expected
            assert bits(getattr(fp, name)(shared[view], axis=axis, workers=3)) == expected


@pytest.mark.parametrize("name", ["square", "cube", "negative"])
def test_pool_writes_all_of_out(name, pool):
    array = fill((300, 1000), "float64", 1, "plain")
    expected = getattr(fp, name)(array, workers=1)
    for out in (np.full(array.shape, np.nan), fp.share(np.full(array.shape, np.nan))):
        assert getattr(fp, name)(array, out=out, workers=pool) is out
        np.testing.assert_array_equal(out, expected)
    shared = fp.share(array)
    getattr(fp, name)(shared, out=shared, workers=pool)
    np.testing.assert_array_equal(shared, expected)


def test_threads_write_all_of_out():
    array = fill((300, 1000), "float64", 1, "plain")
    out = np.full(array.shape, np.nan)
    for workers in (2, 3, 8):
        out[...] = np.nan
        fp.cube(array, out=out, workers=workers)
        np.testing.assert_array_equal(out, fp.cube(array, workers=1))


def test_threads_are_used_and_kept():
    array = fill((1_000_000,), "float64", 1, "plain")
    fp.sum(array, workers=3)
    assert _threads.helper_count() >= 2
    before = _threads.helper_count()
    fp.sum(array, workers=3)
    assert _threads.helper_count() == before


def test_shared_arrays_are_not_copied(pool, monkeypatch):
    from fastproc.parallel import processes

    array = fp.share(fill((500_000,), "float64", 1, "plain"))
    expected = fp.var(array, workers=1)

    def no_copy(array):
        raise AssertionError("copied")

    monkeypatch.setattr(processes, "share", no_copy)
    assert fp.var(array, workers=pool) == expected
    assert fp.var(np.asarray(array)[:], workers=pool) == expected
    with pytest.raises(AssertionError, match="copied"):
        fp.var(np.array(array), workers=pool)


def test_errors_come_back_from_a_closed_pool():
    pool = fp.Pool(2)
    pool.terminate()
    pool.join()
    with pytest.raises(ValueError, match="Pool not running"):
        fp.sum(fill((500_000,), "float64", 1, "plain"), workers=pool)


def workers_in_worker(_):
    return config.default_workers()


def test_one_inside_a_worker(pool, monkeypatch):
    monkeypatch.setenv("FASTPROC_WORKERS", "5")
    assert config.default_workers() == 5
    assert pool.map(workers_in_worker, [0, 1]) == [1, 1]


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_variable_that_is_no_number(text, monkeypatch):
    monkeypatch.setenv("FASTPROC_WORKERS", text)
    with pytest.raises(fp.ConfigError, match=f"FASTPROC_WORKERS is '{text}'; it must be a whole"):
        fp.sum(fill((1_000_000,), "float64", 1, "plain"))


def run(code):
    """Return the words that a new process prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_affinity_is_respected():
    code = """
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
import numpy as np, fastproc as fp
from fastproc import config
from fastproc.parallel import _threads
fp.sum(np.ones(3_000_000))
print(config.allowed_cpus(), _threads.helper_count())
"""
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["1", "0"]


def test_small_arrays_stay_on_this_thread():
    code = """
import numpy as np, fastproc as fp
from fastproc.parallel import _threads
for workers in (None, 4):
    fp.sum(np.ones(10_000), workers=workers)
    fp.histogram(np.ones(10_000), 10, (0, 2), workers=workers)
    fp.square(np.ones(10_000), workers=workers)
print(_threads.helper_count())
"""
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["0"]
