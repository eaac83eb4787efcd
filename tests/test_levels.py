"""Layer: tests.  Every CPU level: the same bits, and the same tests pass."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import samples
from arrays import COMPILED, fill

from fastproc.catalogue import FAMILY_OF as KERNELS
from fastproc.kernels import dispatch

OTHERS = [level for level in dispatch.available_levels() if level != dispatch.level]


def digest():
    """Return a hash of every kernel's results on arrays of every dtype and many sizes."""
    state = hashlib.sha256()
    for dtype in COMPILED:
        for how in ("plain", "nan", "huge", "offset"):
            for shape in ((7,), (31,), (100,), (4096,), (10_001,), (300, 50), (50, 301), (2000, 3)):
                array = fill(shape, dtype, 1, how)
                for name in KERNELS:
                    for call in samples.calls(name, array):
                        for part in samples.parts(call()):
                            state.update(np.asarray(part).tobytes())
    return state.hexdigest()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bits_are_the_same_at_every_level():
    expected = digest()
    code = (
        "import warnings; warnings.simplefilter('ignore'); import sys; sys.path.insert(0, '.');"
        "import test_levels; print(test_levels.digest())"
    )
    for level in OTHERS:
        answer = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parent,
            env={**os.environ, "FASTPROC_CPU_LEVEL": level},
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer.stdout.strip() == expected, level


@pytest.mark.parametrize("level", OTHERS)
def test_the_kernels_are_right_at(level):
    """The tests against twins pass; that bits are the same, above, says the same of exactness."""
    here = Path(__file__).parent
    options = ["-q", "-p", "no:cacheprovider", "--hypothesis-profile=few"]
    options += ["-k", "twin and not signature and not 100000"]
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", *options, here / "parallel"],
        cwd=here.parent,
        env={**os.environ, "FASTPROC_CPU_LEVEL": level},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stdout[-3000:]
