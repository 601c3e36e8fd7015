"""Fleets that nobody measured: hosts of several kinds, each with an ordinary result folder."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from made_up_grids import grid_experiment, grid_runs
from significand.plan.experiment import Experiment
from significand.results.records import METHOD, SCHEMA_VERSION, Run
from significand.results.store import FLEET, HOSTS, MANIFEST, RAW_RUNS, write_csv, write_json

EPYC: dict[str, object] = {
    "cpu": "AMD EPYC 9654 96-Core Processor",
    "instruction_sets": ["avx2", "avx512f", "bf16", "vnni"],
    "physical_cores": 96,
    "memory_mb": 405_000.0,
}
XEON: dict[str, object] = {
    "cpu": "Intel(R) Xeon(R) CPU E5-2680 v4",
    "instruction_sets": ["avx2"],
    "physical_cores": 14,
    "memory_mb": 135_000.0,
}
CORE: dict[str, object] = {
    "cpu": "Intel(R) Core(TM) i7-1260P",
    "instruction_sets": ["avx2", "vnni"],
    "physical_cores": 12,
    "memory_mb": 16_000.0,
}
SPEEDS = {"AMD EPYC 9654 96-Core Processor": 1.9, "Intel(R) Xeon(R) CPU E5-2680 v4": 1.1}
"""How many times faster than float32 int8 is, by processor; on others 1.5."""

VERSIONS = {"significand": "0.1.0", "onnxruntime": "1.32.0", "torch": "2.13.0"}


def hosts_of(kinds: Sequence[tuple[Mapping[str, object], int]]) -> dict[str, dict[str, object]]:
    """Return so many machines of each kind, by their names."""
    made: dict[str, dict[str, object]] = {}
    for machine, count in kinds:
        for _ in range(count):
            name = f"node{len(made) + 1:02}"
            made[name] = {"host": name, "os": "Linux-6.1", "python": "3.13.1", "versions": VERSIONS, **machine}
    return made


def host_runs(
    experiment: Experiment, machine: Mapping[str, object], *, shake: int, apart: float = 0.03, spread: float = 0.01
) -> list[Run]:
    """Return the runs of a host: int8 as fast as its processor has it, and a little of its own."""
    own = np.random.default_rng([shake, 1])
    times = SPEEDS.get(str(machine["cpu"]), 1.5) * float(np.exp(apart * own.normal()))
    fast = {setup.name: times if setup.precision == "int8" else 1.0 for setup in experiment.setups()}
    base = float(np.exp(0.5 * own.normal()))
    return [
        replace(
            run,
            inference_latency_per_sample_s=run.inference_latency_per_sample_s * base,
            round_latencies_s=" ".join(f"{base * float(one):.9g}" for one in run.round_latencies_s.split()),
        )
        for run in grid_runs(experiment, speed=fast, spread=spread, shake=shake)
    ]


def write_host(
    folder: Path, experiment: Experiment, machine: Mapping[str, object], runs: Sequence[Run], **facts: object
) -> Path:
    """Write a host's result folder."""
    folder.mkdir(parents=True)
    manifest: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "experiment": experiment.to_json(),
        "data_sha256": None,
        "method": METHOD,
        "machine": machine,
        "state": "finished",
        "started_utc": "2026-01-02T03:04:05.678+00:00",
    }
    write_json(manifest | facts, folder / MANIFEST)
    write_csv([run.to_row() for run in runs], folder / RAW_RUNS, [column.name for column in fields(Run)])
    return folder


def made_up_fleet(
    folder: Path,
    kinds: Sequence[tuple[Mapping[str, object], int]] = ((EPYC, 4), (XEON, 3), (CORE, 1)),
    *,
    hosts: str = "each",
    apart: float = 0.03,
    keep: Mapping[str, Sequence[int]] | None = None,
    **changes: object,
) -> Path:
    """Write a fleet's folder.

    Parameters
    ----------
    kinds
        Machines, and how many there are of each.
    hosts
        As in fleet.json.
    apart
        Standard deviation between hosts of a kind of the log ratio.
    keep
        By host, which repeats it has; by default all.
    **changes
        Fields of the experiment.
    """
    experiment = grid_experiment(
        **{"precision_modes": ("float32", "int8"), "engine": "onnxruntime", "batch_size": 16, "repeats": 5} | changes
    )
    blocks: list[dict[str, object]] = []
    for shake, (name, machine) in enumerate(hosts_of(kinds).items()):
        runs = host_runs(experiment, machine, shake=shake, apart=apart)
        kept = set(keep[name]) if keep is not None else set(range(experiment.repeats))
        write_host(folder / HOSTS / name, experiment, machine, [run for run in runs if run.repeat in kept])
        blocks += [
            {
                "repeat": repeat,
                "host": name,
                "attempt": 1,
                "state": "finished",
                "submitted_utc": "2026-01-02T03:04:05+00:00",
                "started_utc": f"2026-01-02T03:{5 + repeat:02}:00+00:00",
                "ended_utc": f"2026-01-02T03:{5 + repeat:02}:50+00:00",
                "reason": "",
            }
            for repeat in sorted(kept)
        ]
    facts = {
        "schema_version": SCHEMA_VERSION,
        "experiment": experiment.to_json(),
        "hosts": hosts,
        "place": "merge",
        "state": "finished",
        "blocks": blocks,
    }
    write_json(facts, folder / FLEET)
    return folder
