"""The check of a user's functions, in a process that may break: the conductor never runs a line of theirs."""

import contextlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from significand.runner.interpreter import environment, python
from significand.runner.protocol import describe_exit
from significand.workload.examined import PICKLED, Examined, ProgramError, structure_of, why_no

TIMEOUT_S = 600.0
LOOK_EVERY_S = 0.05

# The guard is there before torch, which takes seconds to import.
EXAMINE = """
import gc, os, sys
gc.disable()
from significand.runner.guard import start_guard
start_guard(int(sys.argv[1]), sys.argv[2], (), sys.argv[3])
from significand.runner.examiner import main
gc.freeze()
gc.enable()
main(sys.argv[2])
"""

Meanwhile = Callable[[Callable[[], bool]], None]
"""Is called while a network is exported, with what tells whether it still is."""

REQUEST, DOING, RESULT = "request.pickle", "doing.txt", "result.json"
"""Files in the scratch folder: what is asked, what is being called, what it came to."""


@dataclass(frozen=True)
class Request:
    """What to examine.

    Attributes
    ----------
    source, pickled
        The user's functions, as for `significand.workload.program.load_functions`.
    folder
        Where the data are saved, and the network's structure; a new or empty one.
    options
        What ``model`` is called with, one text a network; the first is examined, all are built.
    seed, batch_size, epochs
        As for `significand.workload.trial.examine`.
    data
        A file to take the examples from; None for those that come with the network.
    shape
        Sizes of an ONNX file's open axes, as ``"seq=128"``.
    export
        Whether to export the networks afterwards.
    """

    source: str
    folder: Path
    options: tuple[str, ...]
    seed: int
    batch_size: int
    epochs: int
    data: Path | None = None
    shape: tuple[str, ...] = ()
    pickled: bytes | None = None
    export: bool = False


def examination(
    request: Request,
    cwd: Path | None = None,
    timeout_s: float = TIMEOUT_S,
    meanwhile: Meanwhile | None = None,
) -> Examined:
    """Examine a user's functions in a process of their own; what they print goes to standard error.

    An export that fails is no mistake: the reason is then in the folder, beside where it would be.

    Parameters
    ----------
    request
        What to examine.
    cwd
        The user's working directory; by default this process's.
    timeout_s
        When to end it.
    meanwhile
        All else is right when it is called, and no time is taken any more.

    Raises
    ------
    ProgramError
        With a line for each mistake; also where the process does not live to tell.
    """
    try:
        scratch = Path(tempfile.mkdtemp(prefix="significand-"))
    except OSError as error:
        raise ProgramError([f"no temporary folder can be made: {error}; set TMPDIR to one with room"]) from None
    try:
        end = _run(request, cwd, scratch, timeout_s, meanwhile)
        told = _told(scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if isinstance(told, str):
        raise ProgramError([f"{request.source}: {told} {end}; the check cannot go on"])
    if "problems" in told:
        raise ProgramError(told["problems"], told["trace"])
    if request.export:
        _explain_missing_structures(request, end)
    examined = Examined.from_json(told)
    examined.write(request.folder)
    if request.pickled:
        (request.folder / PICKLED).write_bytes(request.pickled)
    return examined


def _run(request: Request, cwd: Path | None, scratch: Path, timeout_s: float, meanwhile: Meanwhile | None) -> str:
    """Run the process to its end, with everything it has started; return how it ended."""
    (scratch / REQUEST).write_bytes(pickle.dumps(request))
    try:
        process = subprocess.Popen(
            python(EXAMINE, str(os.getpid()), str(scratch), str(request.folder)),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=_standard_error(),
            stderr=_standard_error(),
            start_new_session=True,  # Ctrl-C is for this process; it ends the other with all that it has started
            env=environment() | _environment(scratch),
        )
    except OSError as error:
        raise ProgramError(
            [f"the check cannot start in {cwd or 'the working directory'}: {error}; stand in a folder that is there"]
        ) from None
    deadline = time.monotonic() + timeout_s
    try:
        if meanwhile and request.export and _is_right(process, scratch, deadline):
            meanwhile(lambda: process.poll() is None)
        return describe_exit(process.wait(max(0.0, deadline - time.monotonic())))
    except subprocess.TimeoutExpired:
        return f"has not ended after {timeout_s:g} s and was ended"
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # its processes are all gone
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _is_right(process: subprocess.Popen[bytes], scratch: Path, deadline: float) -> bool:
    """Wait for what the process finds out; tell whether nothing is wrong, and it goes on."""
    while not (scratch / RESULT).exists():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY_S)
    return "problems" not in json.loads((scratch / RESULT).read_text("utf-8"))


def _environment(scratch: Path) -> dict[str, str]:
    return {
        "OPENBLAS_NUM_THREADS": "1",  # whatever starts threads is then the user's own
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",  # what the user's code has printed is there when it dies
        "TORCHINDUCTOR_CACHE_DIR": str(scratch / "inductor"),  # an export makes this folder
    }


def _standard_error() -> int:
    """Return the number of our standard error, or of nothing where it is closed."""
    try:
        os.fstat(2)
    except OSError:
        return subprocess.DEVNULL
    return 2


def _told(scratch: Path) -> dict[str, Any] | str:
    """Return what the process has found out, or what it was doing when it ended."""
    with contextlib.suppress(FileNotFoundError):
        return json.loads((scratch / RESULT).read_text("utf-8"))  # type: ignore[no-any-return]
    with contextlib.suppress(FileNotFoundError):
        return f"in {(scratch / DOING).read_text('utf-8')} the process"
    return "the process"


def _explain_missing_structures(request: Request, end: str) -> None:
    """Say that the export's process died, where it is neither done nor has failed."""
    for number in range(len(request.options)):
        structure = structure_of(request.folder, number)
        if not structure.exists() and not why_no(structure).exists():
            why_no(structure).write_text(f"the process that exports it {end}", "utf-8")
