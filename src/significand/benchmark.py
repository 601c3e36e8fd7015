"""One setup, one seed: train it, infer with it, measure both."""

import dataclasses
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from significand.analysis.rounding import check_error, output_sensitivity
from significand.analysis.steady import find_steady_state
from significand.engines.base import engine_modes, get_engine
from significand.engines.support import why_not_native
from significand.meters.counters import choose_counter
from significand.meters.machine import cpu_flags, instruction_sets
from significand.meters.memory import return_free_memory, take_large_blocks_from_the_system
from significand.meters.steps import Attempt, DisturbedError
from significand.peaks import Peaks, measure_peaks
from significand.phases import Inference, TakeTurn, Training, infer, train
from significand.plan.experiment import DataFacts, Setup, Surroundings, plan_experiment
from significand.plan.precision import MODES
from significand.plan.problems import PlanError, shown
from significand.results.records import Run
from significand.workload.architecture import Architecture
from significand.workload.data import Dataset, draw, load_source

Isolate = Callable[[str, Callable[[], Any]], Any]
"""Runs a phase in a process of its own and returns its result; given what to call that process."""


@dataclass(frozen=True)
class Details:
    """The single times behind a run's numbers, and what others did meanwhile.

    Attributes
    ----------
    epoch_time_s, epoch_loss
        Per training epoch, shape (epochs,).
    call_latency_s
        Time of a call on one batch in each timing, shape (timings,). A timing is one call, unless calls are so short
        that several are timed together.
    call_round
        The latency round each timing belongs to, shape (timings,).
    steps
        Every measurement of every step by the names of its columns, each of shape (measurements,): the fields of
        `significand.meters.steps.Attempt` and of `significand.meters.noise_share.Noise`.
    """

    epoch_time_s: np.ndarray
    epoch_loss: np.ndarray
    call_latency_s: np.ndarray
    call_round: np.ndarray
    steps: dict[str, np.ndarray]


