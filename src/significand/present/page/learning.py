"""How training went: the loss of every epoch, mean over a mode's runs and the single runs behind it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from significand.plan.metrics import METRICS
from significand.present.axes import choose_axis
from significand.present.page.setups import ShownSetup
from significand.present.page.times import Times, spread
from significand.present.plots.drawn import Axis
from significand.present.rows import Cell
from significand.present.words.numbers import choose_unit

AGAINST = {"epoch": "epochs", "time": "time in training"}
"""What the loss can be drawn against, in words."""

_Shown = tuple[ShownSetup, np.ndarray, np.ndarray, np.ndarray]  # losses, ends of epochs, the epochs that are drawn

_MOST_EPOCHS = 120  # of a curve
_MOST_POINTS = 6_000  # of all single runs together


@dataclass(frozen=True)
class EpochPoint:
    """One point of a mean curve; time is from the beginning of training, in the unit of `TrainingFigure.time`."""

    number: int
    loss: float
    time: float
    marked: bool


@dataclass(frozen=True)
class Curve:
    """The losses of one setup: the mean over its runs, and (run, epoch, loss, time) of the single runs."""

    setup: ShownSetup
    mean: tuple[EpochPoint, ...]
    runs: tuple[tuple[int, int, float, float], ...]


@dataclass(frozen=True)
class TrainingFigure:
    """All that is shown of training; without curves there is no chart. A caption for each of `AGAINST`."""

    loss: Axis
    time: Axis
    curves: tuple[Curve, ...]
    captions: Mapping[str, str]


def training_figure(times: Sequence[Times]) -> TrainingFigure:
    """Prepare the curves of every setup, against epochs and against the time that training had taken by then."""
    per_setup = [(one.setup, *_arrays(one)) for one in times]
    per_setup = [(setup, losses, ends_s) for setup, losses, ends_s in per_setup if losses.size]
    size, unit = choose_unit(METRICS["train_time"], [float(ends_s[:, -1].mean()) for _, _, ends_s in per_setup])
    runs_shown = _MOST_POINTS // max(1, sum(min(losses.shape[1], _MOST_EPOCHS) for _, losses, _ in per_setup))
    shown = [
        (setup, losses, ends_s / size, spread(losses.shape[1], _MOST_EPOCHS)) for setup, losses, ends_s in per_setup
    ]
    curves = tuple(
        _curve(setup, losses, ends, epochs, place, len(shown), max(1, runs_shown))
        for place, (setup, losses, ends, epochs) in enumerate(shown)
    )
    values = [value for curve in curves for _, _, value, _ in curve.runs]
    longest = max((float(ends.max()) for _, _, ends, _ in shown), default=0.0)
    return TrainingFigure(
        loss=choose_axis("Training loss", ["mean over the epoch"], _ends(values)),
        time=choose_axis("Time in training", [unit], _ends([0.0, longest] if shown else [])),
        curves=curves,
        captions={against: _caption(shown, runs_shown, against) for against in AGAINST},
    )


def _arrays(times: Times) -> tuple[np.ndarray, np.ndarray]:
    """Return losses and the times at the ends of epochs, in seconds, both of shape (runs, epochs)."""
    kept = [
        (one.arrays["epoch_loss"], np.cumsum(one.arrays["epoch_time_s"]))
        for one in times.runs
        if "epoch_loss" in one.arrays and np.isfinite(one.arrays["epoch_loss"]).all()
    ]
    epochs = min((len(loss) for loss, _ in kept), default=0)
    if not epochs:
        return np.empty((0, 0)), np.empty((0, 0))
    return np.array([loss[:epochs] for loss, _ in kept]), np.array([ends[:epochs] for _, ends in kept])


def _curve(
    setup: ShownSetup,
    losses: np.ndarray,
    ends: np.ndarray,
    epochs: np.ndarray,
    place: int,
    n_curves: int,
    runs_shown: int,
) -> Curve:
    """Make a setup's curve; each marks epochs of its own, so that curves that coincide can be told apart."""
    stride = max(n_curves, len(epochs) // 12)
    marked = {int(epochs[k]) for k in range(place * stride // n_curves, len(epochs), stride)} or {int(epochs[-1])}
    mean_loss, mean_end = losses.mean(axis=0), ends.mean(axis=0)
    return Curve(
        setup,
        tuple(EpochPoint(k + 1, float(mean_loss[k]), float(mean_end[k]), k in marked) for k in epochs.tolist()),
        tuple(
            (run, k + 1, float(losses[run, k]), float(ends[run, k]))
            for run in range(min(len(losses), runs_shown) if len(losses) > 1 else 0)
            for k in epochs.tolist()
        ),
    )


def _ends(values: Sequence[float]) -> list[Cell]:
    return [Cell(float(end), math.nan) for end in ((min(values), max(values)) if len(values) else ())]


def _caption(shown: Sequence[_Shown], runs_shown: int, against: str) -> str:
    parts = ["Line: mean over a mode's runs; faint: single runs. Lower is better."]
    if against == "time":
        parts.append("Every point is the end of an epoch, at the time that the epochs until then took together.")
    elif len(shown) > 1:
        parts.append("Modes that train in the same format have the same curve: their markers alternate along one line.")
    if any(len(losses) > runs_shown for _, losses, _, _ in shown):
        parts.append(f"Of each mode the first {max(1, runs_shown)} runs are drawn; the mean is that of all.")
    if any(len(epochs) < losses.shape[1] for _, losses, _, epochs in shown):
        parts.append(f"Of many epochs {_MOST_EPOCHS} are drawn.")
    return " ".join(parts)
