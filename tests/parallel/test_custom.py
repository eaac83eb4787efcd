"""Layer: tests of the kernels on every core.  `kernel`: C functions of others over arrays."""

import ctypes
import ctypes.util
import pickle
import re
import sys

import numpy as np
import pytest
from arrays import fill
from numpy.testing import assert_array_equal

import fastproc as fp
from fastproc.parallel import cfunction, custom

WAVES = """
from libc.stdint cimport int64_t

cdef api double shifted(double x) noexcept nogil:
    return x + 0.5

cdef api float times(float x, float y) noexcept nogil:
    return x * y

cdef api void doubled(const int64_t* x, int64_t* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = 2 * x[i]

cdef api void summed(const int* x, const int* y, int* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = x[i] + y[i]

cdef api void partial(const double* x, Py_ssize_t n, double* state) noexcept nogil:
    cdef Py_ssize_t i
    state[0] = n
    state[1] = 0
    for i in range(n):
        state[1] += x[i]

cdef api void merge(double* into, const double* other) noexcept nogil:
    into[0] += other[0]
    into[1] += other[1]

cdef api double mean(const double* state) noexcept nogil:
    return state[1] / state[0]

cdef api double with_data(double x, void* data) noexcept nogil:
    return x

cdef api int parts(char* x) noexcept nogil:
    return 0
"""


@pytest.fixture(scope="module", autouse=True)
def module(tmp_path_factory):
    """Build a Cython module of functions, for this process and its workers."""
    pytest.importorskip("Cython", reason="Cython is in the extra 'test'")
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    folder = tmp_path_factory.mktemp("waves")
    source = folder / "fastproc_test_waves.pyx"
    source.write_text(WAVES)
    extensions = cythonize(
        [Extension("fastproc_test_waves", [str(source)])], language_level=3, quiet=True
    )
    build = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
    build.build_lib = build.build_temp = str(folder)
    build.ensure_finalized()
    build.run()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield __import__("fastproc_test_waves")
    sys.modules.pop("fastproc_test_waves")


@pytest.fixture(scope="module")
def pool(module):
    with fp.Pool(2, context="spawn") as processes:
        yield processes


def waves(name):
    return f"fastproc_test_waves:{name}"


def of_libm(name, n_arguments=1):
    function = getattr(ctypes.CDLL(ctypes.util.find_library("m")), name)
    function.argtypes = [ctypes.c_double] * n_arguments
    function.restype = ctypes.c_double
    return function


