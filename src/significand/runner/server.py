"""The forkserver as the conductor sees it: start it, ask it for workers, end it and all of them."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Self

from significand.meters.openmp import usable_cpus
from significand.plan.setup import HERE, OTHER, Setup
from significand.runner.block import Block
from significand.runner.interpreter import environment, environment_of_other, python, python_of_other
from significand.runner.protocol import Fork, Kill, Start, describe_exit
from significand.workload.given import Data, saved

START_TIMEOUT_S = 120.0
"""A machine under load needs a while to import torch."""

STOP_TIMEOUT_S = 10.0

GOMP_SPINCOUNT = "50000"
"""How many times an OpenMP thread of the runs looks for more work before it sleeps. By default GNU's looks for some
5 ms, and every turn would begin by waiting for the last one's threads."""

# The guard is there before torch, which takes seconds to import, an eighth of them to look for garbage where none is.
LAUNCH = """
import gc
gc.disable()
from significand.runner.launch import launch
guard = launch()
from significand.runner.forkserver import main
main(guard)
import os
os._exit(0)  # what torch would still tidy up takes half a second
"""


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
            self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
            self._scratch = Path(tempfile.mkdtemp(prefix="significand-"))
        except OSError as error:
            raise RunnerError(f"no temporary folder can be made: {error}; set TMPDIR to one with room") from None
        ours, theirs = socket.socketpair()
        self.connection = Connection(ours.detach())
        try:
            with theirs:
                self._process = subprocess.Popen(
                    # From here on the forkserver removes the folder when this process is killed.
                    self._command(*self._facts(), str(self._scratch), str(theirs.fileno())),
                    pass_fds=[theirs.fileno()],
                    cwd=self._scratch,  # the user's may be removed, and what lies there is none of its business
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._stderr,
                    start_new_session=True,  # Ctrl-C is for this process; it ends the workers in order
                    env=(environment_of_other() if self._is_other else environment()) | self._environment(),
                )
        except OSError as error:
            shutil.rmtree(self._scratch, ignore_errors=True)
            for end in (self._stderr, self.connection, theirs):
                end.close()
            raise RunnerError(f"the runs' processes cannot start{self._where}: {error}") from None
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

    def _command(self, *arguments: str) -> list[str]:
        if self._is_other:
            return python_of_other(str(self._first.experiment.against), LAUNCH, *arguments)
        return python(LAUNCH, *arguments)

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

    def _facts(self) -> list[str]:
        """Return what the forkserver is to know before it imports anything: this process, CPUs, its folder."""
        folder = str(self._data) if isinstance(self._data, Path) else ""
        return [str(os.getpid()), ",".join(map(str, sorted(usable_cpus()))), folder]

    def _environment(self) -> dict[str, str]:
        return {
            "OPENBLAS_NUM_THREADS": "1",  # NumPy's threads would be lost by a fork; torch's and the engine's are set
            "GOMP_SPINCOUNT": GOMP_SPINCOUNT,
            "TORCHINDUCTOR_CACHE_DIR": str(self._scratch / "inductor"),  # torch makes this folder on import
        }

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
