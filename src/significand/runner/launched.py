"""The forkserver's process from its launch to its end. It can import before anybody knows what it is to run.

The program may launch it before it has read its own arguments: see `begun_ahead`. So little may be imported here.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from significand.meters.openmp import usable_cpus
from significand.runner.interpreter import environment, environment_of_other, last_line, python, python_of_other

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


IMPORTED = "imported"
"""A file of the process's scratch folder, which is there when all is imported that every experiment needs."""


class RunnerError(RuntimeError):
    """The runs' processes cannot be had on this machine."""


class Launched:
    """The process, which imports what runs need and waits to hear of its experiment.

    Parameters
    ----------
    folder
        One that this program removes itself, and the process's guard where the program is no more; None for none.
    against
        Another environment that it runs in; None for this one.

    Attributes
    ----------
    connection
        To it.
    scratch
        Its folder for temporary files. From its start on it removes that when this program is killed.

    Raises
    ------
    RunnerError
        Where there can be no such process.
    """

    connection: Connection
    scratch: Path

    def __init__(self, folder: Path | None = None, against: str | None = None) -> None:
        where = in_environment(against)
        if getattr(sys, "frozen", False):
            raise RunnerError("a frozen program has no Python interpreter for the runs' processes; run it unfrozen")
        try:
            self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
            self.scratch = Path(tempfile.mkdtemp(prefix="significand-"))
        except OSError as error:
            raise RunnerError(f"no temporary folder can be made: {error}; set TMPDIR to one with room") from None
        ours, theirs = socket.socketpair()
        self.connection = Connection(ours.detach())
        cpus = ",".join(map(str, sorted(usable_cpus())))
        facts = (str(os.getpid()), cpus, str(folder or ""), str(self.scratch), str(theirs.fileno()))
        try:
            with theirs:
                self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
                    python(LAUNCH, *facts) if against is None else python_of_other(against, LAUNCH, *facts),
                    pass_fds=[theirs.fileno()],
                    cwd=self.scratch,  # the user's may be removed, and what lies there is none of its business
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._stderr,
                    start_new_session=True,  # Ctrl-C is for this process; it ends the workers in order
                    env=(environment() if against is None else environment_of_other()) | self._environment(),
                )
        except OSError as error:
            shutil.rmtree(self.scratch, ignore_errors=True)
            for end in (self._stderr, self.connection, theirs):
                end.close()
            raise RunnerError(f"the runs' processes cannot start{where}: {error}") from None

    @property
    def has_imported(self) -> bool:
        """Whether it only waits to hear of its experiment."""
        return (self.scratch / IMPORTED).exists()

    def _environment(self) -> dict[str, str]:
        return {
            "OPENBLAS_NUM_THREADS": "1",  # NumPy's threads would be lost by a fork; torch's and the engine's are set
            "GOMP_SPINCOUNT": GOMP_SPINCOUNT,
            "TORCHINDUCTOR_CACHE_DIR": str(self.scratch / "inductor"),  # torch makes this folder on import
        }

    def stop(self) -> str:
        """End it and all its workers; return how it ended, with its last words; nothing where it was stopped before."""
        from significand.runner.protocol import describe_exit  # noqa: PLC0415 - little may be imported before

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
        shutil.rmtree(self.scratch, ignore_errors=True)
        with self._stderr:
            last = last_line(self._stderr)
        return f"{end}: {last}" if last else end

    def drop(self) -> None:
        """End it at once, unless it was stopped: nobody has told it of an experiment, so it has no workers.

        While it imports it hears nothing.
        """
        if self._process is not None:
            self._process.kill()
            self.stop()

    def _hang_up(self) -> None:
        """Close the connection, at which the forkserver ends its workers and itself."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.connection.fileno())) as ours:
            ours.shutdown(socket.SHUT_RDWR)  # somebody's fork of this process may hold a copy open
        self.connection.close()


def in_environment(against: str | None) -> str:
    """Return in which environment a process runs, for errors; nothing of this one."""
    return f" in {against!r}" if against is not None else ""


_ahead: list[Launched] = []  # at most one


@contextlib.contextmanager
def begun_ahead() -> Iterator[None]:
    """Launch the process before anybody needs it; end it on leaving, where nobody has taken it over.

    Where it cannot begin, that is told when it is needed.
    """
    with contextlib.suppress(RunnerError):
        _ahead.append(Launched())
    try:
        yield
    finally:
        end_ahead()


def taken() -> Launched | None:
    """Return the process that was launched ahead of the time, for whoever takes it over; None where there is none."""
    return _ahead.pop() if _ahead else None


def end_ahead() -> None:
    """End a process that was launched ahead of the time and that nobody has taken over."""
    if launched := taken():
        launched.drop()
