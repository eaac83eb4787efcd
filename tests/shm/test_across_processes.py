"""Layer: tests.  Shared arrays that travel: every start method, every kind of memory."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from relatives import Relative

from fastproc.config import MIB
from fastproc.errors import SegmentGoneError
from fastproc.shm import segment
from fastproc.shm.array import SharedArray, share, shared_empty, shared_zeros

#: What is left of a closed segment while somebody has it mapped, in the 512 bytes of st_blocks.
HEADER_BLOCKS = 4096 // 512

RECORD = np.dtype([("a", "i4"), ("b", "f8"), ("c", "S3")])


# What relatives are told to do.


def describe(array):
    return type(array).__name__, array.shape, array.strides, array.dtype.str, array.tolist()


def negate(array):
    array[...] = -array


def fill(array, value):
    array[...] = value


def total(array):
    return float(array.sum())


def writeable(array):
    return array.flags.writeable


def temporary(value, size):
    return share(np.full(size, value, float))


def several(count):
    return [share(np.full(1000, value, float)) for value in range(count)]


_kept = {}


def keep(name, array):
    _kept[name] = array


def kept_total(name):
    return float(_kept[name].sum())


def drop(name):
    del _kept[name]


def pass_on(name):
    return _kept[name]


def mappings():
    with open("/proc/self/maps") as maps:
        return sum("fastproc" in line for line in maps)


def states():
    with segment._process.guard:
        pass
    process = segment._process
    return tuple(len(kept) for kept in (process.segments, process.waiting, process.idle))


# Views.

VIEWS = {
    "whole": lambda x: x,
    "slice": lambda x: x[1:3],
    "steps": lambda x: x[::2, 1::2],
    "negative strides": lambda x: x[::-1, ::-2],
    "transposed": lambda x: x.T,
    "new axis": lambda x: x[:, None],
    "reshaped": lambda x: x.reshape(2, 2, 6),
    "column": lambda x: x[:, 3],
    "0-d": lambda x: x[1, 2, ...],
    "zero size": lambda x: x[2:2],
    "other dtype": lambda x: x.view("i4"),
    "other byte order": lambda x: x.view(x.dtype.newbyteorder()),
    "part of complex": lambda x: x.view("c16").imag,
    "windows": lambda x: np.lib.stride_tricks.as_strided(x, (2, 2, 6), (96, 48, 8), subok=True),
}


@pytest.mark.parametrize("view", VIEWS)
def test_views_are_written_through(view, relative):
    x = share(np.arange(24.0).reshape(4, 6))
    y = VIEWS[view](x)
    assert relative.call(describe, y) == describe(y)
    expected = np.array(x)
    negate(VIEWS[view](expected))
    relative.call(negate, VIEWS[view](x))
    np.testing.assert_array_equal(x, expected)


def test_fields_are_written_through(relative):
    x = shared_zeros(3, RECORD)
    relative.call(fill, x["b"], 2.5)
    relative.call(fill, x["c"][1:], b"abc")
    assert x.tolist() == [(0, 2.5, b""), (0, 2.5, b"abc"), (0, 2.5, b"abc")]


def test_column_major_arrays_stay_so(relative):
    x = shared_zeros((3, 4), order="F")
    assert relative.call(describe, x)[2] == x.strides == (8, 24)


def test_read_only_arrays_stay_so(relative):
    x = shared_zeros(3)
    assert relative.call(writeable, x)
    x.flags.writeable = False
    assert not relative.call(writeable, x[1:])
    assert not relative.call(writeable, np.broadcast_to(shared_zeros(3), (2, 3), subok=True))
    with pytest.raises(ValueError, match="read-only"):
        relative.call(fill, x, 1)


def test_several_views_in_one_message(relative):
    x = shared_zeros((4, 4))
    relative.call(_set_both, (x[0], x.T[1]))
    assert x.sum() == 11
    assert x[0, 1] == 2


def _set_both(views):
    views[0][...] = 1
    views[1][...] = 2


@pytest.fixture(scope="module", params=["fork", "spawn"])
def lasting_relative(request):
    lasting = Relative(request.param)
    yield lasting
    lasting.end()


@st.composite
def chains(draw):
    """Indices, transpositions and reshapes, one after another."""
    steps = []
    array = np.arange(120).reshape(2, 3, 4, 5)
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["index", "transpose", "reshape", "newaxis"]))
        if kind == "index" and array.ndim:
            step = ("__getitem__", (*(draw(_index(length)) for length in array.shape), ...))
        elif kind == "transpose":
            step = ("transpose", tuple(draw(st.permutations(range(array.ndim)))))
        elif kind == "reshape" and array.flags.c_contiguous:
            step = ("reshape", draw(st.sampled_from([(-1,), (1, -1), (-1, 1)])))
        else:
            step = ("__getitem__", (None, ...))
        if array.size == 0 and step[0] == "reshape":
            step = ("__getitem__", ...)
        array = getattr(array, step[0])(step[1])
        steps.append(step)
    return steps


def _index(length):
    bound = st.none() | st.integers(-length - 1, length + 1)
    slices = st.builds(slice, bound, bound, st.sampled_from([None, 1, -1, 2, -2]))
    return slices | st.integers(0, length - 1) if length else slices


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(steps=chains())
def test_any_chain_of_views(steps, lasting_relative):
    x = share(np.arange(120).reshape(2, 3, 4, 5))
    expected = np.array(x)
    y, z = x, expected
    for name, argument in steps:
        y, z = getattr(y, name)(argument), getattr(z, name)(argument)
    if not isinstance(y, np.ndarray):
        return  # a scalar
    assert type(y) is SharedArray
    assert relative_description(lasting_relative, y) == describe(y)
    lasting_relative.call(negate, y)
    np.negative(z, out=z)
    np.testing.assert_array_equal(x, expected)


def relative_description(relative, array):
    return relative.call(describe, array)


# Who keeps what.


def test_temporaries_of_a_relative_arrive(relative):
    for value in range(5):
        array = relative.call(temporary, value, 1000)
        assert type(array) is SharedArray
        assert (array == value).all()
    arrays = relative.call(several, 20)
    assert [array[0] for array in arrays] == list(range(20))
    assert [array.sum() for array in arrays] == [1000 * value for value in range(20)]


def test_temporaries_of_this_process_arrive(relative):
    for value in range(5):
        relative.ask(total, share(np.full(1000, float(value))))
        others = [share(np.full(1000, -1.0)) for _ in range(3)]
        assert relative.answer() == 1000 * value
        del others


def test_a_relatives_memory_is_recycled_once_we_have_dropped_it():
    relative = Relative("spawn")
    inodes = set()
    for value in range(10):
        array = relative.call(temporary, value, 1000)
        inodes.add(os.fstat(array._segment.memory.fd).st_ino)
        del array
    relative.end()
    # Two: while the next is made, the last is still held here or on its way.
    assert len(inodes) <= 2


def test_the_same_array_is_mapped_once_and_stays_mapped(relative, backend):
    x = shared_zeros(100)
    relative.call(total, x)
    before = relative.call(mappings)
    for _ in range(50):
        relative.call(total, x[1:])
    assert relative.call(mappings) == before
    assert before >= 1


def test_idle_mappings_are_dropped_once_the_owner_has_closed(make_relative, monkeypatch):
    relative = make_relative("spawn")
    x = shared_zeros(MIB)
    relative.call(fill, x, 1)
    assert relative.call(states) == (1, 0, 1)
    monkeypatch.setenv("FASTPROC_SEGMENT_CACHE", "0")
    witness = os.dup(x._segment.memory.fd)
    del x
    # Before the relative has done a thing its idle mapping holds no memory.
    assert os.fstat(witness).st_blocks == HEADER_BLOCKS
    os.close(witness)
    assert relative.call(states) == (0, 0, 0)


def test_the_last_user_of_a_closed_segment_frees_its_pages(make_relative, monkeypatch):
    monkeypatch.setenv("FASTPROC_SEGMENT_CACHE", "0")
    relative = make_relative("spawn")
    x = share(np.ones(MIB))
    relative.call(keep, "x", x)
    witness = os.dup(x._segment.memory.fd)
    del x
    assert os.fstat(witness).st_blocks > 0
    assert relative.call(kept_total, "x") == MIB
    relative.call(drop, "x")
    assert relative.call(states) == (0, 0, 0)
    assert os.fstat(witness).st_blocks == HEADER_BLOCKS
    os.close(witness)


def test_a_relative_keeps_what_the_owner_drops(relative):
    x = share(np.ones(1000))
    relative.call(keep, "x", x)
    del x
    others = [share(np.full(1000, 9.0)) for _ in range(5)]
    assert relative.call(kept_total, "x") == 1000
    again = relative.call(pass_on, "x")
    assert again.sum() == 1000
    relative.call(drop, "x")
    assert again.sum() == 1000
    del others


def test_from_relative_to_relative(method, backend, make_relative):
    first, second = make_relative(method, backend), make_relative(method, backend)
    x = share(np.ones(1000))
    first.call(keep, "x", x)
    second.call(keep, "x", first.call(pass_on, "x"))
    del x
    gc.collect()
    first.end()
    assert second.call(kept_total, "x") == 1000


def test_one_handle_opened_by_several(make_relative):
    relatives = [make_relative("spawn") for _ in range(3)]
    x = share(np.arange(3.0))
    data = bytes(ForkingPickler.dumps(x))
    assert [relative.call(_total_of, data) for relative in relatives] == [3, 3, 3]


def _total_of(data):
    return float(ForkingPickler.loads(data).sum())


def _put(queue, count):
    for value in range(count):
        queue.put(share(np.full(1000, float(value))))


def test_a_sender_that_ends_waits_for_its_handles(method, backend):
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    sender = context.Process(target=_put, args=(queue, 5))
    sender.start()
    time.sleep(0.3)  # gives it the time to be gone, if it did not wait
    assert [queue.get(timeout=30).sum() for _ in range(5)] == [1000 * value for value in range(5)]
    sender.join()
    assert sender.exitcode == 0
    queue.close()
    queue.join_thread()


def test_a_sender_that_nobody_listens_to_ends_all_the_same():
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    sender = context.Process(target=_put, args=(queue, 1))
    sender.start()
    sender.join(30)
    assert sender.exitcode == 0
    with pytest.raises(SegmentGoneError, match="keep the array in the sender until the receiver"):
        queue.get(timeout=30)
    queue.close()
    queue.join_thread()


def test_a_killed_sender(make_relative):
    relative = Relative("spawn")
    relative.ask(temporary, 1, 1000)
    relative.connection.poll(30)
    relative.kill()
    with pytest.raises(SegmentGoneError, match="has ended, or runs under another user or in ano"):
        relative.answer()
    relative.connection.close()


def test_a_killed_user_does_not_keep_the_memory(method):
    relative = Relative(method)
    x = share(np.ones(1000))
    inode = os.fstat(x._segment.memory.fd).st_ino
    relative.call(keep, "x", x)
    relative.kill()
    relative.connection.close()
    del x
    assert os.fstat(shared_empty(1000)._segment.memory.fd).st_ino == inode


def test_a_forked_child_keeps_what_it_inherits(backend):
    x = share(np.ones(1000))
    keep("inherited", x)
    relative = Relative("fork", backend)
    drop("inherited")
    del x
    others = [share(np.full(1000, 9.0)) for _ in range(5)]
    assert relative.call(kept_total, "inherited") == 1000
    relative.call(drop, "inherited")
    relative.call(states)
    del others
    relative.end()


def test_what_a_forked_child_inherits_is_recycled_after_its_end():
    x = share(np.ones(1000))
    inode = os.fstat(x._segment.memory.fd).st_ino
    relative = Relative("fork")
    relative.end()
    del x
    assert os.fstat(shared_empty(1000)._segment.memory.fd).st_ino == inode


def test_a_forked_child_does_not_take_its_parents_recycled_segments():
    x = share(np.ones(1000))
    inode = os.fstat(x._segment.memory.fd).st_ino
    del x
    relative = Relative("fork")
    assert relative.call(states) == (0, 0, 0)
    theirs = relative.call(temporary, 5, 1000)
    ours = share(np.full(1000, 7.0))
    assert os.fstat(ours._segment.memory.fd).st_ino == inode
    assert (theirs[0], ours[0]) == (5, 7)
    del theirs, ours
    relative.end()


def _grandchild(connection):
    child = Relative("fork")
    connection.send(child.call(kept_total, "inherited"))
    child.end()


def test_grandchildren_inherit_too():
    keep("inherited", share(np.ones(1000)))
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_grandchild, args=(theirs,))
    process.start()
    drop("inherited")
    other = share(np.full(1000, 9.0))
    assert ours.poll(30)
    assert ours.recv() == 1000
    process.join()
    assert process.exitcode == 0
    assert other[0] == 9
    ours.close()
    theirs.close()


def test_process_arguments(method, backend):
    x = shared_zeros(1000)
    process = multiprocessing.get_context(method).Process(target=fill, args=(x[::2], 3))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert x.sum() == 1500


FAMILY = """
import multiprocessing, os, sys, time
import numpy as np
from fastproc.shm.array import share

