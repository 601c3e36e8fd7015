"""The first phase of a run: train, and write the network in the engine's format."""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from significand.engines.base import get_engine
from significand.measure.stepping import NewSteps, TakeTurn
from significand.meters.energy import EnergyCounter, EnergyMeter, Window
from significand.meters.steps import Attempt
from significand.plan.precision import MODES
from significand.plan.setup import Setup
from significand.workload.data import Split
from significand.workload.mlp import initial_network, read_weights, reference_outputs
from significand.workload.training import Epoch, Trainer

CALIBRATION_SAMPLES = 1024
PROBE_SAMPLES = 1024
"""How many held-out samples the output error against float64 is taken over, at most."""

WARM_UP_EPOCHS = 3
"""Short epochs before the first that is measured."""


@dataclass(frozen=True)
class Training:
    """What training came to.

    Attributes
    ----------
    epochs
        Time, CPU time and loss of each.
    energy_per_epoch_j, energy_window_s
        Energy of an epoch, and the time over which it was taken, all windows together.
    energy_missing
        Why there is no energy; empty where there is.
    reference
        Outputs on held-out samples of the same weights in float64, shape (samples, outputs).
    attempts
        Every measurement of every step.
    """

    epochs: list[Epoch]
    energy_per_epoch_j: float
    energy_window_s: float
    energy_missing: str
    reference: np.ndarray
    attempts: list[Attempt]


@dataclass(frozen=True)
class _Turn:
    """What one training turn measured: consecutive epochs, and their energy together."""

    epochs: list[Epoch]
    energy: Window

    @property
    def epoch_time_s(self) -> float:
        return sum(epoch.time_s for epoch in self.epochs) / len(self.epochs)


def new_trainer(setup: Setup, seed: int, split: Split, most: int | None = None) -> Trainer:
    """Return the setup's network before its first step, with at most so many of the training samples.

    Features that are of the mode's type already are not copied.
    """
    workload = setup.workload
    return Trainer(
        initial_network(workload.layer_sizes, workload.activations, seed),
        workload.activations,
        MODES[setup.precision],
        split.train_x[:most],
        split.train_y[:most],
        batch_size=setup.batch_size,
        optimizer=workload.optimizer,
        learning_rate=workload.learning_rate,
        momentum=workload.momentum,
        seed=seed,
    )


def every_batch_shape(setup: Setup, split: Split) -> int:
    """Return how few samples give an epoch with all shapes there are: a full batch and the one left at the end."""
    n = len(split.train_x)
    return min(n, setup.batch_size + n % setup.batch_size)


def train(
    setup: Setup,
    seed: int,
    split: Split,
    structure: bytes,
    path: Path,
    counter: EnergyCounter,
    idle_power_w: float,
    take_turn: TakeTurn,
    new_steps: NewSteps,
) -> Training:
    """Train, and write the network in the engine's format to `path`.

    Every turn is one epoch, or as many as the energy counter needs for a window that is long enough.
    """
    steps = new_steps()
    n_epochs = setup.workload.epochs
    # Kernels are created and modules imported on a network that is thrown away.
    _turn(new_trainer(setup, seed, split, every_batch_shape(setup, split)), counter, WARM_UP_EPOCHS, WARM_UP_EPOCHS)
    trainer = new_trainer(setup, seed, split)
    turns: list[_Turn] = []
    epochs: list[Epoch] = []
    while len(epochs) < n_epochs:
        trained: list[Epoch] = []

        def turn(left: int = n_epochs - len(epochs), trained: list[Epoch] = trained) -> _Turn:
            taken = _turn(trainer, counter, most=left)
            trained += taken.epochs
            return taken

        def again(trained: list[Epoch] = trained) -> _Turn:
            # The network must see every epoch once, so what is measured again is a copy of it, as work the same.
            return _turn(trainer.clone(), counter, most=len(trained), least=len(trained))

        kept = steps.measure("training", len(turns), turn, lambda turn: turn.epoch_time_s, again)
        turns.append(kept)
        epochs += [replace(timed, loss=real.loss) for timed, real in zip(kept.epochs, trained, strict=True)]
        trainer.check_finite(epochs[-1])
    if not any(_is_long_enough(turn, counter) for turn in turns):
        # All of the training is too short for the counter: a copy trains on until it is not.
        turns.append(
            steps.measure(
                "training",
                len(turns),
                lambda: _turn(trainer.clone(), counter, most=None),
                lambda turn: turn.epoch_time_s,
            )
        )
    take_turn("prepare")
    weights = read_weights(trainer.network)
    get_engine(setup.engine).save(path, structure, weights, setup, split.train_x[:CALIBRATION_SAMPLES])
    reference = reference_outputs(
        setup.workload.layer_sizes, setup.workload.activations, weights, split.test_x[:PROBE_SAMPLES]
    )
    return Training(
        epochs,
        *_energy_per_epoch(turns, counter, idle_power_w if counter.kind == "measured" else 0.0),
        reference,
        steps.attempts,
    )


def _turn(trainer: Trainer, counter: EnergyCounter, most: int | None, least: int = 1) -> _Turn:
    """Train at least `least` epochs, and on until the window is long enough for the counter, but not beyond `most`."""
    epochs: list[Epoch] = []
    energy = EnergyMeter(counter)
    with energy.window():
        begin_ns = time.perf_counter_ns()
        while len(epochs) != most:
            epochs.append(trainer.epoch())
            if len(epochs) >= least and time.perf_counter_ns() - begin_ns >= counter.shortest_window_s * 1e9:
                break
    return _Turn(epochs, energy.windows[0])


def _is_long_enough(turn: _Turn, counter: EnergyCounter) -> bool:
    return not turn.energy.duration_s < counter.shortest_window_s  # where it is not known, its energy is missing anyway


def _energy_per_epoch(turns: list[_Turn], counter: EnergyCounter, idle_power_w: float) -> tuple[float, float, str]:
    """Return joules per epoch, the seconds they were taken over, and why there are none.

    Energy above idle may come out negative where the machine drew less than in the idle window: it is not clipped.
    """
    counted = [turn for turn in turns if _is_long_enough(turn, counter)]
    seen = [turn for turn in counted if math.isfinite(turn.energy.energy_j)]
    if not seen:
        return math.nan, math.nan, next((turn.energy.reason for turn in counted), "")
    window_s = sum(turn.energy.duration_s for turn in seen)
    energy_j = sum(turn.energy.energy_j for turn in seen) - idle_power_w * window_s
    return energy_j / sum(len(turn.epochs) for turn in seen), window_s, ""
