"""Layer: tests.  Shared arrays within one process: an ndarray like any other."""

import copy
import gc
import operator
import pickle
from multiprocessing.reduction import ForkingPickler

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastproc.shm import array
from fastproc.shm.array import SharedArray, share, shared_empty, shared_zeros


@pytest.fixture
def x():
    return share(np.arange(12.0).reshape(3, 4))


@pytest.mark.parametrize("make", [shared_empty, shared_zeros])
@pytest.mark.parametrize("shape", [5, (), (0,), (2, 3), [2, 3], np.int64(4), (np.int8(2), 0, 3)])
@pytest.mark.parametrize(
    "dtype", ["f8", "i1", "c16", "M8[s]", "U7", "S", [("a", "i4", 2)], ("i2", 3)]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_made_as_numpy_makes_them(make, shape, dtype, order):
    ours, numpys = make(shape, dtype, order), np.empty(shape, dtype, order)
    assert type(ours) is SharedArray
    assert ours.is_shared
    assert (ours.shape, ours.dtype) == (numpys.shape, numpys.dtype)
    assert ours.size == 0 or ours.strides == numpys.strides
    assert ours.flags.writeable
    assert ours.flags.aligned
    assert ours.size == 0 or array._address(ours) % 4096 == 0


def test_default_dtype_is_float():
    assert shared_empty(2).dtype == shared_zeros(2).dtype == np.float64


def test_zeros_are_zero_in_recycled_memory():
    for _ in range(3):
        zeros = shared_zeros((100, 7), "i4")
        assert not zeros.any()
        zeros[...] = -1
        del zeros


@pytest.mark.parametrize("make", [shared_empty, shared_zeros])
def test_bad_arguments(make):
    with pytest.raises(ValueError, match=r"negative dimensions .* the shape is \(2, -1\)"):
        make((2, -1))
    with pytest.raises(ValueError, match="order must be 'C' or 'F', not 'K'"):
        make(3, order="K")
    with pytest.raises(TypeError, match="dtype object cannot be shared: their elements are point"):
        make(3, dtype=object)
    with pytest.raises(TypeError, match="convert to numbers or to strings of fixed width"):
        make(3, dtype=[("a", "i4"), ("b", "O")])
    with pytest.raises(TypeError):
        make(2.5)
    with pytest.raises(TypeError):
        make((2, "3"))
    with pytest.raises(MemoryError, match="use a smaller array or dtype"):
        make(2**62)
    with pytest.raises(MemoryError, match=r"a segment of .* bytes was asked for, but at most"):
        make((2**40, 2**40))


def test_share_refuses_what_is_more_than_its_elements():
    with pytest.raises(TypeError, match="share the array's data and its mask"):
        share(np.ma.array([1, 2], mask=[0, 1]))
    with pytest.raises(TypeError, match="elements are pointers"):
        share(["a", None])
    with pytest.raises(TypeError, match="elements are pointers"):
        share(np.array([1, "a"], dtype=object))


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy 1 has no such strings")
def test_strings_of_variable_width_are_refused():
    with pytest.raises(TypeError, match="strings of fixed width"):
        share(np.array(["a"], dtype=np.dtypes.StringDType()))


@pytest.mark.parametrize(
    "source", [3, 2.5, [[1, 2], [3, 4]], range(4), "text", [], pd.Series([1.5, 2]), np.float32(1)]
)
def test_share_takes_array_likes(source):
    shared = share(source)
    assert type(shared) is SharedArray
    assert shared.dtype == np.asarray(source).dtype
    np.testing.assert_array_equal(shared, np.asarray(source))


def test_share_copies_once(x):
    assert share(x) is x
    view = x[1:, ::2]
    assert share(view) is view
    plain = np.zeros(3)
    assert not np.shares_memory(share(plain), plain)
    # One that NumPy made outside a segment is copied like any other.
    outside = np.ndarray.astype(x, "i4")
    assert not outside.is_shared
    assert share(outside).is_shared


@st.composite
def strided(draw):
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    source = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    source = source.transpose(draw(st.permutations(range(source.ndim))))
    steps = [draw(st.sampled_from([1, -1, 2, -2])) for _ in source.shape]
    return source[(*(slice(None, None, step) for step in steps), ...)]


@given(strided())
def test_share_keeps_the_memory_order(source):
    shared = share(source)
    assert shared.strides == source.copy(order="K").strides
    np.testing.assert_array_equal(shared, source)


@pytest.mark.parametrize(
    "source",
    [
        np.arange(120_000.0).reshape(300, 400),
        np.arange(120_000.0).reshape(300, 400).T,
        np.arange(120_000).astype("M8[s]"),
        np.arange(120_000).reshape(20, 30, 200).transpose(1, 0, 2),
        np.arange(120_000)[::-1],
        np.ones(30_000, [("a", "i4"), ("b", "S3")]),
        np.broadcast_to(np.arange(300.0), (200, 300)),
    ],
)
def test_share_of_many_bytes(source):
    """Fresh and recycled memory are filled in different ways."""
    source.flags.writeable = False
    for _ in range(2):
        shared = share(source)
        assert shared.strides == source.copy(order="K").strides
        assert shared.flags.writeable
        np.testing.assert_array_equal(shared, source)
        shared.view(np.ndarray)[...] = np.zeros((), source.dtype)
        del shared


VIEWS = [
    lambda x: x[1:],
    lambda x: x[::-1, ::-2],
    lambda x: x.T,
    lambda x: x[None],
    lambda x: x[..., 0],
    lambda x: x.reshape(4, 3),
    lambda x: x.ravel(),
    lambda x: x.view("i8"),
    lambda x: x.view(np.dtype([("re", "f8"), ("im", "f8")]))["im"],
    lambda x: x.real,
    lambda x: x.squeeze(),
    lambda x: x.diagonal(),
    lambda x: x[0:0],
    lambda x: np.broadcast_to(x, (2, 3, 4), subok=True),
    lambda x: np.lib.stride_tricks.as_strided(x, (2, 2), (8, 8), subok=True),
    lambda x: np.split(x, 3)[1],
    lambda x: np.flip(x),
    lambda x: np.moveaxis(x, 0, 1),
]


@pytest.mark.parametrize("view", VIEWS)
def test_views_are_shared(view, x):
    result = view(x)
    assert type(result) is SharedArray
    assert result.is_shared


COPIES = [
    lambda x: x + 1,
    lambda x: -x,
    lambda x: np.sqrt(x),
    lambda x: x[[0, 2]],
    lambda x: x[x > 3],
    lambda x: x[:, [0]],
    lambda x: x.sum(axis=0),
    lambda x: x.cumsum(),
    lambda x: x.astype("f4"),
    lambda x: x.copy(),
    lambda x: x.flatten(),
    lambda x: x.T.ravel(),
    lambda x: x.T.reshape(12),
    lambda x: x.take([0, 1]),
    lambda x: x.repeat(2),
    lambda x: x.argsort(),
    lambda x: x.argpartition(1),
    lambda x: x.compress([True, False, True], 0),
    lambda x: x.byteswap(),
    lambda x: x.dot(np.ones(4)),
    lambda x: x @ x.T,
    lambda x: x.round(1),
    lambda x: x.clip(0, 1),
    lambda x: x.mean(axis=1),
    lambda x: np.sort(x),
    lambda x: np.roll(x, 1),
    lambda x: np.empty_like(x),
    lambda x: np.zeros_like(x),
    lambda x: np.unique(x),
    lambda x: np.concatenate([x, x]),
    lambda x: np.where(x > 1, x, 0),
    lambda x: np.nan_to_num(x),
    lambda x: np.copy(x),
    lambda x: np.array(x, subok=False),
    lambda x: np.modf(x)[0],
    lambda x: np.unique(x, return_index=True)[0],
    lambda x: np.fft.fft(x),
    lambda x: copy.copy(x),
    lambda x: copy.deepcopy(x),
    lambda x: pickle.loads(pickle.dumps(x)),
    lambda x: pickle.loads(pickle.dumps(x, 0)),
    lambda x: cloudpickle.loads(cloudpickle.dumps(x)),
]


@pytest.mark.parametrize("make", COPIES)
def test_what_lies_elsewhere_is_plain(make, x):
    result = make(x)
    assert type(result) is np.ndarray
    assert not np.shares_memory(result, x)
    assert result.flags.writeable


@pytest.mark.parametrize("make", COPIES)
def test_results_are_numpys(make, x):
    if make.__code__.co_names == ("np", "empty_like"):
        return  # its values are arbitrary
    np.testing.assert_array_equal(make(x), make(np.asarray(x)))


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x[1, 2],
        lambda x: x.sum(),
        lambda x: x.mean(),
        lambda x: x.std(),
        lambda x: np.median(x),
        lambda x: x.max(),
        lambda x: np.add.reduce(x, axis=None),
        lambda x: x[0, 0] + 1,
        lambda x: x[0, 0:1].reshape(()) + 1,
        lambda x: x[0] @ x[0],
    ],
)
def test_scalars_are_scalars(make, x):
    assert isinstance(make(x), np.float64)


