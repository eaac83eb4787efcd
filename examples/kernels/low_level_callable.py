"""A scipy.LowLevelCallable as a kernel: what SciPy integrates, fastproc applies to arrays.

python examples/kernels/low_level_callable.py
"""

import ctypes
import ctypes.util

import numpy as np
from scipy import LowLevelCallable, integrate, special

import fastproc as fp


def main() -> None:
    # The error function of the C library.
    erf = ctypes.CDLL(ctypes.util.find_library("m")).erf
    erf.argtypes, erf.restype = [ctypes.c_double], ctypes.c_double
    function = LowLevelCallable(erf)

    area, _ = integrate.quad(function, 0, 1)
    print(f"integral from 0 to 1: {area:.6f}")

    kernel = fp.kernel(function)
    x = np.linspace(-3, 3, 1_000_000)
    with fp.Pool(2) as pool:
        results = [kernel(x, workers=workers) for workers in (1, 2, pool)]
    assert all(np.array_equal(results[0], each) for each in results)
    print(
        f"erf(1): {kernel(1.0):.6f}, greatest difference to SciPy's: "
        f"{np.abs(results[0] - special.erf(x)).max():.0e}"
    )


if __name__ == "__main__":
    main()
