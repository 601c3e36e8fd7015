"""How large a result folder may be: its commands in fresh processes, time and memory beside their targets.

``python benchmarks/scale_folders.py`` makes folders of 12 setups that nobody measured, 30,000 runs to a million (with
``--largest`` 3 million), and gives each to `significand table`, `compare`, `report` and, from Python, `load`. Time is
of the whole process, imports included, and so is that of its CPUs; memory is its peak (``wait4``, getrusage(2)). How
time grows is shown beside what n log n would make it.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from significand.engines.base import engine_modes
from significand.plan.experiment import Surroundings, plan_experiment
from significand.results.records import METHOD, SCHEMA_VERSION
from significand.results.table import POLARS_TYPES, TYPES
from significand.workload.data import DataSources

SETUPS = ("float32", *(f"setup-{place:02d}" for place in range(1, 12)))
ROUNDS = 10
SIZES = (30_000, 100_000, 300_000, 1_000_000)
TARGETS = {300_000: (10.0, 2_000.0), 3_000_000: (60.0, math.inf)}
"""By number of runs: seconds and MB of each command."""

LOAD = "import significand, sys; r = significand.load(sys.argv[1]); r.runs, r.summary, r.comparisons"


def made_up(folder: Path, n_runs: int, seed: int) -> None:
    """Write a result folder of so many runs, of which one in a thousand failed."""
    random = np.random.default_rng(seed)
    repeats = n_runs // len(SETUPS)
    n = repeats * len(SETUPS)
    setup, repeat = np.tile(np.arange(len(SETUPS)), repeats), np.repeat(np.arange(repeats), len(SETUPS))
    cost = (1 + 0.03 * setup) * np.exp(0.02 * random.normal(size=n))
    failed = random.random(n) < 0.001
    values: dict[str, pl.Series] = {}
    for name, kind in TYPES.items():
        if kind is float:
            values[name] = pl.Series(name, cost * random.uniform(0.5, 2)).set(pl.Series(failed), None)
        elif kind is int:
            values[name] = pl.Series(name, np.ones(n, dtype=np.int64))
        elif kind is bool:
            values[name] = pl.Series(name, np.ones(n, dtype=np.bool_))
        else:
            values[name] = pl.Series(name, [""]).new_from_index(0, n)
    latency_s = 2e-6 * cost
    accuracy = np.clip(0.9 - 0.003 * setup + 0.002 * random.normal(size=n), 0, 1)
    rounds_s = latency_s[:, None] * np.exp(0.01 * random.normal(size=(n, ROUNDS)))
    words = pl.DataFrame(rounds_s).select(pl.concat_str(pl.all().cast(pl.String), separator=" "))
    values |= {
        "seed": pl.Series(repeat + 42),
        "repeat": pl.Series(repeat),
        "precision_mode": pl.Series(np.array(SETUPS)[setup].tolist()),
        "setup": pl.Series(np.array(SETUPS)[setup].tolist()),
        "status": pl.Series(np.where(failed, "failed", "finished").tolist()),
        "reason": pl.Series(np.where(failed, "the loss is not finite, as it seems", "").tolist()),
        "inference_latency_per_sample_s": pl.Series(np.median(rounds_s, axis=1)).set(pl.Series(failed), None),
        "final_train_accuracy": pl.Series(accuracy).set(pl.Series(failed), None),
        "test_accuracy": pl.Series(accuracy - 0.05).set(pl.Series(failed), None),
        "round_latencies_s": words.to_series(),
        "steps": pl.Series(np.full(n, 20)),
        "disturbed_steps": pl.Series((random.random(n) < 0.01).astype(np.int64)),
        "remeasured_steps": pl.Series(np.zeros(n, dtype=np.int64)),
        "unknown_steps": pl.Series(np.zeros(n, dtype=np.int64)),
        "session": pl.Series(np.zeros(n, dtype=np.int64)),
        "steady_from_round": pl.Series(np.zeros(n, dtype=np.int64)),
    }
    texts = {
        "layer_sizes": "64x128x10",
        "engine": "onnxruntime",
        "training_precision": "float32",
        "effective_precision": "float32",
        "memory_method": "high-water mark, reset",
        "energy_kind": "estimated",
        "energy_source": "cpu-time",
        "energy_assumptions": "12 W per busy core; nothing is known of memory, of idling",
        "data": "digits",
        "activations": "relu+softmax",
        "optimizer": "sgd",
        "label": "",
    }
    values |= {name: pl.Series([text]).new_from_index(0, n) for name, text in texts.items()}
    frame = pl.DataFrame({name: values[name].cast(POLARS_TYPES[kind]) for name, kind in TYPES.items()})
    folder.mkdir()
    frame.write_csv(folder / "raw_runs.csv", line_terminator="\r\n", quote_style="necessary")
    fields = plan_experiment({"repeats": repeats}, Surroundings(engine_modes(), DataSources().facts)).to_json()
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "experiment": fields | {"precision_modes": SETUPS},
        "method": METHOD,
        "machine": {"host": "made up", "cpu": "made up", "versions": {}},
        "state": "finished",
        "started_utc": "2026-01-02T03:04:05.678+00:00",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def measured(words: Sequence[str]) -> tuple[float, float, float]:
    """Return seconds on the wall and on the CPUs, and peak memory in MB (10^6 bytes), of a command."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"{words} ended with {process.returncode}: {output.read().decode()}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def main() -> None:
    """Make the folders, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="runs of the folders")
    parser.add_argument("--largest", action="store_true", help="3 million runs, too; takes some 8 GB of disk")
    arguments = parser.parse_args()
    program = [sys.executable, "-m", "significand"]
    before: dict[str, tuple[int, float]] = {}
    print(
        f"{'command':<10}{'runs':>12}{'file MB':>10}{'s':>8}{'CPU s':>8}{'peak MB':>10}{'times':>8}{'n log n':>9}"
        "  target"
    )
    for size in [*arguments.sizes, *([3_000_000] if arguments.largest else [])]:
        with tempfile.TemporaryDirectory() as scratch:
            old, new = Path(scratch) / "old", Path(scratch) / "new"
            made_up(old, size, 1)
            made_up(new, size, 2)
            size_mb = (old / "raw_runs.csv").stat().st_size / 1e6
            for name, words in {
                "table": [*program, "table", str(old)],
                "compare": [*program, "compare", str(old), str(new)],
                "report": [*program, "report", str(old)],
                "load": [sys.executable, "-c", LOAD, str(old)],
            }.items():
                time_s, cpu_s, peak_mb = measured(words)
                line = f"{name:<10}{size:>12,}{size_mb:>10.0f}{time_s:>8.1f}{cpu_s:>8.1f}{peak_mb:>10.0f}"
                smaller, earlier_s = before.get(name, (0, 0.0))
                growth = size * math.log(size) / (smaller * math.log(smaller)) if smaller else math.nan
                line += f"{time_s / earlier_s:>8.1f}{growth:>9.1f}" if smaller else " " * 17
                if size in TARGETS:
                    most_s, most_mb = TARGETS[size]
                    line += f"  <= {most_s:g} s" + (f", {most_mb:g} MB" if math.isfinite(most_mb) else "")
                print(line, flush=True)
                before[name] = (size, time_s)


if __name__ == "__main__":
    main()