@pytest.mark.parametrize("operation", [operator.iadd, operator.imul, operator.isub])
def test_in_place_operations_stay_shared(operation, x):
    before = x
    x = operation(x, 2)
    assert x is before
    np.testing.assert_array_equal(x, operation(np.arange(12.0).reshape(3, 4), 2))


def test_out_is_returned_as_it_is(x):
    assert np.add(x, 1, out=x) is x
    assert np.sum(np.ones((3, 4)), axis=0, out=x[0]).is_shared
    plain = np.empty_like(np.asarray(x))
    assert np.add(x, 1, out=plain) is plain


def test_views_keep_the_memory(x):
    view, plain, raw = x[1], np.asarray(x), memoryview(x)
    del x
    gc.collect()
    other = shared_empty((3, 4))
    other[...] = -1
    assert view.tolist() == [4, 5, 6, 7]
    assert plain[2, 3] == raw[2, 3] == 11


def test_repr_is_numpys(x):
    assert repr(x[0]) == "SharedArray([0., 1., 2., 3.])"
    assert str(x[0]) == "[0. 1. 2. 3.]"


def test_out_of_band_pickles(x):
    buffers = []
    data = pickle.dumps(x, 5, buffer_callback=buffers.append)
    assert len(buffers) == 1
    assert len(data) < 300
    assert pickle.loads(data, buffers=buffers).tolist() == x.tolist()


def test_a_handle_opened_at_home_is_the_same_memory(x):
    again = ForkingPickler.loads(ForkingPickler.dumps(x[1:]))
    assert type(again) is SharedArray
    again[...] = 0
    assert x.sum() == 6


def test_a_handle_is_small():
    for size in (10, 10**6):
        assert len(ForkingPickler.dumps(share(np.zeros(size)))) < 500


def test_outside_a_segment_by_value(x):
    outside = np.ndarray.astype(x, "i4")
    again = ForkingPickler.loads(ForkingPickler.dumps(outside))
    assert type(again) is np.ndarray
    assert again.tolist() == x.tolist()


def test_a_data_frame_over_a_shared_array(x):
    frame = pd.DataFrame(x, columns=list("abcd"))
    assert frame["a"].sum() == 12
    assert pickle.loads(pickle.dumps(frame)).equals(frame)
