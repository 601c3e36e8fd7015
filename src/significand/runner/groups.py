"""How many runs can live at once on this machine, and how a block is cut where that is fewer than it has."""

import math
import os
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from significand.plan.setup import Setup

PROCESSES_PER_RUN = 2
"""A run lives in one process and trains in another; memory is measured in a third, after that."""

SHARE_OF_MEMORY = 0.8
"""Of what is available, that runs may take together."""

MEMORY_MARGIN = 2.0
"""A run that waits to be trained has yet to write the network and to open it."""


@dataclass(frozen=True)
class Room:
    """What limits the number of runs that live at once.

    Attributes
    ----------
    runs
        How many do.
    reason
        Why not more.
    run_mb
        Memory of a run that is ready to be measured, in MB; NaN where nobody knows.
    """

    runs: int
    reason: str
    run_mb: float = math.nan


def room_for(run_mb: float, available_mb: float, processes: int | None) -> Room:
    """Return how many runs can live at once, at least one.

    Parameters
    ----------
    run_mb
        Memory of a run that is ready to be trained, in MB, without what it shares with others.
    available_mb
        Memory that can be had beside it, in MB.
    processes
        Processes that may still be started; None where nothing limits them.
    """
    needed_mb = MEMORY_MARGIN * run_mb
    by_memory = 1 + int(SHARE_OF_MEMORY * available_mb / needed_mb) if needed_mb > 0 else None
    by_processes = None if processes is None else 1 + max(0, processes) // PROCESSES_PER_RUN
    limits = [
        Room(max(1, limit), reason, run_mb)
        for limit, reason in (
            (by_memory, f"a run may need {needed_mb:.0f} MB, {available_mb:.0f} MB are available"),
            (by_processes, f"{processes} more processes may be started"),
        )
        if limit is not None
    ]
    return min(limits, key=lambda room: room.runs, default=Room(2**31, "", run_mb))


def cut(setups: Sequence[Setup], baselines: Mapping[str, str], most: int) -> list[tuple[Setup, ...]]:
    """Cut the setups of a block into groups of at most `most`, each of which holds the baselines of its setups.

    Parameters
    ----------
    setups
        In their order.
    baselines
        By the name of a setup, that of its baseline.
    most
        Setups of a group; those that share a baseline stay together, also where they are more.
    """
    families: dict[str, list[Setup]] = {}
    for setup in setups:
        families.setdefault(baselines.get(setup.name, setup.name), []).append(setup)
    groups: list[list[Setup]] = []
    for family in families.values():
        if groups and len(groups[-1]) + len(family) <= most:
            groups[-1] += family
        else:
            groups.append(list(family))
    return [tuple(group) for group in groups]


def own_memory_mb(pid: int) -> float:
    """Return the memory of a process and its children that they share with nobody, in MB; 0 where it cannot be read."""
    try:
        process = psutil.Process(pid)
        return float(sum(one.memory_full_info().uss for one in (process, *process.children()))) / 1e6
    except (psutil.Error, OSError):
        return 0.0


def memory_of_all_mb() -> float:
    """Return the memory of this process and all that descend from it, in MB, shared pages counted once; NaN if unknown.

    It is the sum of proportional set sizes (Linux, proc(5), smaps_rollup).
    """
    try:
        here = psutil.Process()
        return float(sum(one.memory_full_info().pss for one in (here, *here.children(recursive=True)))) / 1e6
    except (psutil.Error, OSError, AttributeError):  # a process ended meanwhile, or the system does not tell
        return math.nan


def available_memory_mb(root: Path = Path("/")) -> float:
    """Return the memory that can still be had, by the machine and by the control group, in MB."""
    group = root / "sys/fs/cgroup"
    limit, used = _number(group / "memory.max"), _number(group / "memory.current")
    left = [limit - used] if limit is not None and used is not None else []
    return float(min([psutil.virtual_memory().available, *left])) / 1e6


def processes_left(root: Path = Path("/")) -> int | None:
    """Return how many processes may still be started, by the control group and the user's limit; None for no limit."""
    group = root / "sys/fs/cgroup"
    most, now = _number(group / "pids.max"), _number(group / "pids.current")
    left = [most - now] if most is not None and now is not None else []
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY and os.getuid() != 0:  # the superuser's processes are not limited
        left.append(soft - sum(_is_ours(process) for process in psutil.process_iter()))
    return min(left, default=None)


def _is_ours(process: psutil.Process) -> bool:
    try:
        return bool(process.uids().real == os.getuid())
    except psutil.Error:
        return False


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such file, or "max"
        return None
