"""Checks of what an engine does to processes, seen in one that is started for it."""

import contextlib
import functools
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from significand.engines.base import EngineMissingError, engine_modes, engines_of_modules, native_modes, runs
from significand.plan.experiment import Surroundings, plan_experiment
from significand.plan.precision import MODES
from significand.plan.problems import PlanError
from significand.runner.interpreter import environment, python
from significand.testing.case import fail
from significand.testing.fresh import IDLE_S, LARGEST_IDLE_SHARE, Facts
from significand.testing.workloads import scratch

LONGEST_S = 300.0
"""After which the process is ended."""

LINGERING_S = 2.0
"""In which processes may still end after the engine's."""

Modes = tuple[str, ...]


def waits_to_be_asked_for(engine: str, workload: str, modes: Modes) -> None:
    """Reading which engines there are does not import the engine."""
    if _facts(engine, workload, modes)[0].imported_by_registry:
        fail(f"{engine}: listing the engines imports it; let neither a .pth file do so, nor a package of the others")


def preloads_without_threads(engine: str, workload: str, modes: Modes) -> None:
    """Importing and preloading it starts no thread: a fork would lose it."""
    if (number := _facts(engine, workload, modes)[0].threads_started) > 0:
        fail(f"{engine}: importing and preloading it starts {number} threads, and none are to be; start them in open")


def preloads_all_it_needs(engine: str, workload: str, modes: Modes) -> None:
    """After preloading, a mode imports no further package: importing would be counted as the run's time and memory."""
    if late := _facts(engine, workload, modes)[0].imported_late:
        fail(f"{engine}: {', '.join(late)} imported only when networks are written or run; import it in preload")


def works_in_a_fork(engine: str, workload: str, modes: Modes) -> None:
    """In a process forked after preloading, outputs in every mode are those of the weights."""
    for mode, found in _facts(engine, workload, modes)[0].errors.items():
        if isinstance(found, str):
            fail(f"{engine}-{workload}-{mode}: in a forked process: {found}; keep no state that a fork loses")
        elif found[0] > found[1]:
            fail(
                f"{engine}-{workload}-{mode}: outputs of a forked process differ from the yardstick by {found[0]:.2g} "
                f"of their norm, and {found[1]:.2g} is allowed; keep no state that a fork loses"
            )


def rests_between_calls(engine: str, workload: str, modes: Modes) -> None:
    """After a call its threads take no CPU time: the run whose turn is next would be measured beside them."""
    share = _facts(engine, workload, modes)[0].idle_cpu_s / IDLE_S
    if share > LARGEST_IDLE_SHARE:
        fail(
            f"{engine}: after its last call it takes {share:.1%} of a CPU for {IDLE_S:g} s, and "
            f"{LARGEST_IDLE_SHARE:.0%} is allowed; let its threads sleep while they wait"
        )


def keeps_files_together(engine: str, workload: str, modes: Modes) -> None:
    """All that is written bears the name of the network's file, or is removed again."""
    if strays := _facts(engine, workload, modes)[0].strays:
        told = ", ".join(strays[:5])
        fail(f"{engine}: leaves {len(strays)} files of other names ({told}); call them as the file, a dot, and more")


def leaves_nothing_running(engine: str, workload: str, modes: Modes) -> None:
    """When its sessions are gone, no process that it started is left."""
    facts, left = _facts(engine, workload, modes)
    if running := [*facts.children, *left]:
        fail(f"{engine}: leaves {len(running)} processes running ({', '.join(running[:5])}); end them with the session")


def names_its_modes(engine: str, workload: str, modes: Modes) -> None:  # noqa: ARG001 - as the others
    """Its modes are known ones, and any other is refused with a reason of one line."""
    own = engine_modes()[engine]
    strange = [mode for mode in own if mode not in MODES] + [mode for mode in native_modes(engine) if mode not in own]
    if strange:
        fail(f"{engine}: {', '.join(strange)} in its modes or native_modes is none; there are {', '.join(MODES)}")
    for mode in (mode for mode in MODES if not runs(engine, mode)):
        given = {"layer_sizes": [4, 2], "activations": ["softmax"], "precision_modes": [mode], "engine": engine}
        surroundings = Surroundings({engine: own}, lambda name, column: None, engines_of_modules())  # noqa: ARG005
        try:
            plan_experiment({**given, "data": "synthetic"}, surroundings)
        except (PlanError, EngineMissingError) as error:
            if len(error.problems) != 1 or engine not in str(error) or mode not in str(error):
                fail(f"{engine}: refuses {mode} without a reason in one line: {error}")
        else:
            fail(f"{engine}: an experiment in {mode} is planned, which it does not run; keep its modes as they are")


PROCESS_CHECKS: Sequence[Callable[[str, str, Modes], None]] = (
    names_its_modes,
    waits_to_be_asked_for,
    preloads_without_threads,
    preloads_all_it_needs,
    works_in_a_fork,
    rests_between_calls,
    keeps_files_together,
    leaves_nothing_running,
)


@functools.cache
def _facts(engine: str, workload: str, modes: Modes) -> tuple[Facts, list[str]]:
    """Return what was seen in a new process, and the processes that outlived it, which are ended."""
    folder = Path(tempfile.mkdtemp(dir=scratch()))
    for name in ("home", "here", "networks", "temporary"):
        (folder / name).mkdir()
    kept = {name: value for name, value in environment().items() if not name.startswith("XDG_")}
    own = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "temporary")}
    code = "from significand.testing.fresh import main; main()"
    with (folder / "said.txt").open("w+") as said:
        process = subprocess.Popen(
            python(code, engine, workload, ",".join(modes), str(folder)),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=folder / "here",
            env=kept | own,
            start_new_session=True,
        )
        try:
            status = process.wait(LONGEST_S)
            left = [" ".join(one.cmdline()) or one.name() for one in _lingering(process.pid)]
        except subprocess.TimeoutExpired:
            fail(f"{engine}: its process has not ended after {LONGEST_S:g} s; let no call and no import wait")
        finally:
            for one in (process, *_of_session(process.pid)):
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                    os.kill(one.pid, signal.SIGKILL)
            process.wait()
        said.seek(0)
        if status:
            fail(f"{engine}: its process ended with {status}: {''.join(said.readlines()[-3:]).strip()}")
    return Facts(**json.loads((folder / "facts.json").read_text("utf-8"))), left


def _lingering(session: int) -> list[psutil.Process]:
    """Return the processes of a session that do not end within `LINGERING_S`."""
    deadline = time.monotonic() + LINGERING_S
    while (left := list(_of_session(session))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _of_session(session: int) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == session and process.pid != session:
                yield process
