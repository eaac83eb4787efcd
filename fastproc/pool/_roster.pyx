"""Layer: pool.  Who can take a message: found at a cost that does not grow with the workers.

Each list is a stack of channels that belonged to it when they were put there.  One that does not
any more is thrown away when it comes to light, and `update` puts a channel back that has come to
belong to it again; so each change of a channel costs one entry, whatever else waits.  The last
worker to fall idle is the first to be asked, since it may still be looking for work.
"""
# Safe for free-threaded Python: a roster changes under its dispatcher's lock.

from fastproc.pool._channel cimport Channel


cdef class Roster:
    """The channels of a pool, by slot and by what they can take."""

    def __init__(self, Py_ssize_t n_slots):
        self.channels = [None] * n_slots
        self._idle, self._ahead, self._loaded = [], [], []

    cdef int add(self, Channel channel) except -1:
        self.channels[channel.slot] = channel
        self.n_workers += 1
        # It has yet to start, for which a task had better not wait, nor for those after it.
        self._idle.insert(0, channel)
        channel.is_idle_listed = True
        self.update(channel)
        return 0

    cdef int remove(self, Channel channel) except -1:
        """Take a channel out whose messages are gone."""
        self.channels[channel.slot] = None
        self.n_workers -= 1
        self._count(channel, 0)
        return 0

    cdef int update(self, Channel channel) except -1:
        """Take note of a change in what a channel has or can take."""
        cdef Py_ssize_t n = len(channel.flight)
        self._count(channel, n)
        if n > 1 and not channel.is_loaded_listed:
            self._loaded.append(channel)
            channel.is_loaded_listed = True
        if not _can_take(channel):
            return 0
        if n == 0 and not channel.is_idle_listed:
            self._idle.append(channel)
            channel.is_idle_listed = True
        elif n == 1 and not channel.is_ahead_listed:
            self._ahead.append(channel)
            channel.is_ahead_listed = True
        return 0

    cdef int _count(self, Channel channel, Py_ssize_t n) except -1:
        cdef Py_ssize_t before = channel.counted
        self.n_busy += (n > 0) - (before > 0)
        self.n_behind += max(n - 1, 0) - max(before - 1, 0)
        channel.counted = n
        return 0

    cdef Channel idle(self):
        """Return a worker that has no message and can take one, or None."""
        cdef Channel channel
        while self._idle:
            channel = self._idle[len(self._idle) - 1]
            if self._is_here(channel) and not channel.flight and _can_take(channel):
                return channel
            self._idle.pop()
            channel.is_idle_listed = False
        return None

    cdef Channel ahead(self):
        """Return a worker that has one message and can take another ahead of time, or None."""
        cdef Channel channel
        while self._ahead:
            channel = self._ahead[len(self._ahead) - 1]
            if self._is_here(channel) and len(channel.flight) == 1 and _can_take(channel) and (
                    not channel.no_prefetch):
                return channel
            self._ahead.pop()
            channel.is_ahead_listed = False
        return None

    cdef Channel loaded(self):
        """Return a worker behind whose message another waits, or None."""
        cdef Channel channel
        while self._loaded:
            channel = self._loaded[len(self._loaded) - 1]
            if self._is_here(channel) and len(channel.flight) > 1:
                return channel
            self.unload()
        return None

    cdef int unload(self) except -1:
        """Pass by the worker that `loaded` returned last, until it is updated."""
        cdef Channel channel = self._loaded.pop()
        channel.is_loaded_listed = False
        return 0

    cdef bint _is_here(self, Channel channel):
        return self.channels[channel.slot] is channel


cdef bint _can_take(Channel channel):
    return not (
        channel.retiring or channel.left == 0 or channel.is_full or channel.sentence is not None)
