"""One run: a setup with a seed, trained, inferred and measured."""

import dataclasses
import functools
import hashlib
import math
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from significand.analysis.rounding import check_error, check_witness, output_sensitivity
from significand.engines.base import get_engine
from significand.engines.native import lacks_instructions, why_not_native
from significand.engines.operators import Operator, shares
from significand.measure.infer import Inference, infer, one_batch
from significand.measure.peak_memory import Peaks, measure_peaks
from significand.measure.profile import Profile, operator_arrays, profile_calls, without_times
from significand.measure.stepping import NewMeter, TakeTurn, steps_of
from significand.measure.train import Training, train
from significand.meters.counters import EnergyPlan
from significand.meters.energy import EnergyCounter
from significand.meters.machine import cpu_flags, instruction_sets
from significand.meters.memory import free_memory_returned, large_blocks_from_the_system
from significand.meters.noise import NoiseMeter
from significand.meters.noise_share import Noise
from significand.meters.steps import Attempt, DisturbedError
from significand.plan.precision import MODES
from significand.plan.problems import RunFailedError
from significand.plan.setup import Perceptron, Protocol, Setup, is_onnx
from significand.results.records import Measured
from significand.workload.base import Material, Split

Isolate = Callable[[str, Callable[[], Any]], Any]
"""Runs a phase in a process of its own and returns its result; given what to call that process."""


def measure(
    setup: Setup,
    protocol: Protocol,
    seed: int,
    material: Material,
    energy: EnergyPlan,
    *,
    take_turn: TakeTurn = lambda step: None,  # noqa: ARG005 - alone there is nobody to wait for
    isolate: Isolate | None = None,
    new_meter: NewMeter = NoiseMeter,
    keep: Path | None = None,
    profiled: bool = False,
    shared: Path | None = None,
) -> Measured:
    """Train and run one setup once, and measure it.

    Parameters
    ----------
    setup, protocol
        What to measure, and how.
    seed
        Decides data split, initial weights and shuffling.
    material
        What the workload stands for, with its data.
    energy
        How energy is found.
    take_turn
        Called between steps; see `TakeTurn`.
    isolate
        Runs a phase in a process of its own and returns its result: training, so that the process that infers never
        held its tensors, and the measurement of memory, which needs another allocator than what is timed. None to run
        both in this process; its allocator is left as it is then, and equal networks differ in peak memory by a third.
    new_meter
        Makes what sees others during a step.
    keep
        Where the measured network is kept, without the engine's suffix; None where it is not.
    profiled
        Whether to have the engine's profiler say what each operator takes, in a process of its own.
    shared
        Where the runs of a repeat share what all of them are held against, as from
        `significand.measure.yardstick.shared_folder`; None of a run that is alone.

    Raises
    ------
    significand.workload.training.TrainingDivergedError
        When the loss stops being finite.
    significand.meters.steps.DisturbedError
        When others disturb a step and the policy is to fail.
    """
    new_steps = functools.partial(steps_of, setup, protocol, take_turn, new_meter)
    split = material.split(seed)
    with closing(energy.open()) as counter, tempfile.TemporaryDirectory(prefix="significand-") as scratch:
        path = Path(scratch) / f"network{get_engine(setup.engine).file_suffix}"
        alone: Isolate = isolate or (lambda name, phase: phase())  # noqa: ARG005 - there is no process to name
        settled = free_memory_returned if isolate is None else large_blocks_from_the_system

        def training_phase() -> Training:
            with _threads(setup.threads):
                idle_w = energy.idle_power_w
                return train(material, setup, seed, split, path, counter, idle_w, take_turn, new_steps, settled, shared)

        def memory_phase() -> tuple[Peaks, Sequence[Operator]]:
            with _threads(setup.threads):
                peaks = measure_peaks(material, setup, seed, split, path, settled)
                # Here, because the process that infers is to have done nothing before it opens the network.
                return peaks, tuple(get_engine(setup.engine).computes_in(path, setup, one_batch(setup, split)))

        def profile_phase() -> Profile:
            with _threads(setup.threads):
                return profile_calls(setup, split, path)

        def profile_alone() -> Profile:
            try:
                found: Profile = alone("the process that profiles", profile_phase)
            except RunFailedError as error:  # it died, and nothing that is measured needs it
                return without_times(setup, str(error))
            return found

        attempts: list[Attempt] = []
        found = None
        try:
            # Not before `isolate` has forked: setting the number of threads starts them.
            training: Training = alone("the training process", training_phase)
            attempts += training.attempts
            peaks, operators = alone("the process that measures memory", memory_phase)
            reference = training.conversion.reference
            if profiled:
                take_turn("again")  # beside others the operators would take longer
                found = profile_alone()
            with _threads(setup.threads):
                inference = infer(material, setup, protocol, split, reference, path, take_turn, new_steps)
            attempts += inference.attempts
        except DisturbedError as error:
            error.attempts[:0] = attempts
            raise
        values: dict[str, object] = {
            "n_samples": len(split.train) + len(split.test),
            "n_train": len(split.train),
            "n_test": len(split.test),
            "test_drawn_from": split.drawn_from,
            **_training_values(training),
            **_inference_values(setup, training, inference, operators),
            **dataclasses.asdict(peaks),
            "conversion_peak_memory_mb": training.conversion.peak_memory_mb,
            "peak_memory_mb": float(np.fmax(peaks.training_peak_memory_mb, peaks.inference_peak_memory_mb)),
            "model_size_mb": sum(one.stat().st_size for one in network_files(path)) / 1e6,
            **_energy_values(energy, counter, training),
            **({"network_sha256": _kept(path, keep)} if keep else {}),
            **noise_values(attempts),
        }
    details = _details(training, inference, split) | step_arrays(attempts)
    if found is not None:
        details |= operator_arrays(operators, found)
    return Measured(values, details, inference.calls_per_timing)