def benchmark_one_setup(
    layer_sizes: Sequence[int],
    activations: Sequence[str],
    precision_mode: str,
    batch_size: int,
    n_samples: int | None = 512,
    epochs: int = 2,
    seed: int = 42,
    *,
    data: Path | str = "synthetic",
    label_column: str | None = None,
    engine: str = "onnxruntime",
    optimizer: str = "sgd",
    learning_rate: float | None = None,
    momentum: float = 0.9,
    test_fraction: float = 0.2,
    threads: int | None = None,
    latency_rounds: int = 10,
    round_duration_s: float = 0.03,
    watts_per_core: float = 12.0,
    on_noise: Literal["remeasure", "mark", "fail"] = "remeasure",
    noise_share: float = 0.05,
    remeasure_limit: int = 3,
    remeasure_nice: int = -20,
    label: str = "",
    slowdown: float | None = None,
    idle_power_w: float = 0.0,
    energy_source: str = "",
    repeat: int = 0,
    dataset: Dataset | None = None,
    structure: bytes | None = None,
    take_turn: TakeTurn = lambda step: None,  # noqa: ARG005 - alone there is nobody to wait for
    isolate: Isolate | None = None,
    keep_details: Callable[[Details], None] = lambda details: None,  # noqa: ARG005
) -> dict[str, object]:
    """Train and run one network in one precision mode once, and measure it.

    Parameters
    ----------
    layer_sizes, activations
        Units per layer, input first; one activation per transition.
    precision_mode
        A mode that the engine runs; `significand modes` lists them.
    batch_size, n_samples, epochs
        Samples per step and per inference call; samples in all, None for as many as there are; training epochs.
    seed
        Decides data split, initial weights and shuffling.
    data, label_column, engine, optimizer, learning_rate, momentum, test_fraction, threads
        As in `significand.plan.options.OPTIONS`.
    latency_rounds, round_duration_s, watts_per_core, on_noise, noise_share, remeasure_limit, remeasure_nice
        The same.
    label, slowdown
        As in `significand.plan.experiment.Setup`.
    idle_power_w
        Power of the idle machine, as from `significand.meters.counters.idle_power_w`; subtracted from measured energy.
    energy_source
        The counter that all runs of an experiment take; where it is not to be had the energy is missing. Empty for the
        best there is.
    repeat
        Index that the row shall carry.
    dataset
        What `data` names, where the caller has loaded it already.
    structure
        The network as exported by the engine once for many runs; None to export it now.
    take_turn
        Called between steps; see `TakeTurn`.
    isolate
        Runs a phase in a process of its own and returns its result: training, so that the process that infers never
        held its tensors, and the measurement of memory, which needs another allocator than what is timed. None to run
        both in this process; its allocator is left as it is then, and equal networks differ in peak memory by a third.
    keep_details
        Called once with the single times behind the row.

    Returns
    -------
    dict
        One row of raw_runs.csv: the fields of `significand.results.records.Run`, units in their names.

    Raises
    ------
    significand.plan.problems.PlanError
        With one line for every mistake in the arguments, before anything runs.
    significand.workload.training.TrainingDivergedError
        When the loss stops being finite.
    significand.meters.steps.DisturbedError
        When others disturb a step and `on_noise` is ``"fail"``.
    """
    problems = _problems_of_what_no_plan_knows(dataset, repeat, idle_power_w, slowdown)
    loaded = dataset if isinstance(dataset, Dataset) else None

    def inspect_data(name: str, column: str | None) -> DataFacts | None:
        nonlocal loaded
        loaded = loaded or load_source(name, column)
        return loaded.facts if loaded else None

    try:
        experiment = plan_experiment(
            {
                "layer_sizes": layer_sizes,
                "activations": activations,
                "data": data,
                "label_column": label_column,
                "n_samples": n_samples,
                "engine": engine,
                "precision_modes": [precision_mode],
                "batch_size": batch_size,
                "epochs": epochs,
                "repeats": 1,
                "seed": seed,
                "optimizer": optimizer,
                "learning_rate": learning_rate,
                "momentum": momentum,
                "test_fraction": test_fraction,
                "threads": threads,
                "latency_rounds": latency_rounds,
                "round_duration_s": round_duration_s,
                "watts_per_core": watts_per_core,
                "on_noise": on_noise,
                "noise_share": noise_share,
                "remeasure_limit": remeasure_limit,
                "remeasure_nice": remeasure_nice,
            },
            Surroundings(engine_modes(), inspect_data),
        )
    except PlanError as error:
        named = [line.replace("precision_modes:", "precision_mode:", 1) for line in error.problems]
        raise PlanError([*named, *problems]) from None
    if problems:
        raise PlanError(problems)
    seed = experiment.seed  # a plain integer, whatever was given
    setup = dataclasses.replace(experiment.setups()[0], label=label, slowdown=slowdown)
    architecture = Architecture(setup.layer_sizes, setup.activations)
    codec = get_engine(setup.engine)
    split = draw(loaded, setup.layer_sizes, setup.n_samples, setup.test_fraction, seed)
    with (
        closing(choose_counter(setup.watts_per_core)) as counter,
        tempfile.TemporaryDirectory(prefix="significand-") as scratch,
    ):
        path = Path(scratch) / f"network{codec.file_suffix}"

        exported = codec.export_structure(architecture) if structure is None else structure
        alone: Isolate = isolate or (lambda name, phase: phase())  # noqa: ARG005 - there is no process to name

        def training_phase() -> Training:
            with _threads(setup.threads):
                return train(setup, seed, split, exported, path, counter, idle_power_w, take_turn)

        def memory_phase() -> Peaks:
            settle = return_free_memory if isolate is None else take_large_blocks_from_the_system
            with _threads(setup.threads):
                return measure_peaks(setup, seed, split, exported, path, settle)

        attempts: list[Attempt] = []
        try:
            # Not before `isolate` has forked: setting the number of threads starts them.
            training: Training = alone("the training process", training_phase)
            attempts += training.attempts
            peaks: Peaks = alone("the process that measures memory", memory_phase)
            with _threads(setup.threads):
                inference = infer(setup, split, training.reference, path, take_turn)
            attempts += inference.attempts
        except DisturbedError as error:
            error.attempts[:0] = attempts
            raise
        model_size_mb = path.stat().st_size / 1e6
    calls_s = np.concatenate(inference.rounds)
    keep_details(
        Details(
            np.array([epoch.time_s for epoch in training.epochs]),
            np.array([epoch.loss for epoch in training.epochs]),
            calls_s,
            np.repeat(np.arange(len(inference.rounds)), [len(calls) for calls in inference.rounds]),
            step_columns(attempts),
        )
    )
    train_time_s = sum(epoch.time_s for epoch in training.epochs)
    idle = f"{idle_power_w:g} W of the idle machine"
    subtracted = f"{idle} {'are' if counter.kind == 'measured' else 'cannot be'} subtracted" if idle_power_w else ""
    energy_j, missing = training.energy_per_epoch_j, training.energy_missing
    if energy_source and counter.source != energy_source:
        energy_j, missing = math.nan, f"the counter {energy_source} could not be read any more"
    columns: dict[str, object] = {
        "seed": seed,
        "layer_sizes": setup.layers,
        "precision_mode": precision_mode,
        "batch_size": setup.batch_size,
        "epochs": setup.epochs,
        "n_samples": len(split.train_x) + len(split.test_x),
        "train_time_per_epoch_s": train_time_s / setup.epochs,
        "peak_memory_mb": float(np.maximum(peaks.training_mb, peaks.inference_mb)),  # missing where one is
        "cpu_utilization_percent": 100 * sum(epoch.cpu_time_s for epoch in training.epochs) / train_time_s,
        "final_train_accuracy": inference.train_accuracy,
        "energy_per_epoch_j": energy_j,
        "repeat": repeat,
        "engine": setup.engine,
        "training_precision": MODES[precision_mode].training_precision,
        "effective_precision": inference.effective_precision,
        "precision_note": why_not_native(
            setup.engine, MODES[precision_mode], inference.effective_precision, instruction_sets(cpu_flags())
        ),
        "relative_output_error": inference.relative_output_error,
        "rounding_flag": check_error(
            inference.relative_output_error,
            MODES[precision_mode].infers_in,
            inference.effective_precision,
            setup.layer_sizes,
            output_sensitivity(training.reference, setup.activations[-1]),
        ),
        "test_accuracy": inference.test_accuracy,
        "final_train_loss": training.epochs[-1].loss,
        "training_peak_memory_mb": peaks.training_mb,
        "conversion_peak_memory_mb": peaks.conversion_mb,
        "inference_peak_memory_mb": peaks.inference_mb,
        "memory_method": peaks.method,
        "model_size_mb": model_size_mb,
        "energy_kind": counter.kind,
        "energy_source": counter.source,
        "energy_domains": counter.domains,
        "energy_window_s": training.energy_window_s,
        "energy_assumptions": "; ".join(filter(None, [counter.assumptions, subtracted, missing])),
        "data": setup.data,
        "n_train": len(split.train_x),
        "n_test": len(split.test_x),
        "activations": "+".join(setup.activations),
        "optimizer": setup.optimizer,
        "learning_rate": setup.learning_rate,
        "threads": setup.threads,
        "label": setup.label,
        "timed_s": train_time_s + float(calls_s.sum()) * inference.calls_per_timing,
    }
    return Run(**columns | _latency(setup, inference) | noise_columns(attempts)).to_row()  # type: ignore[arg-type]  # by name


