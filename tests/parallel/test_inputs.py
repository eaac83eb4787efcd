"""Layer: tests of the kernels on every core.  What is no ndarray goes in all the same: objects with
one of the protocols of arrays, Series and DataFrames.  What comes out is NumPy's.
"""

import array
import functools
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from samples import calls, parts

import fastproc as fp
from fastproc.catalogue import FAMILY_OF

pd = pytest.importorskip("pandas")  # which is not where sanitizers are

ARRAY = np.linspace(-3.0, 50.0, 40)


class Exporter:
    """An object that holds numbers and says nothing but their shape."""

    def __init__(self, numbers):
        self._numbers = numbers
        self.shape = numbers.shape


class OfArray(Exporter):
    def __array__(self, dtype=None, copy=None):
        return self._numbers


class OfArrayInterface(Exporter):
    @property
    def __array_interface__(self):
        return self._numbers.__array_interface__


class OfArrayStruct(Exporter):
    @property
    def __array_struct__(self):
        return self._numbers.__array_struct__


class OfDLPack(Exporter):
    def __dlpack__(self, **options):
        return self._numbers.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._numbers.__dlpack_device__()


def polars_series(numbers):
    return pytest.importorskip("polars").Series(numbers) if numbers.ndim == 1 else numbers


WAYS = {
    "list": lambda numbers: numbers.tolist(),
    "array": lambda n: array.array(n.dtype.char, n.tolist()) if n.ndim == 1 else n,
    "buffer": memoryview,
    "__array__": OfArray,
    "__array_interface__": OfArrayInterface,
    "__array_struct__": OfArrayStruct,
    "__dlpack__": OfDLPack,
    "pandas": lambda numbers: (pd.Series if numbers.ndim == 1 else pd.DataFrame)(numbers),
    "polars": polars_series,
    "shared": fp.share,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [name for name in FAMILY_OF if name != "replace"])  # in place
def test_every_kernel_takes_it(name, way):
    def converted(value):
        is_array = isinstance(value, np.ndarray)
        # Of a list of lists the histogram takes one for each axis.
        if not is_array or (way == "list" and name == "histogramdd"):
            return value
        return WAYS[way](np.ascontiguousarray(value))

    for call in calls(name, ARRAY.reshape(20, 2) if name == "histogramdd" else ARRAY):
        options = {key: converted(value) for key, value in call.keywords.items()}
        changed = functools.partial(call.func, *map(converted, call.args), **options)
        for got, expected in zip(parts(changed()), parts(call()), strict=True):
            assert type(got) is type(expected)
            np.testing.assert_array_equal(got, expected)


def test_a_series_gives_an_array_without_its_index():
    series = pd.Series([1.0, 3.0, 5.0], index=list("abc"), name="x")
    for result in (fp.move_mean(series, 2), fp.cumsum(series), fp.square(series)):
        assert type(result) is np.ndarray
    assert type(fp.mean(series)) is np.float64


def test_columns_of_a_dataframe():
    frame = pd.DataFrame({"key": [0, 1, 0], "value": [1.0, 2.0, 4.0]})
    frame["share"] = fp.group_sum(frame["value"], frame["key"])[frame["key"]]
    assert frame["share"].tolist() == [5.0, 2.0, 5.0]
    assert fp.mean(frame, axis=0).tolist() == pytest.approx([1 / 3, 7 / 3, 4.0])


@pytest.mark.parametrize("dtype", ["Int64", "Float64"])
def test_a_missing_value_of_pandas_is_nan(dtype):
    series = pd.Series([1, None, 3], dtype=dtype)
    assert fp.nansum(series) == 4
    assert np.isnan(fp.sum(series))


def test_a_column_of_strings_is_refused():
    frame = pd.DataFrame({"number": [1, 2], "name": ["x", "y"]})
    with pytest.raises(TypeError, match="mean: dtype object is not supported; pass real numbers"):
        fp.mean(frame, axis=0)


class Elsewhere(Exporter):
    """What a graphics card's array says."""

    def __dlpack__(self, **options):
        raise BufferError("on device 'cuda:0'")

    def __dlpack_device__(self):
        return (2, 0)


@pytest.mark.parametrize("call", [fp.sum, fp.bincount, functools.partial(fp.histogram, [1.0])])
def test_memory_that_is_not_the_machines(call):
    with pytest.raises(TypeError, match=r"Elsewhere cannot be read through DLPack \("):
        call(Elsewhere(ARRAY))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "make", [fp.Var, fp.BinCount, functools.partial(fp.Histogram, np.array([0.0, 2.0, 8.0]))]
)
def test_accumulators_take_it(make, way):
    numbers = np.array([1, 2, 2, 7])
    results = [parts(make().update(piece).result()) for piece in (numbers, WAYS[way](numbers))]
    for got, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("tally", [fp.Histogram(4, (0, 9)), fp.GroupSum(2)])
def test_a_piece_that_is_masked_is_refused(tally):
    masked = np.ma.masked_array([1.0, 2.0], [True, False])
    with pytest.raises(TypeError, match="masked arrays are not supported"):
        tally.update(masked, [0, 1])


@pytest.mark.parametrize("module", ["numpy.ma", "fastproc.pool.pool"])
def test_a_module_that_another_thread_is_just_importing(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
    array = np.arange(12.0).reshape(3, 4)
    assert fp.median(array[:, ::2]) == 5
    assert fp.sum(array.view(fp.SharedArray)) == 66
    with ThreadPoolExecutor(2) as threads:
        assert fp.sum(np.ones(10_000), workers=threads) == 10_000


@pytest.mark.parametrize("name", FAMILY_OF)
def test_elements_that_lie_side_by_side_but_unaligned(name):
    def shifted(value):
        memory = bytearray(1 + value.nbytes)
        view = np.frombuffer(memory, value.dtype, offset=1).reshape(value.shape)
        view[...] = value
        assert view.flags.c_contiguous
        assert not view.flags.aligned
        return view

    def moved(value):
        is_array = isinstance(value, np.ndarray) and value.dtype.itemsize > 1
        return shifted(np.ascontiguousarray(value)) if is_array else value

    array = np.linspace(-3.0, 50.0, 140_000)
    array = array.reshape(-1, 2) if name == "histogramdd" else array
    few = calls(name, array if FAMILY_OF[name] not in ("ranking", "distances") else array[:3000])
    for call in list(few)[:4]:
        arguments = [moved(value) for value in call.args]
        options = {key: moved(value) for key, value in call.keywords.items()}
        for one, other in zip(parts(call.func(*arguments, **options)), parts(call()), strict=True):
            np.testing.assert_array_equal(one, other)
