"""The forkserver as the conductor sees it: start it, ask it for workers, end it and all of them."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Self

from significand.plan.setup import HERE, OTHER, Setup
from significand.runner.block import Block
from significand.runner.launched import Launched, NoFolderError, end_ahead, launch, taken
from significand.runner.protocol import Fork, Kill, Start, describe_exit
from significand.workload.given import Data, saved

START_TIMEOUT_S = 120.0
"""A machine under load needs a while to import torch."""

STOP_TIMEOUT_S = 10.0


class RunnerError(RuntimeError):
    """The runs' processes cannot be had on this machine."""


class Server:
    """The forkserver, seen from here. It is started anew when it has died.

    Parameters
    ----------
    first
        The first block of the experiment.
    data
        See `significand.workload.given.Data`.
    meanwhile
        Called once while it starts.
    variant
        `significand.plan.setup.OTHER` for the one that runs in the environment that the experiment is held against.
    """

    def __init__(
        self, first: Block, data: Data, meanwhile: Callable[[], None] = lambda: None, variant: str = HERE
    ) -> None:
        self._first = first
        self._data = data
        self._meanwhile = meanwhile
        self._is_other = variant == OTHER
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: Path
        self._stderr: IO[bytes]
        self.connection: Connection

    def __enter__(self) -> Self:
        try:
            self.ensure_up()
        except BaseException:  # Ctrl-C while it imports, too
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ensure_up(self) -> None:
        """Start the forkserver unless it is running, and wait until it has imported everything."""
        if self._process is not None:
            return
        if getattr(sys, "frozen", False):
            raise RunnerError("a frozen program has no Python interpreter for the runs' processes; run it unfrozen")
        try:
            launched = self._launched()
        except NoFolderError as error:
            raise RunnerError(f"no temporary folder can be made: {error}; set TMPDIR to one with room") from None
        except OSError as error:
            raise RunnerError(f"the runs' processes cannot start{self._where}: {error}") from None
        self._process, self.connection = launched.process, launched.connection
        self._scratch, self._stderr = launched.scratch, launched.stderr
        try:
            self.connection.send(self._start(saved(self._data, self._scratch)))
            self._meanwhile()
            if not self.connection.poll(START_TIMEOUT_S):
                raise RunnerError(
                    f"the runs' processes{self._where} were not ready after {START_TIMEOUT_S:g} s; "
                    "try again when the machine is idle"
                )
            self.connection.recv()
        except (EOFError, ConnectionError):
            raise RunnerError(f"the runs' processes cannot start{self._where}: it {self.stop()}") from None
        except OSError as error:  # the data could not be saved for them
            self.stop()
            raise RunnerError(f"no temporary file can be made: {error}; set TMPDIR to a folder with room") from None

    @property
    def _where(self) -> str:
        """In which environment, for errors; empty of this one."""
        return f" in {self._first.experiment.against!r}" if self._is_other else ""

    def _launched(self) -> Launched:
        """Begin the forkserver; take over the one that was begun ahead of the time, if it knows all that it must."""
        if self._is_other:
            return launch(other=str(self._first.experiment.against))
        if isinstance(self._data, Path):
            end_ahead()  # it would not remove this folder
            return launch(of_program=str(self._data))
        return taken() or launch()

    def _start(self, data: Path | None) -> Start:
        block = self._first
        setups = dict.fromkeys([*block.setups, *block.experiment.setups()])  # some may have ended in the first block
        return Start(
            tuple(setup for setup in setups if (setup.variant == OTHER) == self._is_other),
            block.experiment.protocol,
            block.energy,
            data,
            self._scratch,
            block.keep,
            block.experiment.seed,
            block.profiled,
        )

    def fork(self, setup: Setup, seed: int) -> Connection:
        """Ask for a worker, and return the connection to it; its process id follows as a `Forked` message.

        Raises
        ------
        ConnectionError
            When the forkserver is dead.
        """
        if self._process is None:
            raise ConnectionError
        ours, theirs = socket.socketpair()
        channel = Connection(ours.detach())
        with theirs:
            self.connection.send(Fork(setup, seed))
            reduction.send_handle(self.connection, theirs.fileno(), None)
        return channel

    def kill(self, pid: int) -> None:
        """End a worker."""
        with contextlib.suppress(ConnectionError):
            self.connection.send(Kill(pid))

    def _hang_up(self) -> None:
        """Close the connection, at which the forkserver ends its workers and itself."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.connection.fileno())) as ours:
            ours.shutdown(socket.SHUT_RDWR)  # somebody's fork of this process may hold a copy open
        self.connection.close()

    def stop(self) -> str:
        """End the forkserver and all its workers; return how it ended, with its last words. It may be dead already."""
        if self._process is None:
            return ""
        self._hang_up()
        try:
            end = describe_exit(self._process.wait(timeout=STOP_TIMEOUT_S))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            end = "did not answer any more and was ended"
        self._process = None
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        self._stderr.close()
        return f"{end}: {lines[-1]}" if lines else end
