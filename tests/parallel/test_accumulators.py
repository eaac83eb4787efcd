"""Layer: tests of the kernels on every core.  Accumulators: pieces give the result of the whole."""

import pickle
import re

import hypothesis.strategies as st
import numpy as np
import pytest
import samples
from arrays import fill
from hypothesis import given

import fastproc as fp
from fastproc import plan
from fastproc.parallel import accumulators

ALL = {
    name: each
    for name, each in vars(accumulators).items()
    if isinstance(each, type) and hasattr(each, "_kernel")
}
PLACES = ("ArgMin", "ArgMax", "NanArgMin", "NanArgMax")


def flat(result):
    """Return the arrays and numbers of a result, which may have tuples in a tuple."""
    return [each for part in samples.parts(result) for each in samples.parts(part)]


def assert_close(actual, expected):
    for one, other in zip(flat(actual), flat(expected), strict=True):
        assert type(one) is type(other)
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_each_is_public():
    assert set(ALL) == set(fp._ACCUMULATORS)
    assert set(ALL) <= set(fp.__all__)


@pytest.mark.filterwarnings("ignore:.*(empty slice|All-NaN|freedom)")
@pytest.mark.parametrize("name", ALL)
@given(data=st.data())
def test_pieces_give_the_result_of_the_whole(name, data):
    dtype = data.draw(st.sampled_from(("float64", "float32", "int64", "int32", "uint64", "int8")))
    how = data.draw(st.sampled_from(("plain", "nan", "ties", "offset")))
    array = fill((data.draw(st.sampled_from((1, 40, 5000))), 3), dtype, 1, how)
    axis = data.draw(st.sampled_from((None, 0)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(array)), max_size=3)))
    kernel = getattr(fp, ALL[name]._kernel)
    try:
        expected = kernel(array, axis=axis)
    except ValueError:
        expected = None  # an index among nothing but NaN
    whole, others = ALL[name](axis), []
    for piece in np.split(array, cuts):
        if data.draw(st.booleans()):
            # Asked in Fortran's order too, the states must come in the order of the results.
            whole.update(np.asfortranarray(piece) if data.draw(st.booleans()) else piece)
        else:
            others.append(ALL[name](axis).update(piece))
            whole.merge(pickle.loads(pickle.dumps(others[-1])))
    assert whole.count == array.size // (3 if axis == 0 else 1)
    if expected is None:
        with pytest.raises(ValueError, match="All-NaN slice"):
            whole.result()
    else:
        assert_close(whole.result(), expected)
        assert_close(whole.result(), expected)  # asking changes nothing


@pytest.mark.parametrize("name", ["Var", "NanMean", "ArgMax", "MinMax"])
def test_workers(name, monkeypatch):
    monkeypatch.setattr(plan, "PROCESS_SHARE_NS", 1)  # or this thread would do it all
    array = fill((300_000, 2), "float64", 1, "offset")
    with fp.Pool(2) as pool:
        for axis in (None, 0):
            expected = ALL[name](axis).update(array, workers=1)
            for workers in (2, pool):
                actual = ALL[name](axis).update(array, workers=workers)
                assert pickle.dumps(actual) == pickle.dumps(expected)


def test_a_memmap_in_pieces(tmp_path):
    data = np.memmap(tmp_path / "data", dtype="f8", mode="w+", shape=(10_000, 4))
    data[:] = np.arange(40_000).reshape(10_000, 4)
    acc = fp.Mean(axis=0)
    for start in range(0, len(data), 1000):
        acc.update(data[start : start + 1000])
    assert acc.result().tolist() == [19998.0, 19999.0, 20000.0, 20001.0]


def test_variance_of_pieces_far_from_zero():
    array = fill((9000,), "float64", 1, "plain") + 1e9
    acc = fp.Var(ddof=1)
    for piece in np.split(array, 7 * [0] + [10, 4000]):
        acc.update(piece)
    np.testing.assert_allclose(acc.result(), np.var(array - 1e9, ddof=1), rtol=1e-6)


def test_before_the_first_piece():
    assert fp.Sum().result() == 0.0
    assert fp.AllFinite().result()
    with pytest.raises(ValueError, match="zero-size array to reduction operation minimum"):
        fp.Min().result()
    with pytest.raises(ValueError, match="attempt to get argmax of an empty sequence"):
        fp.ArgMax().merge(fp.ArgMax()).result()
    assert repr(fp.Sum().update([1, 2])) == "<Sum of 2 elements>"


@pytest.mark.parametrize(
    ("misuse", "error", "message"),
    [
        (
            lambda: fp.Sum().update([1.0]).update([1]),
            TypeError,
            "Sum: a piece of dtype int64 after one of float64; convert all to one dtype, e.g. by "
            "a.astype('float64')",
        ),
        (
            lambda: fp.Var(0).update([[1.0, 2.0]]).update([[1.0]]),
            ValueError,
            "Var: a piece has results of shape (1,), the pieces before it have (2,); all axes but "
            "the reduced ones must be the same",
        ),
        (
            lambda: fp.Min().merge(fp.Max()),
            TypeError,
            "Min: only another Min can be merged, not <Max of 0 elements>",
        ),
        (
            lambda: fp.Min(0).merge(fp.Min(1)),
            ValueError,
            "Min: cannot merge results along axis 1 with those along axis 0",
        ),
        (lambda: fp.Min(2).update([1]), np.exceptions.AxisError, "axis 2 is out of bounds"),
        (lambda: fp.Min("x"), TypeError, "'str' object cannot be interpreted as an integer"),
        (lambda: fp.Sum().update([1j]), TypeError, "Sum: dtype complex128 is not supported"),
    ],
)
def test_misuse(misuse, error, message):
    with pytest.raises(error, match=re.escape(message)):
        misuse()
