"""The forkserver as the conductor sees it: start it, ask it for workers, end it and all of them."""

import contextlib
import socket
from collections.abc import Callable
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

from significand.plan.setup import HERE, OTHER, Setup
from significand.runner.block import Block
from significand.runner.launched import Launched, RunnerError, end_ahead, in_environment, taken
from significand.runner.protocol import Fork, Kill, Start
from significand.workload.given import Data, saved

START_TIMEOUT_S = 120.0
"""A machine under load needs a while to import torch."""


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
    early
        Its process in this environment, where that was launched before the experiment was known; whoever has launched
        it drops it where there is no server.
    """

    connection: Connection

    def __init__(
        self,
        first: Block,
        data: Data,
        meanwhile: Callable[[], None] = lambda: None,
        variant: str = HERE,
        *,
        early: Launched | None = None,
    ) -> None:
        self._first = first
        self._data = data
        self._meanwhile = meanwhile
        self._is_other = variant == OTHER
        self._early = None if self._is_other else early
        self._launched: Launched | None = None

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
        if self._launched is not None:
            return
        self._launched, self._early = self._early or self._launch(), None
        self.connection = self._launched.connection
        where = in_environment(self._against)
        try:
            self.connection.send(self._start(saved(self._data, self._launched.scratch), self._launched.scratch))
            self._meanwhile()
            if not self.connection.poll(START_TIMEOUT_S):
                raise RunnerError(
                    f"the runs' processes{where} were not ready after {START_TIMEOUT_S:g} s; "
                    "try again when the machine is idle"
                )
            self.connection.recv()
        except (EOFError, ConnectionError):
            raise RunnerError(f"the runs' processes cannot start{where}: it {self.stop()}") from None
        except OSError as error:  # the data could not be saved for them
            self.stop()
            raise RunnerError(f"no temporary file can be made: {error}; set TMPDIR to a folder with room") from None

    @property
    def _against(self) -> str | None:
        return str(self._first.experiment.against) if self._is_other else None

    def _launch(self) -> Launched:
        """Launch the forkserver; take over the one that was launched ahead of the time, if it knows all it must."""
        if self._is_other:
            return Launched(against=self._against)
        if isinstance(self._data, Path):
            end_ahead()  # it would not remove this folder
            return Launched(self._data)
        return taken() or Launched()

    def _start(self, data: Path | None, scratch: Path) -> Start:
        block = self._first
        setups = dict.fromkeys([*block.setups, *block.experiment.setups()])  # some may have ended in the first block
        return Start(
            tuple(setup for setup in setups if (setup.variant == OTHER) == self._is_other),
            block.experiment.protocol,
            block.energy,
            data,
            scratch,
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
        if self._launched is None:
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

    def stop(self) -> str:
        """End the forkserver and all its workers; return how it ended, with its last words. It may be dead already."""
        launched, self._launched = self._launched, None
        return launched.stop() if launched else ""
