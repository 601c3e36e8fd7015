"""Was the machine quiet: every measured step in its order, relative to its mode's median, the disturbed ones marked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from significand.present.axes import choose_axis
from significand.present.page.setups import ShownSetup
from significand.present.page.times import Arrays, RunTimes, Times, spread
from significand.present.plots.drawn import Axis
from significand.present.rows import Cell

PHASES = {"training": "Training epochs", "inference": "Latency rounds"}

MOST_STEPS = 2500
"""Of a phase that are drawn."""

_ATTEMPT_SHIFT = 0.22  # of a step's width, so that a step measured again stands beside its first attempt


@dataclass(frozen=True)
class Step:
    """One attempt at one step: where it stands in the experiment, and its time relative to its mode's median.

    `disturbed` is None where nobody can tell.
    """

    setup: int
    repeat: int
    position: float
    ratio: float
    disturbed: bool | None
    counted: bool


@dataclass(frozen=True)
class RoundsFigure:
    """The steps of one phase. `position` runs from 0 to the number of repeats."""

    phase: str
    title: str
    repeats: int
    y: Axis
    steps: tuple[Step, ...]
    caption: str


def rounds_figures(times: Sequence[Times]) -> list[RoundsFigure]:
    """Prepare both phases; one of which no steps were kept is left out."""
    figures = [_figure(times, phase) for phase in PHASES]
    return [figure for figure in figures if figure.steps]


def _figure(times: Sequence[Times], phase: str) -> RoundsFigure:
    steps = [step for one in times for step in _steps(one, phase)]
    drawn = _drawn(steps)
    ratios = [step.ratio for step in drawn]
    cells = [Cell(end, math.nan) for end in ((min(ratios), 1.0, max(ratios)) if ratios else ())]
    return RoundsFigure(
        phase=phase,
        title=PHASES[phase],
        repeats=1 + max((step.repeat for step in steps), default=0),
        y=choose_axis("Time", ["× the mode's median"], cells),
        steps=tuple(drawn),
        caption=_caption(steps, drawn, phase),
    )


def _steps(times: Times, phase: str) -> list[Step]:
    runs = [(one, one.arrays["step_phase"] == phase) for one in times.runs if "step_phase" in one.arrays]
    runs = [(one, of_phase) for one, of_phase in runs if of_phase.any()]
    if not runs:
        return []
    counted_s = np.concatenate([one.arrays["step_time_s"][of_phase & _counted(one)] for one, of_phase in runs])
    known_s = counted_s[np.isfinite(counted_s) & (counted_s > 0)]
    if not known_s.size:
        return []
    median_s = float(np.median(known_s))
    return [step for one, of_phase in runs for step in _run_steps(times.setup, one, of_phase, median_s)]


def _run_steps(setup: ShownSetup, one: RunTimes, of_phase: np.ndarray, median_s: float) -> list[Step]:
    arrays: Arrays = {name: one.arrays[name][of_phase] for name in one.arrays if name.startswith("step_")}
    index = arrays["step_index"].astype(float)
    shifted = index + np.minimum(_ATTEMPT_SHIFT * arrays["step_attempt"].astype(float), 0.9)
    positions = one.repeat + (shifted + 0.5) / (index.max() + 1.5)
    ratios = arrays["step_time_s"] / median_s
    states = zip(
        positions.tolist(),
        ratios.tolist(),
        _disturbed(arrays),
        _counted(one)[of_phase].tolist(),
        strict=True,
    )
    return [
        Step(setup.index, one.repeat, position, ratio, disturbed, counted)
        for position, ratio, disturbed, counted in states
        if math.isfinite(ratio) and ratio > 0
    ]


def _disturbed(arrays: Arrays) -> list[bool | None]:
    """Tell of each attempt whether others disturbed it; None where their share is not known."""
    known = zip(arrays["step_share"].tolist(), arrays["step_disturbed"].tolist(), strict=True)
    return [None if math.isnan(share) else bool(disturbed) for share, disturbed in known]


def _counted(one: RunTimes) -> np.ndarray:
    """Tell which attempts are in the run's numbers: of rounds, only those of the steady state."""
    before = (one.arrays["step_phase"] == "inference") & (one.arrays["step_index"] < one.steady_from_round)
    return np.asarray(one.arrays["step_counted"].astype(bool) & ~before)


def _drawn(steps: Sequence[Step]) -> list[Step]:
    """Leave out quiet steps where there are too many, evenly; of the others only where they alone are too many."""
    if len(steps) <= MOST_STEPS:
        return list(steps)
    odd = [step for step in steps if step.disturbed or not step.counted]
    quiet = [step for step in steps if not step.disturbed and step.counted]
    odd = _evenly(odd, max(MOST_STEPS // 2, MOST_STEPS - len(quiet)))
    return [*_evenly(quiet, MOST_STEPS - len(odd)), *odd]


def _evenly(steps: Sequence[Step], most: int) -> list[Step]:
    return [steps[k] for k in spread(len(steps), most).tolist()]


def _caption(steps: Sequence[Step], drawn: Sequence[Step], phase: str) -> str:
    disturbed = sum(step.disturbed is True for step in steps)
    unknown = sum(step.disturbed is None for step in steps)
    left = sum(step.disturbed is True and step.counted for step in steps)
    unused = sum(not step.counted for step in steps)
    noun = "epoch measurements" if phase == "training" else "rounds"
    if disturbed:
        end = f"{left} of them are in the numbers all the same." if left else "none of them is in the numbers."
        parts = [f"Others disturbed {disturbed} of {len(steps):,} {noun} (crosses); {end}"]
    elif unknown < len(steps):
        parts = [f"Nothing disturbed any of {len(steps) - unknown:,} {noun}."]
    else:
        parts = []
    if unknown:
        parts.append(f"Whether others disturbed {unknown:,} {noun}, nobody can tell; see `significand doctor`.")
    if unused:
        why = "measured again, or before the steady state" if phase == "inference" else "measured again"
        parts.append(f"Hollow or thin: {unused} not in the numbers ({why}).")
    if len(drawn) < len(steps):
        parts.append(f"{len(drawn):,} are drawn{', disturbed ones first' if disturbed else ''}.")
    return " ".join(parts)
