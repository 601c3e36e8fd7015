"""How long does a fleet of many hosts take from its folders to its page, and how does that grow?

``python benchmarks/fleet_scale.py`` takes some three minutes and writes up to 200 MB into a temporary folder. Hosts of
six kinds are made up from the runs of one: 12 setups, 30 repeats each. For 10, 100 and 1,000 hosts, of 360,000 runs in
all, it prints the seconds of reading, of the statistics and of all files, each in a process of its own, with its peak
memory and the sizes of what it writes.

Exits with 1 where a thousand hosts take more than 60 s or 1.5 GB, or the page is larger than 5 MB.
"""  # noqa: D400 - a question

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import polars as pl

from significand.plan.experiment import Surroundings, plan_experiment
from significand.results.records import METHOD, SCHEMA_VERSION, Run
from significand.results.store import FLEET, HOSTS, MANIFEST, RAW_RUNS, write_json
from significand.results.table import table_of

REPEATS, KINDS, ROUNDS = 30, 6, 20
MOST_S, MOST_MB, MOST_PAGE_MB = 60.0, 1500.0, 5.0

_ONE = """
import json, resource, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
start = time.perf_counter()
from significand.answers.fleet import read_answer
from significand.fleet_files import write_fleet
imported = time.perf_counter()
answer = read_answer(folder)
read = time.perf_counter()
answer.ratios
said = time.perf_counter()
del answer
written = write_fleet(folder)
done = time.perf_counter()
assert not written.missing, written.missing
sizes = {path.name: path.stat().st_size / 1e6 for path in written.files}
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(json.dumps({"import": imported - start, "read": read - imported, "statistics": said - read,
                  "all": done - said, "peak_mb": peak_mb, "sizes": sizes}))
"""


def make_fleet(folder: Path, hosts: int) -> None:
    """Write a fleet whose hosts differ in speed, in their ratios, and in every run."""
    random = np.random.default_rng(hosts)
    experiment = plan_experiment(
        {
            "layer_sizes": [16, 32, 4],
            "activations": ["relu", "softmax"],
            "precision_modes": ["float32", "float16", "int8"],
            "data": "synthetic",
            "n_samples": 200,
            "batch_size": [1, 8, 32, 128],
            "repeats": REPEATS,
        },
        Surroundings({"onnxruntime": ("float32", "float16", "int8")}, lambda name, column: None),  # noqa: ARG005
    )
    setups = experiment.setups()
    base = table_of(
        [
            Run(
                seed=42 + repeat,
                repeat=repeat,
                precision_mode=setup.precision,
                setup=setup.name,
                engine=setup.engine,
                batch_size=setup.batch_size,
                threads=1,
                effective_precision=setup.precision,
                training_precision="float32",
                final_train_accuracy=0.9,
                test_accuracy=0.88,
                model_size_mb=1.0,
                energy_kind="estimated",
                energy_source="cpu-time",
                memory_method="high-water mark",
                steps=20,
            )
            for repeat in range(REPEATS)
            for setup in setups
        ]
    ).frame
    is_int8 = (base["precision_mode"] == "int8").to_numpy()
    started = "2026-01-02T03:04:05+00:00"
    blocks = []
    for number in range(hosts):
        name = f"node{number:04}"
        target = folder / HOSTS / name
        target.mkdir(parents=True)
        machine = {"host": name, "cpu": f"Made-up processor {number % KINDS}", "instruction_sets": ["avx2", "vnni"]}
        manifest = {"schema_version": SCHEMA_VERSION, "experiment": experiment.to_json(), "machine": machine}
        write_json({**manifest, "method": METHOD, "state": "finished", "started_utc": started}, target / MANIFEST)
        speed = np.exp(0.3 * random.normal())
        own_s = 2e-6 * speed * np.where(is_int8, 0.5 * np.exp(0.05 * random.normal()), 1.0)
        rounds_s = own_s[:, None] * np.exp(0.01 * random.normal(size=(base.height, ROUNDS)))
        base.with_columns(
            pl.Series("round_latencies_s", [" ".join(map(repr, one)) for one in rounds_s.tolist()]),
            pl.Series("inference_latency_per_sample_s", np.median(rounds_s, axis=1)),
            pl.Series("train_time_per_epoch_s", 0.1 * speed * np.exp(0.01 * random.normal(size=base.height))),
            pl.Series("peak_memory_mb", 20 * np.exp(0.01 * random.normal(size=base.height))),
        ).select([one.name for one in fields(Run)]).write_csv(target / RAW_RUNS)
        times = {"submitted_utc": started, "started_utc": started, "ended_utc": started, "reason": ""}
        blocks += [
            {"repeat": repeat, "host": name, "attempt": 1, "state": "finished", **times} for repeat in range(REPEATS)
        ]
    facts = {"schema_version": SCHEMA_VERSION, "experiment": experiment.to_json(), "hosts": "each", "state": "finished"}
    write_json({**facts, "place": "made up", "blocks": blocks}, folder / FLEET)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Time of a fleet's files against its number of hosts.")
    parser.add_argument("--hosts", type=int, nargs="+", default=[10, 100, 1000])
    counts = parser.parse_args().hosts
    print("hosts    runs  import  read  statistics  all files  peak MB  page MB  ratios CSV MB  runs CSV MB")
    missed = False
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            make_fleet(Path(folder), count)
            print(f"(made in {time.perf_counter() - start:.0f} s)", file=sys.stderr)
            done = subprocess.run([sys.executable, "-c", _ONE, folder], check=True, capture_output=True, text=True)
        told = json.loads(done.stdout)
        sizes = told["sizes"]
        print(
            f"{count:5} {count * REPEATS * 12:7,} {told['import']:7.1f} {told['read']:5.1f} {told['statistics']:11.1f} "
            f"{told['all']:10.1f} {told['peak_mb']:8.0f} {sizes['report.html']:8.2f} {sizes['host_ratios.csv']:14.1f} "
            f"{sizes['raw_runs.csv']:12.1f}",
            flush=True,
        )
        missed |= told["all"] > MOST_S or told["peak_mb"] > MOST_MB or sizes["report.html"] > MOST_PAGE_MB
    print("all files: read again, worked out and written, as `significand report` does")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
