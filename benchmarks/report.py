"""How long the page of a large experiment takes, and how large it is: 12 setups x 30 repeats, a million calls.

``python benchmarks/report.py`` makes the results up, then builds the page in fresh processes: with the script of the
charts in the cache, and without it.
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from significand.engines.base import engine_modes
from significand.plan.experiment import Surroundings, plan_experiment
from significand.results.records import METHOD, SCHEMA_VERSION, Run
from significand.results.store import DETAILS, MANIFEST, RAW_RUNS, write_csv, write_json

SETUPS, REPEATS, ROUNDS, CALLS, EPOCHS = 12, 30, 10, 280, 10
TRIES = 5
TARGET_S, TARGET_MB = 3.0, 3.0

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


def make_up(folder: Path) -> None:
    """Write a result folder as an experiment leaves it, with values that nobody measured."""
    random = np.random.default_rng(0)
    (folder / DETAILS).mkdir(parents=True)
    modes = [f"made-up-{setup}" for setup in range(SETUPS)]
    runs = []
    for repeat in range(REPEATS):
        for setup, mode in enumerate(modes):
            latency_s = 1e-6 * (1 + 0.1 * setup) * float(np.exp(0.02 * random.normal()))
            run = Run(
                seed=repeat,
                repeat=repeat,
                precision_mode=mode,
                effective_precision=mode,
                engine="onnxruntime",
                batch_size=32,
                calls_per_timing=1,
                train_time_per_epoch_s=0.1 * float(np.exp(0.02 * random.normal())),
                inference_latency_per_sample_s=latency_s,
                peak_memory_mb=20 + random.normal(),
                final_train_accuracy=0.9 + 0.002 * setup + 0.01 * random.normal(),
                test_accuracy=0.88 + 0.01 * random.normal(),
                model_size_mb=1.0 + setup,
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
    experiment = plan_experiment({"repeats": REPEATS}, Surroundings(engine_modes(), lambda *_: None))
    facts = {"schema_version": SCHEMA_VERSION, "method": METHOD, "state": "finished", "machine": {"cpu": "made up"}}
    fields = experiment.to_json() | {"precision_modes": modes}
    write_json(facts | {"experiment": fields, "started_utc": "2026-01-01T00:00:00+00:00"}, folder / MANIFEST)


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
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "results"
        make_up(folder)
        print(f"{SETUPS} setups x {REPEATS} repeats, {SETUPS * REPEATS * ROUNDS * CALLS:,} calls; {TRIES} tries each")
        print(f"{'script of the charts':<24}{'s, median':>10}{'s, max':>8}{'page, MB':>10}  torch imported")
        for name, shared in (("made anew", False), ("in the cache", True)):
            tries = [build(folder, Path(place) / ("cache" if shared else f"{name} {k}")) for k in range(TRIES + shared)]
            tries = tries[shared:]  # the first one fills the cache
            times_s = [taken_s for taken_s, _, _ in tries]
            print(
                f"{name:<24}{np.median(times_s):>10.2f}{max(times_s):>8.2f}{max(mb for _, mb, _ in tries):>10.2f}"
                f"  {'yes' if any(torch for _, _, torch in tries) else 'no'}"
            )
        print(f"Targets: at most {TARGET_S:g} s, less than {TARGET_MB:g} MB, no torch.")


if __name__ == "__main__":
    main()
