"""Layer: tests of the kernels.  The choice of the CPU level."""

import os
import subprocess
import sys

import pytest

from fastproc.kernels import _cpu, dispatch


def level_with(value):
    environment = {**os.environ, "FASTPROC_CPU_LEVEL": value}
    code = "from fastproc.kernels import dispatch; print(dispatch.level)"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )


@pytest.mark.parametrize("level", dispatch.available_levels())
def test_every_level_that_is_there_can_be_asked_for(level):
    assert level_with(level).stdout.strip() == level


def test_best_level_is_the_default():
    assert level_with("").stdout.strip() == dispatch.available_levels()[0]


def test_unknown_level_is_refused():
    answer = level_with("v9")
    assert answer.returncode == 1
    assert "ConfigError: FASTPROC_CPU_LEVEL is 'v9'; this machine has [" in answer.stderr


def test_baseline_is_always_supported():
    assert _cpu.supported_levels()[-1] == "baseline"
    assert set(dispatch.available_levels()) <= set(_cpu.supported_levels())


def test_an_installation_without_kernels_says_what_to_do(monkeypatch):
    monkeypatch.setattr(dispatch, "available_levels", list)
    with pytest.raises(ImportError, match="no kernels for this CPU.*pip install"):
        dispatch._choose_level()
