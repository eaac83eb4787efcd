"""Layer: tests.  The first page of a segment: users, generations and tickets."""

import mmap
import os
import subprocess
import sys

import pytest

from fastproc.shm import header as header_module
from fastproc.shm.header import HEADER_BYTES, Header, is_alive


@pytest.fixture
def header():
    header = Header(mmap.mmap(-1, HEADER_BYTES))
    header.start(owner_fd=5)
    return header


@pytest.fixture(scope="module")
def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def enter_as(header, pid, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: pid)
        assert header.enter(header.generation)


def test_fresh_header(header):
    assert (header.generation, header.users, header.closed) == (1, 0, False)
    assert header.owner == (os.getpid(), 5)
    assert not header.on_their_way()
    other = Header(mmap.mmap(-1, HEADER_BYTES))
    other.start(5)
    assert other.token != header.token


def test_users_enter_and_leave(header):
    assert header.enter(1)
    assert header.users == 1
    header.leave()
    assert header.users == 0


def test_a_used_generation_is_not_retired(header):
    header.enter(1)
    assert not header.retire()
    header.leave()
    assert header.retire()
    assert header.generation == 2


def test_a_retired_generation_cannot_be_entered(header):
    header.retire()
    assert not header.enter(1)
    assert header.users == 0
    assert header.enter(2)


def test_dead_users_do_not_keep_a_generation(header, dead_pid, monkeypatch):
    enter_as(header, dead_pid, monkeypatch)
    enter_as(header, dead_pid, monkeypatch)
    assert header.retire()
    assert (header.generation, header.users) == (2, 0)
    # Their entries are gone too: the next user is counted for itself.
    header.enter(2)
    assert not header.retire()


def test_one_living_user_among_dead_ones_keeps_it(header, dead_pid, monkeypatch):
    enter_as(header, dead_pid, monkeypatch)
    header.enter(1)
    assert not header.retire()
    header.leave()
    assert header.retire()


def test_a_user_that_died_before_its_entry_counts_as_alive(header, dead_pid, monkeypatch):
    enter_as(header, dead_pid, monkeypatch)
    header.count_user(1)
    assert not header.retire()


def test_more_users_than_entries(header, dead_pid, monkeypatch):
    for _ in range(200):
        enter_as(header, dead_pid, monkeypatch)
    assert header.users == 200
    assert not header.retire()
    monkeypatch.setattr(os, "getpid", lambda: dead_pid)
    for _ in range(200):
        header.leave()
    assert header.users == 0
    assert header.retire()


def test_the_last_generation_is_never_retired(header):
    for generation in (header_module._LAST_GENERATION - 1, header_module._LAST_GENERATION):
        header_module._counters.store(header._buffer, 0, generation << 32)
        assert header.retire() is (generation < header_module._LAST_GENERATION)


def test_tickets_tell_what_is_on_its_way(header):
    first, second = header.issue_ticket(), header.issue_ticket()
    assert first != second
    header.take_ticket(*first)
    assert header.on_their_way()
    assert header.on_their_way(os.getpid())
    assert not header.on_their_way(1)
    header.take_ticket(*second)
    assert not header.on_their_way()


def test_a_handle_opened_again_does_not_take_another_ticket(header):
    first = header.issue_ticket()
    header.take_ticket(*first)
    second = header.issue_ticket()
    assert second[1] == first[1]
    header.take_ticket(*first)
    assert header.on_their_way()


def test_more_handles_than_tickets(header):
    issued = [header.issue_ticket() for _ in range(1000)]
    assert len(set(issued)) == 1000
    assert header.on_their_way(1), "nobody knows who sent those without a ticket"
    while issued:
        assert header.on_their_way()
        header.take_ticket(*issued.pop())
    assert not header.on_their_way()


def test_closing_is_seen(header):
    header.close()
    assert header.closed


def test_who_is_alive(dead_pid):
    assert is_alive(os.getpid())
    assert is_alive(1)
    assert not is_alive(dead_pid)
    assert not is_alive(2**22 + 1)
