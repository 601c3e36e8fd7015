"""The process in which one run lives. It is forked, runs once, and ends."""

import contextlib
import ctypes
import os
import pickle
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Never

from significand.measure.run import measure, noise_values, step_arrays
from significand.measure.yardstick import shared_folder
from significand.meters.steps import LONGEST_SETTLING_S, DisturbedError, Step
from significand.plan.problems import RunFailedError
from significand.results.records import run_name
from significand.runner.protocol import Done, Failed, Fork, Ready, Start, Waiting, describe_exit
from significand.workload.base import Material
from significand.workload.examined import ProgramError

PR_SET_PDEATHSIG = 1
TASKS = Path("/proc/self/task")

OUT_OF_MEMORY = "out of memory; lower batch_size or the size of the layers"
NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|bad_alloc|failed to allocate", re.IGNORECASE)
"""What torch and ONNX Runtime say when an allocation fails; they have no exception of its own for it."""

SETTLING_STEP_S = 0.0005


class PhaseDiedError(RunFailedError):
    """The process of a phase ended without a result."""


def work(channel: Connection, job: Fork, start: Start, material: Material) -> Never:
    """Run `job`, tell the conductor at the other end of `channel` how it ended, and end this process."""
    status = 1
    try:
        channel.send(Ready())
        channel.recv()
        tempfile.tempdir = str(start.scratch)
        channel.send(_run(channel, job, start, material))
        status = 0
    except (EOFError, ConnectionError):
        pass  # the conductor is gone; there is nobody to tell
    finally:
        # The forkserver's state is not this process's to clean up.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _run(channel: Connection, job: Fork, start: Start, material: Material) -> Done | Failed:
    def take_turn(step: Step) -> None:
        _settle()
        channel.send(Waiting(step))
        channel.recv()

    try:
        measured = measure(
            job.setup,
            start.protocol,
            job.seed,
            material,
            start.energy,
            take_turn=take_turn,
            isolate=in_own_process,
            profiled=start.profiled
            and job.seed == start.seed,  # once is enough: it says where the time goes, not how long it is
            keep=start.keep and start.keep / run_name(job.seed - start.seed, job.setup.name),
            shared=shared_folder(start.scratch, job.seed),
        )
        take_turn("prepare")  # nobody times its end, and others may end beside it
    except (EOFError, ConnectionError):
        raise
    except DisturbedError as error:
        return Failed(str(error), noise_values(error.attempts), step_arrays(error.attempts))
    except (RunFailedError, ProgramError) as error:
        return Failed(str(error))
    except MemoryError:
        return Failed(OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other runs go on and the row says why
        if NO_MEMORY.search(str(error)):
            return Failed(OUT_OF_MEMORY)
        first_line = str(error).partition("\n")[0]  # torch appends its whole call stack
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Failed(f"{type(error).__name__}: {first_line} (at {Path(place.filename).name}:{place.lineno})")
    return Done(measured)


def in_own_process(name: str, phase: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the phase returns
    """Run `phase` in a fork of this process, called `name` where it dies; return its result, or raise what it raised.

    The fork is safe because this process has not started a thread yet: nothing has computed in it.

    Raises
    ------
    PhaseDiedError
        When the process ended without a result.
    """
    reader, writer = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        die_with_parent(parent)
        _run_phase(phase, writer)
    os.close(writer)
    with open(reader, "rb") as pipe:  # noqa: PTH123 - a file descriptor
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    if not answer or status != 0:
        raise PhaseDiedError(f"{name} {describe_exit(os.waitstatus_to_exitcode(status))}")
    kind, value = pickle.loads(answer)  # noqa: S301 - from our own fork
    if kind == "raised":
        raise value
    return value


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends (Linux, prctl(2)); where it has ended, end at once."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _run_phase(phase: Callable[[], Any], writer: int) -> Never:
    status = 1
    try:
        try:
            answer = ("returned", phase())
        except Exception as error:  # noqa: BLE001 - raised again in the parent
            answer = ("raised", error)
        with open(writer, "wb") as pipe:
            pipe.write(_pickled(answer))
        status = 0
    finally:
        os._exit(status)


def _pickled(answer: tuple[str, Any]) -> bytes:
    try:
        return pickle.dumps(answer)
    except Exception:  # noqa: BLE001 - an error that cannot travel; its text can
        return pickle.dumps(("raised", RuntimeError(f"{type(answer[1]).__name__}: {answer[1]}")))


def _settle() -> None:
    """Wait until no other thread of this process is running.

    Thread pools wait busily for more work for a while; that would take a core from the run that is next.
    """
    me = str(os.getpid())
    if not TASKS.is_dir():  # no proc file system to look into
        return
    deadline = time.monotonic() + LONGEST_SETTLING_S
    while time.monotonic() < deadline:
        if not any(_is_running(task) for task in os.listdir(TASKS) if task != me):  # noqa: PTH208 - names, not paths
            return
        time.sleep(SETTLING_STEP_S)


def _is_running(task: str) -> bool:
    with contextlib.suppress(OSError):  # the thread may just have ended
        stat = (TASKS / task / "stat").read_text(encoding="ascii", errors="replace")
        return stat.rpartition(")")[2].split()[0] == "R"
    return False
