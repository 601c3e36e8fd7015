"""Grids that nobody measured: setups on several axes, their runs, and what these say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from conftest import NO_DATA, SMALL
from significand.answers.folder import Folder
from significand.plan.experiment import Experiment, Surroundings, plan_experiment
from significand.plan.setup import Setup
from significand.results.records import FAILED, Run
from significand.results.table import table_of

GRID: dict[str, Any] = {
    "precision_modes": ("float32", "bfloat16", "int8"),
    "engine": ("onnxruntime", "torch"),
    "batch_size": (1, 8, 32, 128),
    "threads": (1, 2),
}
"""48 setups, of which torch refuses those of int8."""

FULL: dict[str, Any] = GRID | {"precision_modes": ("float32", "bfloat16", "float16")}
"""48 setups that all run."""

MACHINE = {"cpu": "Made-up 9000", "versions": {"significand": "0.1.0", "onnxruntime": "1.20"}}

ROUNDS = 5


def grid_experiment(**changes: object) -> Experiment:
    """Return a small experiment on several axes; torch runs no int8, and neither CPUs nor data set a limit."""
    of_torch = ("float32", "bfloat16", "float16")
    engines = {"onnxruntime": (*of_torch, "int8"), "torch": of_torch}
    fields = {key: list(value) if isinstance(value, tuple) else value for key, value in (SMALL | changes).items()}
    threads = fields.pop("threads", [1])
    planned = plan_experiment(fields | {"threads": 1}, Surroundings(engines, NO_DATA.inspect_data))
    threads = tuple(threads) if isinstance(threads, list) else (threads,)
    grown = replace(planned, threads=threads)  # also on a machine with fewer CPUs
    reasons = {(engine, mode): why for engine, mode, why in [("torch", "int8", "torch does not run int8")]}
    refused = tuple(
        (setup.name, reasons[setup.engine, setup.precision])
        for setup in replace(grown, refused=()).setups()
        if (setup.engine, setup.precision) in reasons
    )
    return replace(grown, refused=refused)


def faster(setup: Setup) -> float:
    """Return how many times faster than float32 a made-up setup is: int8 from batch 8 on, bfloat16 nowhere."""
    if setup.precision == "int8":
        return {1: 1.0, 8: 1.4, 32: 1.7}.get(setup.batch_size, 1.9)
    if setup.precision == "bfloat16":
        return 0.45 if setup.engine == "torch" else 1.0
    return 1.0


def grid_runs(
    experiment: Experiment,
    *,
    speed: Mapping[str, float] | None = None,
    spread: float = 0.01,
    failed: Sequence[str] = (),
    shake: int = 0,
) -> list[Run]:
    """Return finished runs of every setup and repeat.

    Parameters
    ----------
    speed
        By a setup's name, how many times faster than float32 it is; by default `faster`.
    failed
        Names of setups of which every run failed.
    """
    random = np.random.default_rng(shake)
    runs = []
    for repeat in range(experiment.repeats):
        accuracy = 0.9 + 0.01 * float(random.normal())
        for setup in experiment.setups():
            times = (speed or {}).get(setup.name, faster(setup))
            base_s = (2e-6 + 20e-6 / setup.batch_size) / setup.threads**0.5 * (1.5 if setup.engine == "torch" else 1)
            rounds_s = base_s / times * np.exp(spread * random.normal(size=ROUNDS))
            loss = 0.004 if setup.precision == "int8" else 0.0
            lost = {"status": FAILED, "reason": "the loss is not finite"} if setup.name in failed else {}
            made = Run(
                seed=experiment.seed + repeat,
                repeat=repeat,
                setup=setup.name,
                precision_mode=setup.precision,
                effective_precision=setup.precision,
                training_precision="float32",
                engine=setup.engine,
                device=setup.device,
                batch_size=setup.batch_size,
                threads=setup.threads,
                inference_latency_per_sample_s=float(np.median(rounds_s)),
                round_latencies_s=" ".join(f"{one:.9g}" for one in rounds_s),
                train_time_per_epoch_s=0.1 * float(np.exp(spread * random.normal())),
                peak_memory_mb=20 * float(np.exp(spread * random.normal())),
                model_size_mb=0.4 if setup.precision == "int8" else 1.5,
                final_train_accuracy=accuracy - loss + 0.0005 * float(random.normal()),
                test_accuracy=accuracy - 0.02 - loss + 0.0005 * float(random.normal()),
                energy_per_epoch_j=2 * float(np.exp(spread * random.normal())),
                energy_kind="estimated",
                energy_source="cpu-time",
                memory_method="high-water mark",
                calls_per_timing=1,
                latency_calls=1000,
                steps=20,
            )
            runs.append(replace(made, **lost))  # type: ignore[arg-type]  # by name
    return runs


def grid_results(folder: Path = Path("nowhere"), runs: Sequence[Run] | None = None, **changes: object) -> Folder:
    """Return what a grid says; without runs, made-up ones of every setup, five repeats."""
    experiment = grid_experiment(**{"repeats": 5} | GRID | changes)
    manifest = {"machine": MACHINE, "state": "finished", "started_utc": "2026-01-02T03:04:05.678+00:00"}
    made = grid_runs(experiment) if runs is None else runs
    return Folder(folder, manifest, experiment, table_of(made, [setup.name for setup in experiment.setups()]))


@cache
def full_grid() -> Folder:
    """Return the results of 40 setups on four axes, made once: they are only read."""
    return grid_results()