def _training_values(training: Training) -> dict[str, object]:
    if not training.epochs:
        return {}
    time_s = sum(epoch.time_s for epoch in training.epochs)
    return {
        "train_time_per_epoch_s": time_s / len(training.epochs),
        "cpu_utilization_percent": 100 * sum(epoch.cpu_time_s for epoch in training.epochs) / time_s,
        "final_train_loss": training.epochs[-1].loss,
    }


def _inference_values(
    setup: Setup, training: Training, inference: Inference, operators: Sequence[Operator]
) -> dict[str, object]:
    mode, by_format = MODES[setup.precision], shares(operators)
    effective = "+".join(by_format)
    instructions = instruction_sets(cpu_flags())
    is_onnx_file = is_onnx(setup.workload.model)
    not_native = why_not_native(setup.engine, mode, effective, instructions, is_onnx_file=is_onnx_file)
    return {
        "final_train_accuracy": inference.train_accuracy,
        "test_accuracy": float(np.mean(inference.test_scores)),
        "effective_precision": effective,
        "effective_shares": "+".join(map(str, by_format.values())),
        "precision_note": "; ".join(filter(None, [not_native, training.note])),
        "relative_output_error": inference.relative_output_error,
        "output_kl": inference.output_kl,
        "witness_error": training.conversion.witness.error,
        "rounding_flag": "; ".join(
            filter(None, [_rounding_flag(setup, training, inference, effective), _witness_flag(training, instructions)])
        ),
        "load_time_s": inference.load_time_s,
        "compile_time_s": inference.compile_time_s,
        "first_call_s": inference.first_call_s,
        "timed_s": sum(epoch.time_s for epoch in training.epochs)
        + sum(float(calls_s.sum()) for calls_s in inference.rounds) * inference.calls_per_timing,
    }


def _rounding_flag(setup: Setup, training: Training, inference: Inference, effective: str) -> str:
    """Hold the output error against what rounding can do; of other networks than the perceptron nobody knows that."""
    workload = setup.workload
    if not isinstance(workload, Perceptron):
        return ""
    (reference,) = training.conversion.reference
    return check_error(
        inference.relative_output_error,
        MODES[setup.precision].infers_in,
        effective,
        workload.layer_sizes,
        output_sensitivity(reference, workload.activations[-1]),
    )


def _witness_flag(training: Training, instructions: Collection[str]) -> str:
    """Say where a session does not compute what its own file says, of any network."""
    witness = training.conversion.witness
    may_saturate = witness.may_saturate and lacks_instructions("int8", instructions)
    return check_witness(witness.error, witness.control, may_saturate=may_saturate)


