"""What the noise meter is worth: the same job on a quiet machine and beside one busy process.

Run it on an otherwise idle machine with two or more CPUs: ``python benchmarks/noise.py``; it takes about fifteen
minutes, with --quick four.
The job measures float32 and int8 on ONNX Runtime with as many threads as there are CPUs. Its result is the ratio of
their latencies in each repeat, round by round. The reference is the ratio over many quiet repeats. Conditions
alternate, so that a machine that drifts hits all of them.
"""

import argparse
import csv
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from significand.analysis.ratios import Costs, log_ratios
from significand.analysis.turns import latencies_beside
from significand.job import run_experiment_in
from significand.meters.machine import available_cpus

JOB: dict[str, object] = {
    "layer_sizes": [784, 512, 512, 10],
    "activations": ["relu", "relu", "softmax"],
    "data": "synthetic",
    "n_samples": 512,
    "precision_modes": ["float32", "int8"],
    "epochs": 2,
    "seed": 1,
}

BURN = "import os\nos.sched_setaffinity(0, {max(os.sched_getaffinity(0))})\nwhile True: pass"
"""Keeps one CPU busy, always the same."""

BURSTS = """
import os, random, time
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
random.seed(1)
while True:
    end = time.perf_counter() + random.expovariate(1.0)
    while time.perf_counter() < end: pass
    time.sleep(random.expovariate(1.0))
"""
"""The same, for a second on average, then idle for a second on average."""


@dataclass(frozen=True)
class Condition:
    """How the job is run, and beside what."""

    name: str
    load: str
    options: dict[str, object]


@dataclass
class Seen:
    """What one condition gave."""

    log_ratios: list[float] = field(default_factory=list)
    first_shares: list[bool] = field(default_factory=list)  # was the first measurement of a step marked?
    steps: int = 0
    remeasured: int = 0
    still_disturbed: int = 0
    elapsed_s: float = 0.0


OFF: dict[str, object] = {"on_noise": "mark"}
ON: dict[str, object] = {"on_noise": "remeasure"}

CONDITIONS = (
    Condition("quiet, off", "", OFF),
    Condition("quiet, on", "", ON),
    Condition("busy process, off", BURN, OFF),
    Condition("busy process, on", BURN, ON),
    Condition("busy process, on, no priority", BURN, ON | {"remeasure_nice": 0}),
    Condition("bursts, off", BURSTS, OFF),
    Condition("bursts, on", BURSTS, ON),
    Condition("bursts, on, no priority", BURSTS, ON | {"remeasure_nice": 0}),
)


@contextmanager
def load(code: str) -> Iterator[None]:
    """Keep a process with that code beside the block; none where there is no code."""
    if not code:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        time.sleep(0.3)
        yield
    finally:
        process.kill()
        process.wait()


def measure(options: dict[str, object], repeats: int, seen: Seen) -> None:
    """Run the job and add what it gave."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_experiment_in(folder, JOB | {"threads": available_cpus(), "repeats": repeats} | options)
        with (Path(folder) / "steps.csv").open(encoding="utf-8", newline="") as file:
            seen.first_shares += [row["disturbed"] == "true" for row in csv.DictReader(file) if row["attempt"] == "0"]
    runs = outcome.results.runs
    ours, theirs = (runs.rows_of(runs.setups.index(mode)) for mode in ("float32", "int8"))
    beside_s, repeats_of = latencies_beside(runs, theirs), runs.counts("repeat")
    seen.log_ratios += log_ratios(*(Costs(repeats_of[rows], beside_s[rows]) for rows in (ours, theirs))).tolist()
    seen.steps += sum(run.steps for run in outcome.runs)
    seen.remeasured += sum(run.remeasured_steps for run in outcome.runs)
    seen.still_disturbed += sum(run.disturbed_steps for run in outcome.runs)
    seen.elapsed_s += time.perf_counter() - begin


def rms(values: Sequence[float]) -> float:
    """Return the root of the mean square."""
    return math.sqrt(statistics.fmean(value * value for value in values))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4, help="times every condition is visited")
    parser.add_argument("--repeats", type=int, default=4, help="repeats of the job at each visit")
    parser.add_argument("--quick", action="store_true", help="leave out the bursts and the runs without priority")
    arguments = parser.parse_args()
    conditions = CONDITIONS[:4] if arguments.quick else CONDITIONS
    reference, seen = Seen(), {condition.name: Seen() for condition in conditions}
    for _ in range(arguments.rounds):
        measure(ON, arguments.repeats, reference)
        for condition in conditions:
            with load(condition.load):
                measure(condition.options, arguments.repeats, seen[condition.name])
        measure(ON, arguments.repeats, reference)
    true = statistics.median(reference.log_ratios)
    errors = {name: [one - true for one in each.log_ratios] for name, each in seen.items()}
    quiet = rms(errors["quiet, on"])
    print(
        f"{os.cpu_count()} CPUs; reference: float32/int8 latency {math.exp(true):.2f}, median of "
        f"{len(reference.log_ratios)} quiet repeats, whose own rms error is "
        f"{math.expm1(rms([one - true for one in reference.log_ratios])):.1%} and of whose steps "
        f"{reference.remeasured / reference.steps:.1%} were disturbed; superuser: {os.geteuid() == 0}"
    )
    print(
        f"{'condition':<30} {'ratio':>6} {'rms error':>9} {'/ quiet':>8} {'marked':>7} {'remeas.':>8} {'left':>6} "
        f"{'s/run':>6}"
    )
    for name, one in seen.items():
        error = rms(errors[name])
        print(
            f"{name:<30} {math.exp(statistics.fmean(one.log_ratios)):6.2f} {math.expm1(error):9.1%} "
            f"{error / quiet:8.2f} {statistics.fmean(one.first_shares):7.1%} {one.remeasured / one.steps:8.1%} "
            f"{one.still_disturbed / one.steps:6.1%} {one.elapsed_s / (2 * len(one.log_ratios)):6.2f}"
        )
    print("rms error: of a repeat's ratio against the reference. marked: steps called disturbed at the first try;")
    print("remeas.: measured again; left: still disturbed.")
    for name, others, bound in (
        ("busy process, on", "quiet, on", 1.5),
        ("busy process, off", "busy process, on", None),
    ):
        low, high = error_ratio_interval(errors[name], errors[others])
        ratio = rms(errors[name]) / rms(errors[others])
        target = "" if bound is None else f"; target at most {bound}: {'met' if ratio <= bound else 'missed'}"
        print(f"error of '{name}' / '{others}': {ratio:.2f}, 95 % bootstrap interval {low:.2f} to {high:.2f}{target}")
    marked = statistics.fmean(seen["busy process, off"].first_shares)
    false = statistics.fmean([*seen["quiet, off"].first_shares, *seen["quiet, on"].first_shares])
    print(f"marked beside the busy process {marked:.1%}; target at least 90 %: {'met' if marked >= 0.9 else 'missed'}")
    print(f"marked when quiet {false:.1%}; target at most 5 %: {'met' if false <= 0.05 else 'missed'}")


def error_ratio_interval(errors: Sequence[float], others: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % percentile interval of the ratio of two rms errors, over resampled repeats."""
    chance = np.random.default_rng(0)
    ratios = [
        rms(chance.choice(errors, len(errors)).tolist()) / rms(chance.choice(others, len(others)).tolist())
        for _ in range(2000)
    ]
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
