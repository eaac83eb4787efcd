"""Call a module that has fastproc's kernels compiled in.

Build the module before:  python setup.py build_ext --inplace
"""

import numpy as np
import stats

import fastproc as fp

x = np.random.default_rng(1).normal(1e6, 2, size=100_000)
out = np.empty_like(x)
stats.standardized(x, out)
print(f"mean {fp.mean(out):.6f}, standard deviation {fp.std(out):.6f}")
assert np.array_equal(out, (x - fp.mean(x)) / fp.std(x))  # the bits of the Python functions
