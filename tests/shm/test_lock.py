"""Layer: tests.  Locks: multiprocessing's semantics, and the death of their owners."""

import multiprocessing
import os
import pickle
import random
import signal
import threading
import time
import warnings

import pytest
from storms import counters, storm, wait_until

from fastproc.errors import OwnerDied
from fastproc.shm import _process
from fastproc.shm._lock import Lock, RLock

KINDS = pytest.mark.parametrize("kind", [Lock, RLock])


def is_free(lock):
    if lock.acquire(block=False):
        lock.release()
        return True
    return False


def hold_and_die(lock):
    lock.acquire()
    os.kill(os.getpid(), signal.SIGKILL)


@KINDS
def test_acquire_and_release(kind):
    lock = kind()
    assert not lock.locked()
    assert lock.acquire() is True
    assert lock.locked()
    lock.release()
    assert lock.acquire(True, 0.1) is True
    lock.release()
    with lock as entered:
        assert entered is True
        assert lock.locked()
    assert not lock.locked()


def test_a_lock_is_not_recursive():
    lock = Lock()
    lock.acquire()
    assert lock.acquire(False) is False
    assert lock.acquire(timeout=-1) is False
    start = time.monotonic()
    assert lock.acquire(timeout=0.05) is False
    assert time.monotonic() - start >= 0.05


def test_a_recursive_lock_counts():
    lock = RLock()
    for _ in range(3):
        assert lock.acquire()
    for _ in range(3):
        assert lock.locked()
        lock.release()
    assert not lock.locked()


@pytest.mark.parametrize(("kind", "error"), [(Lock, ValueError), (RLock, AssertionError)])
def test_releasing_what_nobody_has(kind, error):
    with pytest.raises(error, match=r"nobody has this lock|owned by None"):
        kind().release()


def test_a_thread_has_an_rlock_and_another_has_not():
    lock = RLock()
    errors = []

    def try_it():
        errors.append(is_free(lock))
        try:
            lock.release()
        except AssertionError as error:
            errors.append(str(error))

    with lock:
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert errors == [
        False,
        "attempt to release recursive lock not owned by thread: it is owned by this process",
    ]


def test_another_thread_may_release_a_lock():
    lock = Lock()
    lock.acquire()
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    assert is_free(lock)


@KINDS
def test_bad_timeouts(kind):
    lock = kind()
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    thread.join()
    with pytest.raises(TypeError):
        lock.acquire(True, "soon")


@KINDS
def test_pickling_elsewhere_is_refused(kind):
    with pytest.raises(RuntimeError, match="pass them to a Process"):
        pickle.dumps(kind())


@KINDS
def test_across_processes(kind, relative):
    lock = kind()
    with lock:
        assert relative.call(is_free, lock) is False
        assert "this process" in repr(lock)
    assert relative.call(is_free, lock) is True


@KINDS
def test_who_waits_is_waked(kind, relative):
    lock = kind()
    with lock:
        relative.ask(is_free_within, lock, 20)
        time.sleep(0.1)
    assert relative.answer() is True


def is_free_within(lock, seconds):
    if lock.acquire(timeout=seconds):
        lock.release()
        return True
    return False


@KINDS
def test_the_next_one_gets_a_dead_ones_lock(kind, method):
    lock = kind()
    child = multiprocessing.get_context(method).Process(target=hold_and_die, args=(lock,))
    child.start()
    child.join()
    with pytest.warns(OwnerDied, match=f"process {child.pid} died while it had a lock") as caught:
        assert lock.acquire(timeout=20)
    assert caught[0].message.pid == child.pid
    assert caught[0].filename == __file__
    lock.release()
    assert is_free(lock)


@KINDS
def test_a_zombie_has_died(kind):
    lock = kind()
    child = multiprocessing.get_context("fork").Process(target=hold_and_die, args=(lock,))
    child.start()
    with pytest.warns(OwnerDied):
        assert is_free_once_taken(lock)  # nobody has waited for the child
    child.join()


def is_free_once_taken(lock):
    end = time.monotonic() + 20
    while not lock.locked() and time.monotonic() < end:
        time.sleep(0.001)
    return is_free_within(lock, 20)


@KINDS
def test_a_warning_that_is_an_error_leaves_the_lock_free(kind):
    lock = kind()
    child = multiprocessing.get_context("fork").Process(target=hold_and_die, args=(lock,))
    child.start()
    child.join()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(OwnerDied):
            lock.acquire()
    assert is_free(lock)


def test_a_number_that_is_used_again_is_another_process():
    mine = _process.identity()
    assert not _process.is_over(mine)
    assert _process.is_over(mine ^ 1 << 40)
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(0,))
    child.start()
    child.join()
    assert _process.is_over(mine >> 32 << 32 | child.pid)


def test_a_fork_has_not_what_its_parent_has():
    lock = RLock()
    with lock:
        child = multiprocessing.get_context("fork").Process(target=exit_if_free, args=(lock,))
        child.start()
        child.join()
    assert child.exitcode == 7


def exit_if_free(lock):
    os._exit(8 if is_free(lock) else 7)


def test_signals_are_seen_while_waiting():
    lock = Lock()
    lock.acquire()

    def handler(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            lock.acquire()
    finally:
        signal.signal(signal.SIGALRM, before)


def count_under(lock, counter, n):
    for _ in range(n):
        with lock:
            counter[0] += 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@KINDS
@pytest.mark.parametrize("transport", ["", "portable"])
def test_more_processes_than_cores(kind, transport, monkeypatch):
    np = pytest.importorskip("numpy")
    from fastproc.shm.array import shared_zeros

    monkeypatch.setenv("FASTPROC_TRANSPORT", transport)
    lock, counter = kind(), shared_zeros(1, np.int64)
    context = multiprocessing.get_context("spawn" if transport else "fork")
    n, n_children = (500, 3) if transport else (20_000, 5)
    children = [
        context.Process(target=count_under, args=(lock, counter, n)) for _ in range(n_children)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert counter[0] == n_children * n


def work_until_killed(lock, counts):
    """Change two numbers under a lock, one after the other, for ever."""
    warnings.simplefilter("ignore", OwnerDied)
    while True:
        with lock:
            if counts[0] != counts[1]:  # its last owner was killed between the two
                counts[2] += 1
                counts[1] = counts[0]
            counts[0] += 1
            if random.random() < 0.1:
                time.sleep(0)
            counts[1] += 1


@KINDS
def test_owners_killed_at_random(kind):
    """Nobody hangs, and no two are in the lock at once, whoever is killed when."""
    lock, counts = kind(), counters(3)

    def check():
        before = int(counts[0])
        wait_until(lambda: counts[0] != before, "nobody gets the lock any more")

    storm(work_until_killed, lock, counts, check=check, children=4)
    print(f"{counts[0]:,} times locked")  # shown with -s
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OwnerDied)
        assert lock.acquire(timeout=20)
    lock.release()
    # More than one step apart would be two owners at once.
    assert counts[0] - counts[1] in (0, 1)
