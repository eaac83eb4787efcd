"""Layer: tests.  Copies of any length, at any address, by one thread and by two."""

import threading

import numpy as np
import pytest

from fastproc.shm._copy import copy

LARGE = (1 << 24) + 1000  # streamed, and shared between two threads


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("n", [0, 1, 63, 4097, LARGE // 2, LARGE])
def test_all_bytes_and_no_others(n, threads):
    source = np.random.default_rng(n).integers(1, 256, n + 200, np.uint8)
    for to_offset, offset in [(0, 0), (1, 0), (17, 5), (64, 63)]:
        target = np.zeros(n + 200, np.uint8)
        copy(target[to_offset : to_offset + n], source[offset : offset + n], threads)
        assert (target[to_offset : to_offset + n] == source[offset : offset + n]).all()
        assert not target[:to_offset].any()
        assert not target[to_offset + n :].any()


def test_a_thread_that_cannot_be_had(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    source = np.arange(LARGE, dtype=np.uint8)
    target = np.zeros_like(source)
    copy(target, source, 2)
    assert (target == source).all()


def test_buffers_that_do_not_fit():
    with pytest.raises(ValueError, match="3 bytes cannot be copied into a buffer of 4"):
        copy(bytearray(4), b"abc")
    with pytest.raises(BufferError):
        copy(b"abc", b"abc")
    with pytest.raises(ValueError, match="not C-contiguous"):
        copy(bytearray(2), np.zeros(4, np.uint8)[::2])