LAYOUTS = {
    "contiguous": lambda a: a,
    "transposed": lambda a: a.T,
    "stepped": lambda a: a[::-1, ::3],
    "no axes": lambda a: a[0, 0],
    "empty": lambda a: a[:0],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_form(layout):
    x = LAYOUTS[layout](fill((130, 200), "float64", 1, "plain"))
    assert_array_equal(fp.kernel(waves("shifted"))(x), x + 0.5)
    f = x.astype("f4")
    assert_array_equal(fp.kernel(waves("times"))(f, f), f * f)
    q = (10 * x).astype("i8")
    assert_array_equal(fp.kernel(waves("doubled"))(q), 2 * q)
    i = (10 * x).astype("i4")
    assert_array_equal(fp.kernel(waves("summed"))(i, i), i + i)
    for result, dtype in (
        (fp.kernel(waves("times"))(f, f), "f4"),
        (fp.kernel(waves("doubled"))(q), "i8"),
    ):
        assert result.dtype == dtype
        assert type(result) is (np.dtype(dtype).type if x.ndim == 0 else np.ndarray)


def test_operands_are_broadcast():
    row, column = np.arange(9000, dtype="i4"), np.arange(3, dtype="i4")[:, None]
    summed = fp.kernel(waves("summed"))
    assert_array_equal(summed(row, column), row + column)
    assert_array_equal(summed(5, row), row + 5)
    assert_array_equal(fp.kernel(of_libm("hypot", 2))([3.0, 6.0], 4), [5, np.hypot(6, 4)])


@pytest.mark.parametrize("form", ["shifted", "partial"])
def test_bits_for_every_worker(form, pool):
    x = fill((300_000,), "float64", 1, "plain")
    kernel = fp.kernel(waves("shifted")) if form == "shifted" else mean_kernel()
    kernel._ns_per_element = 100
    for array in (x, fp.share(x), x[::-2]):
        kernel._ns_per_element = 1000.0
        expected = kernel(array, workers=1)
        kernel._ns_per_element = 1000.0
        for workers in (None, 2, 3, pool):
            assert np.array(kernel(array, workers=workers)).tobytes() == expected.tobytes()


def mean_kernel(**options):
    functions = {"merge": waves("merge"), "finalize": waves("mean"), "state": 2, **options}
    return fp.kernel(waves("partial"), **functions)


@pytest.mark.parametrize("size", [1, 100, 4096, 4097, 50_000])
def test_a_reduction(size):
    x = fill((size,), "float64", 1, "plain")
    np.testing.assert_allclose(mean_kernel()(x), x.mean(), rtol=1e-12)
    state = mean_kernel(finalize=None)(x.reshape(-1, 1)[::-1])
    assert state[0] == size
    np.testing.assert_allclose(state[1], x.sum(), rtol=1e-12)
    assert mean_kernel(finalize=None)([]).tolist() == [0, 0]


def test_out():
    x = fill((20_000,), "float64", 1, "plain")
    shifted = fp.kernel(waves("shifted"))
    expected = x + 0.5
    out = np.empty_like(x)
    assert shifted(x, out) is out
    assert_array_equal(out, expected)
    single = np.empty(x.shape, "f4")
    assert shifted(x, out=single) is single
    assert_array_equal(single, expected.astype("f4"))
    for source, target in ((x[:-1].copy(), None), (x[:-1], x[1:]), (x, x), (x, x[::-1])):
        expected = source + 0.5
        target = source if target is None else target
        assert shifted(source, out=target) is target
        assert_array_equal(target, expected)


def test_it_learns_what_an_element_takes():
    kernel = fp.kernel(waves("shifted"))
    kernel(np.ones(100_000), workers=1)
    assert kernel._ns_per_element != custom.NS_PER_ELEMENT


def test_what_kernels_are_pickled_as(module, pool):
    for kernel in (fp.kernel(waves("shifted")), mean_kernel(), fp.kernel(of_libm("sinh"))):
        x = np.linspace(0, 1, 10)
        expected = kernel(x)
        assert_array_equal(pickle.loads(pickle.dumps(kernel))(x), expected)
        assert_array_equal(pool.apply(kernel, (x,)), expected)
    capsule = module.__pyx_capi__["shifted"]
    assert fp.kernel(capsule)._function is cfunction.found(waves("shifted"))


def test_a_function_of_this_process_only():
    square = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda x: x * x)
    kernel = fp.kernel(square)
    assert kernel(3.0) == 9.0
    if sys.platform == "linux":
        with pytest.raises(TypeError, match="known by its address alone, which means nothing in"):
            pickle.dumps(kernel)


def test_low_level_callables():
    scipy = pytest.importorskip("scipy", reason="SciPy is in the extra 'test'")
    module = sys.modules["fastproc_test_waves"]
    of_cython = scipy.LowLevelCallable.from_cython(module, "shifted")
    assert fp.kernel(of_cython)(1.0) == 1.5
    assert fp.kernel(scipy.LowLevelCallable(of_libm("floor")))(1.5) == 1.0
    with_data = scipy.LowLevelCallable.from_cython(module, "with_data", ctypes.c_void_p(0))
    with pytest.raises(TypeError, match="has user data; pass a function that needs none"):
        fp.kernel(with_data)