def _problems_of_what_no_plan_knows(
    dataset: object, repeat: object, idle_power_w: object, slowdown: object
) -> list[str]:
    """Return a line for every argument that is not a field of an experiment and is wrong."""
    problems = []
    if not (dataset is None or isinstance(dataset, Dataset)):
        problems.append(f"dataset: type {type(dataset).__name__} is no Dataset; give its path or name as data")
    if not _is_number_from_0(repeat) or int(repeat) != repeat:  # type: ignore[call-overload]  # a number by then
        problems.append(f"repeat: {shown(repeat)} is no count; give 0, 1, 2, ...")
    if not _is_number_from_0(idle_power_w):
        problems.append(f"idle_power_w: {shown(idle_power_w)} is no power; give watts, 0 or more")
    if not (slowdown is None or _is_number_from_0(slowdown)):
        problems.append(
            f"slowdown: {shown(slowdown)} is no share of a call's time; give a number such as 0.02, or None"
        )
    return problems


def _is_number_from_0(value: object) -> bool:
    try:
        return not isinstance(value, str | bool) and 0 <= float(value) < math.inf  # type: ignore[arg-type]  # or raises
    except (TypeError, ValueError, OverflowError):
        return False


def _latency(setup: Setup, inference: Inference) -> dict[str, object]:
    """Return what the rounds say, those before the steady state left out."""
    means_s = [float(calls.mean()) for calls in inference.rounds]
    state = find_steady_state(means_s)
    calls_s = np.concatenate(inference.rounds[state.first_round :])
    # Not the mean: a neighbour of the virtual machine that slows one CPU down for some of the rounds would move it.
    batch_latency_s = float(np.median(calls_s))
    # Of calls timed together only the mean is known.
    p50, p95, p99 = np.percentile(calls_s, [50, 95, 99]) if inference.calls_per_timing == 1 else [math.nan] * 3
    return {
        "inference_latency_per_sample_s": batch_latency_s / setup.batch_size,
        "batch_throughput_samples_per_s": setup.batch_size / batch_latency_s,
        "batch_latency_p50_s": float(p50),
        "batch_latency_p95_s": float(p95),
        "batch_latency_p99_s": float(p99),
        "latency_calls": len(calls_s) * inference.calls_per_timing,
        "calls_per_timing": inference.calls_per_timing,
        "round_latencies_s": " ".join(str(float(np.median(calls)) / setup.batch_size) for calls in inference.rounds),
        "steady_state": state.steady,
        "steady_from_round": state.first_round,
        "steady_reason": state.reason,
    }


