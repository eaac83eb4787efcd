"""Layer: tests.  Arrays to test kernels with: hypothesis strategies for hostile shapes, strides and
values.
"""

import hypothesis.strategies as st
import numpy as np

#: NumPy 1 promotes Python numbers by their value, NumPy 2 by their kind (NEP 50).
NUMPY_1 = np.lib.NumpyVersion(np.__version__) < "2.0.0"

COMPILED = ("float64", "float32", "int64", "int32")
CONVERTED = (
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    ">f8",
    ">i4",
)

#: Around the sizes at which the loops change: lanes, blocks, chunks.
LENGTHS = (0, 1, 2, 7, 31, 32, 33, 63, 65, 255, 256, 257, 1000, 4095, 4096, 4097, 9000)


@st.composite
def shapes(draw):
    n_dims = draw(st.integers(0, 4))
    if n_dims == 0:
        return ()
    if n_dims == 1:
        return (draw(st.sampled_from(LENGTHS)),)
    shape = [draw(st.sampled_from((0, 1, 2, 3, 5, 16, 33))) for _ in range(n_dims)]
    if n_dims <= 3:
        axis = draw(st.integers(0, n_dims - 1))
        shape[axis] = draw(st.sampled_from((1, 31, 130, 300, 600)))
    return tuple(shape)


def fill(shape, dtype, seed, how):
    """Return an array of the shape; `how` says what is strange about its values."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        if how == "huge":
            limits = np.iinfo(dtype)
            values = rng.integers(limits.min, limits.max, shape, endpoint=True, dtype=dtype.name)
            return np.asarray(values).astype(dtype)
        low = 0 if dtype.kind == "u" else -50
        return np.asarray(rng.integers(low, 50, shape)).astype(dtype)
    scale = {"huge": 1e4 if dtype.itemsize == 2 else 1e30, "tiny": 1e-3}.get(how, 1)
    values = np.asarray(rng.normal(size=shape) * scale)
    if how == "ties":
        values = np.round(values)
    if how == "offset":
        values = values + (1000 if dtype.itemsize == 2 else 1e6)
    if how in ("nan", "inf", "both"):
        special = {"nan": [np.nan], "inf": [np.inf, -np.inf], "both": [np.nan, np.inf, -np.inf]}
        rarity = rng.choice([0.001, 0.1, 1.0], p=[0.4, 0.4, 0.2])
        values = np.where(rng.random(shape) < rarity, rng.choice(special[how], shape), values)
    return np.asarray(values).astype(dtype)


@st.composite
def views(draw, array):
    """Return a view of the array: axes moved, reversed, stepped over, repeated or unaligned."""
    if array.ndim and draw(st.booleans()):
        array = array.transpose(draw(st.permutations(range(array.ndim))))
    if array.ndim and draw(st.booleans()):
        array = np.asfortranarray(array)
    steps = st.sampled_from((slice(None), slice(None, None, -1), slice(1, None, 2)))
    if draw(st.booleans()):
        array = array[tuple(draw(steps) for _ in range(array.ndim))]
    if array.ndim and array.size and array.size < 1000 and draw(st.integers(0, 5)) == 0:
        array = np.broadcast_to(array, (3, *array.shape))
    if array.ndim and draw(st.integers(0, 5)) == 0:
        record = np.zeros(array.shape, np.dtype([("flag", "i1"), ("value", array.dtype)]))
        record["value"] = array
        array = record["value"]
        assert array.size == 0 or not array.flags.aligned or array.dtype.itemsize == 1
    return array


@st.composite
def arrays(
    draw, dtypes=COMPILED, how=("plain", "ties", "huge", "tiny", "offset", "nan", "inf", "both")
):
    """Return any array of one of the dtypes."""
    array = fill(
        draw(shapes()),
        draw(st.sampled_from(dtypes)),
        draw(st.integers(0, 2**16)),
        draw(st.sampled_from(how)),
    )
    return draw(views(array))


@st.composite
def axes(draw, n_dims, several=True):
    """Return an `axis` argument that an array of n_dims dimensions takes."""
    if n_dims == 0:
        return None
    one = st.integers(-n_dims, n_dims - 1)
    choice = draw(st.integers(0, 2 if several else 1))
    if choice == 0:
        return None
    if choice == 1:
        return draw(one)
    chosen = draw(st.sets(st.integers(0, n_dims - 1)))
    return tuple(draw(st.permutations(sorted(chosen))))
