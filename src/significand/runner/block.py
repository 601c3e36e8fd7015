"""A block, which never leaves its machine, and the places where blocks run."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from significand.meters.counters import EnergyPlan
from significand.plan.experiment import Experiment
from significand.plan.setup import Setup
from significand.results.records import Run

OnRun = Callable[[Run, Mapping[str, np.ndarray]], None]
"""Called with each run as it ends, finished or failed, and the single times behind it."""


@dataclass(frozen=True)
class Block:
    """Setups of one repeat on one host, measured in turns: the unit of pairing, of resuming and of sending elsewhere.

    Attributes
    ----------
    experiment
        What the setups are of.
    repeat
        Which repeat, from 0.
    setups
        Those that are left to run.
    energy
        How their energy is found.
    done
        How many further setups of the repeat ended before.
    keep
        A folder in which the measured networks are kept; None where they are not.
    profiled
        Whether the first repeat is profiled.
    """

    experiment: Experiment
    repeat: int
    setups: tuple[Setup, ...]
    energy: EnergyPlan
    done: int = 0
    keep: Path | None = None
    profiled: bool = False

    @property
    def seed(self) -> int:
        """Of everything random in the block's runs."""
        return self.experiment.seed + self.repeat


@dataclass(frozen=True)
class Timing:
    """Where the time between the first block's start and the last block's end went, in seconds.

    Attributes
    ----------
    blocks_s
        All of it.
    measured_s
        In measured steps: one run computes, all others are idle.
    prepared_s
        In steps that nobody times: data, warm-up, conversion, sessions, accuracy.
    groups
        How blocks were cut where not all of their runs could live at once, and why; else empty.
    memory_mb
        Of all processes together, when the first runs were ready to infer, in MB (10^6 bytes); NaN where not known.
    """

    blocks_s: float
    measured_s: float
    prepared_s: float
    groups: str = ""
    memory_mb: float = math.nan


class Place(Protocol):
    """Where blocks run."""

    def run(self, blocks: Iterable[Block], on_run: OnRun, is_enough: Callable[[int], bool]) -> Timing:
        """Run blocks one after the other.

        Parameters
        ----------
        blocks
            In the order of their repeats, taken one by one: there may be a million that are never run.
        on_run
            See `OnRun`.
        is_enough
            Asked before each block, with how many have ended, whether to stop there.

        Raises
        ------
        significand.runner.launched.RunnerError
            When runs cannot be had there.
        """
        ...
