"""A block as a task of some scheduler: measured in fresh processes of the machine, and packed to be sent back.

The scheduler's own process on the machine idles meanwhile. Nothing of its environment that would change how the block
computes reaches it: neither variables about threads nor the CPUs that it is bound to. What is sent back, a block or a
reason, is plain bytes.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from significand.meters.machine import describe_machine
from significand.results.fleet_state import utc
from significand.results.sent_blocks import BlockError, pack_block
from significand.runner.interpreter import environment, last_line, python
from significand.runner.protocol import describe_exit

LOOK_EVERY_S = 0.1
"""How often a task looks whether it was cancelled."""

LONGEST_REASON = 2_000
"""Bytes of what a machine says of a block that it has not."""

DOCTOR_S = 120.0

NO_ANSWER = "doctor: it gave no answer"
"""What is wrong with a machine on which the doctor ended without a word, or took too long."""

BLOCK = b"PK"
"""What a packed block begins with, and no reason does."""

# The guard ends the block when the scheduler's process is no more, however that ended, and removes its folder.
START = """
import os, sys
from significand.runner.guard import start_guard
start_guard(int(sys.argv[1]), sys.argv[2], ())
del sys.argv[1:3]
try:
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
except (AttributeError, OSError):
    pass
from significand.cli import program
program()
"""


def run_task(
    bundle: Path,
    repeat: int,
    allow: Sequence[str] = (),
    is_cancelled: Callable[[], bool] = lambda: False,
) -> bytes:
    """Measure a repeat of an experiment on this machine.

    Parameters
    ----------
    bundle
        What the experiment needs.
    repeat
        Which.
    allow
        Fields of the machine that may differ.
    is_cancelled
        Asked now and then; the block is ended with everything that it has started where it says so.

    Returns
    -------
    bytes
        The block, which begins as `BLOCK`; or, in UTF-8, why there is none.
    """
    try:
        scratch = Path(tempfile.mkdtemp(prefix="significand-task-"))
    except OSError as error:
        return _reason(f"no temporary folder can be made: {error}")
    try:
        folder = scratch / "block"
        allowed = [word for name in allow for word in ("--allow", name)]
        words = ("block", str(bundle), str(repeat), "--output-dir", str(folder), "--quiet", *allowed)
        ended = _end_of(words, scratch, is_cancelled)
        if ended.startswith("!"):
            return _reason(ended[1:])
        try:
            return pack_block(folder, repeat)
        except BlockError:
            return _reason(ended or "it ended without a result")
    except OSError as error:
        return _reason(f"{error}; make room, or set TMPDIR to a folder with room")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def describe_here() -> str:
    """Return the facts of this machine and its time of day, as JSON."""
    return json.dumps({"machine": describe_machine(), "utc": utc(), "pid": os.getpid()})


def doctor_here() -> str:
    """Return what the doctor finds on this machine, without trying the engines, as JSON; nothing where it fails."""
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(prefix="significand-task-") as scratch:
        output = Path(scratch) / "checks.json"
        with output.open("wb") as file:
            _end_of(("doctor", "--json", "--without-modes"), Path(scratch), _after(DOCTOR_S), file)
        return output.read_text("utf-8")
    return ""


def unfit_of(checks: object) -> tuple[str, ...]:
    """Return what a doctor found bad, from its answer as JSON; that it gave none, where it is none."""
    try:
        found = json.loads(str(checks))
        if not isinstance(found, list) or not found:
            return (NO_ANSWER,)
        return tuple(f"{one['name']}: {one['found']}"[:500] for one in found if one["level"] == "bad")
    except (ValueError, TypeError, KeyError, RecursionError):
        return (NO_ANSWER,)


def _end_of(
    words: Sequence[str], scratch: Path, is_cancelled: Callable[[], bool], output: IO[bytes] | None = None
) -> str:
    """Run a command to its end; return its last word on standard error, after ``!`` where it has no result."""
    with tempfile.TemporaryFile(dir=scratch) as errors:
        process = subprocess.Popen(
            python(START, str(os.getpid()), str(scratch), *words),
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            env=environment(),
        )
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    status = process.wait(LOOK_EVERY_S)
                    break
                if is_cancelled():
                    return "!cancelled"
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        last = last_line(errors).removeprefix("significand: ")
    # 0: all runs finished; 1: some failed, or there is no result, which shows when it is packed.
    return last if status in {0, 1} else f"!{last or describe_exit(status)}"


def _after(seconds: float) -> Callable[[], bool]:
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() > deadline


def _reason(text: str) -> bytes:
    return text.encode(errors="replace")[:LONGEST_REASON]


def told(content: object) -> tuple[bytes, str]:
    """Return the block that a task sent, or the reason why there is none."""
    if not isinstance(content, bytes):
        return b"", f"it sent a {type(content).__name__} instead of a block"
    if content.startswith(BLOCK):
        return content, ""
    text = content[:LONGEST_REASON].decode(errors="replace")
    return b"", " ".join(text.split()) or "it sent nothing"
