"""A function of numba.cfunc as a kernel, in threads and in a pool's processes.

python examples/kernels/numba_function.py
"""

import numba
import numpy as np

import fastproc as fp

CHUNK = numba.types.void(
    numba.types.CPointer(numba.types.float64),
    numba.types.CPointer(numba.types.float64),
    numba.types.intp,
)


@numba.cfunc("float64(float64)")
def logistic(x):
    """One result of one element."""
    for _ in range(50):
        x = 3.9 * x * (1 - x)
    return x


@numba.cfunc(CHUNK)
def differences(x, out, n):
    """Results of a chunk."""
    for i in range(n):
        out[i] = x[i] * x[i] - 1


def main() -> None:
    x = np.random.default_rng(1).random(200_000)
    kernel = fp.kernel(logistic)
    with fp.Pool(2) as pool:
        # Each worker compiles the function once, from its Python source.
        results = [kernel(x, workers=workers) for workers in (1, 2, pool)]
    assert all(np.array_equal(results[0], each) for each in results)
    print(f"logistic: mean {results[0].mean():.6f}")
    print(f"differences: {fp.kernel(differences)([1.0, 2.0, 3.0]).tolist()}")


if __name__ == "__main__":
    main()