def child(x, queue):
    queue.put(share(x + 1))
    kept = share(x + 2)
    time.sleep(60)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    x, queue = share(np.ones(1000)), context.Queue()
    for _ in range(2):
        context.Process(target=child, args=(x, queue)).start()
    assert queue.get().sum() == 2000
    print("running", flush=True)
    time.sleep(60)
"""


def test_nothing_is_left_when_all_are_killed(method, backend, tmp_path):
    script = tmp_path / "family.py"
    script.write_text(FAMILY)
    folder = tmp_path / "tmp"
    folder.mkdir()
    before = set(os.listdir("/dev/shm"))
    environment = {**os.environ, "TMPDIR": str(folder)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    family = subprocess.Popen(
        [sys.executable, str(script), method],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert family.stdout.readline() == b"running\n"
    finally:
        os.killpg(family.pid, signal.SIGKILL)
        family.stdout.close()
        family.wait()
    # multiprocessing's own folders of sockets and its queues' semaphores are not ours.
    left = set(os.listdir("/dev/shm")) - before
    assert not {name for name in left if not name.startswith("sem.mp-")}
    assert not [name for name in os.listdir(folder) if not name.startswith("pymp-")]


def test_nothing_is_left_in_the_temporary_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTPROC_SEGMENTS", "portable")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    arrays = [shared_zeros(MIB) for _ in range(3)]
    assert not os.listdir(tmp_path)
    del arrays
