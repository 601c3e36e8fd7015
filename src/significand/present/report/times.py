"""The single times behind the runs, read once for all charts; what cannot be read is named and left out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from significand.evidence import Evidence
from significand.present.report.setups import Setup
from significand.present.rows import visible
from significand.results.records import Run

Arrays = Mapping[str, np.ndarray]

MOST_NOTES = 4
"""Runs whose times cannot be read that are named one by one."""

_TOGETHER = (
    ("epoch_time_s", "epoch_loss"),
    ("call_latency_s", "call_round"),
    tuple(f"step_{name}" for name in ("phase", "index", "attempt", "time_s", "disturbed", "counted", "share")),
)
"""Arrays that have one entry for the same thing."""


@dataclass(frozen=True)
class RunTimes:
    """A finished run and the arrays kept of it, by the names of `significand.benchmark.Details`."""

    run: Run
    arrays: Arrays


@dataclass(frozen=True)
class Times:
    """What was kept of a setup's finished runs."""

    setup: Setup
    runs: Sequence[RunTimes]


def read_times(evidence: Evidence, setups: Sequence[Setup], most: float = math.inf) -> tuple[list[Times], list[str]]:
    """Read the single times of all finished runs, or of the first repeats.

    Parameters
    ----------
    most
        Files that are read; of each setup's runs as many, and one at least.

    Returns
    -------
    list of Times
        One per setup that has finished runs; runs without single times are left out.
    list of str
        A sentence for what is missing or cannot be read.
    """
    read, notes, missing = [], [], 0
    shown = _repeats_shown(setups, most)
    for setup in setups:
        kept = []
        for run in setup.runs[:shown]:
            try:
                arrays = _checked(evidence.details(run))
            except (ValueError, OSError) as error:
                notes.append(f"The single times of run {visible(run.name)} are left out: {visible(error)}.")
                continue
            if arrays:
                kept.append(RunTimes(run, arrays))
            else:
                missing += 1
        if setup.runs:
            read.append(Times(setup, kept))
    if len(notes) > MOST_NOTES:
        notes = [*notes[:MOST_NOTES], f"So are those of {len(notes) - MOST_NOTES} other runs."]
    if any(len(setup.runs) > shown for setup in setups):
        notes.append(f"The charts of single times show the first {shown} finished runs of each setup; tables, all.")
    if missing:
        notes.append(f"Of {missing} run{'s' if missing > 1 else ''} there are no single times in details/.")
    return read, notes


def _repeats_shown(setups: Sequence[Setup], most: float) -> int:
    """Return how many runs of each setup are read."""
    longest = max((len(setup.runs) for setup in setups), default=0)
    finished = sum(len(setup.runs) for setup in setups)
    return longest if finished <= most else max(1, int(most // max(1, len(setups))))


def _checked(arrays: Arrays) -> Arrays:
    """Return the arrays that belong together and fit together.

    Raises
    ------
    ValueError
        Where they do not fit.
    """
    for names in _TOGETHER:
        shapes = {arrays[name].shape for name in names if name in arrays}
        if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
            raise ValueError(f"the shapes of {', '.join(names)} differ; they must have one entry each")
    for name, array in arrays.items():
        if name.endswith("_s") and array.dtype.kind not in "fiu":
            raise ValueError(f"{name} is no array of numbers")
    return {name: arrays[name] for names in _TOGETHER if all(name in arrays for name in names) for name in names}
