"""What conductor, forkserver and workers say to each other. No torch here: the conductor never imports it.

Messages travel pickled over socket pairs that only these processes hold.
"""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from significand.meters.counters import EnergyPlan
from significand.meters.steps import Step
from significand.plan.setup import Protocol, Setup
from significand.results.records import Measured


@dataclass(frozen=True)
class Start:
    """Conductor to forkserver, once: what every run will need.

    Attributes
    ----------
    setups
        All that will be run.
    protocol, energy
        How all of them are measured, and how their energy is found.
    data
        Where the data are, as `significand.workload.given.saved` says.
    keep
        Folder in which networks are kept, each named as its run; None where they are not.
    seed
        Of the first repeat.
    profiled
        Whether that is profiled.
    scratch
        Folder for temporary files of the runs; the conductor removes it.
    """

    setups: tuple[Setup, ...]
    protocol: Protocol
    energy: EnergyPlan
    data: Path | None
    scratch: Path
    keep: Path | None
    seed: int
    profiled: bool


@dataclass(frozen=True)
class Up:
    """Forkserver to conductor: everything is imported."""


@dataclass(frozen=True)
class Fork:
    """Conductor to forkserver: make a worker for this run. Its end of a socket pair follows."""

    setup: Setup
    seed: int


@dataclass(frozen=True)
class Forked:
    """Forkserver to conductor: the worker's process id."""

    pid: int


@dataclass(frozen=True)
class Kill:
    """Conductor to forkserver: end this worker. Only its parent can be sure that the id is still its own."""

    pid: int


@dataclass(frozen=True)
class Exited:
    """Forkserver to conductor: a worker ended. ``status`` is as from `os.waitstatus_to_exitcode`."""

    pid: int
    status: int


@dataclass(frozen=True)
class Ready:
    """Worker to conductor: alive, and waiting to prepare."""


@dataclass(frozen=True)
class Waiting:
    """Worker to conductor: done with its step, idle, and asking for the next."""

    step: Step


@dataclass(frozen=True)
class Go:
    """Conductor to worker: the step asked for may begin."""


@dataclass(frozen=True)
class Done:
    """Worker to conductor: what the run came to."""

    measured: Measured


@dataclass(frozen=True)
class Failed:
    """Worker to conductor: the run ended without a result; the values and single times that there are nevertheless."""

    reason: str
    values: Mapping[str, object] = field(default_factory=dict)
    details: Mapping[str, np.ndarray] = field(default_factory=dict)


def describe_exit(status: int) -> str:
    """Say how a process ended, from what `os.waitstatus_to_exitcode` gives."""
    if status >= 0:
        return f"ended with exit status {status}"
    name = signal.Signals(-status).name
    hint = "; the system ends processes so when memory runs out" if -status == signal.SIGKILL else ""
    return f"was killed by {name}{hint}"
