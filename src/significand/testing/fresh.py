"""What an engine does to processes, seen in a new one: it is imported, preloaded and forked as for the runs."""

import gc
import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from pathlib import Path

import psutil

from significand.engines.base import ENGINES, GROUP, engine_modes, get_engine
from significand.meters.steps import LONGEST_SETTLING_S
from significand.testing.case import Case, largest_error
from significand.testing.workloads import WORKLOADS

THREADS = 2
"""Of one there would be none that could wait busily."""

IDLE_S = 1.0
LARGEST_IDLE_SHARE = 0.01
TRIES = 3
"""How often it is looked at a process that does not rest: once may be chance."""


@dataclass(frozen=True)
class Facts:
    """What was seen.

    Attributes
    ----------
    imported_by_registry
        Whether the engine's module was there once all engines had been listed.
    threads_started
        By importing and preloading it.
    imported_late
        Packages that were imported after the fork, though all modes had been preloaded.
    errors
        By mode, the relative output error in the fork, and what it may be; or why there is none.
    idle_cpu_s
        CPU time of the fork in `IDLE_S` after its last call and `LONGEST_SETTLING_S`, of all its threads.
    strays
        Files that are no names of the network's file with more behind it, relative to the folder of the process.
    children
        Processes that the fork had started and that lived on when its sessions were gone.
    """

    imported_by_registry: bool
    threads_started: int
    imported_late: Sequence[str]
    errors: dict[str, tuple[float, float] | str]
    idle_cpu_s: float
    strays: Sequence[str]
    children: Sequence[str]


def main() -> None:
    """Write the facts of an engine; arguments are its name, a workload, modes by commas, and a folder to work in."""
    engine, workload, modes, folder = sys.argv[1:]
    module = ENGINES[engine].module if engine in ENGINES else next(iter(entry_points(group=GROUP, name=engine))).module
    known = list(engine_modes())
    imported_by_registry = engine in known and module in sys.modules

    # The process that forks the runs has imported this beforehand.
    import significand.workload.mlp  # noqa: PLC0415
    import significand.workload.module  # noqa: F401, PLC0415
    from significand.runner.worker import in_own_process  # noqa: PLC0415

    process = psutil.Process()
    before = process.num_threads()
    work = Path(folder) / "networks"
    cases = [Case(engine, WORKLOADS[workload], mode, THREADS, work) for mode in modes.split(",")]
    for case in cases:
        get_engine(engine).preload(case.setup)
    threads_started = process.num_threads() - before
    seen = in_own_process(f"a process forked after preloading {engine}", lambda: _seen(cases, work))
    facts = Facts(imported_by_registry, threads_started, *seen)
    (Path(folder) / "facts.json").write_text(json.dumps(asdict(facts)), "utf-8")


def _seen(
    cases: Sequence[Case], work: Path
) -> tuple[list[str], dict[str, tuple[float, float] | str], float, list[str], list[str]]:
    """Run every case, in the fork; return the facts from `imported_late` on."""
    before = _packages()
    errors: dict[str, tuple[float, float] | str] = {}
    calls: list[Callable[[], object]] = []
    for case in cases:
        try:
            outputs, limit = case.session.predict(case.feeds()), case.limit
            calls.append(case.session.bind(case.feeds()))
            imported_late = sorted(_packages() - before)
            errors[case.mode.name] = largest_error(outputs, case.reference), limit
        except Exception as error:  # noqa: BLE001 - told in the check
            imported_late = sorted(_packages() - before)
            errors[case.mode.name] = f"{type(error).__name__}: {error}".splitlines()[0]
    idle_cpu_s = _idle_cpu_s(calls)
    strays = _strays(cases, work)
    for case in cases:
        vars(case).pop("session", None)
    del calls
    gc.collect()
    children = [" ".join(one.cmdline()) or one.name() for one in psutil.Process().children(recursive=True)]
    return imported_late, errors, idle_cpu_s, strays, children


def _idle_cpu_s(calls: Sequence[Callable[[], object]]) -> float:
    """Return the least CPU time, in s, of this process in `IDLE_S` once it may rest, of as many tries as are needed."""
    least = math.inf
    for _ in range(TRIES):
        for call in calls:
            call()
        time.sleep(LONGEST_SETTLING_S)
        begin = time.process_time()
        time.sleep(IDLE_S)
        least = min(least, time.process_time() - begin)
        if least <= LARGEST_IDLE_SHARE * IDLE_S:
            break
    return least


def _packages() -> set[str]:
    """Return what is imported and no part of Python, nor generated, which nobody could import beforehand."""
    names = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
    return {name for name in names if PathFinder.find_spec(name)}


def _strays(cases: Sequence[Case], work: Path) -> list[str]:
    """Return files in the home and the working folder, and those beside the networks that are not of their names."""
    own = [case.path.name for case in cases]
    beside = [
        one for one in work.iterdir() if not any(one.name == name or one.name.startswith(f"{name}.") for name in own)
    ]
    elsewhere = [one for folder in (Path.home(), Path.cwd()) for one in folder.rglob("*") if one.is_file()]
    return sorted(os.path.relpath(one, work.parent) for one in (*beside, *elsewhere))
