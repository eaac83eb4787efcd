"""Layer: tests of the kernels on every core.  Kernels over groups against their twins, NumPy's
reductions of each group and exact arithmetic.
"""

import fractions
import inspect
import math

import hypothesis.strategies as st
import numpy as np
import pytest
from arrays import COMPILED, CONVERTED, arrays, axes, fill
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal

import fastproc as fp
from fastproc import plan
from fastproc.catalogue import FAMILIES
from fastproc.kernels import labels as labels_module
from fastproc.kernels import reference

NAMES = FAMILIES["grouped"]
GROUPS = [name for name in NAMES if name != "bincount"]
OF_DOUBLES = ("group_sum", "group_mean", "group_var", "group_std")

#: What NumPy makes of one group's elements that are not NaN.
OF_ONE_GROUP = {
    "group_sum": np.sum,
    "group_mean": np.mean,
    "group_var": lambda x: np.var(x, ddof=1),
    "group_std": lambda x: np.std(x, ddof=1),
    "group_min": np.min,
    "group_max": np.max,
    "group_count": np.size,
    "group_first": lambda x: x[0],
    "group_last": lambda x: x[-1],
}


@st.composite
def labels_for(draw, shape, dtypes=("int64", "int32", "int8", "uint16", ">i4")):
    """Return labels of few groups; where the dtype lets them, some are negative."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    most = draw(st.sampled_from((1, 3, 40)))
    labels = rng.integers(-2 if dtype.kind == "i" else 0, most, shape)
    if draw(st.booleans()):
        labels = np.sort(labels, axis=None).reshape(shape)
    return labels.astype(dtype)


def close(name, actual, expected, dtype):
    """Compare by the rounding of sums; what is not summed is the same."""
    rtol = {"float16": 2e-3, "float32": 1e-6}.get(np.dtype(dtype).name, 1e-12)
    if name not in OF_DOUBLES:
        rtol = 0
    assert_allclose(
        np.asarray(actual, float), np.asarray(expected, float), rtol=rtol, atol=rtol, equal_nan=True
    )


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", GROUPS)
@given(data=st.data())
def test_equals_twin(name, data):
    array = data.draw(arrays((*COMPILED, *CONVERTED), how=("plain", "ties", "nan", "inf", "both")))
    axis = data.draw(axes(array.ndim, several=False))
    shape = array.shape if axis is None else (array.shape[axis],)
    labels = data.draw(labels_for(shape))
    groups = data.draw(st.sampled_from((None, 40, 41)))
    try:
        expected = getattr(reference, name)(array, labels, groups, axis)
    except ValueError as error:
        with pytest.raises(ValueError, match=str(error).split(" and ")[0].split("(")[0]):
            getattr(fp, name)(array, labels, groups, axis)
        return
    actual = getattr(fp, name)(array, labels, groups, axis)
    close(name, actual, np.reshape(expected, actual.shape), array.dtype)
    one = OF_ONE_GROUP[name](np.ones(1, array.dtype))
    if name != "group_var" and name != "group_std":
        assert actual.dtype == (one.dtype if name != "group_count" else np.int64)
    elif array.dtype.kind == "f":
        assert actual.dtype == array.dtype.newbyteorder("=")


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("dtype", COMPILED)
def test_equals_numpy_of_each_group(name, dtype):
    rng = np.random.default_rng(1)
    values = fill((600_001,), dtype, 2, "nan")
    labels = rng.integers(-1, 300, values.size)
    labels[0] = 299
    # Where no element is left out, there is a loop that does not ask.
    values[:300_000] = fill((300_000,), dtype, 3, "plain")
    labels[:300_000] = np.abs(labels[:300_000])
    actual = getattr(fp, name)(values, labels)
    assert actual.shape == (300,)
    for group in (0, 1, 150, 299):
        members = values[labels == group]
        members = members[members == members]
        expected = OF_ONE_GROUP[name](members.astype(float) if name in OF_DOUBLES else members)
        assert_allclose(actual[group], expected, rtol=1e-6 if dtype == "float32" else 1e-12)


@given(data=st.data())
def test_bincount_equals_numpy_and_twin(data):
    size = data.draw(st.sampled_from((0, 1, 2, 7, 100, 4096, 4097, 9000)))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    x = rng.integers(0, data.draw(st.sampled_from((1, 10, 600, 3000))), size)
    x = x.astype(data.draw(st.sampled_from(("i8", "i4", "u2", ">i8"))))[
        :: data.draw(st.sampled_from((1, -2)))
    ]
    minlength = data.draw(st.sampled_from((0, 5, 700)))
    counts = fp.bincount(x, minlength=minlength)
    assert counts.dtype == np.int64
    assert_array_equal(counts, np.bincount(x, minlength=minlength))
    assert_array_equal(counts, reference.bincount(x, minlength=minlength))
    weights = rng.normal(size=x.size).astype(data.draw(st.sampled_from(("f8", "f4", "i4", ">f8"))))
    sums = fp.bincount(x, weights, minlength)
    assert sums.dtype == np.float64
    assert_allclose(sums, np.bincount(x, weights, minlength), rtol=1e-12, atol=1e-12)
    assert_allclose(sums, reference.bincount(x, weights, minlength), rtol=1e-12, atol=1e-12)


def test_bincount_counts_nan_among_the_weights():
    for size in (3, 10_000):
        x, weights = np.zeros(size, int), np.ones(size)
        weights[1] = np.nan
        assert np.isnan(fp.bincount(x, weights)[0])


@pytest.mark.parametrize("name", ["group_var", "group_std"])
@pytest.mark.parametrize("offset", [0.0, 1e8, -1e12])
def test_variance_is_right_beside_a_large_offset(name, offset, monkeypatch):
    monkeypatch.setattr(plan, "HISTOGRAM_UNIT", 5000)  # so that there are pieces to merge
    rng = np.random.default_rng(1)
    # Each group at another offset, in no order.
    labels = rng.integers(0, 7, 30_000)
    values = offset * (labels - 3) + rng.normal(size=labels.size)
    actual = getattr(fp, name)(values, labels)
    for group in range(7):
        exact = [fractions.Fraction(x) for x in values[labels == group].tolist()]
        mean = sum(exact) / len(exact)
        var = float(sum((x - mean) ** 2 for x in exact) / (len(exact) - 1))
        expected = var if name == "group_var" else math.sqrt(var)
        assert actual[group] == pytest.approx(expected, rel=1e-10)


def test_first_element_far_from_the_others():
    values = np.ones(10_000)
    values[0] = 1e9
    values[1:] += np.arange(9999) % 2
    assert fp.group_var(values, np.zeros(10_000, int))[0] == pytest.approx(np.var(values, ddof=1))


def test_more_labels_than_a_look_at_some_of_them_says():
    values = np.arange(1_000_000.0)
    labels = np.zeros(values.size, int)
    labels[5] = 12_345
    sums = fp.group_sum(values, labels)
    assert sums.shape == (12_346,)
    assert sums[12_345] == 5
    assert sums.sum() == values.sum()
    assert_array_equal(fp.bincount(labels), np.bincount(labels))


def test_the_result_does_not_depend_on_where_a_line_is_cut(monkeypatch):
    values = fill((100_000,), "int64", 1, "plain")
    labels = np.random.default_rng(1).integers(0, 50, values.size)
    expected = {name: getattr(fp, name)(values, labels) for name in GROUPS}
    monkeypatch.setattr(plan, "HISTOGRAM_UNIT", 5000)
    for name in GROUPS:
        close(name, getattr(fp, name)(values, labels), expected[name], "float64")


def test_a_label_that_is_too_great_is_found_wherever_it_is():
    values, labels = np.ones(70_000), np.zeros(70_000, int)
    for place in (0, 255, 256, 69_999):
        labels[:] = np.arange(labels.size) % 7
        labels[place] = 7
        for name in GROUPS:
            with pytest.raises(ValueError, match="label 7 is out of range"):
                getattr(fp, name)(values, labels, 7)


def test_nothing_at_all():
    assert fp.bincount([]).shape == (0,)
    assert fp.group_mean([], []).shape == (0,)
    assert_array_equal(fp.group_sum([], [], 3), [0, 0, 0])
    assert_array_equal(fp.group_max([], [], 2), [np.nan, np.nan])
    assert fp.group_min(np.zeros((0, 3)), [0, 1, 5]).shape == (0, 6)
    assert fp.group_min(np.zeros((4, 3)), [-1, -1, -1]).shape == (4, 0)
    assert fp.group_min(np.zeros((2, 3)), [-1, -1, -1], 0).shape == (2, 0)


def test_signatures_are_the_twins():
    for name in NAMES:
        ours, twins = (inspect.signature(getattr(each, name)) for each in (fp, reference))
        assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
            (p.name, p.kind, p.default) for p in twins.parameters.values()
        ]


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GROUPS)
class TestBadGroups:
    @pytest.mark.parametrize("labels", [[0.0, 1.0], [True, False], ["a", "b"], [None, 1], [1j, 0]])
    def test_labels_that_are_no_integers(self, name, labels):
        with pytest.raises(TypeError, match=rf"{name}: labels must be integers, not .*np.unique"):
            getattr(fp, name)([1.0, 2.0], labels)

    def test_masked(self, name):
        masked = np.ma.masked_array([0, 1], [True, False])
        with pytest.raises(TypeError, match=rf"{name}: masked arrays .* pass labels.filled\(-1\)"):
            getattr(fp, name)([1.0, 2.0], masked)
        with pytest.raises(TypeError, match=f"{name}: masked arrays are not supported"):
            getattr(fp, name)(masked, [0, 1])

    def test_values_that_are_no_real_numbers(self, name):
        with pytest.raises(TypeError, match=f"{name}: dtype complex128 is not supported"):
            getattr(fp, name)([1j, 2], [0, 1])

    def test_lengths_that_do_not_fit(self, name):
        with pytest.raises(ValueError, match=rf"{name}: labels have shape \(2,\); along axis"):
            getattr(fp, name)([1.0, 2.0, 3.0], [0, 1])
        with pytest.raises(ValueError, match=rf"{name}: labels have shape \(2,\); with axis=None"):
            getattr(fp, name)([1.0, 2.0, 3.0], [0, 1], axis=None)
        with pytest.raises(ValueError, match="labels have shape"):
            getattr(fp, name)(np.zeros((2, 3)), np.zeros((2, 3), int))

    @pytest.mark.parametrize("size", [3, 300_000])
    def test_label_out_of_range(self, name, size):
        labels = np.zeros(size, int)
        labels[-1] = 7
        with pytest.raises(ValueError, match=f"{name}: label 7 is out of range; num_labels=5"):
            getattr(fp, name)(np.zeros(size), labels, 5)
        with pytest.raises(ValueError, match=f"{name}: label 7 is out of range; num_labels=0"):
            getattr(fp, name)(np.zeros(size), labels, 0)

    @pytest.mark.parametrize("label", [2**31 - 2, 2**40, 2**63 - 1, 2**63, 2**64 - 1])
    def test_labels_that_are_too_many(self, name, label):
        message = f"{name}: {label + 1} groups are more than the 2147483646 that there may be"
        with pytest.raises(ValueError, match=message):
            getattr(fp, name)([1.0, 2.0], np.array([0, label], np.uint64))
        with pytest.raises(ValueError, match=message):
            getattr(fp, name)([1.0], [0], label + 1)
        hidden = np.zeros(100_000, np.uint64)
        hidden[5] = label
        with pytest.raises(ValueError, match=message):
            getattr(fp, name)(np.zeros(hidden.size), hidden)

    def test_groups_past_memory(self, name, monkeypatch):
        monkeypatch.setattr(labels_module, "_memory", lambda: 1e9)
        message = f"{name}: 1000000001 groups take 40 GB of memory; number the labels from 0"
        for groups in (None, 1_000_000_001):
            with pytest.raises(MemoryError, match=message):
                getattr(fp, name)([1.0], [1_000_000_000], groups)
        with pytest.raises(MemoryError):
            getattr(fp, name)(np.zeros((2**30, 0)), np.zeros(0, int), 1_000_000_001)

    @pytest.mark.parametrize("number", [2.5, "3", [1]])
    def test_number_of_groups_that_is_none(self, name, number):
        with pytest.raises(TypeError, match=f"{name}: num_labels must be an integer, not"):
            getattr(fp, name)([1.0], [0], number)

    def test_negative_number_of_groups(self, name):
        with pytest.raises(ValueError, match=f"{name}: num_labels must not be negative, but .* -1"):
            getattr(fp, name)([1.0], [0], -1)

    @pytest.mark.parametrize("axis", [2, -3])
    def test_axis_that_is_none(self, name, axis):
        with pytest.raises(np.exceptions.AxisError, match=f"axis {axis} is out of bounds"):
            getattr(fp, name)(np.zeros((2, 3)), [0, 1], axis=axis)

    def test_axis_of_a_wrong_type(self, name):
        with pytest.raises(TypeError):
            getattr(fp, name)(np.zeros((2, 3)), [0, 1], axis="0")


@pytest.mark.parametrize("name", ["group_min", "group_max", "group_first", "group_last"])
@pytest.mark.parametrize("size", [2, 300_000])
def test_integers_have_no_nan_for_an_empty_group(name, size):
    values, labels = np.zeros(size, np.int32), np.zeros(size, int)
    labels[0] = 3
    with pytest.raises(ValueError, match=f"{name}: group 1 has no elements, and int32 has no NaN"):
        getattr(fp, name)(values, labels)


class TestBadBincount:
    @pytest.mark.parametrize("size", [3, 300_000])
    def test_negative(self, size):
        x = np.zeros(size, int)
        x[1] = -7
        with pytest.raises(ValueError, match="bincount: x must not be negative, .* is -7"):
            fp.bincount(x)

    def test_no_integers(self):
        with pytest.raises(TypeError, match="bincount: x must be integers, not float64"):
            fp.bincount([1.0])

    @pytest.mark.parametrize("x", [1, [[1, 2]]])
    def test_axes(self, x):
        with pytest.raises(ValueError, match="bincount: x must have one axis, but its shape is"):
            fp.bincount(x)

    @pytest.mark.parametrize("weights", [[1.0], [[1.0, 2.0]], 1.0])
    def test_weights_of_another_length(self, weights):
        with pytest.raises(ValueError, match=r"bincount: weights have shape .*; like x .*\(2,\)"):
            fp.bincount([0, 1], weights)
        with pytest.raises(ValueError, match="bincount: weights have shape"):
            fp.bincount(np.array([0, 1]), np.asarray(weights))

    def test_complex_weights(self):
        with pytest.raises(TypeError, match="bincount: weights of dtype complex128 .*weights.real"):
            fp.bincount([0, 1], [1j, 2])

    def test_minlength(self):
        with pytest.raises(ValueError, match="bincount: minlength must not be negative, but .* -1"):
            fp.bincount([0, 1], minlength=-1)
        with pytest.raises(TypeError, match="bincount: minlength must be an integer, not None"):
            fp.bincount([0, 1], minlength=None)

    def test_numbers_past_memory(self):
        with pytest.raises(ValueError, match="bincount: 1099511627777 groups are more than"):
            fp.bincount(np.array([0, 2**40]))

    @pytest.mark.parametrize("workers", [0, "2"])
    def test_workers(self, workers):
        with pytest.raises((TypeError, ValueError), match="workers must be"):
            fp.bincount(np.array([0, 1]), workers=workers)
