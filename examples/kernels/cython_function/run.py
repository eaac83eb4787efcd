"""Functions of a Cython module as kernels: threads or a pool call them, and never hold the GIL.

Build the module before:  python setup.py build_ext --inplace
"""

import numpy as np

import fastproc as fp


def main() -> None:
    ripple = fp.kernel("waves:ripple")
    x = np.linspace(-3, 3, 1000)
    heights = ripple(x, x[:, None])  # broadcast, on all cores
    print(f"ripple: {heights.shape}, at the centre {heights[500, 500]:.4f}")

    gain = fp.kernel("waves:gain")
    signal = np.sin(np.arange(1_000_000, dtype=np.float32))
    gain(signal, out=signal)  # in place
    print(f"gain: at most {signal.max():.4f}")

    crest = fp.kernel("waves:level", merge="waves:merge", finalize="waves:crest", state=2)
    noise = np.random.default_rng(1).normal(size=1_000_000)
    with fp.Pool(2) as pool:
        # The same bits, whoever does the work; the processes import `waves` by its name.
        results = {float(crest(noise, workers=workers)) for workers in (1, 2, pool)}
    print(f"crest: {results}")
    assert len(results) == 1


if __name__ == "__main__":
    main()
