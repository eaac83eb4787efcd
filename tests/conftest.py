"""Layer: tests.  What all tests share: hypothesis's profile and the helpers beside this file."""

import os
import signal
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# `arrays.py`: pytest imports a test by its own folder, not by this one.
sys.path.insert(0, str(Path(__file__).parent))

# Python processes that tests start must import the installed fastproc, as this one does, and not
# the sources in the folder that they happen to start in.
os.environ["PYTHONSAFEPATH"] = "1"

# A shell's job in the background ignores Ctrl-C, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_ignore_collect(collection_path, config):
    """Leave out the sanitizers, which compile all for minutes, unless they are asked for."""
    if collection_path.name == "sanitizers" and not any("sanitizers" in arg for arg in config.args):
        return True
    return None


def pytest_collection_modifyitems(items):
    """Put the tests on Dask last: its client's threads stay, and others count threads and files."""
    items.sort(key=lambda item: "dask" in item.path.parts)


settings.register_profile(
    "fastproc",
    max_examples=60,
    deadline=None,  # timings belong to bench/
    derandomize=True,  # the same tests in every run; a long run is `--hypothesis-profile=long`
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "long", parent=settings.get_profile("fastproc"), max_examples=3000, derandomize=False
)
# For Python under a sanitizer, which is slow, and for kernels that differ by compiler flags only.
settings.register_profile("few", parent=settings.get_profile("fastproc"), max_examples=6)
settings.load_profile("fastproc")
