"""The first phase of a run: train, and write the network in the engine's format."""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from significand.engines.arithmetic import arithmetic
from significand.engines.base import get_engine, native_modes
from significand.measure.stepping import NewSteps, TakeTurn
from significand.measure.witness import Witness, witness
from significand.measure.yardstick import yardstick_of
from significand.meters.energy import EnergyCounter, EnergyMeter, Window
from significand.meters.memory import PeakMemory, Settled
from significand.meters.steps import Attempt, Steps
from significand.plan.precision import CALIBRATION_SAMPLES, MODES
from significand.plan.setup import Setup
from significand.workload.base import Material, Outputs, Split, Trained
from significand.workload.training import Epoch, Trainer

ONEDNN = re.compile(r"mkldnn|onednn|could not create a primitive", re.IGNORECASE)
WITHOUT_ONEDNN = "trained without oneDNN, which has no kernels for this network in the training precision here"

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
    conversion
        What writing the network came to.
    attempts
        Every measurement of every step.
    note
        What else to know; may be empty.
    """

    epochs: list[Epoch]
    energy_per_epoch_j: float
    energy_window_s: float
    energy_missing: str
    conversion: "Conversion"
    attempts: list[Attempt]
    note: str = ""


@dataclass(frozen=True)
class Conversion:
    """What writing a network in the engine's format came to.

    Attributes
    ----------
    reference
        Outputs on held-out examples of the same weights in the most exact arithmetic there is.
    peak_memory_mb
        Peak resident memory of writing it, in MB (10^6 bytes) above the level before, which holds the network.
    note
        What to know of it; may be empty.
    witness
        How a session on it differs from one without optimisations.
    """

    reference: Outputs
    peak_memory_mb: float
    note: str
    witness: Witness


@dataclass(frozen=True)
class _Turn:
    """What one training turn measured: consecutive epochs, and their energy together."""

    epochs: list[Epoch]
    energy: Window

    @property
    def epoch_time_s(self) -> float:
        return sum(epoch.time_s for epoch in self.epochs) / len(self.epochs)


def every_batch_shape(setup: Setup, split: Split) -> int:
    """Return how few samples give an epoch with all shapes there are: a full batch and the one left at the end."""
    n = len(split.train)
    return min(n, setup.batch_size + n % setup.batch_size)


def new_trainer(material: Material, setup: Setup, seed: int, split: Split) -> Callable[[], Trainer]:
    """Return what makes the setup's network before its first step, after some steps of one that is thrown away.

    These create kernels and import modules. Where oneDNN fails in the mode's autocast, as it does for an LSTM in 16
    bits, it is switched off in this process.
    """
    few = split.train.take(slice(every_batch_shape(setup, split)))

    def warm_up() -> None:
        trainer = material.new_trainer(setup, seed, few)
        for _ in range(WARM_UP_EPOCHS):
            trainer.epoch()

    try:
        warm_up()
    except RuntimeError as error:
        if not (ONEDNN.search(str(error)) and _has_onednn()):
            raise
        torch.backends.mkldnn.set_flags(False)  # type: ignore[no-untyped-call]  # torch
        warm_up()
    return lambda: material.new_trainer(setup, seed, split.train)


def _has_onednn() -> bool:
    return bool(torch.backends.mkldnn.enabled)


def train(
    material: Material,
    setup: Setup,
    seed: int,
    split: Split,
    path: Path,
    counter: EnergyCounter,
    idle_power_w: float,
    take_turn: TakeTurn,
    new_steps: NewSteps,
    settled: Settled,
    shared: Path | None = None,
) -> Training:
    """Train, and write the network in the engine's format to `path`.

    Every turn is one epoch, or as many as the energy counter needs for a window that is long enough. A network that is
    only inferred is written as it is. `settled` is around what memory is watched of, when all is timed;
    `shared` is a folder of `significand.measure.yardstick.shared_folder`.
    """
    n_probed = material.probe_examples
    if not setup.workload.epochs:
        take_turn("prepare")
        conversion = convert(material.untrained(setup, seed), setup, split, n_probed, path, settled, shared)
        return Training([], math.nan, math.nan, "nothing was trained", conversion, [], conversion.note)
    steps = new_steps()
    trainer = new_trainer(material, setup, seed, split)()
    epochs, turns = _measured(trainer, setup.workload.epochs, counter, steps)
    take_turn("prepare")
    trained = material.trained(setup, trainer)
    del trainer  # the optimizer's state and the gradients: memory for whoever converts
    conversion = convert(trained, setup, split, n_probed, path, settled, shared)
    return Training(
        epochs,
        *_energy_per_epoch(turns, counter, idle_power_w if counter.kind == "measured" else 0.0),
        conversion,
        steps.attempts,
        "; ".join(filter(None, [conversion.note, "" if _has_onednn() else WITHOUT_ONEDNN])),
    )


def convert(
    trained: Trained,
    setup: Setup,
    split: Split,
    n_probed: int,
    path: Path,
    settled: Settled,
    shared: Path | None = None,
) -> Conversion:
    """Take a network's yardstick, write it in the engine's format, watch what memory that needs, and hear a witness."""
    yardstick = yardstick_of(trained, setup, split.test.inputs.take(slice(n_probed)), shared)
    asked = setup.calibration_samples or CALIBRATION_SAMPLES
    calibration = split.train.inputs.take(slice(asked)).by_name
    with settled():
        memory = PeakMemory()
        notes = get_engine(setup.engine).save(trained, setup, calibration, path)
        peak_mb = memory.peak_mb()
    heard, exact = witness(setup, split.test.inputs, path), yardstick()
    told = (exact.note, *(notes or ()), _few_to_calibrate(setup, asked, len(split.train)), _computes_wider(setup))
    return Conversion(exact.outputs, peak_mb, "; ".join(filter(None, told)), heard)


def _few_to_calibrate(setup: Setup, asked: int, there: int) -> str:
    """Say where there are fewer examples than somebody asked for; nobody has asked for the default."""
    is_told = MODES[setup.precision].calibration and there < asked != CALIBRATION_SAMPLES
    return f"scales were taken from all {there} training examples, not from {asked}" if is_told else ""


def _computes_wider(setup: Setup) -> str:
    """Say where an engine that runs 16 bits as they are only stores them: some milliseconds, and no timed ones."""
    mode = MODES[setup.precision]
    if mode.infers_in not in {"bfloat16", "float16"} or mode.base not in native_modes(setup.engine):
        return ""
    found = arithmetic(setup.engine, setup.precision, setup.threads)
    return f"{setup.engine} stores {mode.infers_in} and computes wider" if found and found.is_wider else ""


def _measured(trainer: Trainer, n_epochs: int, counter: EnergyCounter, steps: Steps) -> tuple[list[Epoch], list[_Turn]]:
    """Train in measured turns; return the epochs, and the turns for their energy."""
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
    return epochs, turns


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
