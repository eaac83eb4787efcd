"""Layer: tests.  Where bytes come from, and each way in which they can be refused."""

import errno
import os
import tempfile

import numpy as np
import pytest

from fastproc import config
from fastproc.errors import ConfigError, SegmentGoneError
from fastproc.shm import memory, segment
from fastproc.shm.array import share


@pytest.fixture
def limit(monkeypatch):
    def set_limit(nbytes):
        memory.most_bytes.cache_clear()
        monkeypatch.setattr(config, "memory_limit", lambda: nbytes)

    yield set_limit
    memory.most_bytes.cache_clear()


def test_memory_is_fresh_and_zero(backend):
    block = memory.create(8192)
    assert block.kind == ("memfd" if backend == "memfd" else "file")
    assert bytes(block.mapping) == bytes(8192)
    block.drop()
    block.drop()
    assert block.fd == -1


def test_the_cgroups_limit_is_kept(limit, backend):
    limit(100_000)
    with pytest.raises(MemoryError, match="of 100,001 bytes was asked for, but at most 100,000"):
        memory.create(100_001)
    memory.create(100_000).drop()


def test_the_machines_memory_is_the_limit_without_a_cgroup(limit):
    limit(None)
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with pytest.raises(MemoryError, match=f"at most {physical:,} bytes"):
        memory.create(physical + 1)


def test_memfd_where_there_is_none(monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setenv("FASTPROC_SEGMENTS", "memfd")
    with pytest.raises(ConfigError, match="is 'memfd', which this system lacks; use 'portable'"):
        memory.create(4096)
    monkeypatch.delenv("FASTPROC_SEGMENTS")
    block = memory.create(4096)
    assert block.kind == "file"
    block.drop()


def test_no_room_for_a_file(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTPROC_SEGMENTS", "portable")

    class Full:
        f_bavail, f_frsize = 1, 4096

    monkeypatch.setattr(os, "statvfs", lambda folder: Full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(MemoryError, match=f"no room for a segment of 8,192 bytes in {tmp_path}"):
        memory.create(8192)


def test_a_file_goes_where_there_is_room(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTPROC_SEGMENTS", "portable")
    monkeypatch.setattr(os, "access", lambda folder, mode: folder != "/dev/shm")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    block = memory.create(8192)
    assert os.readlink(f"/proc/self/fd/{block.fd}").startswith(str(tmp_path))
    assert not os.listdir(tmp_path)
    block.drop()


@pytest.mark.parametrize(
    ("number", "expected", "sentence"),
    [
        (errno.ENOMEM, MemoryError, "the system refuses a segment of 8,192 bytes"),
        (errno.ENOSPC, MemoryError, "the system refuses a segment of 8,192 bytes"),
        (errno.EMFILE, OSError, "put many small ones into one large one, or raise `ulimit -n`"),
        (errno.ENFILE, OSError, "drop some shared arrays"),
        (errno.EPERM, PermissionError, "Operation not permitted"),
    ],
)
@pytest.mark.parametrize("function", ["memfd_create", "ftruncate"])
def test_what_the_system_refuses(monkeypatch, function, number, expected, sentence):
    def refuse(*args):
        raise OSError(number, os.strerror(number))

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, function, refuse)
    with pytest.raises(expected, match=sentence):
        memory.create(8192)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_failed_mapping_closes_the_descriptor(monkeypatch):
    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(memory.mmap, "mmap", _refuse_to_map)
    with pytest.raises(OSError, match="mmap"):
        memory.create(8192)
    assert len(os.listdir("/proc/self/fd")) == before


def _refuse_to_map(*args, **kwargs):
    raise OSError(errno.EACCES, "mmap")


def test_nobody_holds_it_any_more(monkeypatch):
    place = ("memfd", (1, 2), (2**22 + 1, 3), (2**22 + 2, 4))
    with pytest.raises(SegmentGoneError, match="process 4194305 and process 4194306, which held"):
        memory.open_place(place)


def test_a_number_that_now_means_another_file():
    read, write = os.pipe()  # opening it again would block
    try:
        with pytest.raises(SegmentGoneError, match="send it only to processes of the same user"):
            memory.open_place(("memfd", (1, 2), (os.getpid(), read)))
    finally:
        os.close(read)
        os.close(write)


def test_the_next_holder_is_asked():
    block = memory.create(8192)
    kind, identity, here = block.place(os.getpid(), block.fd)
    again = memory.open_place((kind, identity, (2**22 + 1, 3), here))
    block.mapping[:3] = b"abc"
    assert again.mapping[:3] == b"abc"
    block.drop()
    again.drop()


def test_the_right_place_with_other_contents():
    array = share([1, 2, 3])
    handle = segment.send(array._segment)
    with pytest.raises(SegmentGoneError, match="is gone, and something else is in its place; keep"):
        segment.receive(handle._replace(token=bytes(16)))
    assert segment.receive(handle)[0] is array._segment


def test_a_file_from_a_sender_that_is_gone():
    class Gone:
        def detach(self):
            raise ConnectionRefusedError

    with pytest.raises(SegmentGoneError, match="its sender has ended, is no relative of this pro"):
        memory.open_place(("file", Gone()))


def test_long_writes_are_finished(monkeypatch, backend):
    """One call of the system writes at most 2 GiB, and may write less."""
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, start: pwrite(fd, data[:3], start))
    block = memory.create(8192)
    block.write(4090, memoryview(b"0123456789"))
    assert block.mapping[4088:4102] == b"\0\x000123456789\0\0"
    block.drop()


def test_writes_without_a_descriptor_go_through_the_mapping():
    block = memory.create(8192)
    block.drop()
    block.write(10, memoryview(b"abc"))
    assert block.mapping[9:14] == b"\0abc\0"


def test_a_write_that_finds_no_memory(monkeypatch):
    def refuse(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(MemoryError, match="the system refuses a segment of"):
        share(np.ones(10**6))
