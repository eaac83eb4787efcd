"""Layer: tests of the kernels on every core.  The thread team under stress: many callers, forks,
and a fork while a job runs.
"""

import os
import subprocess
import sys
import threading

import pytest
from arrays import fill

import fastproc as fp
from fastproc import plan


@pytest.fixture(autouse=True)
def cheap_threads(monkeypatch):
    monkeypatch.setattr(plan, "THREAD_SHARE_NS", 1)


def test_many_callers_at_once():
    arrays = [fill((50_000 + 1000 * i,), "float64", i, "plain") for i in range(8)]
    expected = [fp.var(array, workers=1) for array in arrays]
    wrong = []

    def call(i):
        for repeat in range(300):
            if fp.var(arrays[i], workers=1 + (repeat + i) % 5) != expected[i]:
                wrong.append(i)

    callers = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_many_short_jobs():
    # So short that helpers are often taken back before they wake, and assigned again.
    array = fill((3 * 4096,), "float64", 1, "plain")
    expected = fp.sum(array, workers=1)
    assert all(fp.sum(array, workers=4) == expected for _ in range(20_000))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_child_has_a_team_of_its_own():
    code = """
import os, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import numpy as np, fastproc as fp
from fastproc import plan
plan.THREAD_SHARE_NS = 1
array = np.random.default_rng(0).normal(size=200_000)
expected = fp.sum(array, workers=1)
stop = False

def keep_the_team_busy():
    while not stop:
        fp.sum(array, workers=3)

thread = threading.Thread(target=keep_the_team_busy)
thread.start()
statuses = []
for _ in range(50):
    child = os.fork()
    if not child:
        good = all(fp.sum(array, workers=3) == expected for _ in range(5))
        os._exit(0 if good else 1)
    statuses.append(os.waitpid(child, 0)[1])
stop = True
thread.join()
print(set(statuses))
"""
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout.strip() == "{0}"


def test_process_ends_although_helpers_sleep():
    code = "import numpy as np, fastproc as fp; print(fp.sum(np.ones(5_000_000), workers=4))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout.strip() == "5000000.0"
    assert answer.stderr == ""


def test_idle_helpers_cost_nothing():
    if not os.path.exists("/proc/self/task"):
        pytest.skip("this system does not count a thread's switches")
    fp.sum(fill((1_000_000,), "float64", 1, "plain"), workers=4)

    def switches():
        total = 0
        for task in os.listdir("/proc/self/task"):
            if int(task) != os.getpid():
                with open(f"/proc/self/task/{task}/status") as status:
                    total += sum(int(line.split()[1]) for line in status if "ctxt" in line)
        return total

    threading.Event().wait(0.2)  # until the last of them sleeps
    before = switches()
    threading.Event().wait(1.0)
    assert switches() == before
