"""Result folders that nobody measured, written as the project writes them; and their runs as objects again."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from conftest import small_experiment
from significand.results.records import METHOD, SCHEMA_VERSION, Run
from significand.results.store import MANIFEST, RAW_RUNS, write_csv, write_json
from significand.results.table import TYPES
from significand.results.table_file import read_table

MACHINE: dict[str, object] = {
    "host": "bench",
    "cpu": "Made-up 9000",
    "available_cpus": 2,
    "turbo": None,
    "memory_mb": 8000.0,
    "os": "Linux-6.1",
    "versions": {"significand": "0.1.0", "torch": "2.12.0", "numpy": "2.4.0"},
}

STARTED = "2026-01-02T03:04:05.678+00:00"


def made_up_runs(
    *shakes: int, mode: str = "float32", n: int = 8, seed: int = 7, spread: float = 0.01, slower: float = 1.0
) -> list[Run]:
    """Return `n` finished runs of a mode whose costs scatter by `spread` as the generator of `shakes` has it."""
    random = np.random.default_rng(shakes)
    return [
        Run(
            seed=seed + repeat,
            repeat=repeat,
            precision_mode=mode,
            setup=mode,
            effective_precision=mode,
            inference_latency_per_sample_s=2e-6 * slower * float(np.exp(spread * random.normal())),
            train_time_per_epoch_s=0.1 * float(np.exp(spread * random.normal())),
            peak_memory_mb=20 * float(np.exp(spread * random.normal())),
            model_size_mb=1.5,
            final_train_accuracy=0.9 + 0.001 * float(random.normal()),
            test_accuracy=0.8 + 0.001 * float(random.normal()),
            energy_per_epoch_j=2 * float(np.exp(spread * random.normal())),
            energy_kind="estimated",
            memory_method="high-water mark",
        )
        for repeat in range(n)
    ]


def read_runs(path: Path) -> list[Run]:
    """Return the runs of a raw_runs.csv as objects."""
    nothing: dict[str, object] = {name: {str: "", int: 0, float: math.nan}.get(kind) for name, kind in TYPES.items()}
    rows = read_table(path).frame.iter_rows(named=True)
    return [Run(**nothing | {name: value for name, value in row.items() if value is not None}) for row in rows]  # type: ignore[arg-type]  # by kind


def with_values(runs: Sequence[Run], column: str, values: Sequence[object]) -> list[Run]:
    """Return the runs with other values in a column."""
    return [replace(run, **{column: value}) for run, value in zip(runs, values, strict=True)]  # type: ignore[arg-type]


def made_up_folder(
    folder: Path,
    runs: Sequence[Run],
    *,
    experiment: Mapping[str, object] | None = None,
    machine: Mapping[str, object] | None = None,
    columns: Sequence[str] | None = None,
    **facts: object,
) -> Path:
    """Write a result folder, with changes to what the manifest says, and only some columns if these are given."""
    folder.mkdir(parents=True)
    fields_of_it = small_experiment(repeats=len(runs)).to_json() | {"baseline": None} | dict(experiment or {})
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "experiment": fields_of_it,
        "data_sha256": None,
        "method": METHOD,
        "machine": MACHINE | dict(machine or {}),
        "state": "finished",
        "started_utc": STARTED,
    }
    write_json(manifest | facts, folder / MANIFEST)
    names = list(columns) if columns is not None else [column.name for column in fields(Run)]
    write_csv([run.to_row() for run in runs], folder / RAW_RUNS, names)
    return folder