NOISE_SUMS = (
    "others_cpu_s",
    "steal_s",
    "throttled_s",
    "run_queue_wait_s",
    "involuntary_switches",
    "throttle_events",
)


def noise_columns(attempts: Sequence[Attempt]) -> dict[str, object]:
    """Return what others did during the steps that count, as the run's columns."""
    counted = [attempt for attempt in attempts if attempt.counted]
    noise = [attempt.noise for attempt in counted]
    windows_s = [one.window_s for one in noise]
    columns: dict[str, object] = {name: float(sum(getattr(one, name) for one in noise)) for name in NOISE_SUMS}
    return columns | {
        "steps": len(counted),
        "disturbed_steps": sum(attempt.disturbed for attempt in counted),
        "unknown_steps": sum(math.isnan(attempt.noise.share) for attempt in counted),
        "remeasured_steps": sum(attempt.attempt == 1 for attempt in attempts),
        "others_share": float(np.average([one.share for one in noise], weights=windows_s)),
        "frequency_mhz": float(np.mean([one.frequency_mhz for one in noise])),
    }


def step_columns(attempts: Sequence[Attempt]) -> dict[str, np.ndarray]:
    """Return every attempt by the names of the columns of steps.csv, each of shape (attempts,)."""
    rows = [
        {field.name: getattr(attempt, field.name) for field in dataclasses.fields(Attempt) if field.name != "noise"}
        | dataclasses.asdict(attempt.noise)
        for attempt in attempts
    ]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Set torch's threads and leave the caller's number as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
