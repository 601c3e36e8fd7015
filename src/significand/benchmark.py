"""One setup, one seed: train it, infer with it, measure both."""

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from significand.engines.base import Session, engine_modes, get_engine
from significand.meters.energy import CpuTimeEstimate
from significand.meters.latency import calls_per_timing, measure_round
from significand.meters.memory import PeakMemory, return_free_memory
from significand.plan.experiment import DataFacts, Setup, Step, Surroundings, plan_experiment
from significand.plan.precision import MODES
from significand.results.records import Run
from significand.workload.architecture import Architecture
from significand.workload.data import Dataset, Split, draw, load_source
from significand.workload.model import initial_network, predicted_classes, read_weights, reference_outputs
from significand.workload.training import Epoch, Trainer, master_dtype

TakeTurn = Callable[[Step], None]
"""Called between steps. ``"measure"`` returns when this run alone may use the machine; ``"prepare"`` when computing
that nobody times may go on."""

Isolate = Callable[[Callable[[], Any]], Any]

CALIBRATION_SAMPLES = 1024
PROBE_SAMPLES = 1024
"""How many held-out samples the output error against float64 is taken over, at most."""


@dataclass(frozen=True)
class Details:
    """The single times behind a run's numbers.

    Attributes
    ----------
    epoch_time_s, epoch_loss
        Per training epoch, shape (epochs,).
    call_latency_s
        Time of a call on one batch in each timing, shape (timings,). A timing is one call, unless calls are so short
        that several are timed together.
    call_round
        The latency round each timing belongs to, shape (timings,).
    """

    epoch_time_s: np.ndarray
    epoch_loss: np.ndarray
    call_latency_s: np.ndarray
    call_round: np.ndarray


