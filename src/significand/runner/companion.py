"""A process of our own that does one kind of work beside this one, and answers through a socket."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from significand.runner.interpreter import environment, last_line, python

END_TIMEOUT_S = 5.0
LOOK_EVERY_S = 1.0


class Companion:
    """The process, seen from here. It starts at once, in the background.

    Parameters
    ----------
    code
        What it does; it ends with `answer_with`. Ctrl-C is for this process, which ends it.
    folder
        Where it works.
    variables
        Its environment; by default what `significand.runner.interpreter.environment` says.

    Raises
    ------
    OSError, ValueError
        Where it cannot be started.
    """

    def __init__(self, code: str, folder: Path, variables: Mapping[str, str] | None = None) -> None:
        with contextlib.ExitStack() as begun:
            self._stderr: IO[bytes] = begun.enter_context(tempfile.TemporaryFile())
            ours, theirs = socket.socketpair()
            self.connection = Connection(ours.detach())
            begun.callback(self.connection.close)
            with theirs:
                self._process = subprocess.Popen(
                    python(code, str(theirs.fileno())),
                    pass_fds=[theirs.fileno()],
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._stderr,
                    start_new_session=True,
                    env=environment() if variables is None else variables,
                )
            begun.callback(self._end)
            self._begun = begun.pop_all()

    def close(self) -> None:
        """End it."""
        self._begun.close()

    def last_words(self) -> str:
        """Return the last line that it wrote before it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_TIMEOUT_S)
        return last_line(self._stderr) or f"its process ended with {self._process.returncode}"

    def _end(self) -> None:
        """Let the process end by itself, so that it removes what it put aside; else end it."""
        self.connection.close()
        try:
            self._process.wait(END_TIMEOUT_S)
        except BaseException as error:
            self._process.kill()
            self._process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise


def answer_with(work: Callable[[Any], object]) -> None:
    """Say that all is imported, then answer with what `work` returns, until nobody asks any more.

    The socket's number is the last argument of this process.
    """
    program = os.getppid()
    with Connection(int(sys.argv[-1])) as connection, contextlib.suppress(EOFError, ConnectionError):
        connection.send(None)
        while os.getppid() == program:  # when it is killed, another process may hold the other end open
            if connection.poll(LOOK_EVERY_S):
                connection.send(work(connection.recv()))
