"""The two phases of a run: train and write the network, then open it, judge it and time it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from significand.engines.base import Session, get_engine
from significand.meters.energy import EnergyCounter, EnergyMeter, Window
from significand.meters.latency import Clock, calls_per_timing, measure_round
from significand.meters.noise import NoiseMeter
from significand.meters.placement import Rotation
from significand.meters.steps import Attempt, NoisePolicy, Step, Steps
from significand.plan.experiment import Setup
from significand.plan.precision import MODES
from significand.workload.architecture import Architecture
from significand.workload.data import Split
from significand.workload.model import initial_network, predicted_classes, read_weights, reference_outputs
from significand.workload.training import Epoch, Trainer

TakeTurn = Callable[[Step], None]
"""Called between steps; see `significand.meters.steps.Step` for what is asked for."""

CALIBRATION_SAMPLES = 1024
PROBE_SAMPLES = 1024
"""How many held-out samples the output error against float64 is taken over, at most."""

WARM_UP_EPOCHS = 3
"""Short epochs before the first that is measured."""

SLOWDOWN_CALIBRATION_S = 0.03
"""Time in which an inference call's own time is found, before a known share of it is added."""


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
class Inference:
    """What inference came to.

    Attributes
    ----------
    rounds
        Per latency round the time of a call in each timing, in seconds.
    calls_per_timing
        Consecutive calls that were timed together.
    effective_precision
        What it really computed in.
    relative_output_error, train_accuracy, test_accuracy
        From the session itself.
    attempts
        Every measurement of every step.
    """

    rounds: list[np.ndarray]
    calls_per_timing: int
    effective_precision: str
    relative_output_error: float
    train_accuracy: float
    test_accuracy: float
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
    mode = MODES[setup.precision_mode]
    return Trainer(
        initial_network(setup.layer_sizes, setup.activations, seed),
        setup.activations,
        mode,
        split.train_x[:most],
        split.train_y[:most],
        batch_size=setup.batch_size,
        optimizer=setup.optimizer,
        learning_rate=setup.learning_rate,
        momentum=setup.momentum,
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
) -> Training:
    """Train, and write the network in the engine's format to `path`.

    Every turn is one epoch, or as many as the energy counter needs for a window that is long enough.
    """
    steps = _steps(setup, take_turn)
    # Kernels are created and modules imported on a network that is thrown away.
    _turn(new_trainer(setup, seed, split, every_batch_shape(setup, split)), counter, WARM_UP_EPOCHS, WARM_UP_EPOCHS)
    trainer = new_trainer(setup, seed, split)
    turns: list[_Turn] = []
    epochs: list[Epoch] = []
    while len(epochs) < setup.epochs:
        trained: list[Epoch] = []

        def turn(left: int = setup.epochs - len(epochs), trained: list[Epoch] = trained) -> _Turn:
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
    get_engine(setup.engine).write(
        path,
        structure,
        Architecture(setup.layer_sizes, setup.activations),
        weights,
        MODES[setup.precision_mode],
        split.train_x[:CALIBRATION_SAMPLES],
    )
    reference = reference_outputs(setup.layer_sizes, setup.activations, weights, split.test_x[:PROBE_SAMPLES])
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


def infer(setup: Setup, split: Split, reference: np.ndarray, path: Path, take_turn: TakeTurn) -> Inference:
    """Open the network at `path`, judge it on the data, and time it round by round."""
    engine = get_engine(setup.engine)
    mode = MODES[setup.precision_mode]
    architecture = Architecture(setup.layer_sizes, setup.activations)
    batch = np.resize(split.train_x, (setup.batch_size, split.train_x.shape[1]))  # repeats samples where there are few
    effective_precision = engine.effective_precision(path, architecture, mode, setup.threads)
    session = engine.open(path, architecture, mode, setup.threads)
    call = session.bind(batch)
    if setup.slowdown is not None:
        own_s = 0.0
        if setup.slowdown:  # of nothing, there is no share to find
            take_turn("again")  # alone on the machine, or the share would be one of a disturbed time
            own_s = float(np.median(measure_round(call, SLOWDOWN_CALIBRATION_S, calls_per_timing(call))))
        call = slowed(call, round(setup.slowdown * own_s * 1e9))
    group = calls_per_timing(call)
    steps = _steps(setup, take_turn)  # before the session computes, which shows its threads
    judged = _judge(session, split, reference, setup.batch_size)
    rounds = [
        steps.measure(
            "inference",
            number,
            lambda: measure_round(call, setup.round_duration_s, group),
            lambda calls_s: float(calls_s.mean()),
        )
        for number in range(setup.latency_rounds)
    ]
    return Inference(rounds, group, effective_precision, *judged, steps.attempts)


def slowed(call: Callable[[], object], extra_ns: int, clock: Clock = time.perf_counter_ns) -> Callable[[], object]:
    """Return a call that does the same and is busy for `extra_ns` more.

    Sleeping would let the CPU rest and give it to others. An extra of 0 costs the frame, like any other: 0.1 us.
    """

    def frame() -> object:
        result = call()
        end = clock() + extra_ns
        while clock() < end:
            pass
        return result

    return frame


def _steps(setup: Setup, take_turn: TakeTurn) -> Steps:
    policy = NoisePolicy(setup.on_noise, setup.noise_share, setup.remeasure_limit, setup.remeasure_nice)
    return Steps(NoiseMeter(setup.threads), policy, take_turn, place=Rotation(setup.threads).at)


def _judge(session: Session, split: Split, reference: np.ndarray, batch_size: int) -> tuple[float, float, float]:
    """Return relative output error, training accuracy and held-out accuracy of a session, batch by batch."""

    def accuracy(x: np.ndarray, y: np.ndarray) -> float:
        right = sum(
            int(np.sum(predicted_classes(session.predict(x[at : at + batch_size])) == y[at : at + batch_size]))
            for at in range(0, len(x), batch_size)
        )
        return right / len(x)

    difference = np.linalg.norm(session.predict(split.test_x[:PROBE_SAMPLES]) - reference)
    size = np.linalg.norm(reference)
    error = float(difference / size) if size > 0 else math.nan
    return error, accuracy(split.train_x, split.train_y), accuracy(split.test_x, split.test_y)