def benchmark_one_setup(
    layer_sizes: Sequence[int],
    activations: Sequence[str],
    precision_mode: str,
    batch_size: int,
    n_samples: int | None = 512,
    epochs: int = 2,
    seed: int = 42,
    *,
    data: str = "synthetic",
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
    repeat: int = 0,
    dataset: Dataset | None = None,
    structure: bytes | None = None,
    take_turn: TakeTurn = lambda step: None,  # noqa: ARG005 - alone there is nobody to wait for
    isolate: Isolate = lambda phase: phase(),
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
    latency_rounds, round_duration_s, watts_per_core
        The same.
    repeat
        Index that the row shall carry.
    dataset
        What `data` names, where the caller has loaded it already.
    structure
        The network as exported by the engine once for many runs; None to export it now.
    take_turn
        Called between steps; see `TakeTurn`.
    isolate
        Runs the training phase in a process of its own and returns its result, so that the process that infers never
        held the training tensors. By default it runs in this process.
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
    """
    loaded = dataset

    def inspect_data(name: str, column: str | None) -> DataFacts | None:
        nonlocal loaded
        loaded = loaded or load_source(name, column)
        return loaded.facts if loaded else None

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
        },
        Surroundings(engine_modes(), inspect_data),
    )
    (setup,) = experiment.setups()
    architecture = Architecture(setup.layer_sizes, setup.activations)
    codec = get_engine(setup.engine)
    energy = CpuTimeEstimate(setup.watts_per_core)
    split = draw(loaded, setup.layer_sizes, setup.n_samples, setup.test_fraction, seed)
    with tempfile.TemporaryDirectory(prefix="significand-") as scratch:
        path = Path(scratch) / f"network{codec.file_suffix}"

        def train() -> _Training:
            exported = codec.export_structure(architecture) if structure is None else structure
            with _threads(setup.threads):
                return _train(setup, architecture, seed, split, exported, path, energy, take_turn)

        # Not before `isolate` has forked: setting the number of threads starts them.
        training: _Training = isolate(train)
        with _threads(setup.threads):
            inference = _infer(setup, architecture, split, training.reference, path, take_turn)
        model_size_mb = path.stat().st_size / 1e6
    train_time_s = sum(epoch.time_s for epoch in training.epochs)
    batch_latency_s = float(np.median([calls.mean() for calls in inference.rounds]))
    calls_s = np.concatenate(inference.rounds)
    # Of calls timed together only the mean is known.
    p50, p95, p99 = np.percentile(calls_s, [50, 95, 99]) if inference.calls_per_timing == 1 else [math.nan] * 3
    keep_details(
        Details(
            np.array([epoch.time_s for epoch in training.epochs]),
            np.array([epoch.loss for epoch in training.epochs]),
            calls_s,
            np.repeat(np.arange(len(inference.rounds)), [len(calls) for calls in inference.rounds]),
        )
    )
    return Run(
        seed=seed,
        layer_sizes=setup.layers,
        precision_mode=precision_mode,
        batch_size=setup.batch_size,
        epochs=setup.epochs,
        n_samples=len(split.train_x) + len(split.test_x),
        train_time_per_epoch_s=train_time_s / setup.epochs,
        inference_latency_per_sample_s=batch_latency_s / setup.batch_size,
        batch_throughput_samples_per_s=setup.batch_size / batch_latency_s,
        peak_memory_mb=float(np.fmax(training.peak_mb, inference.peak_mb)),  # of what is known
        cpu_utilization_percent=100 * sum(epoch.cpu_time_s for epoch in training.epochs) / train_time_s,
        final_train_accuracy=inference.train_accuracy,
        energy_per_epoch_j=training.energy_j / setup.epochs,
        repeat=repeat,
        engine=setup.engine,
        training_precision=MODES[precision_mode].training_precision,
        effective_precision=inference.effective_precision,
        relative_output_error=inference.relative_output_error,
        test_accuracy=inference.test_accuracy,
        final_train_loss=training.epochs[-1].loss,
        training_peak_memory_mb=training.peak_mb,
        conversion_peak_memory_mb=training.conversion_peak_mb,
        inference_peak_memory_mb=inference.peak_mb,
        model_size_mb=model_size_mb,
        batch_latency_p50_s=float(p50),
        batch_latency_p95_s=float(p95),
        batch_latency_p99_s=float(p99),
        latency_calls=len(calls_s) * inference.calls_per_timing,
        calls_per_timing=inference.calls_per_timing,
        energy_kind=energy.kind,
        energy_source=energy.source,
        energy_assumptions=energy.assumptions,
        data=setup.data,
        n_train=len(split.train_x),
        n_test=len(split.test_x),
        activations="+".join(setup.activations),
        optimizer=setup.optimizer,
        learning_rate=setup.learning_rate,
        threads=setup.threads,
        timed_s=train_time_s + float(calls_s.sum()) * inference.calls_per_timing,
    ).to_row()


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Set torch's threads and leave the caller's number as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class _Training:
    epochs: list[Epoch]
    energy_j: float
    peak_mb: float
    conversion_peak_mb: float
    reference: np.ndarray


@dataclass(frozen=True)
class _Inference:
    rounds: list[np.ndarray]
    calls_per_timing: int
    effective_precision: str
    relative_output_error: float
    train_accuracy: float
    test_accuracy: float
    peak_mb: float


def _train(
    setup: Setup,
    architecture: Architecture,
    seed: int,
    split: Split,
    structure: bytes,
    path: Path,
    energy: CpuTimeEstimate,
    take_turn: TakeTurn,
) -> _Training:
    """Train, and write the network in the engine's format to `path`."""
    mode = MODES[setup.precision_mode]
    x = split.train_x.astype(master_dtype(mode), copy=False)  # the data are no part of training's memory, in any mode

    def new_trainer() -> Trainer:
        return Trainer(
            initial_network(setup.layer_sizes, setup.activations, seed),
            setup.activations,
            mode,
            x,
            split.train_y,
            batch_size=setup.batch_size,
            optimizer=setup.optimizer,
            learning_rate=setup.learning_rate,
            momentum=setup.momentum,
            seed=seed,
        )

    new_trainer().warm_up()
    return_free_memory()
    memory = PeakMemory()
    trainer = new_trainer()
    epochs = []
    energy_j = 0.0
    for _ in range(setup.epochs):
        take_turn("measure")
        before = energy.read_j()
        epochs.append(trainer.epoch())
        energy_j += energy.read_j() - before
        trainer.check_finite(epochs[-1])
    peak_mb = memory.peak_mb()
    take_turn("prepare")
    memory.reset_peak()
    weights = read_weights(trainer.network)
    get_engine(setup.engine).write(path, structure, architecture, weights, mode, split.train_x[:CALIBRATION_SAMPLES])
    conversion_peak_mb = memory.peak_mb()
    reference = reference_outputs(setup.layer_sizes, setup.activations, weights, split.test_x[:PROBE_SAMPLES])
    return _Training(epochs, energy_j, peak_mb, conversion_peak_mb, reference)


def _infer(
    setup: Setup,
    architecture: Architecture,
    split: Split,
    reference: np.ndarray,
    path: Path,
    take_turn: TakeTurn,
) -> _Inference:
    """Open the network at `path`, judge it on the data, and time it round by round."""
    engine = get_engine(setup.engine)
    mode = MODES[setup.precision_mode]
    batch = np.resize(split.train_x, (setup.batch_size, split.train_x.shape[1]))  # repeats samples where there are few
    # The first use of an engine maps its code into the process; that is not the network's memory.
    effective_precision = engine.effective_precision(path, architecture, mode, setup.threads)
    engine.open(path, architecture, mode, setup.threads).predict(batch)
    return_free_memory()
    memory = PeakMemory()
    session = engine.open(path, architecture, mode, setup.threads)
    call = session.bind(batch)
    group = calls_per_timing(call)
    peak_mb = memory.peak_mb()
    judged = _judge(session, split, reference, setup.batch_size)
    rounds = []
    for _ in range(setup.latency_rounds):
        take_turn("measure")
        rounds.append(measure_round(call, setup.round_duration_s, group))
    return _Inference(rounds, group, effective_precision, *judged, peak_mb)


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
