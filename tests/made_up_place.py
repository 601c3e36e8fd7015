"""A place where nothing is measured: its runs are made up at once, and the same for the same setup and seed."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from significand.analysis.run_latency import latency_values
from significand.meters.noise_share import Noise
from significand.meters.steps import Attempt, Phase
from significand.plan.precision import MODES
from significand.plan.setup import Setup
from significand.results.records import Progress, Run
from significand.runner.block import Block, OnRun, Timing
from significand.runner.conductor import OnProgress
from significand.workload.data import Dataset

Details = Mapping[str, np.ndarray]
Make = Callable[[Block, Setup], tuple[Run, Details]]

SPREAD = 0.05
"""Standard deviation of the logarithm of a cost from run to run."""


def made_up_run(block: Block, setup: Setup) -> tuple[Run, Details]:
    """Return a finished run with every number, and the single times behind it."""
    random = np.random.default_rng([block.seed, *setup.name.encode()])
    protocol, workload = block.experiment.protocol, setup.workload
    n_samples = workload.n_samples or 0  # of another network it may be all there are

    def about(cost: float) -> float:
        return cost * math.exp(random.normal(0, SPREAD))

    epochs_s = np.full(workload.epochs, about(2e-3))
    calls_s = np.full(3 * protocol.latency_rounds, about(5e-5)) * np.exp(random.normal(0, 1e-3, 3))[0]
    details = {
        "epoch_time_s": epochs_s,
        "epoch_loss": np.geomspace(1.0, 0.3, workload.epochs),
        "call_latency_s": calls_s,
        "call_round": np.repeat(np.arange(protocol.latency_rounds), 3),
        **_steps([("training", time_s) for time_s in epochs_s] + [("inference", time_s) for time_s in calls_s[::3]]),
    }
    peaks_mb = [about(0.2), about(0.4), about(0.1)]
    run = Run.of(
        setup,
        block.seed,
        block.repeat,
        **latency_values(details, 1, setup.batch_size),
        train_time_per_epoch_s=float(epochs_s.mean()),
        cpu_utilization_percent=100.0,
        final_train_loss=0.3,
        final_train_accuracy=0.9 + 0.01 * random.random(),
        test_accuracy=0.8 + 0.01 * random.random(),
        effective_precision=MODES[setup.precision].infers_in,
        relative_output_error=about(1e-3),
        training_peak_memory_mb=peaks_mb[0],
        conversion_peak_memory_mb=peaks_mb[1],
        inference_peak_memory_mb=peaks_mb[2],
        peak_memory_mb=max(peaks_mb[0], peaks_mb[2]),
        memory_method="made up",
        model_size_mb=0.01,
        energy_per_epoch_j=about(0.02),
        energy_kind="estimated",
        energy_source="cpu-time",
        energy_window_s=float(epochs_s.sum()),
        n_train=n_samples // 2,
        n_test=n_samples - n_samples // 2,
        steps=workload.epochs + protocol.latency_rounds,
        others_share=0.01,
        ready_s=0.02,
        measured_s=2 * float(epochs_s.sum() + calls_s.sum()),
        timed_s=float(epochs_s.sum() + calls_s.sum()),
    )
    return run, details


def _steps(times_s: list[tuple[Phase, float]]) -> dict[str, np.ndarray]:
    """Return the record of steps of which each was quiet."""
    rows: list[dict[str, object]] = []
    for phase, time_s in times_s:
        index = sum(row["phase"] == phase for row in rows)
        noise = Noise(time_s, 0.0, 0.0, 0.0, 0.0, 0.0, 2400.0, 0.0, 0.01)
        attempt = Attempt(phase, index, 0, time_s, noise, disturbed=False, counted=True, nice=0)
        rows.append({**vars(attempt), **vars(noise)})
    return {f"step_{name}": np.array([row[name] for row in rows]) for name in rows[0] if name != "noise"}


@dataclass
class MadeUpPlace:
    """Stands in for `significand.runner.conductor.Here`, with the same runs in the same order.

    Attributes
    ----------
    dataset, on_progress, on_ready, meanwhile, new_server
        As of `Here`; no server is needed.
    make
        Makes a run.
    """

    dataset: Dataset | None = None
    on_progress: OnProgress = lambda progress: None  # noqa: ARG005 - nobody watches
    on_ready: Callable[[], None] = lambda: None
    meanwhile: Callable[[], None] = lambda: None
    new_server: object = None
    make: Make = made_up_run

    def run(
        self,
        blocks: Iterable[Block],
        on_run: OnRun,
        is_enough: Callable[[int], bool] = lambda ended: False,  # noqa: ARG005 - all of them
    ) -> Timing:
        """Hand over a run for every setup of every block."""
        self.meanwhile()
        self.on_ready()
        ended = 0
        for number, block in enumerate(blocks):
            if is_enough(number):
                break
            ended += block.done
            of_block = block.done + len(block.setups)
            runs = block.experiment.most_repeats * of_block
            for setup in block.setups:
                self.on_progress(Progress(block.repeat + 1, block.experiment.most_repeats, ended, runs, ended / runs))
                on_run(*self.make(block, setup))
                ended += 1
        return Timing(3.0, 2.0, 1.0)


def made_to_fail(*modes: str, reason: str = "made to fail") -> Make:
    """Return what makes failed runs of these modes, or of all where none is named, and finished ones of the others."""

    def make(block: Block, setup: Setup) -> tuple[Run, Details]:
        if modes and setup.precision not in modes:
            return made_up_run(block, setup)
        return Run.of(setup, block.seed, block.repeat, status="failed", reason=reason), {}

    return make
