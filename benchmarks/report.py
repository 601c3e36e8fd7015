"""How long the page of a large experiment takes, and how large it is: 12 and 48 setups x 30 repeats.

``python benchmarks/report.py`` makes the results up, then builds the page in fresh processes: with the script of the
charts in the cache, and without it.
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from significand.engines.base import engine_modes
from significand.plan.experiment import Surroundings, plan_experiment
from significand.results.records import METHOD, SCHEMA_VERSION, Run
from significand.results.store import DETAILS, MANIFEST, RAW_RUNS, write_csv, write_json
from significand.workload.data import DataSources

REPEATS, ROUNDS, CALLS, EPOCHS = 30, 10, 280, 10
TRIES = 5
PRECISIONS = ("float32", "float16", "int8", "int8-dynamic")


@dataclass(frozen=True)
class Shape:
    """Axes of an experiment beside its precisions, and what its page may take and be."""

    axes: dict[str, object]
    most_s: float
    most_mb: float


SHAPES = (
    Shape({"batch_size": [1, 8, 32]}, 3.0, 3.0),
    Shape({"batch_size": [1, 2, 4, 8, 16, 32], "threads": [1, 2]}, 4.0, 4.0),
)

BUILD = """
import json, sys, time
begin = time.perf_counter()
from pathlib import Path
from significand.answers.folder import read_folder
from significand.present.page import write_report
path = write_report(read_folder(Path(sys.argv[1])))
taken_s = time.perf_counter() - begin
print(json.dumps([taken_s, path.stat().st_size / 1e6, "torch" in sys.modules]))
"""


def make_up(folder: Path, axes: dict[str, object]) -> int:
    """Write a result folder as an experiment leaves it, with values that nobody measured; return its setups."""
    random = np.random.default_rng(0)
    (folder / DETAILS).mkdir(parents=True)
    fields = {"precision_modes": PRECISIONS, "repeats": REPEATS, "latency_rounds": ROUNDS, "epochs": EPOCHS} | axes
    experiment = plan_experiment(fields, Surroundings(engine_modes(), DataSources().facts))
    runs = []
    for repeat in range(REPEATS):
        for place, setup in enumerate(experiment.setups()):
            latency_s = 1e-6 * (1 + 0.1 * place) * float(np.exp(0.02 * random.normal()))
            rounds_s = latency_s * np.exp(0.01 * random.normal(size=ROUNDS))
            run = Run.of(
                setup,
                repeat,
                repeat,
                effective_precision=setup.precision,
                calls_per_timing=1,
                round_latencies_s=" ".join(map(str, rounds_s.tolist())),
                train_time_per_epoch_s=0.1 * float(np.exp(0.02 * random.normal())),
                inference_latency_per_sample_s=float(np.median(rounds_s)),
                peak_memory_mb=20 + random.normal(),
                final_train_accuracy=0.9 + 0.002 * place + 0.01 * random.normal(),
                test_accuracy=0.88 + 0.01 * random.normal(),
                model_size_mb=1.0 + place,
                energy_per_epoch_j=1.0,
                energy_kind="estimated",
            )
            runs.append(run)
            steps = EPOCHS + ROUNDS
            np.savez(
                folder / DETAILS / f"{run.name}.npz",
                epoch_time_s=0.1 * np.exp(0.02 * random.normal(size=EPOCHS)),
                epoch_loss=2 / np.arange(1, EPOCHS + 1),
                call_latency_s=32 * latency_s * np.exp(0.1 * random.normal(size=ROUNDS * CALLS)),
                call_round=np.repeat(np.arange(ROUNDS), CALLS),
                step_phase=np.array(["training"] * EPOCHS + ["inference"] * ROUNDS),
                step_index=np.array([*range(EPOCHS), *range(ROUNDS)]),
                step_attempt=np.zeros(steps, dtype=int),
                step_time_s=np.exp(0.02 * random.normal(size=steps)),
                step_disturbed=random.random(steps) < 0.02,
                step_counted=np.ones(steps, dtype=bool),
            )
    write_csv([run.to_row() for run in runs], folder / RAW_RUNS, [field.name for field in dataclasses.fields(Run)])
    facts = {"schema_version": SCHEMA_VERSION, "method": METHOD, "state": "finished", "machine": {"cpu": "made up"}}
    told = {"experiment": experiment.to_json(), "started_utc": "2026-01-01T00:00:00+00:00"}
    write_json(facts | told, folder / MANIFEST)
    return len(experiment.setups())


def build(folder: Path, cache: Path) -> tuple[float, float, bool]:
    """Build the page in a fresh process; return its seconds, the page's MB (10^6 bytes), and whether torch came in."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)],
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    taken_s, size_mb, with_torch = json.loads(done.stdout)
    return taken_s, size_mb, with_torch


def main() -> None:
    """Measure and print the table."""
    print(
        f"{'page':<20}{'calls':>12}  {'script of the charts':<22}{'s, median':>10}{'s, max':>8}{'MB':>7}  torch  target"
    )
    for shape in SHAPES:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "results"
            setups = make_up(folder, shape.axes)
            calls = setups * REPEATS * ROUNDS * CALLS
            for name, shared in (("made anew", False), ("in the cache", True)):
                caches = ["cache" if shared else f"{name} {k}" for k in range(TRIES + shared)]
                tries = [build(folder, Path(place) / cache) for cache in caches][shared:]  # the first fills the cache
                times_s = [taken_s for taken_s, _, _ in tries]
                print(
                    f"{f'{setups} setups x {REPEATS}':<20}{calls:>12,}  {name:<22}{np.median(times_s):>10.2f}"
                    f"{max(times_s):>8.2f}{max(mb for _, mb, _ in tries):>7.2f}"
                    f"  {'yes' if any(torch for _, _, torch in tries) else 'no':<5}"
                    f"  <= {shape.most_s:g} s, {shape.most_mb:g} MB, no torch"
                )


if __name__ == "__main__":
    main()