def test_functions_of_numba(pool):
    numba = pytest.importorskip("numba", reason="numba is in the extra 'test'")
    factor = 3.0

    @numba.cfunc("float64(float64)")
    def tripled(x):
        return factor * x

    pointer = numba.types.CPointer
    double, size = numba.types.float64, numba.types.intp

    @numba.cfunc(numba.types.void(pointer(double), size, pointer(double)))
    def greatest(x, n, state):
        state[0] = -np.inf
        for i in range(n):
            state[0] = max(state[0], x[i])

    @numba.cfunc(numba.types.void(pointer(double), pointer(double)))
    def merge(into, other):
        into[0] = max(into[0], other[0])

    x = fill((100_000,), "float64", 1, "plain")
    for kernel, expected in (
        (fp.kernel(tripled), 3 * x),
        (fp.kernel(greatest, merge=merge, state=1), x.max()),
    ):
        for workers in (1, 2, pool):
            kernel._ns_per_element = 1000.0
            assert_array_equal(kernel(x, workers=workers), expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("double (double)", "float64 (float64)"),
        ("  float( const float , float )noexcept nogil", "float32 (float32, float32)"),
        ("void (npy_int64 const *, long long *, ssize_t)", "void (int64*, int64*, int64)"),
        ("int32_t (void)", "int32 ()"),
        ("double (double, void *)", "float64 (float64, void*)"),
    ],
)
def test_signatures(text, expected):
    assert str(cfunction.parsed(text)) == expected


@pytest.mark.parametrize(
    ("misuse", "error", "message"),
    [
        (lambda: fp.kernel(len), TypeError, "<built-in function len> is no C function; pass 'mod"),
        (
            lambda: fp.kernel("waves"),
            ValueError,
            "'waves' names no function; write it as 'package.",
        ),
        (lambda: fp.kernel("no_such:f"), ImportError, "No module named 'no_such'"),
        (
            lambda: fp.kernel("math:sin"),
            AttributeError,
            "module 'math' has no C function 'sin' for",
        ),
        (lambda: fp.kernel(waves("none")), AttributeError, "it has doubled, mean, merge, partial"),
        (lambda: fp.kernel(waves("parts")), ValueError, "'char *' is no type of elements; there"),
        (
            lambda: cfunction.parsed("double"),
            ValueError,
            "'double' is no signature of a C function",
        ),
        (lambda: fp.kernel(waves("with_data")), TypeError, "has none of the signatures that a ker"),
        (lambda: fp.kernel(waves("merge")), TypeError, "has none of the signatures that a kernel"),
        (
            lambda: fp.kernel(waves("shifted"), state=2),
            TypeError,
            "merge, finalize and state are a reduction's, but <C function fastproc_test_waves:shif",
        ),
        (lambda: fp.kernel(waves("partial")), ValueError, "is a reduction's partial; pass merge,"),
        (lambda: mean_kernel(state=0), ValueError, "kernel: state must be at least 1, not 0"),
        (lambda: mean_kernel(state=1.5), TypeError, "'float' object cannot be interpreted as an"),
        (
            lambda: mean_kernel(merge=waves("shifted")),
            TypeError,
            "kernel: merge must have the signature void (float64*, float64*), not <C function",
        ),
        (lambda: fp.kernel(waves("shifted"))(1, 2, 3), TypeError, "shifted takes 1 array, not 3"),
        (lambda: fp.kernel(waves("times"))(1), TypeError, "times takes 2 arrays, not 1"),
        (
            lambda: fp.kernel(waves("doubled"))(1.5),
            TypeError,
            "elements are int64, to which float64 cannot be cast by the rule 'same_kind'",
        ),
        (
            lambda: fp.kernel(waves("shifted"))([1j]),
            TypeError,
            "dtype complex128 is not supported",
        ),
        (
            lambda: fp.kernel(waves("shifted"))([1.0], out=np.zeros(2)),
            ValueError,
            "out has shape (2,); the result has shape (1,)",
        ),
        (lambda: fp.kernel(waves("times"))([1, 2], [1, 2, 3]), ValueError, "broadcast"),
        (lambda: fp.kernel(waves("shifted"))([1.0], workers=0), ValueError, "at least 1, not 0"),
    ],
)
def test_misuse(misuse, error, message):
    with pytest.raises(error, match=re.escape(message)):
        misuse()


def test_a_ctypes_function_must_say_what_it_takes():
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    with pytest.raises(TypeError, match="has no argtypes; say what it takes, and its restype"):
        fp.kernel(libm.cos)
    libm.cos.argtypes = [ctypes.c_char]
    with pytest.raises(ValueError, match="c_char.* is no type of elements"):
        fp.kernel(libm.cos)
