"""Layer: tests.  Related processes that call what a test tells them to."""

import multiprocessing
import os
import signal


class Relative:
    """A child process that calls functions, one after another, and answers with their results."""

    def __init__(self, method, backend=None):
        context = multiprocessing.get_context(method)
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.connection, backend))
        self.process.start()
        theirs.close()

    @property
    def pid(self):
        return self.process.pid

    def call(self, function, *args):
        self.ask(function, *args)
        return self.answer()

    def ask(self, function, *args):
        self.connection.send((function, args))

    def answer(self):
        assert self.connection.poll(30), "the relative does not answer"
        error, result = self.connection.recv()
        if error is not None:
            raise error
        return result

    def end(self):
        if not self.connection.closed and self.process.is_alive():
            self.connection.send(None)
        self.connection.close()
        self.process.join(30)
        assert not self.process.is_alive()

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.process.join(30)


def _serve(connection, theirs, backend):
    theirs.close()  # else a forked child would never see that the parent is gone
    if backend is not None:
        os.environ["FASTPROC_SEGMENTS"] = backend
    while (task := connection.recv()) is not None:
        function, args = task
        try:
            answer = None, function(*args)
        except Exception as error:
            answer = error, None
        del task, args, function  # what a test drops must be dropped here too
        connection.send(answer)
        del answer
