"""The process that forks the runs, as it begins: it imports what takes seconds, then waits to hear what is to be run.

The program may begin it before it has read its own arguments: see `begun_ahead`. So little may be imported here.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from significand.meters.openmp import usable_cpus
from significand.runner.interpreter import environment, environment_of_other, python, python_of_other

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


class NoFolderError(OSError):
    """No folder for temporary files can be made."""


@dataclass(frozen=True)
class Launched:
    """The process that has begun.

    Attributes
    ----------
    process
        Itself.
    connection
        To it.
    scratch
        The folder for temporary files of the runs, which the process removes when this one is killed.
    stderr
        Where its last words go.
    """

    process: subprocess.Popen[bytes]
    connection: Connection
    scratch: Path
    stderr: IO[bytes]

    def end(self) -> None:
        """End it whatever it is doing, and leave nothing of it."""
        self.connection.close()
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.stderr.close()


def launch(other: str = "", of_program: str = "") -> Launched:
    """Begin the process.

    Parameters
    ----------
    other
        Where another environment is in which it runs; empty for this one.
    of_program
        A folder that this program removes, and the process where this program is killed; empty for none.

    Raises
    ------
    NoFolderError
        When no temporary folder can be made.
    OSError
        When it cannot start.
    """
    try:
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        scratch = Path(tempfile.mkdtemp(prefix="significand-"))
    except OSError as error:
        raise NoFolderError(str(error)) from None
    ours, theirs = socket.socketpair()
    connection = Connection(ours.detach())
    # What it is to know before it imports anything: this process, CPUs, folders, and the way to here.
    facts = [str(os.getpid()), ",".join(map(str, sorted(usable_cpus()))), of_program, str(scratch)]
    words = [*facts, str(theirs.fileno())]
    with theirs:
        try:
            process = subprocess.Popen(
                python_of_other(other, LAUNCH, *words) if other else python(LAUNCH, *words),
                pass_fds=[theirs.fileno()],
                cwd=scratch,  # the user's may be removed, and what lies there is none of its business
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C is for this process; it ends the workers in order
                env=(environment_of_other() if other else environment()) | _environment(scratch),
            )
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            stderr.close()
            connection.close()
            raise
    return Launched(process, connection, scratch, stderr)


def _environment(scratch: Path) -> dict[str, str]:
    return {
        "OPENBLAS_NUM_THREADS": "1",  # NumPy's threads would be lost by a fork; torch's and the engine's are set
        "GOMP_SPINCOUNT": GOMP_SPINCOUNT,
        "TORCHINDUCTOR_CACHE_DIR": str(scratch / "inductor"),  # torch makes this folder on import
    }


_ahead: list[Launched] = []  # at most one


@contextlib.contextmanager
def begun_ahead() -> Iterator[None]:
    """Begin the process before anybody needs it; end it on leaving, where nobody has taken it over.

    Where it cannot begin, that is told when it is needed.
    """
    if not getattr(sys, "frozen", False):  # there is no interpreter
        with contextlib.suppress(OSError):
            _ahead.append(launch())
    try:
        yield
    finally:
        end_ahead()


def taken() -> Launched | None:
    """Return the process that was begun ahead of the time, for whoever takes it over; None where there is none."""
    return _ahead.pop() if _ahead else None


def end_ahead() -> None:
    """End a process that was begun ahead of the time and that nobody has taken over."""
    if launched := taken():
        launched.end()
