"""The process that has imported everything once and forks a ready worker per run.

A fork takes about 15 ms, a cold interpreter that imports torch more than a second. multiprocessing's own forkserver
would import the caller's main module again in every worker, and so run a script without a main guard again; this one
knows nothing of the caller. It never computes anything itself, so it holds no thread that a fork would lose.
"""

import contextlib
import gc
import os
import selectors
import shutil
import signal
import socket
import sys
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path

import numpy.ma
import numpy.random  # noqa: F401 - NumPy imports both when they are first used, and every run would wait for that

from significand.engines.base import get_engine
from significand.runner.guard import end_guard
from significand.runner.launched import IMPORTED
from significand.runner.protocol import Exited, Fork, Forked, Kill, Start, Up
from significand.runner.worker import die_with_parent, work
from significand.workload.material import material_of


def main(guard: int) -> None:
    """Serve the conductor until it is gone.

    The last two arguments are the folder for temporary files and the number of the socket to the conductor.

    Parameters
    ----------
    guard
        The process that `significand.runner.guard` has begun beside this one.
    """
    connection = Connection(int(sys.argv[-1]))
    try:
        with contextlib.suppress(OSError):  # the folder is gone with the conductor, or there is no room in it
            Path(sys.argv[-2], IMPORTED).touch()
        start = connection.recv()
        _Forkserver(connection, start).serve()
    except (EOFError, ConnectionError):
        pass  # the conductor is gone
    finally:
        shutil.rmtree(sys.argv[-2], ignore_errors=True)  # also when the conductor was killed
        signal.set_wakeup_fd(-1)  # nobody reads any more that a child has ended
        end_guard(guard)


class _Forkserver:
    def __init__(self, connection: Connection, start: Start) -> None:
        self._connection = connection
        self._start = start
        self._material = material_of(start.setups[0].workload, start.data)
        self._material.preload()
        for setup in start.setups:
            get_engine(setup.engine).preload(setup)
        self._children: set[int] = set()
        self._wake, wake_writer = socket.socketpair()
        for end in (self._wake, wake_writer):
            end.setblocking(False)
        self._wake_writer = wake_writer
        signal.set_wakeup_fd(wake_writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # the wake-up is what counts
        gc.freeze()  # or the first collection in a worker would touch, and so copy, every page
        gc.enable()

    def serve(self) -> None:
        """Fork workers and report their ends until the conductor closes the connection, then end what is left."""
        self._connection.send(Up())
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._connection, selectors.EVENT_READ)
                selector.register(self._wake, selectors.EVENT_READ)
                while True:
                    for key, _ in selector.select():
                        if key.fileobj is self._wake:
                            self._reap()
                        else:
                            self._obey(self._connection.recv())
        finally:
            for pid in self._children:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def _obey(self, message: Fork | Kill) -> None:
        if isinstance(message, Fork):
            channel = reduction.recv_handle(self._connection)
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                die_with_parent(parent)
                self._become_worker(message, channel)
            os.close(channel)
            self._children.add(pid)
            self._connection.send(Forked(pid))
        elif message.pid in self._children:
            os.kill(message.pid, signal.SIGKILL)

    def _become_worker(self, job: Fork, channel: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._connection.close()
        self._wake.close()
        self._wake_writer.close()
        work(Connection(channel), job, self._start, self._material)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake.recv(4096)
        for pid in list(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._children.discard(pid)
                self._connection.send(Exited(pid, os.waitstatus_to_exitcode(status)))
