"""Layer: tests of the bridge to Dask.  What is computed when, and what is refused."""

import doctest
import pickle
import re
import subprocess
import sys

import dask
import dask.array as da
import numpy as np
import pytest

import fastproc as fp
import fastproc.dask as fd
from fastproc.catalogue import FAMILY_OF


def never(block):
    raise AssertionError("computed too early")


def untouched(n_chunks=2, n_dims=1, dtype=float):
    """Return an array of which nobody can have seen anything."""
    zeros = da.zeros((4,) * n_dims, chunks=4 // n_chunks, dtype=dtype)
    return zeros.map_blocks(never, dtype=dtype, meta=np.empty((0,) * n_dims, dtype))


CALLS = {
    **{name: (untouched(),) for name in FAMILY_OF},
    **{name: (untouched(1),) for name in FAMILY_OF if FAMILY_OF[name] in ("order", "softmax")},
    **{name: (untouched(), [0, 0, 0, 0], 1) for name in FAMILY_OF if FAMILY_OF[name] == "grouped"},
    **{name: (untouched(), 2) for name in FAMILY_OF if FAMILY_OF[name] == "moving"},
    **{name: (untouched(1), 0.5) for name in FAMILY_OF if name.endswith("quantile")},
    **{name: (untouched(1), 50) for name in FAMILY_OF if name.endswith("percentile")},
    "add": (untouched(), untouched()),
    "argpartition": (untouched(1), 2),
    "axpy": (2.0, untouched(), untouched()),
    "bincount": (untouched(dtype=int),),
    "cdist": (untouched(n_dims=2), untouched(n_dims=2)),
    "clip": (untouched(), 0, 1),
    "digitize": (untouched(), [0.0, 1.0]),
    "ewma": (untouched(1), 0.5),
    "histogram": (untouched(), 10, (0, 1)),
    "histogram2d": (untouched(), untouched(), 10, [(0, 1), (0, 1)]),
    "histogramdd": (untouched(n_dims=2), 2, [(0, 1)] * 4),
    "nanrankdata": (untouched(1),),
    "nearest": (untouched(n_dims=2), untouched(n_dims=2)),
    "partition": (untouched(1), 2),
    "polyval": ([1, 2], untouched()),
    "rankdata": (untouched(1),),
    "searchsorted": ([0.0, 1.0], untouched()),
    "topk": (untouched(), 2),
}


@pytest.mark.parametrize("name", [name for name in FAMILY_OF if name not in ("pdist", "replace")])
def test_nothing_is_computed_before_it_is_asked_for(name):
    result = getattr(fd, name)(*CALLS[name])
    with pytest.raises(AssertionError, match="computed too early"):
        dask.compute(result, scheduler="synchronous")


@pytest.mark.parametrize("name", FAMILY_OF)
def test_docstrings(name):
    function = getattr(fd, name)
    for section in ("Parameters", "Returns", "Raises", "Notes", "Examples"):
        assert f"{section}\n{'-' * len(section)}\n" in function.__doc__
    assert function.__doc__.startswith(getattr(fp, name).__doc__.partition("\n")[0])
    test = doctest.DocTestParser().get_doctest(function.__doc__, {}, name, None, 0)
    assert doctest.DocTestRunner().run(test).failed == 0
    assert pickle.loads(pickle.dumps(function)) is function
    assert name in dir(fd)


def test_names_keep_their_meaning_whichever_module_is_loaded():
    pickle.loads(pickle.dumps(fd.describe(untouched()).mean))
    assert callable(fd.describe)
    assert callable(fd.softmax)
    with pytest.raises(AttributeError, match=r"module 'fastproc.dask' has no attribute 'nothing'"):
        _ = fd.nothing


def test_without_dask(tmp_path):
    code = "import sys; sys.modules['dask'] = None; import fastproc.dask"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert answer.stderr.splitlines()[-1] == (
        "ImportError: fastproc.dask needs dask; install it with: pip install 'fastproc[dask]'"
    )


X = da.from_array(np.array([3.0, 1.0, np.nan, 2.0]), chunks=2)
PLANE = da.zeros((4, 4), chunks=2)
UNKNOWN = X[X > 0]


@pytest.mark.parametrize(
    ("misuse", "error", "message"),
    [
        (lambda: fd.sum(), TypeError, "sum: missing a required argument: 'a'"),
        (lambda: fd.sum(X, out=np.zeros(())), TypeError, "sum: out must be None, as the result is"),
        (lambda: fd.sum(X, workers=0), ValueError, "sum: workers must be at least 1, not 0"),
        (lambda: fd.sum(X, workers="two"), TypeError, "sum: workers must be None or how many thr"),
        (lambda: fd.sum(X, axis=1), np.exceptions.AxisError, "axis 1 is out of bounds"),
        (lambda: fd.sum(X.astype(complex)), TypeError, "sum: dtype complex128 is not supported"),
        (
            lambda: fd.median(PLANE, axis=0),
            ValueError,
            "median: there are several chunks along axis 0, which must be whole, as no part of the "
            "result can be had from a part of it; pass x.rechunk({0: -1}) if such chunks fit into",
        ),
        (lambda: fd.quantile(PLANE, 0.5), ValueError, "along axes [0, 1], which must be whole"),
        (lambda: fd.rankdata(PLANE), ValueError, "pass x.rechunk({0: -1, 1: -1}) if such chunks"),
        (lambda: fd.quantile(X, X), TypeError, "quantile: q must be in memory, not a Dask array"),
        (
            lambda: fd.cumsum(UNKNOWN),
            ValueError,
            "cumsum: the chunks' lengths along axis 0 are not known; call x.compute_chunk_sizes()",
        ),
        (lambda: fd.move_sum(X, 5), ValueError, "move_sum: window must be from 1 to 4 (the length"),
        (lambda: fd.move_sum(X, 2, 3), ValueError, "move_sum: min_count must be from 1 to 2"),
        (lambda: fd.topk(X, 5), ValueError, "topk: k must be from 0 to 4, the length of the axis"),
        (lambda: fd.pdist(PLANE), NotImplementedError, "pdist: its condensed result has no blocks"),
        (lambda: fd.replace(X, 1, 2), NotImplementedError, "replace: a Dask array cannot be chang"),
        (lambda: fd.polyval(X, X), TypeError, "polyval: p must be coefficients in memory, not a"),
        (lambda: fd.digitize(X, X), TypeError, "digitize: bins must be in memory, where each chu"),
        (
            lambda: fd.histogram(X),
            ValueError,
            "histogram: pass the range, or edges, since the least and the greatest element are not",
        ),
        (lambda: fd.histogram2d(X, X, [3, 3]), ValueError, "histogram2d: pass the range, or edges"),
        (lambda: fd.histogram2d(X, X[:2]), ValueError, "histogram2d: x and y must be lines of one"),
        (
            lambda: fd.histogram(X, 2, (0, 1), weights=X[:2]),
            ValueError,
            "histogram: weights have shape (2,); they must have that of the elements, (4,)",
        ),
        (
            lambda: fd.bincount(X.astype(int), X[:2]),
            ValueError,
            "bincount: weights have shape (2,); like x they must have shape (4,)",
        ),
        (
            lambda: fd.group_sum(X, [0] * 4),
            ValueError,
            "group_sum: pass num_labels, since the grea",
        ),
        (
            lambda: fd.group_sum(PLANE, [0, 1], 2),
            ValueError,
            "group_sum: labels have shape (2,); for axis -1 of values of shape (4, 4) they must "
            "have shape (4,)",
        ),
        (lambda: fd.cdist(PLANE, PLANE, "none"), ValueError, "cdist: there is no metric 'none'"),
        (
            lambda: fd.nearest(PLANE, PLANE, 5),
            ValueError,
            "nearest: k must be from 1 to the 4 rows",
        ),
    ],
)
def test_refused_at_once(misuse, error, message):
    with pytest.raises(error, match=re.escape(message)):
        misuse()


@pytest.mark.parametrize(
    ("misuse", "error", "message"),
    [
        (
            lambda: fd.group_sum(X, [0, 1, 2, 3], 3),
            ValueError,
            "group_sum: label 3 is out of range",
        ),
        (
            lambda: fd.group_min(X.astype("i8"), [0, 1, 1, 0], 3),
            ValueError,
            "group_min: group 2 has no elements, and int64 has no NaN to say so",
        ),
        (lambda: fd.min(X[:0]), ValueError, "zero-size array to reduction operation minimum"),
        (lambda: fd.argmax(PLANE[:0]), ValueError, "attempt to get argmax of an empty sequence"),
        (lambda: fd.nanargmin(PLANE * np.nan), ValueError, "All-NaN slice encountered"),
        (
            lambda: fd.bincount(-da.ones(4, dtype=int)),
            ValueError,
            "bincount: x must not be negative",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_refused_by_compute(misuse, error, message):
    with pytest.raises(error, match=re.escape(message)):
        misuse().compute(scheduler="synchronous")


def test_chunks_of_unknown_lengths():
    expected = X.compute()[X.compute() > 0]
    for name in ("sum", "argmax", "describe"):
        (actual,) = dask.compute(getattr(fd, name)(UNKNOWN), scheduler="synchronous")
        assert str(actual)[-20:] == str(getattr(fp, name)(expected))[-20:]
    assert fd.square(UNKNOWN).compute(scheduler="synchronous").tolist() == [9.0, 1.0, 4.0]


def test_integers_beyond_the_precision_of_floats():
    values = np.array([2**62 + 1, 2**62 + 3, 2**62 + 2, 5])
    for name in ("min", "max", "first", "last", "sum"):
        expected = getattr(fp, f"group_{name}")(values, [0, 0, 0, 1])
        actual = getattr(fd, f"group_{name}")(da.from_array(values, chunks=1), [0, 0, 0, 1], 2)
        np.testing.assert_array_equal(actual.compute(scheduler="synchronous"), expected)


@pytest.mark.parametrize("name", ["argmin", "group_min", "nearest", "square", "var"])
def test_the_same_call_has_the_same_name(name):
    """So that Dask finds what it has computed already."""
    call = CALLS[name]
    if name == "argmin":
        call = (untouched(n_dims=2),)
    one, other = (getattr(fd, name)(*call) for _ in range(2))
    assert [each.name for each in flat(one)] == [each.name for each in flat(other)]


def flat(result):
    return result if isinstance(result, tuple) else (result,)


def test_bits_depend_on_the_chunks_alone():
    x = da.random.default_rng(1).normal(size=100_000, chunks=7_000)
    results = [
        dask.compute(fd.var(x), fd.logsumexp(x), scheduler=scheduler)
        for scheduler in ("synchronous", "threads", "threads")
    ]
    assert len({pickle.dumps(result) for result in results}) == 1