def _kept(path: Path, keep: Path) -> str:
    """Copy a network to where it is kept, several files into a folder of their own; return a digest of all."""
    files = network_files(path)
    if len(files) == 1:
        targets = [keep.with_name(keep.name + path.suffix)]
    else:  # they name each other
        keep.mkdir(exist_ok=True)
        targets = [keep / file.name for file in files]
    for file, target in zip(files, targets, strict=True):
        unfinished = target.with_name(f".{target.name}")
        shutil.copyfile(file, unfinished)
        unfinished.replace(target)
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            while some := opened.read(2**20):  # it may be hundreds of MB
                digest.update(some)
    return digest.hexdigest()


def network_files(path: Path) -> list[Path]:
    """Return the files that a network is in: one, or with weights beside it."""
    return [path, *(one for one in sorted(path.parent.iterdir()) if one.name.startswith(f"{path.name}."))]


def _energy_values(energy: EnergyPlan, counter: EnergyCounter, training: Training) -> dict[str, object]:
    energy_j, missing = training.energy_per_epoch_j, training.energy_missing
    if energy.source and counter.source != energy.source:
        energy_j, missing = math.nan, f"the counter {energy.source} could not be read any more"
    subtracted = ""
    if energy.idle_power_w:
        verb = "are" if counter.kind == "measured" else "cannot be"
        subtracted = f"{energy.idle_power_w:g} W of the idle machine {verb} subtracted"
    return {
        "energy_per_epoch_j": energy_j,
        "energy_kind": counter.kind,
        "energy_source": counter.source,
        "energy_domains": counter.domains,
        "energy_window_s": training.energy_window_s,
        "energy_assumptions": "; ".join(filter(None, [counter.assumptions, subtracted, missing])),
    }


def _details(training: Training, inference: Inference, split: Split) -> dict[str, np.ndarray]:
    # Without targets only the first examples are scored, as many as the yardstick computes.
    rows = np.empty(0, dtype=np.int64) if split.test_rows is None or not inference.test_scores.ndim else split.test_rows
    return {
        "epoch_time_s": np.array([epoch.time_s for epoch in training.epochs]),
        "epoch_loss": np.array([epoch.loss for epoch in training.epochs]),
        "call_latency_s": np.concatenate(inference.rounds),
        "test_score": np.atleast_1d(inference.test_scores),
        "test_example": rows[: inference.test_scores.size],
        "test_answer": inference.test_answers,
        "call_round": np.repeat(np.arange(len(inference.rounds)), [len(calls) for calls in inference.rounds]),
    }


NOISE_SUMS = (
    "others_cpu_s",
    "steal_s",
    "throttled_s",
    "run_queue_wait_s",
    "involuntary_switches",
    "throttle_events",
)


def noise_values(attempts: Sequence[Attempt]) -> dict[str, object]:
    """Return what others did during the steps that count, as the run's columns."""
    counted = [attempt for attempt in attempts if attempt.counted]
    noise = [attempt.noise for attempt in counted]
    training = [attempt.noise for attempt in counted if attempt.phase == "training"]
    sums: dict[str, object] = {name: float(sum(getattr(one, name) for one in noise)) for name in NOISE_SUMS}
    return sums | {
        "steps": len(counted),
        "disturbed_steps": sum(attempt.disturbed for attempt in counted),
        "unknown_steps": sum(math.isnan(attempt.noise.share) for attempt in counted),
        "remeasured_steps": sum(attempt.attempt == 1 for attempt in attempts),
        "others_share": _share(noise),
        "training_others_share": _share(training),
        "frequency_mhz": float(np.mean([one.frequency_mhz for one in noise])),
    }


def _share(noise: Sequence[Noise]) -> float:
    """Return the share that others took, weighted by the length of the steps; NaN of none."""
    windows_s = [one.window_s for one in noise]
    return float(np.average([one.share for one in noise], weights=windows_s)) if noise else math.nan


def step_arrays(attempts: Sequence[Attempt]) -> dict[str, np.ndarray]:
    """Return every attempt as arrays of shape (attempts,), ``step_`` before the names of the columns of steps.csv."""
    rows = [
        {field.name: getattr(attempt, field.name) for field in dataclasses.fields(Attempt) if field.name != "noise"}
        | dataclasses.asdict(attempt.noise)
        for attempt in attempts
    ]
    return {f"step_{name}": np.array([row[name] for row in rows]) for name in rows[0]}


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Set torch's threads and leave the caller's number as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
