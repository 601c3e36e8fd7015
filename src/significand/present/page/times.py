"""The single times behind the runs, read once for all charts; what cannot be read is named and left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from significand.answers.folder import Folder
from significand.present.page.setups import ShownSetup
from significand.present.rows import visible

Arrays = Mapping[str, np.ndarray]

MOST_NOTES = 4
"""Runs whose times cannot be read that are named one by one."""

MOST_READ = 1_500
"""Runs whose times are read, of all setups together: each is a file."""

_TOGETHER = (
    ("epoch_time_s", "epoch_loss"),
    ("call_latency_s", "call_round"),
    tuple(f"step_{name}" for name in ("phase", "index", "attempt", "time_s", "disturbed", "counted", "share")),
)
"""Arrays that have one entry for the same thing."""


@dataclass(frozen=True)
class RunTimes:
    """What the charts need of a finished run, and the arrays kept of it, by the names of `DETAIL_ARRAYS`."""

    repeat: int
    steady_from_round: int
    arrays: Arrays


@dataclass(frozen=True)
class Times:
    """What was kept of a setup's finished runs."""

    setup: ShownSetup
    runs: Sequence[RunTimes]


def read_times(results: Folder, setups: Sequence[ShownSetup], most: int = MOST_READ) -> tuple[list[Times], list[str]]:
    """Read the single times of all finished runs, or of as many as there is time for.

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
    read, notes, missing, looked_at = [], [], 0, 0
    with_runs = [setup for setup in setups if len(setup.runs)]
    for setup in with_runs:
        kept = []
        rows = spread(len(setup.runs), max(1, most // len(with_runs)))
        looked_at += len(rows)
        some = setup.runs.take(rows)
        for name, repeat, first in zip(
            some.names.to_list(), some.counts("repeat").tolist(), some.counts("steady_from_round").tolist(), strict=True
        ):
            try:
                arrays = _checked(results.details(name))
            except (ValueError, OSError) as error:
                notes.append(f"The single times of run {visible(name)} are left out: {visible(error)}.")
                continue
            if arrays:
                kept.append(RunTimes(repeat, first, arrays))
            else:
                missing += 1
        read.append(Times(setup, kept))
    if len(notes) > MOST_NOTES:
        notes = [*notes[:MOST_NOTES], f"So are those of {len(notes) - MOST_NOTES} other runs."]
    if missing:
        notes.append(f"Of {missing} run{'s' if missing > 1 else ''} there are no single times in details/.")
    if looked_at < (total := sum(len(setup.runs) for setup in with_runs)):
        notes.append(f"Single times are read of {looked_at:,} of {total:,} runs, spread evenly.")
    return read, notes


def spread(count: int, most: int) -> np.ndarray:
    """Return indices from 0 to count - 1, at most so many, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _checked(arrays: Arrays) -> Arrays:
    """Return the arrays that belong together and fit together.

    Raises
    ------
    ValueError
        Where they do not fit.
    """
    for names in _TOGETHER:
        if len({arrays[name].shape for name in names if name in arrays}) > 1:
            raise ValueError(f"the shapes of {', '.join(names)} differ; they must have one entry each")
    return {name: arrays[name] for names in _TOGETHER if all(name in arrays for name in names) for name in names}
