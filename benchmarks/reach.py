"""How long it takes to know a latency of about 1 ms to within 1 %, beside pyperf with its defaults.

``python benchmarks/reach.py --venv folder --trials 20`` takes about a quarter of an hour on an otherwise idle machine.
The same network is measured by ``significand run --until 1%`` (one precision mode, so the interval is its mean's) and
by ``pyperf timeit`` with its defaults, whose interval is Student's over the means of its processes. The batch size is
chosen so that a call takes about 1 ms here. Which tool goes first changes from trial to trial. An interval covers where
it contains the mean of all of the tool's trials: each has its own truth, because what is around the call differs.
Means and intervals are those of logs, as where the product decides that it has measured enough.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

import rivals
from rival_calls import bare_s, make
from significand.analysis.intervals import Estimate, mean_t
from significand.analysis.stopping import ratio_half_width
from significand.job import run_experiment_in

LAYERS = (512, 512, 512, 10)
CALL_S = 1e-3
TARGET = 0.01
DEFAULT_PYPERF_S = 18.0

JOB: dict[str, object] = {
    "layer_sizes": LAYERS,
    "activations": ["relu", "relu", "softmax"],
    "data": "synthetic",
    "n_samples": 64,
    "precision_modes": ["float32"],
    "epochs": 1,
    "until": TARGET,
    "max_repeats": 200,
}


@dataclass
class Seen:
    """What a tool's trials gave: the mean log of the seconds per call, its relative half-width, how long it took."""

    estimates: list[Estimate] = field(default_factory=list)
    half_widths: list[float] = field(default_factory=list)
    taken_s: list[float] = field(default_factory=list)

    def add(self, values_s: Sequence[float], taken_s: float) -> None:
        """Keep one trial."""
        logs = np.log(values_s).tolist()
        self.estimates.append(mean_t(logs))
        self.half_widths.append(ratio_half_width(logs))
        self.taken_s.append(taken_s)


def batch_size_for(path: Path, threads: int) -> int:
    """Return the batch size with which a call takes about 1 ms."""
    tried = 64
    call = make(f"network|{path}|{tried}|{threads}|0.0")
    taken_s = min(bare_s(call) for _ in range(5))  # the fastest: whatever else runs only adds
    return max(1, round(tried * CALL_S / taken_s))


def with_significand(folder: Path, batch_size: int, arguments: argparse.Namespace, seen: Seen) -> None:
    """Run until the interval is narrow enough."""
    fields = JOB | {
        "batch_size": batch_size,
        "threads": arguments.threads,
        "latency_rounds": arguments.rounds,
        "repeats": arguments.repeats,
    }
    begin = time.perf_counter()
    runs = run_experiment_in(folder, fields).runs
    taken_s = time.perf_counter() - begin
    seen.add([batch_size * run.inference_latency_per_sample_s for run in runs if run.finished], taken_s)


def with_pyperf(python: Path, path: Path, call: str, options: list[str], seen: Seen) -> None:
    """Measure with pyperf's defaults."""
    path.unlink(missing_ok=True)
    begin = time.perf_counter()
    measured = rivals.measure_pyperf(python, call, path, *options)
    seen.add(measured.values_s, time.perf_counter() - begin)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--venv", type=Path, required=True, help="folder for the other tools; made where it is not there"
    )
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1, help="of the session, for both tools")
    parser.add_argument("--repeats", type=int, default=10, help="repeats of significand at least")
    parser.add_argument("--rounds", type=int, default=10, help="latency rounds per run of significand")
    parser.add_argument("--pyperf-options", default="", help="such as --fast, for a first look")
    arguments = parser.parse_args()
    python = rivals.environment(arguments.venv)
    print(rivals.versions(python))
    seen = {"significand": Seen(), "pyperf": Seen()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network = folder / "network.onnx"
        rivals.write_network(network, LAYERS)
        batch_size = batch_size_for(network, arguments.threads)
        call = f"network|{network}|{batch_size}|{arguments.threads}|0.0"
        print(f"batch size {batch_size}: {1e3 * bare_s(make(call)):.3g} ms a call in a plain loop")
        options = arguments.pyperf_options.split()
        for trial in range(arguments.trials):
            for tool in list(seen)[:: 1 if trial % 2 else -1]:
                if tool == "pyperf":
                    with_pyperf(python, folder / "pyperf.json", call, options, seen[tool])
                else:
                    with_significand(folder / f"trial {trial}", batch_size, arguments, seen[tool])
                latest = seen[tool]
                print(
                    trial + 1,
                    tool,
                    f"{latest.taken_s[-1]:.1f} s, +-{latest.half_widths[-1]:.2%}",
                    file=sys.stderr,
                    flush=True,
                )
    print(f"{'tool':<14}{'s, median':>10}{'s, max':>8}{'call, ms':>10}{'+-, median':>12}{'+- <= 1 %':>11}  coverage")
    for tool, one in seen.items():
        truth = math.fsum(each.point for each in one.estimates) / len(one.estimates)
        covered = sum(each.low <= truth <= each.high for each in one.estimates)
        interval = binomtest(covered, len(one.estimates)).proportion_ci()
        print(
            f"{tool:<14}{np.median(one.taken_s):>10.1f}{max(one.taken_s):>8.1f}{1e3 * math.exp(truth):>10.4f}"
            f"{np.median(one.half_widths):>12.2%}{np.mean([width <= TARGET for width in one.half_widths]):>11.0%}"
            f"  {covered}/{len(one.estimates)} ({interval.low:.0%} to {interval.high:.0%})"
        )
    print(
        f"Target: significand within half of pyperf's default ({DEFAULT_PYPERF_S:g} s on 2 cores), with equal coverage."
    )


if __name__ == "__main__":
    main()
